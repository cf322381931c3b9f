"""The same node against every kind of broker; what each one lacks is expected here, and written in README.

RabbitMQ and NATS are tested where their Debian packages are installed: apt-get install rabbitmq-server nats-server.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from piapp.mqtt.message import Message
from piapp.testing.broker import EmbeddedBroker
from tests.mosquitto import DEADLINE_S, MOSQUITTO, Gate, Mosquitto, free_port, wait_until
from tests.support.publishers import event, ids, make_publisher, send_frame

START_S = 120.0
# So long nothing must come that a broker does not have.
QUIET_S = 1.0


@dataclass(frozen=True)
class Broker:
    """A running broker and what it can do.

    Attributes:
        name: What it is.
        node_port: Where the node connects.
        port: Where subscribers connect; another one behind a bridge.
        version: The MQTT version the node ends up with.
        retained_by_wildcard: A new subscriber to `piapp/#` gets retained messages.
        shared: It knows `$share/GROUP/FILTER`.
        keeps_sessions: A subscriber that was away gets the events that it missed.
    """

    name: str
    node_port: int
    port: int
    version: str = "3.1.1"
    retained_by_wildcard: bool = True
    shared: bool = True
    keeps_sessions: bool = True


def mosquitto(stack: ExitStack, folder: Path) -> Broker:
    """The reference."""
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed; `apt install mosquitto` runs this test")
    port = _started(stack, Mosquitto(folder)).port
    return Broker("mosquitto", port, port, "5")


def bridge(stack: ExitStack, folder: Path) -> Broker:
    """A mosquitto near the node that passes everything on to another one, and requests back."""
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed; `apt install mosquitto` runs this test")
    central = _started(stack, Mosquitto(folder))
    lines = [
        "connection to-central", f"address 127.0.0.1:{central.port}", "bridge_protocol_version mqttv50",
        "cleansession false", "restart_timeout 1", "notifications false",
        "topic piapp/# out 1", "topic homeassistant/# out 1", "topic piapp/+/request/# in 1",
    ]  # fmt: skip
    near = _started(stack, Mosquitto(folder, lines=lines))
    return Broker("bridge", near.port, central.port, "5")


def amqtt(stack: ExitStack, _folder: Path) -> Broker:
    """The embedded one of `piapp demo`."""
    port = stack.enter_context(EmbeddedBroker()).port
    return Broker("amqtt", port, port, shared=False, keeps_sessions=False)


def nats(stack: ExitStack, folder: Path) -> Broker:
    """NATS needs JetStream for MQTT."""
    program = shutil.which("nats-server", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("nats-server is not installed; `make test-brokers` runs this test")
    port = free_port()
    config = folder / "nats.conf"
    config.write_text(
        f'server_name: piapp\nlisten: "127.0.0.1:{free_port()}"\n'
        f'jetstream {{ store_dir: "{folder}" }}\nmqtt {{ listen: "127.0.0.1:{port}" }}\n'
    )
    _run(stack, [program, "-c", str(config)], port, folder / "nats.log", {})
    return Broker("nats", port, port, shared=False)


def rabbitmq(stack: ExitStack, folder: Path) -> Broker:
    """RabbitMQ's MQTT plug-in; version 5 came with 3.13."""
    programs = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"))
    epmd = shutil.which("epmd")
    if not programs or epmd is None:
        pytest.skip("rabbitmq-server is not installed; `make test-brokers` runs this test")
    version = tuple(int(one) for one in re.findall(r"\d+", programs[-1].parts[-3])[:2])
    port, names_port = free_port(), free_port()
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.default = 127.0.0.1:{free_port()}\n"
        f"mqtt.listeners.tcp.default = 127.0.0.1:{port}\nmqtt.allow_anonymous = true\n"
    )
    (folder / "enabled_plugins").write_text("[rabbitmq_mqtt].\n")
    environment = {
        "HOME": str(folder), "ERL_EPMD_PORT": str(names_port), "RABBITMQ_NODENAME": f"piapp{port}@localhost",
        "RABBITMQ_MNESIA_BASE": str(folder / "data"), "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"), "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
    }  # fmt: skip
    # Erlang's registry of names is started here, for the one that RabbitMQ would start stays behind.
    _run(stack, [epmd, "-port", str(names_port), "-address", "127.0.0.1"], names_port, folder / "epmd.log", {})
    _run(stack, [str(programs[-1])], port, folder / "rabbitmq.log", environment)
    return Broker(
        "rabbitmq", port, port, "5" if version >= (3, 13) else "3.1.1", retained_by_wildcard=False, shared=False
    )


