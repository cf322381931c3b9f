"""Making paho's clients and opening their way to the broker, for `connection` and `subscriber`."""

from __future__ import annotations

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from piapp.config.addresses import BrokerAddress
from piapp.mqtt.connection_options import ConnectionOptions, MqttVersion
from piapp.mqtt.in_flight import MAX_UNACKNOWLEDGED
from piapp.mqtt.payload import OFFLINE

_PROTOCOLS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}


def new_client(options: ConnectionOptions, version: MqttVersion) -> Client:
    """A client with name, password, certificates and will, which is not connected and never reconnects by itself.

    Raises:
        OSError: A file that the options name cannot be read.
        ValueError: Likewise.
    """
    config = options.config
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=options.client_id,
        protocol=_PROTOCOLS[version],
        transport=options.address.transport,
        reconnect_on_failure=False,
    )
    client.connect_timeout = config.connect_timeout_s
    client.max_inflight_messages = MAX_UNACKNOWLEDGED
    if options.will_topic:
        client.will_set(options.will_topic, OFFLINE, qos=1, retain=True)
    if config.username:
        client.username_pw_set(config.username, options.password())
    if options.address.tls:
        client.tls_set_context(options.tls_context())
    return client


def dial(client: Client, address: BrokerAddress, keepalive_s: int) -> None:
    """Open the way to a broker, over TCP, TLS, a WebSocket or a Unix socket, and send CONNECT.

    Raises:
        OSError: It cannot be reached.
        ValueError: A WebSocket's server refuses.
    """
    if address.transport == "websockets":
        client.ws_set_options(path=address.path)
    client.connect(address.host, address.port, keepalive_s)
