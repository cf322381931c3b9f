"""Short connections to a broker: to try it out as a node would, and to publish a few messages.

Trying looks for Home Assistant, too. It retains nothing, and uses a client id of its own, since a broker throws out the
first of two clients with one id.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from piapp.config.sections import Config
from piapp.mqtt.connecting import connected
from piapp.mqtt.connection import Connection
from piapp.mqtt.connection_options import ConnectionOptions, MqttVersion
from piapp.mqtt.incoming import Incoming
from piapp.mqtt.message import FIRST_FAILURE_CODE, Message
from piapp.mqtt.topics import Topics

HomeAssistantSeen = Literal["online", "offline", "listening", "absent", "unknown"]
"""What is known of Home Assistant at a broker.

"online" and "offline" are what it says of itself on its status topic; "listening": somebody subscribes to discovery;
"absent": nobody does; "unknown": this broker does not tell.
"""

TRIAL_TIMEOUT_S = 10.0

# Retained messages come with the answer to the subscription; a slow broker may take a moment longer.
_STATUS_WAIT_S = 0.7
_WAIT_S = 0.1

# Reason code of PUBACK: nobody subscribes to this topic (MQTT 5, section 3.4.2.1).
_NO_MATCHING_SUBSCRIBERS = 0x10


@dataclass(frozen=True, slots=True)
class BrokerTrial:
    """What was found.

    Attributes:
        version: Of MQTT, that was spoken.
        tls: Whether the connection was encrypted.
        refused: Topics that must not be published to, with the broker's reason; 3.1.1 tells of none.
        home_assistant: What is known of Home Assistant.
    """

    version: MqttVersion
    tls: bool
    refused: tuple[str, ...]
    home_assistant: HomeAssistantSeen


def try_broker(config: Config, node: str) -> BrokerTrial:
    """Connect, publish, look for Home Assistant, and leave. Blocks for `TRIAL_TIMEOUT_S` and the look-up of the name.

    Args:
        config: The broker, and as whom to connect.
        node: The node's id.

    Raises:
        ConnectionFailedError: The broker cannot be reached, or refuses the login; with the reason.
    """
    topics = Topics(config.mqtt.base_topic, node)
    # Below `response/`, where the access rules that come with piapp let a node write what nobody keeps.
    options = ConnectionOptions(config.mqtt, f"piapp-check-{node}"[:23])
    return _Trial(options, f"{topics.root}/response/check", config.homeassistant.prefix).run()


def publish_once(options: ConnectionOptions, messages: Sequence[Message]) -> tuple[MqttVersion, str]:
    """Connect, publish and leave; the version spoken, and what was refused with the reason, or the empty string.

    Raises:
        ConnectionFailedError: The broker cannot be reached or refuses the login.
    """
    refused: list[str] = []
    deadline_s = time.monotonic() + TRIAL_TIMEOUT_S

    def note(topic: str, reason: str) -> None:
        refused.append(f"{topic} ({reason})")

    with connected(options, note, lambda: time.monotonic() < deadline_s) as connection:
        for message in messages:
            connection.publish(message)
        while not connection.settled and time.monotonic() < deadline_s:
            connection.wait(_WAIT_S)
        connection.disconnect()
    return connection.version, ", ".join(refused)


class _Trial:
    """One connection and what came of it."""

    def __init__(self, options: ConnectionOptions, own_topic: str, prefix: str) -> None:
        self._options = options
        self._own_topic = own_topic
        self._status_topic = f"{prefix}/status"
        # Empty: Home Assistant takes it for the end of a device that it never knew.
        self._discovery_topic = f"{prefix}/device/{options.client_id}/config"
        self._deadline_s = time.monotonic() + TRIAL_TIMEOUT_S
        self._refused: dict[str, str] = {}
        self._codes: dict[str, int | None] = {}
        self._status = ""

    def run(self) -> BrokerTrial:
        with connected(self._options, self._note_refused, self._in_time) as connection:
            connection.subscribe(self._status_topic, self._hear)
            for topic in (self._own_topic, self._discovery_topic):
                connection.publish(self._message(topic))
            self._wait(connection)
            connection.disconnect()
        own = self._own_topic
        refused = (f"{own} ({self._refused[own]})",) if own in self._refused else ()
        return BrokerTrial(connection.version, self._options.address.tls, refused, self._home_assistant(connection))

    def _message(self, topic: str) -> Message:
        def note(code: int | None) -> None:
            self._codes[topic] = code

        return Message(topic, b"", qos=1, on_done=note)

    def _wait(self, connection: Connection) -> None:
        """Until all is acknowledged, and Home Assistant has had its time to be heard."""
        heard_until_s = time.monotonic() + _STATUS_WAIT_S
        while self._in_time() and (not connection.settled or (not self._status and time.monotonic() < heard_until_s)):
            connection.wait(_WAIT_S)

    def _in_time(self) -> bool:
        return time.monotonic() < self._deadline_s

    def _note_refused(self, topic: str, reason: str) -> None:
        self._refused[topic] = reason

    def _hear(self, incoming: Incoming) -> None:
        self._status = incoming.payload.decode("ascii", errors="replace")

    def _home_assistant(self, connection: Connection) -> HomeAssistantSeen:
        if self._status:
            return "online" if self._status == "online" else "offline"
        own, discovery = (self._codes.get(topic) for topic in (self._own_topic, self._discovery_topic))
        if connection.version != "5" or discovery is None or discovery >= FIRST_FAILURE_CODE:
            return "unknown"
        if discovery == _NO_MATCHING_SUBSCRIBERS:
            return "absent"
        # Only a broker that tells of a topic without subscribers says something by not telling of this one.
        return "listening" if own == _NO_MATCHING_SUBSCRIBERS else "unknown"
