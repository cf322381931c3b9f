"""One MQTT connection, from CONNECT to its end.

A `Connection` lives for one network connection and is then thrown away, with all that paho remembers: what must
survive is the outbox's. It has no thread of its own; everything here happens on the thread that calls it, so that a
PUBLISH is on the socket when `publish` returns, unless the socket is full.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from piapp.mqtt.client import dial, new_client
from piapp.mqtt.client_socket import ClientSocket, Descriptor
from piapp.mqtt.connection_options import ConnectionOptions, MqttVersion
from piapp.mqtt.failures import (
    ConnectionFailedError,
    closed_early,
    failure_from_error,
    failure_from_reason,
    no_connack,
)
from piapp.mqtt.in_flight import MAX_UNACKNOWLEDGED, InFlight
from piapp.mqtt.incoming import Handler, Incoming
from piapp.mqtt.message import FIRST_FAILURE_CODE, Message
from piapp.mqtt.properties import PublishProperties
from piapp.mqtt.wake import Wake

# Fixed header, packet id and properties around topic and payload, generously.
_PACKET_OVERHEAD_BYTES = 128
_PACKET_TOO_LARGE = 0x95

# paho times its pings when it is called; twice a second is fine enough for the shortest keep-alive, 2 s.
_TICK_S = 0.5

OnRefused = Callable[[str, str], None]
"""Called with the topic that the broker refuses to take or give, and its reason code's name."""


