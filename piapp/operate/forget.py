"""`piapp forget`: takes everything that a node has left at a broker, discovery included."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from piapp.config.sections import Config, MqttConfig
from piapp.errors import BrokerError, UsageError
from piapp.mqtt import discovery
from piapp.mqtt.connecting import connected
from piapp.mqtt.connection import Connection
from piapp.mqtt.connection_options import ConnectionOptions
from piapp.mqtt.incoming import Incoming
from piapp.mqtt.message import Message
from piapp.mqtt.payload import ONLINE
from piapp.mqtt.topics import Topics

# Brokers send what they hold right after a subscription; none says that it was all.
QUIET_S = 1.0
# For a broker that holds a lot, and for one that acknowledges slowly.
DEADLINE_S = 30.0


def forget(config: Config, node: str, *, force: bool = False) -> list[str]:
    """Empty all retained topics of a node, of both forms of discovery and of any version.

    Blocks for a second or two.

    Args:
        config: The broker, the base topic and discovery's prefix.
        node: Its id.
        force: Also when it is online; it announces itself again with its next connection.

    Returns:
        The topics that held something.

    Raises:
        BrokerError: The broker cannot be reached, or refuses.
        UsageError: The node is online.
    """
    topics = Topics(config.mqtt.base_topic, node)
    device = discovery.whole_device(topics)
    refused: list[str] = []
    with _connected(config.mqtt, refused) as connection:
        filters = discovery.filters(config.homeassistant.prefix, device.id)
        held = _held(connection, [f"{topics.root}/#", *filters])
        if held.get(topics.status) == ONLINE and not force:
            raise UsageError(f"{node} is online and would announce itself again; stop it first, or give --force")
        known = [*discovery.all_topics(config.homeassistant.prefix, device), *_own_topics(topics)]
        # A broker that sends nothing to wildcards may still hold what is known to be ours.
        found = {topic: topic not in held or _may_go(topic, held[topic], topics) for topic in {*known, *held}}
        _empty(connection, sorted(topic for topic, ours in found.items() if ours))
        connection.disconnect()
    if refused:
        raise BrokerError(f"{config.mqtt.url}: refuses {', '.join(refused)}; see its access rules")
    return sorted(topic for topic in held if found[topic])


def clear(config: MqttConfig, nodes: Sequence[Topics]) -> None:
    """Empty the retained topics of nodes that have stopped and were never announced, such as simulated ones.

    Raises:
        BrokerError: The broker cannot be reached, or is slow.
    """
    with _connected(config, []) as connection:
        _empty(connection, [topic for topics in nodes for topic in _own_topics(topics)])
        connection.disconnect()


@contextmanager
def _connected(config: MqttConfig, refused: list[str]) -> Iterator[Connection]:
    """Connect with the node's login, under another client id, so that it is not thrown out, and without its will."""
    options = ConnectionOptions(config, f"piapp-forget-{secrets.token_hex(4)}")
    with connected(options, partial(_note, refused)) as connection:
        yield connection


def _note(refused: list[str], topic: str, reason: str) -> None:
    refused.append(f"{topic} ({reason})")


def _held(connection: Connection, filters: Sequence[str]) -> Mapping[str, bytes]:
    """Topics to what the broker holds for them."""
    held: dict[str, bytes] = {}
    last_s = started_s = time.monotonic()

    def found(incoming: Incoming) -> None:
        nonlocal last_s
        if incoming.retain and incoming.payload:
            held[incoming.topic] = incoming.payload
            last_s = time.monotonic()

    for topic_filter in filters:
        connection.subscribe(topic_filter, found)
    while (now_s := time.monotonic()) < min(last_s + QUIET_S, started_s + DEADLINE_S):
        connection.wait(last_s + QUIET_S - now_s)
    return held


def _may_go(topic: str, payload: bytes, topics: Topics) -> bool:
    """Whether a topic is the node's own, or holds what piapp announced."""
    return topic.startswith(f"{topics.root}/") or discovery.is_ours(payload)


def _own_topics(topics: Topics) -> Iterator[str]:
    yield from (topics.status, topics.info, topics.state, topics.health, topics.settings)


def _empty(connection: Connection, topics: Sequence[str]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    for topic in topics:
        while not connection.may_publish_acknowledged:
            _wait(connection, deadline_s)
        connection.publish(Message(topic, b"", qos=1, retain=True))
    while not connection.settled:
        _wait(connection, deadline_s)


def _wait(connection: Connection, deadline_s: float) -> None:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise BrokerError(f"the broker did not acknowledge within {DEADLINE_S:g} s; try again")
    connection.wait(left_s)
