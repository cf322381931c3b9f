"""Receiving: what `piapp demo`, `watch`, `bench` and `fleet` listen with. Imports paho as `client` does."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Sequence
from typing import Any, Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from piapp.config.addresses import broker_address
from piapp.config.sections import MqttConfig
from piapp.errors import BrokerError
from piapp.mqtt.client import dial
from piapp.mqtt.connection_options import ConnectionOptions
from piapp.mqtt.failures import Peer, failure_from_error, failure_from_reason

CONNECT_TIMEOUT_S = 10.0

# How soon a broker that has gone silent is missed, where no configuration says it (paho's own default).
KEEPALIVE_S = 60

# Between attempts to come back after the connection broke: short, for somebody waits, and one client is no storm.
RECONNECT_MAX_S = 2

OnMessage = Callable[[str, bytes], None]
"""Called with topic and payload, on paho's thread; must not block."""

OnLink = Callable[[bool], None]
"""Called with whether the broker is there and has accepted a subscription, on paho's thread; must not block."""


class Subscriber:
    """Listens to topics with MQTT 3.1.1, which every broker speaks; comes back by itself; a context manager.

    Entering waits until the broker has taken the subscriptions.

    Args:
        url: The broker.
        topic_filters: What to listen to, with QoS 0.
        on_message: Called for each message.
        login: User, password, certificates and authority for `url`. None for an open `mqtt://` broker.
        on_link: Called whenever the connection is lost or there again; may be called with the same twice.

    Raises:
        BrokerError: A file of `login` cannot be read; on entering: the broker cannot be reached or refuses.
    """

    def __init__(
        self,
        url: str,
        topic_filters: Sequence[str],
        on_message: OnMessage,
        *,
        login: MqttConfig | None = None,
        on_link: OnLink | None = None,
    ) -> None:
        self._url = url
        self._keepalive_s = login.keepalive_s if login is not None else KEEPALIVE_S
        self._topic_filters = tuple(topic_filters)  # replaced, never changed: paho's thread reads it
        self._on_message = on_message
        self._on_link = on_link or (lambda _: None)
        self._peer = Peer(url, broker_address(url).host, "", login.username if login is not None else "")
        self._answered = threading.Event()
        self._refusal = ""
        transport = broker_address(url).transport
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311, transport=transport)
        self._client.reconnect_delay_set(max_delay=RECONNECT_MAX_S)
        if login is not None:
            self._identify(login)
        self._client.on_connect = self._connected
        self._client.on_subscribe = self._taken
        self._client.on_disconnect = lambda *_: self._on_link(False)
        self._client.on_message = self._received

    def _identify(self, login: MqttConfig) -> None:
        options = ConnectionOptions(login, client_id="")
        try:
            if login.username:
                self._client.username_pw_set(login.username, options.password())
            if options.address.tls:
                self._client.tls_set_context(options.tls_context())
        except (OSError, ValueError) as error:
            raise failure_from_error(error, self._peer) from error

    def __enter__(self) -> Self:
        address = broker_address(self._url)
        try:
            dial(self._client, address, self._keepalive_s)
        except ssl.SSLError as error:
            raise failure_from_error(error, self._peer) from error
        except OSError as error:
            raise BrokerError(f"{self._url}: cannot be reached: {error}") from error
        self._client.loop_start()
        answered = self._answered.wait(CONNECT_TIMEOUT_S)
        if self._refusal:
            self._close()
            raise failure_from_reason(self._refusal, self._peer)
        if not answered:
            self._close()
            raise BrokerError(f"{self._url}: did not take the subscription within {CONNECT_TIMEOUT_S:g} s")
        return self

    def __exit__(self, *_exc: object) -> None:
        self._close()

    def listen(self, topic_filter: str) -> None:
        """Listen to one more, now or as soon as the broker is there; returns at once."""
        self._topic_filters += (topic_filter,)
        self._client.subscribe(topic_filter, 0)

    def unlisten(self, topic_filter: str) -> None:
        """Listen to it no more; what is on its way may still come."""
        self._topic_filters = tuple(each for each in self._topic_filters if each != topic_filter)
        self._client.unsubscribe(topic_filter)

    def publish(self, topic: str, payload: bytes) -> None:
        """Send one message with QoS 1; returns at once."""
        self._client.publish(topic, payload, qos=1)

    def _close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(self, client: Client, _userdata: Any, _flags: Any, code: ReasonCode, _properties: Any) -> None:
        if code.is_failure:
            self._refusal = code.getName()
            self._answered.set()
            return
        client.subscribe([(topic_filter, 0) for topic_filter in self._topic_filters])

    def _taken(self, *_: Any) -> None:
        self._answered.set()
        self._on_link(True)

    def _received(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        self._on_message(message.topic, bytes(message.payload))
