"""One MQTT connection: the only module that imports paho.

A `Connection` lives for one network connection and is then thrown away, with all that paho remembers: what must
survive is the outbox's. It has no thread of its own; everything here happens on the thread that calls it, so that a
PUBLISH is on the socket when `publish` returns, unless the socket is full.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from piapp.config.addresses import BrokerAddress
from piapp.mqtt.connection_options import ConnectionOptions, MqttVersion
from piapp.mqtt.failures import (
    ConnectionFailedError,
    closed_early,
    failure_from_error,
    failure_from_reason,
    no_connack,
)
from piapp.mqtt.message import FIRST_FAILURE_CODE, Message
from piapp.mqtt.payload import OFFLINE
from piapp.mqtt.wake import Wake

_PROTOCOLS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}

# A frame that has waited so long in a broker is of no use.
FRAME_EXPIRY_S = 2

# Unacknowledged QoS 1 messages at a time, unless the broker allows fewer (paho's own default).
MAX_UNACKNOWLEDGED = 20

# Frames that the kernel would hold back for a slow network are late when they arrive: hold few, drop the others here.
SEND_BUFFER_BYTES = 65_536

# Fixed header, packet id and properties around topic and payload, generously.
_PACKET_OVERHEAD_BYTES = 128
_PACKET_TOO_LARGE = 0x95

# paho times its pings when it is called; once a second is fine enough for the shortest keep-alive, 2 s.
_TICK_S = 0.5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message from the broker.

    Attributes:
        response_topic: Where MQTT 5's sender wants the answer, else empty.
        correlation_data: What the answer must carry, else empty.
    """

    topic: str
    payload: bytes
    retain: bool
    response_topic: str = ""
    correlation_data: bytes = b""


Handler = Callable[[Incoming], None]
"""Called on the thread that runs the connection; must neither block nor raise."""

OnRefused = Callable[[str, str], None]
"""Told the topic that the broker refuses to take or give, and its reason code's name."""


class _Socket(Protocol):
    """What paho reads and writes: a socket, or a WebSocket around one."""

    def fileno(self) -> int:
        """Its descriptor; -1 when it is closed."""

    def close(self) -> None:
        """End it."""


def dial(client: Client, address: BrokerAddress, keepalive_s: int) -> None:
    """Open the way to a broker, over TCP, TLS, a WebSocket or a Unix socket, and send CONNECT.

    Raises:
        OSError: It cannot be reached.
        ValueError: A WebSocket's server refuses.
    """
    if address.transport == "websockets":
        client.ws_set_options(path=address.path)
    client.connect(address.host, address.port, keepalive_s)


