"""Sends a test alert: by the node that runs, or in the name of one that does not run yet.

Owns the second way. It reaches whoever listens to `event`, as the node's own would, and proves that the broker lets the
node publish there.
"""

from __future__ import annotations

import time

from piapp.config.sections import Config, MqttConfig
from piapp.errors import BrokerError
from piapp.mqtt.broker_trial import publish_once
from piapp.mqtt.clock import TimeLine
from piapp.mqtt.connection_options import ConnectionOptions
from piapp.mqtt.message import Message
from piapp.mqtt.payload import PayloadWriter
from piapp.mqtt.topics import Topics
from piapp.node.assembly import node_id
from piapp.operate.ask import ask
from piapp.service.identity import boot_id, event_ids
from piapp.types import ALARM_EVENTS, PostureEvent

# A node that has just been started says that it is ready before the broker has answered it.
_ATTEMPTS = 3


def ask_for_alert(config: MqttConfig, topics: Topics, *, attempts: int = 1) -> None:
    """Have a running node send a fall, marked as a test, the way a real one goes.

    Args:
        config: The broker and how to log in.
        topics: Of the node.
        attempts: How often to ask until the node answers.

    Raises:
        BrokerError: The broker cannot be reached or refuses, or no answer came.
        RequestError: The node refused.
    """
    for attempt in range(1, attempts + 1):
        try:
            ask(config, topics, "test")
        except BrokerError:
            if attempt == attempts:
                raise
        else:
            return


def send_alert(config: Config, *, running: bool) -> str:
    """Send a test alert, and say who sent it.

    Args:
        config: The node's.
        running: Whether the node runs.

    Raises:
        BrokerError: The broker cannot be reached or refuses, or the running node does not answer.
        RequestError: The node refused.
    """
    topics = Topics(config.mqtt.base_topic, node_id(config))
    if running:
        ask_for_alert(config.mqtt, topics, attempts=_ATTEMPTS)
        return f"test alert: {topics.node} has sent fall, fallen and recovered to {topics.event}, marked as a test"
    _send_in_its_name(config, topics)
    return f"test alert: sent to {topics.event}, marked as a test, in the name of {topics.node}, which does not run yet"


def _send_in_its_name(config: Config, topics: Topics) -> None:
    boot = boot_id()
    writer, ids = PayloadWriter(topics.node, boot), event_ids(boot)
    now_ns = time.monotonic_ns()
    line = TimeLine(now_ns // 1_000_000, now_ns)
    events = [PostureEvent(kind, line.ts_ms, evidence={"text": "test"}) for kind in ALARM_EVENTS]
    payloads = [writer.event(event, line, event_id=next(ids), test=True) for event in events]
    messages = [Message(topics.event, payload.encoded(historical=False), qos=1) for payload in payloads]
    options = ConnectionOptions(config.mqtt, f"piapp-setup-{topics.node}"[:23])
    _, refused = publish_once(options, messages)
    if refused:
        raise BrokerError(f"{config.mqtt.url} refuses {refused}; allow this user {topics.root}/# in its access list")