def _started(stack: ExitStack, broker: Mosquitto) -> Mosquitto:
    stack.callback(broker.stop)
    return broker.start()


def _run(stack: ExitStack, command: list[str], port: int, log: Path, environment: dict[str, str]) -> None:
    """Run a server with its children until the end of the tests; returns when the port is open."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=os.environ | environment, stdout=output, stderr=output, start_new_session=True
        )
    stack.callback(_end, process)

    def listens() -> bool:
        assert process.poll() is None, log.read_text(errors="replace")
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False

    wait_until(listens, f"{command[0]} to listen; see {log}", START_S)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a server and what it started, which is all in a session of its own."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    process.wait(DEADLINE_S)


BROKERS: list[Callable[[ExitStack, Path], Broker]] = [mosquitto, bridge, amqtt, nats, rabbitmq]


@pytest.fixture(scope="module", params=BROKERS, ids=lambda start: start.__name__)
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Each kind of broker in turn."""
    with ExitStack() as stack:
        yield request.param(stack, tmp_path_factory.mktemp(request.param.__name__))


class Listener:
    """A subscriber with MQTT 3.1.1, which all brokers speak; subscribed when the constructor returns."""

    def __init__(self, port: int, topic: str, *, client_id: str = "") -> None:
        self.messages: list[tuple[str, bytes, bool]] = []
        self._ready = threading.Event()
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id, clean_session=not client_id, protocol=MQTTProtocolVersion.MQTTv311
        )
        self._client.on_connect = lambda *_: self._client.subscribe(topic, qos=1)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = lambda _client, _userdata, message: self.messages.append(
            (message.topic, bytes(message.payload), message.retain)
        )
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._ready.wait(DEADLINE_S)

    def publish(self, topic: str, payload: bytes) -> None:
        """Send a message."""
        self._client.publish(topic, payload, qos=1)

    def of(self, topic: str) -> list[bytes]:
        """Payloads of a topic, in order."""
        return [payload for one, payload, _ in list(self.messages) if one == topic]

    def wait_for(self, topic: str, payload: bytes) -> None:
        """Wait until a message has come."""
        wait_until(lambda: payload in self.of(topic), f"{payload!r} on {topic}")

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def listen(broker: Broker) -> Iterator[Callable[..., Listener]]:
    """Start subscribers that end with the test."""
    made: list[Listener] = []

    def start(topic: str, **options: str) -> Listener:
        made.append(Listener(broker.port, topic, **options))
        return made[-1]

    yield start
    for one in made:
        one.close()


def node_of(broker: Broker, name: str, port: int | None = None):
    """A node's publisher; `name` keeps tests on one broker apart."""
    url = f"mqtt://127.0.0.1:{broker.node_port if port is None else port}"
    return make_publisher(url, ("mqtt.connect_timeout_s", "1"), node=f"{broker.name}-{name}")


def event_ids(payloads: list[bytes]) -> list[tuple[str, bool]]:
    """(id, historical) of events."""
    return ids([_Payload(payload) for payload in payloads])


@dataclass(frozen=True)
class _Payload:
    payload: bytes


def test_everything_arrives(broker, listen):
    """Each topic of the contract and of discovery, small and large; events in order; `offline` at the end."""
    listener, discovery = listen(f"piapp/{broker.name}-all/#"), listen("homeassistant/#")
    with node_of(broker, "all") as node:
        assert node.wait_connected(DEADLINE_S)
        assert node.state.version == broker.version
        topics = node.topics
        for topic in (topics.info, topics.state, topics.health, "homeassistant/device/piapp_all/config"):
            node.retain(topic, b"{}")
        node.publish(Message(topics.image, bytes(200_000)))
        node.publish(Message(topics.response("ping"), b"pong", qos=1))
        for number in range(50):
            node.publish_event(event(number))
        for number in range(20):
            assert send_frame(node, b"%d" % number)
        wait_until(lambda: node.event_depth == 0, "the events to be acknowledged")
        for topic in (topics.info, topics.state, topics.health):
            listener.wait_for(topic, b"{}")
        discovery.wait_for("homeassistant/device/piapp_all/config", b"{}")
        listener.wait_for(topics.image, bytes(200_000))
        listener.wait_for(topics.response("ping"), b"pong")
        listener.wait_for(topics.frame, b"19")
        wait_until(lambda: len(listener.of(topics.trigger)) == 50, "the triggers")
        assert event_ids(listener.of(topics.event)) == [(f"b-{number}", False) for number in range(50)]
        assert listener.of(topics.frame) == [b"%d" % number for number in range(20)]
        assert (node.state.connects, node.counts().rejected) == (1, 0)
    listener.wait_for(topics.status, b"offline")
    assert listener.of(topics.status) == [b"online", b"offline"]