class Connection:
    """One connection to the broker, from CONNECT to the end. Not thread-safe; `wake` alone comes from outside.

    Attributes:
        version: The MQTT version spoken.
    """

    def __init__(self, options: ConnectionOptions, version: MqttVersion, on_refused: OnRefused, wake: Wake) -> None:
        self.version: MqttVersion = version
        self._options = options
        self._on_refused = on_refused
        self._poll = select.poll()
        self._wake = wake
        self._poll.register(wake, select.POLLIN)
        self._client: Client | None = None
        self._socket: _Socket | None = None
        self._connack: ReasonCode | None = None
        self._lost: ConnectionFailedError | None = None
        self._waiting: dict[int, Message] = {}  # bounded: QoS 1 by max_unacknowledged, QoS 0 by `backed_up`
        self._subscribing: dict[int, str] = {}
        self._unacknowledged = 0
        self._max_unacknowledged = MAX_UNACKNOWLEDGED
        self._max_packet_bytes: int | None = None
        self._frame_alias = False
        self._frame_properties: Properties | None = None

    def open(self, go_on: Callable[[], bool]) -> None:
        """Connect and wait for the broker's answer.

        Blocks for name look-up, TCP and TLS, then until CONNACK, each at most `mqtt.connect_timeout_s` (name look-up:
        as long as the system's resolver takes).

        Args:
            go_on: Asked after every wake-up; when it says False, waiting ends.

        Raises:
            ConnectionFailedError: With the reason; also when `go_on` said False.
        """
        peer, address = self._options.peer, self._options.address
        try:
            client = self._client = self._new_client()
            dial(client, address, self._options.config.keepalive_s)
        except (OSError, ValueError) as error:
            raise failure_from_error(error, peer) from error
        self._adopt(client)
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

        Never raises for a lost connection: `wait` does, and `close` tells the message.
        """
        client = self._opened()
        if self._max_packet_bytes and self._size(message) > self._max_packet_bytes:
            self._refuse(message, "Packet too large", _PACKET_TOO_LARGE)
            return
        topic, properties = message.topic, self._properties(message)
        if message.is_frame and self._frame_alias:
            if self._frame_properties is not None:
                topic = ""  # the broker knows it by its alias
            self._frame_properties = properties
        info = client.publish(topic, message.payload, message.qos, message.retain, properties)
        if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS and message.qos == 0 and info.is_published():
            _done(message, 0)
            return
        self._waiting[info.mid] = message
        self._unacknowledged += message.qos > 0

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
            self._poll.modify(sock, select.POLLIN | (select.POLLOUT if client.want_write() else 0))
            ready = dict(self._poll.poll(min(timeout_s, _TICK_S) * 1000))
            if self._wake.fileno() in ready:
                self._wake.clear()
            happened = ready.get(sock.fileno(), 0)
            if happened & ~select.POLLOUT:
                self._read(client, sock)
            if happened & select.POLLOUT:
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
        return self._unacknowledged < self._max_unacknowledged

    @property
    def settled(self) -> bool:
        """Everything published is written and acknowledged."""
        return not self._waiting and not self._opened().want_write()

    def disconnect(self) -> None:
        """Say goodbye, so that the broker does not send the will; does not wait."""
        if self._client is not None and self._lost is None:
            self._client.disconnect()

    def close(self) -> None:
        """Drop the connection and tell every message that is not through; idempotent."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        waiting, self._waiting = self._waiting, {}
        for message in waiting.values():
            _done(message, None)

    def _new_client(self) -> Client:
        config = self._options.config
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._options.client_id,
            protocol=_PROTOCOLS[self.version],
            transport=self._options.address.transport,
            reconnect_on_failure=False,
        )
        client.connect_timeout = config.connect_timeout_s
        client.max_inflight_messages = MAX_UNACKNOWLEDGED
        client.will_set(self._options.will_topic, OFFLINE, qos=1, retain=True)
        if config.username:
            client.username_pw_set(config.username, self._options.password())
        if self._options.address.tls:
            client.tls_set_context(self._options.tls_context())
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        return client

    def _adopt(self, client: Client) -> None:
        sock = cast("_Socket | None", client.socket())
        if sock is None:
            raise closed_early(self._options.peer)
        self._socket = sock
        # A WebSocket wraps the socket; a second descriptor of it takes the options for both.
        with socket.socket(fileno=os.dup(sock.fileno())) as same:
            if same.family != socket.AF_UNIX:
                # Without it a frame's last segment waits for the broker's delayed acknowledgement, up to 40 ms.
                same.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            same.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self._poll.register(sock, select.POLLIN)

    def _opened(self) -> Client:
        assert self._client is not None, "open comes first"
        return self._client

    def _read(self, client: Client, sock: _Socket) -> None:
        client.loop_read()
        # What TLS has decrypted already does not show in poll.
        pending = getattr(sock, "pending", None)  # of TLS sockets and WebSockets
        while pending is not None and self._lost is None and sock.fileno() >= 0 and pending():
            client.loop_read()

    def _properties(self, message: Message) -> Properties | None:
        if self.version != "5":
            return None
        if message.is_frame and self._frame_properties is not None:
            return self._frame_properties
        properties: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        if message.content_type:
            properties.ContentType = message.content_type
        if message.correlation_data:
            properties.CorrelationData = message.correlation_data
        if message.is_frame:
            properties.MessageExpiryInterval = FRAME_EXPIRY_S
            if self._frame_alias:
                properties.TopicAlias = 1
        return cast("Properties", properties)

    @staticmethod
    def _size(message: Message) -> int:
        return len(message.topic.encode()) + len(message.payload) + _PACKET_OVERHEAD_BYTES

    def _refuse(self, message: Message, reason: str, code: int) -> None:
        self._on_refused(message.topic, reason)
        _done(message, code)

    def _on_connect(
        self, _client: Client, _userdata: Any, _flags: Any, code: ReasonCode, properties: Properties | None
    ) -> None:
        self._connack = code
        receive_maximum = getattr(properties, "ReceiveMaximum", MAX_UNACKNOWLEDGED)
        self._max_unacknowledged = min(receive_maximum, MAX_UNACKNOWLEDGED)
        self._max_packet_bytes = getattr(properties, "MaximumPacketSize", None)
        self._frame_alias = getattr(properties, "TopicAliasMaximum", 0) > 0

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
        message = self._waiting.pop(mid, None)
        if message is None:  # written at once: `publish` sees that itself
            return
        self._unacknowledged -= message.qos > 0
        if code.value >= FIRST_FAILURE_CODE:
            self._refuse(message, code.getName(), code.value)
        else:
            _done(message, code.value)

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


def _done(message: Message, code: int | None) -> None:
    if message.on_done is not None:
        message.on_done(code)