class Connection:
    """One connection to the broker, from CONNECT to the end. Not thread-safe; `wake` alone comes from outside.

    Attributes:
        version: The MQTT version spoken.
    """

    def __init__(self, options: ConnectionOptions, version: MqttVersion, on_refused: OnRefused, wake: Wake) -> None:
        self.version: MqttVersion = version
        self._options = options
        self._on_refused = on_refused
        self._wake = wake
        self._client: Client | None = None
        self._socket: ClientSocket | None = None
        self._connack: ReasonCode | None = None
        self._lost: ConnectionFailedError | None = None
        self._in_flight = InFlight()
        self._properties = PublishProperties()
        self._subscribing: dict[int, str] = {}
        self._max_packet_bytes: int | None = None

    def open(self, go_on: Callable[[], bool]) -> None:
        """Connect and wait for the broker's answer.

        Blocks for name look-up, TCP and TLS, then until CONNACK, each at most `mqtt.connect_timeout_s` (name look-up:
        as long as the system's resolver takes).

        Args:
            go_on: Asked after every wake-up; when it returns False, waiting ends.

        Raises:
            ConnectionFailedError: With the reason; also when `go_on` returned False.
        """
        peer = self._options.peer
        try:
            client = self._client = self._new_client()
            dial(client, self._options.address, self._options.config.keepalive_s)
        except (OSError, ValueError) as error:
            raise failure_from_error(error, peer) from error
        sock = cast("Descriptor | None", client.socket())
        if sock is None:
            raise closed_early(peer)
        self._socket = ClientSocket(sock, self._wake)
        deadline = time.monotonic() + self._options.config.connect_timeout_s
        while self._connack is None:
            left = deadline - time.monotonic()
            if left <= 0 or not go_on():
                raise no_connack(peer)
            self.wait(left)
        if self._connack.is_failure:
            raise failure_from_reason(self._connack.getName(), peer)

    def publish(self, message: Message) -> None:
        """Write a message to the socket; what does not fit is written by `wait`.

        Never raises for a lost connection: `wait` does, and `close` notifies the message.
        """
        client = self._opened()
        if self._max_packet_bytes and self._size(message) > self._max_packet_bytes:
            self._refuse(message, "Packet too large", _PACKET_TOO_LARGE)
            return
        topic, properties = self._properties.of(message) if self.version == "5" else (message.topic, None)
        info = client.publish(topic, message.payload, message.qos, message.retain, properties)
        if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS and message.qos == 0 and info.is_published():
            message.notify(0)
        else:
            self._in_flight.add(info.mid, message)

    def subscribe(self, topic_filter: str, handler: Handler) -> None:
        """Ask for messages of a topic filter, with QoS 1."""
        client = self._opened()
        client.message_callback_add(topic_filter, lambda _client, _userdata, message: handler(_incoming(message)))
        code, mid = client.subscribe(topic_filter, qos=1)
        if code == MQTTErrorCode.MQTT_ERR_SUCCESS and mid is not None:
            self._subscribing[mid] = topic_filter

    def wait(self, timeout_s: float) -> None:
        """Wait for the network or a wake-up, at most `timeout_s`, and do what is due: read, write, ping.

        Clears the wake-up, so look for work after this call.

        Raises:
            ConnectionFailedError: The connection is lost.
        """
        client, sock = self._opened(), self._socket
        if sock is not None and self._lost is None:
            readable, writable = sock.wait(min(timeout_s, _TICK_S), to_write=client.want_write())
            if readable:
                self._read(client, sock)
            if writable:
                client.loop_write()
            client.loop_misc()
        if self._lost is not None:
            raise self._lost

    @property
    def backed_up(self) -> bool:
        """The socket takes no more; what is published now would pile up in memory."""
        return self._lost is not None or self._opened().want_write()

    @property
    def may_publish_acknowledged(self) -> bool:
        """Fewer QoS 1 messages wait for their acknowledgement than the broker allows."""
        return self._in_flight.may_add_acknowledged

    @property
    def settled(self) -> bool:
        """Everything published is written and acknowledged."""
        return not self._in_flight and not self._opened().want_write()

    def disconnect(self) -> None:
        """Send DISCONNECT, so that the broker does not send the will; does not wait."""
        if self._client is not None and self._lost is None:
            self._client.disconnect()

    def close(self) -> None:
        """Drop the connection and notify every message that is not through; idempotent."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._in_flight.lose()

    def _new_client(self) -> Client:
        client = new_client(self._options, self.version)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        return client

    def _opened(self) -> Client:
        assert self._client is not None, "open comes first"
        return self._client

    def _read(self, client: Client, sock: ClientSocket) -> None:
        client.loop_read()
        while self._lost is None and sock.holds_data:
            client.loop_read()

    @staticmethod
    def _size(message: Message) -> int:
        return len(message.topic.encode()) + len(message.payload) + _PACKET_OVERHEAD_BYTES

    def _refuse(self, message: Message, reason: str, code: int) -> None:
        self._on_refused(message.topic, reason)
        message.notify(code)

    def _on_connect(
        self, _client: Client, _userdata: Any, _flags: Any, code: ReasonCode, properties: Properties | None
    ) -> None:
        self._connack = code
        receive_maximum = getattr(properties, "ReceiveMaximum", MAX_UNACKNOWLEDGED)
        self._in_flight.max_unacknowledged = min(receive_maximum, MAX_UNACKNOWLEDGED)
        self._max_packet_bytes = getattr(properties, "MaximumPacketSize", None)
        self._properties.frame_alias = getattr(properties, "TopicAliasMaximum", 0) > 0

    def _on_disconnect(
        self, _client: Client, _userdata: Any, _flags: Any, code: ReasonCode, _properties: Properties | None
    ) -> None:
        peer = self._options.peer
        if self._connack is None:
            self._lost = closed_early(peer)
        elif self._connack.is_failure:
            self._lost = failure_from_reason(self._connack.getName(), peer)
        else:
            self._lost = failure_from_reason(code.getName(), peer)

    def _on_publish(
        self, _client: Client, _userdata: Any, mid: int, code: ReasonCode, _properties: Properties | None
    ) -> None:
        message = self._in_flight.pop(mid)
        if message is None:  # written at once: `publish` sees that itself
            return
        if code.value >= FIRST_FAILURE_CODE:
            self._refuse(message, code.getName(), code.value)
        else:
            message.notify(code.value)

    def _on_subscribe(
        self, _client: Client, _userdata: Any, mid: int, codes: list[ReasonCode], _properties: Properties | None
    ) -> None:
        topic_filter = self._subscribing.pop(mid, "")
        for code in codes:
            if code.is_failure:
                self._on_refused(topic_filter, code.getName())


def _incoming(message: MQTTMessage) -> Incoming:
    properties = message.properties
    return Incoming(
        message.topic,
        bytes(message.payload),
        message.retain,
        getattr(properties, "ResponseTopic", ""),
        getattr(properties, "CorrelationData", b""),
    )