def test_requests_come_and_are_answered(broker, listen):
    """Through the bridge as well."""
    with node_of(broker, "asked") as node:
        topics = node.topics
        node.subscribe(
            topics.requests, lambda asked: node.publish(Message(topics.response("ping"), asked.payload, qos=1)) and None
        )
        assert node.wait_connected(DEADLINE_S)
        listener = listen(topics.response("ping"))

        def answered() -> bool:
            listener.publish(topics.request("ping"), b"hello")
            return b"hello" in listener.of(topics.response("ping"))

        wait_until(answered, "an answer")


def test_retained_messages_are_found_later(broker, listen):
    """By their exact topic everywhere; by wildcard where the broker can."""
    with node_of(broker, "kept") as node:
        assert node.wait_connected(DEADLINE_S)
        node.retain(node.topics.info, b"i")
        early = listen(node.topics.info)
        early.wait_for(node.topics.info, b"i")
        exact, wild = listen(node.topics.info), listen(f"{node.topics.root}/#")
        exact.wait_for(node.topics.info, b"i")
        assert set(exact.messages) == {(node.topics.info, b"i", True)}
        if broker.retained_by_wildcard:
            wild.wait_for(node.topics.info, b"i")
        else:
            with pytest.raises(AssertionError):
                wait_until(lambda: wild.messages, "what it does not send", QUIET_S)


def test_a_lost_node_is_reported(broker, listen):
    """The will, at once when the connection breaks, and to whoever asks later."""
    gate = Gate(broker.node_port).open()
    with node_of(broker, "lost", gate.port) as node:
        assert node.wait_connected(DEADLINE_S)
        listener = listen(node.topics.status)
        listener.wait_for(node.topics.status, b"online")
        gate.cut()
        listener.wait_for(node.topics.status, b"offline")
        listen(node.topics.status).wait_for(node.topics.status, b"offline")
    gate.close()


def test_events_of_an_absence_come_late_and_in_order(broker, listen):
    """As historical and without triggers."""
    gate = Gate(broker.node_port).open()
    with node_of(broker, "late", gate.port) as node:
        listener = listen(f"{node.topics.root}/#")
        assert node.wait_connected(DEADLINE_S)
        gate.cut()
        wait_until(lambda: not node.state.connected, "the loss to be noticed")
        for number in range(200):
            node.publish_event(event(number))
        gate.open()
        wait_until(lambda: node.event_depth == 0, "the events to be acknowledged")
        wait_until(lambda: len(listener.of(node.topics.event)) == 200, "the events")
        assert event_ids(listener.of(node.topics.event)) == [(f"b-{number}", True) for number in range(200)]
        assert not listener.of(node.topics.trigger)
    gate.close()


def test_a_subscriber_that_was_away_gets_what_it_missed(broker, listen):
    """With a persistent session; where the broker keeps only what it happens to, at least what comes next."""
    with node_of(broker, "missed") as node:
        assert node.wait_connected(DEADLINE_S)
        listen(node.topics.event, client_id=f"keeper-{broker.name}").close()
        for number in range(20):
            node.publish_event(event(number))
        wait_until(lambda: node.event_depth == 0, "the events to be acknowledged")
        keeper = listen(node.topics.event, client_id=f"keeper-{broker.name}")
        if not broker.keeps_sessions:
            node.publish_event(event(20))
            wait_until(lambda: ("b-20", False) in event_ids(keeper.of(node.topics.event)), "what comes next")
            return
        wait_until(lambda: len(keeper.messages) >= 20, "what was missed")
        assert [one for one, _ in event_ids(keeper.of(node.topics.event))] == [f"b-{number}" for number in range(20)]


def test_consumers_share_where_the_broker_can(broker, listen):
    """Each event goes to one of a group; brokers that lack it send nothing."""
    with node_of(broker, "shared") as node:
        assert node.wait_connected(DEADLINE_S)
        group = [listen(f"$share/consumers/{node.topics.event}") for _ in range(2)]
        everything = listen(node.topics.event)
        for number in range(20):
            node.publish_event(event(number))
        wait_until(lambda: len(everything.messages) == 20, "all events")

        def shared() -> list[bytes]:
            return [payload for one in group for _, payload, _ in one.messages]

        if broker.shared:
            wait_until(lambda: len(shared()) == 20, "all events, once")
            assert set(shared()) == set(everything.of(node.topics.event))
        else:
            with pytest.raises(AssertionError):
                wait_until(shared, "what it does not send", QUIET_S)
