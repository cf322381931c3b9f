"""The publisher thread against real brokers."""

from __future__ import annotations

import logging
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from piapp.errors import PiappError
from piapp.mqtt.message import Message
from piapp.mqtt.publisher import Publisher
from piapp.testing.broker import EmbeddedBroker
from tests.e2e.attackers import TOPICS, HostileGate
from tests.mosquitto import DEADLINE_S, Gate, Subscriber, free_port, wait_until
from tests.support.publishers import event, ids, make_publisher, send_frame


@pytest.fixture
def subscribe():
    """Make subscribers that are closed in the end."""
    made: list[Subscriber] = []

    def make(*args, **options) -> Subscriber:
        made.append(Subscriber(*args, **options))
        return made[-1]

    yield make
    for subscriber in made:
        subscriber.close()


@pytest.fixture
def gate(mosquitto):
    """A network to the shared broker that can be broken; closed at first."""
    made = Gate(mosquitto.port)
    yield made
    made.close()


def test_everything_arrives(mosquitto, subscribe):
    """Status, retained topics, frames, events, triggers and other messages, on their topics and in order."""
    node = "arrives"
    subscriber = subscribe(mosquitto.port, f"piapp/{node}/#")
    with make_publisher(mosquitto.url, node=node) as publisher:
        topics = publisher.topics
        publisher.retain(topics.info, b"{}")
        publisher.retain(topics.health, b"h", qos=0)
        assert publisher.wait_connected(DEADLINE_S)
        for number in range(50):
            assert send_frame(publisher, b"%d" % number)
        publisher.publish_event(event(1))
        publisher.publish(Message(topics.response("ping"), b"pong", qos=1))
        subscriber.wait_for("ping", payload=b"pong")
        assert publisher.state.version == "5"
        assert publisher.counts().frames_sent == 50
    subscriber.wait_for("status", payload=b"offline")
    assert [message.payload for message in subscriber.of("status")] == [b"online", b"offline"]
    assert [message.payload for message in subscriber.of("frame")] == [b"%d" % number for number in range(50)]
    assert ids(subscriber.of("event")) == [("b-1", False)]
    assert [message.payload for message in subscriber.of("trigger")] == [b"sit_down"]
    late = subscribe(mosquitto.port, f"piapp/{node}/#")
    late.wait_for("health")
    assert {(one.leaf, one.payload) for one in late.messages if one.retain} >= {("status", b"offline"), ("info", b"{}")}
    assert not late.of("frame")


def test_what_is_json_says_so(mosquitto, subscribe):
    """Under MQTT 5 retained topics and events carry their content type; text and a removed topic carry none."""
    node = "content-types"
    subscriber = subscribe(mosquitto.port, f"piapp/{node}/#")
    with make_publisher(mosquitto.url, node=node) as publisher:
        topics = publisher.topics
        publisher.retain(topics.info, b"{}")
        publisher.retain(topics.settings, b"")
        assert publisher.wait_connected(DEADLINE_S)
        publisher.publish_event(event(1))
        subscriber.wait_for("trigger")
        subscriber.wait_for("settings")
        messages = [subscriber.wait_for(leaf)[0] for leaf in ("info", "event", "settings", "trigger", "status")]
    found = [getattr(message.properties, "ContentType", None) for message in messages]
    assert found == ["application/json", "application/json", None, None, None]


@pytest.mark.parametrize(("frames", "content_type"), [("json", "application/json"), ("msgpack", "application/msgpack")])
def test_frames_carry_mqtt_5_properties(gate, mosquitto, subscribe, frames, content_type):
    """Content type and expiry reach the subscriber; from the second frame on an alias stands for the topic."""
    node = f"properties-{frames}"
    subscriber = subscribe(mosquitto.port, f"piapp/{node}/frame")
    gate.open()
    with make_publisher(gate.url, ("publish.frames", frames), node=node) as publisher:
        assert publisher.wait_connected(DEADLINE_S)
        for _ in range(3):
            assert send_frame(publisher)
        received = subscriber.wait_for("frame", 3)
    assert [message.topic for message in received] == [f"piapp/{node}/frame"] * 3
    assert {message.properties.ContentType for message in received} == {content_type}
    assert all(0 < message.properties.MessageExpiryInterval <= 2 for message in received)
    assert bytes(gate.sent).count(f"piapp/{node}/frame".encode()) == 1


def test_frames_can_be_off(mosquitto):
    """Nothing is encoded, and lockstep is told."""
    with make_publisher(mosquitto.url, ("publish.frames", "off"), node="off") as publisher:
        assert publisher.wait_connected(DEADLINE_S)
        assert publisher.publish_frame(lambda: pytest.fail("encoded"), None) is False
        assert send_frame(publisher) is None


def test_an_absent_broker_is_no_failure(gate, mosquitto, subscribe):
    """Frames are dropped and counted until the broker appears; events wait."""
    node = "absent"
    subscriber = subscribe(mosquitto.port, f"piapp/{node}/#")
    with make_publisher(gate.url, node=node) as publisher:
        wait_until(lambda: publisher.state.last_error, "a failed attempt")
        assert publisher.state.last_error.reason == "refused"
        assert send_frame(publisher) is None
        publisher.publish_event(event(1))
        publisher.retain(publisher.topics.state, b"s")
        gate.open()
        assert publisher.wait_connected(DEADLINE_S)
        subscriber.wait_for("state", payload=b"s")
        assert ids(subscriber.wait_for("event")) == [("b-1", True)]
        assert publisher.counts().frames_dropped == 1
        publisher.raise_if_failed()
    assert not subscriber.of("trigger")


def test_a_killed_broker_is_survived(start_mosquitto, subscribe):
    """After kill -9 and restart everything retained is back, and events come late, in order, untriggered."""
    broker = start_mosquitto()
    gate = Gate(broker.port).open()
    with make_publisher(gate.url) as publisher:
        publisher.retain(publisher.topics.info, b"i")
        publisher.retain(publisher.topics.state, b"s")
        assert publisher.wait_connected(DEADLINE_S)
        subscriber = subscribe(broker.port)
        publisher.publish_event(event(0))
        subscriber.wait_for("trigger")
        wait_until(lambda: publisher.event_depth == 0, "the first event to be acknowledged")
        broker.kill()
        gate.cut()
        wait_until(lambda: not publisher.state.connected, "the loss to be noticed")
        for number in range(1, 20):
            publisher.publish_event(event(number))
            assert send_frame(publisher) is None
        broker.start()
        fresh = subscribe(broker.port)
        gate.open()
        received = fresh.wait_for("event", 19)
        for leaf, payload in (("status", b"online"), ("info", b"i"), ("state", b"s")):
            fresh.wait_for(leaf, payload=payload)
        assert ids(received) == [(f"b-{number}", True) for number in range(1, 20)]
        publisher.publish_event(event(20))
        fresh.wait_for("trigger")
        assert ids(fresh.of("event"))[-1] == ("b-20", False)
        assert len(fresh.of("trigger")) == 1
        assert publisher.counts().frames_dropped == 19
        assert publisher.state.connects == 2
    gate.close()


def test_unacknowledged_events_are_sent_again(gate, mosquitto, subscribe):
    """An event whose PUBACK never came is sent after the reconnect, as historical."""
    node = "again"
    subscriber = subscribe(mosquitto.port, f"piapp/{node}/#")
    gate.open()
    with make_publisher(gate.url, node=node) as publisher:
        assert publisher.wait_connected(DEADLINE_S)
        subscriber.wait_for("status")
        gate.hold()
        for number in range(60):
            publisher.publish_event(event(number))
        gate.cut()
        gate.release()
        wait_until(lambda: not publisher.state.connected, "the loss to be noticed")
        gate.open()
        wait_until(lambda: publisher.event_depth == 0, "all events to be acknowledged")
        subscriber.wait_for("event", 60)
    late = [one for one, historical in ids(subscriber.of("event")) if historical]
    assert late == sorted(late, key=lambda one: int(one[2:]))
    assert {one for one, _ in ids(subscriber.of("event"))} == {f"b-{number}" for number in range(60)}


def test_every_event_is_acknowledged_whatever_happens_to_the_broker(start_mosquitto):
    """Killed again and again in the middle of events: in the end all were taken, none was dropped."""
    broker = start_mosquitto()
    count, kills = 300, 5
    with make_publisher(broker.url) as publisher:
        for kill in range(kills):
            assert publisher.wait_connected(DEADLINE_S)
            for number in range(kill * count // kills, (kill + 1) * count // kills):
                publisher.publish_event(event(number))
            broker.kill()
            broker.start()
        wait_until(lambda: publisher.event_depth == 0, "all events to be acknowledged")
        counts = publisher.counts()
        assert (counts.events_sent, counts.events_dropped, counts.rejected) == (count, 0, 0)
        publisher.raise_if_failed()


def test_a_flood_of_frames_delays_no_event(mosquitto, subscribe):
    """Frames as fast as they can be made; every event is acknowledged in between."""
    node = "flood"
    subscriber = subscribe(mosquitto.port, f"piapp/{node}/event")
    enough = threading.Event()
    with make_publisher(mosquitto.url, node=node) as publisher:
        assert publisher.wait_connected(DEADLINE_S)

        def flood() -> None:
            while not enough.is_set():
                publisher.publish_frame(lambda: b"frame")

        thread = threading.Thread(target=flood)
        thread.start()
        try:
            for number in range(100):
                publisher.publish_event(event(number))
            wait_until(lambda: publisher.event_depth == 0, "the events to be acknowledged")
        finally:
            enough.set()
            thread.join()
    assert ids(subscriber.wait_for("event", 100)) == [(f"b-{number}", False) for number in range(100)]


def test_a_hung_broker_is_noticed_by_the_keep_alive(start_mosquitto):
    """Nobody closes anything; unanswered pings end the connection, and a thawed broker is found again."""
    broker = start_mosquitto()
    with make_publisher(broker.url, ("mqtt.keepalive_s", "2")) as publisher:
        assert publisher.wait_connected(DEADLINE_S)
        broker.freeze()
        wait_until(lambda: publisher.state.last_error, "the loss to be noticed")
        assert publisher.state.last_error.reason == "keep_alive"
        broker.thaw()
        assert publisher.wait_connected(DEADLINE_S)


def test_a_jammed_network_drops_frames_and_keeps_events(gate, mosquitto, subscribe):
    """Frames never pile up: the oldest are dropped and counted, and events arrive when it flows again."""
    node = "jammed"
    subscriber = subscribe(mosquitto.port, f"piapp/{node}/#")
    gate.open()
    with make_publisher(gate.url, node=node) as publisher:
        assert publisher.wait_connected(DEADLINE_S)
        gate.hold()
        frames = 0
        payload = bytes(10_000)
        until = time.monotonic() + DEADLINE_S
        while publisher.counts().frames_dropped < 500:
            publisher.publish_frame(lambda: payload)
            frames += 1
            assert time.monotonic() < until
        publisher.publish_event(event(1))
        # What left this process is bounded by the sockets' buffers: 64 kB asked for here, the gate's and the kernel's.
        assert publisher.counts().frames_sent * len(payload) < 20_000_000
        gate.release()
        assert ids(subscriber.wait_for("event")) == [("b-1", False)]
        wait_until(lambda: sum(_frame_counts(publisher)) == frames, "every frame to be sent or dropped")


def _frame_counts(publisher: Publisher) -> tuple[int, int]:
    counts = publisher.counts()
    return counts.frames_sent, counts.frames_dropped


def test_the_will_says_offline_when_the_process_is_killed(mosquitto, subscribe):
    """SIGKILL leaves no time to say goodbye."""
    node = "killed"
    subscriber = subscribe(mosquitto.port, f"piapp/{node}/status")
    code = (
        "from tests.support.publishers import make_publisher\n"
        f"publisher = make_publisher({mosquitto.url!r}, node={node!r})\n"
        "publisher.start()\n"
        "import threading; threading.Event().wait(60)\n"
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", code], cwd=root) as process:
        subscriber.wait_for("status", payload=b"online")
        process.send_signal(signal.SIGKILL)
    subscriber.wait_for("status", payload=b"offline")


@pytest.mark.parametrize("when", ["connected", "jammed", "connecting"])
def test_stop_is_in_time_when_the_broker_hangs(start_mosquitto, when):
    """SIGSTOP: connections stay open and nobody answers, before CONNACK and after, with a full socket or not."""
    broker = start_mosquitto()
    publisher = make_publisher(broker.url)
    if when == "connecting":
        broker.freeze()
    publisher.start()
    if when != "connecting":
        assert publisher.wait_connected(DEADLINE_S)
        broker.freeze()
    publisher.publish_event(event(1))
    while when == "jammed" and publisher.counts().frames_dropped == 0:
        publisher.publish_frame(lambda: bytes(50_000))
    began = time.monotonic()
    assert publisher.stop(timeout_s=2.0)
    assert time.monotonic() - began < 3.0
    broker.thaw()


def test_stop_is_in_time_while_connecting_hangs(monkeypatch):
    """A name look-up cannot be interrupted: stop leaves the thread behind, which ends by itself."""
    release = threading.Event()
    entered = threading.Event()

    def look_up(*_args, **_options):
        entered.set()
        release.wait(DEADLINE_S)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    publisher = make_publisher("mqtt://broker.invalid")
    publisher.start()
    assert entered.wait(DEADLINE_S)
    began = time.monotonic()
    assert publisher.stop(timeout_s=0.5) is False
    assert time.monotonic() - began < 5.0
    release.set()
    wait_until(lambda: publisher.stop(0.1), "the thread to end")


def test_stop_sends_what_waits(mosquitto, subscribe):
    """Frames and events that were queued a moment before are delivered before `offline`."""
    node = "stops"
    subscriber = subscribe(mosquitto.port, f"piapp/{node}/#")
    publisher = make_publisher(mosquitto.url, node=node)
    publisher.start()
    assert publisher.wait_connected(DEADLINE_S)
    for number in range(100):
        publisher.publish_event(event(number))
    publisher.publish_frame(lambda: b"last")
    assert publisher.stop(timeout_s=DEADLINE_S)
    subscriber.wait_for("status", payload=b"offline")
    assert len(subscriber.of("event")) == 100
    assert [message.payload for message in subscriber.of("frame")] == [b"last"]
    assert subscriber.messages[-1].payload == b"offline"


def test_stop_without_start_and_twice():
    """Both are harmless."""
    publisher = make_publisher("mqtt://localhost")
    assert publisher.stop()
    assert publisher.stop()


class OldBroker:
    """Knows MQTT 3.1.1 only, and answers version 5 as it is told: with bytes, or by closing."""

    def __init__(self, answer_to_5: bytes) -> None:
        self._answer_to_5 = answer_to_5
        self.levels: list[int] = []
        self.refuse_next = False
        self._client: socket.socket | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"mqtt://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                self._client = client
                self._answer(client)

    def _answer(self, client: socket.socket) -> None:
        connect = client.recv(4096)
        level = connect[connect.index(b"MQTT") + 4]
        self.levels.append(level)
        if level == 5:
            client.sendall(self._answer_to_5)
            return
        if self.refuse_next:
            self.refuse_next = False
            return
        client.sendall(b"\x20\x02\x00\x00")
        while client.recv(4096):
            pass

    def drop(self) -> None:
        """Break the connection that is there."""
        assert self._client
        self._client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the thread."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(DEADLINE_S)


@pytest.mark.parametrize("answer", [b"\x20\x02\x00\x01", b"\x20\x03\x00\x84\x00", b""])
def test_brokers_without_mqtt_5_get_3_1_1(answer):
    """Whether they refuse in either version's words or just close; without a pause and without a warning."""
    broker = OldBroker(answer)
    with make_publisher(broker.url, ("mqtt.reconnect_min_s", "60"), ("mqtt.reconnect_max_s", "60")) as publisher:
        assert publisher.wait_connected(DEADLINE_S)
        assert publisher.state.version == "3.1.1"
        assert send_frame(publisher) is not None
        publisher.stop(timeout_s=0.2)
    assert broker.levels == [5, 4]
    broker.close()


def test_3_1_1_is_remembered_while_it_works():
    """After a lost connection it is tried first; after it failed once, 5 has its turn again."""
    broker = OldBroker(b"\x20\x02\x00\x01")
    with make_publisher(broker.url) as publisher:
        assert publisher.wait_connected(DEADLINE_S)
        broker.drop()
        wait_until(lambda: publisher.state.connects == 2, "a reconnect")
        assert broker.levels == [5, 4, 4]
        broker.refuse_next = True
        broker.drop()
        wait_until(lambda: publisher.state.connects == 3, "another reconnect")
        assert broker.levels == [5, 4, 4, 4, 5, 4]
        publisher.stop(timeout_s=0.2)
    broker.close()


def test_version_5_only_does_not_fall_back():
    """As configured: the refusal is named and tried again."""
    broker = OldBroker(b"\x20\x03\x00\x84\x00")
    with make_publisher(broker.url, ("mqtt.protocol", '"5"')) as publisher:
        wait_until(lambda: len(broker.levels) >= 3, "three attempts")
        assert publisher.state.last_error.reason == "protocol_version"
    assert set(broker.levels) == {5}
    broker.close()


def test_amqtt_works_with_and_without_asking_for_3_1_1(subscribe_311):
    """The embedded broker never answers version 5; the fall-back finds out."""
    with EmbeddedBroker() as broker:
        messages = subscribe_311(broker.port)
        for settings in ([("mqtt.protocol", "3.1.1")], [("mqtt.connect_timeout_s", "0.5")]):
            with make_publisher(broker.url, *settings) as publisher:
                assert publisher.wait_connected(DEADLINE_S)
                assert publisher.state.version == "3.1.1"
                assert send_frame(publisher, b"f1")
                wait_until(lambda: ("piapp/hall/frame", b"f1") in messages, "the frame")
            wait_until(lambda: ("piapp/hall/status", b"offline") in messages, "offline")
            messages.clear()


@pytest.fixture
def subscribe_311():
    """Make 3.1.1 subscribers that collect (topic, payload)."""
    from paho.mqtt.client import Client  # noqa: PLC0415 - this test alone speaks 3.1.1 by hand
    from paho.mqtt.enums import CallbackAPIVersion  # noqa: PLC0415

    clients = []

    def make(port: int) -> list[tuple[str, bytes]]:
        messages: list[tuple[str, bytes]] = []
        ready = threading.Event()
        client = Client(CallbackAPIVersion.VERSION2)
        client.on_connect = lambda *_: client.subscribe("piapp/#", qos=1)
        client.on_subscribe = lambda *_: ready.set()
        client.on_message = lambda _client, _userdata, message: messages.append((message.topic, message.payload))
        client.connect("127.0.0.1", port)
        client.loop_start()
        clients.append(client)
        assert ready.wait(DEADLINE_S)
        return messages

    yield make
    for client in clients:
        client.disconnect()
        client.loop_stop()


def test_handlers_get_messages_after_every_connect(gate, mosquitto, subscribe):
    """Also those added later; what a handler raises is counted and ends nothing."""
    node = "handlers"
    subscriber = subscribe(mosquitto.port, f"piapp/{node}/#")
    gate.open()
    got: list[tuple[str, bytes]] = []
    with make_publisher(gate.url, node=node) as publisher:
        topics = publisher.topics

        def ping(incoming) -> None:
            got.append((incoming.topic, incoming.payload))
            publisher.publish(Message(topics.response("ping"), incoming.payload, qos=1))

        publisher.subscribe(topics.requests, ping)
        assert publisher.wait_connected(DEADLINE_S)
        publisher.subscribe("other/topic", lambda _: 1 / 0)
        for round_number in range(2):
            payload = b"%d" % round_number
            _ask_until_answered(subscriber, topics.request("ping"), payload)
            assert (topics.request("ping"), payload) in got
            connects = publisher.state.connects
            gate.cut()
            gate.open()
            wait_until(lambda connects=connects: publisher.state.connects > connects, "a reconnect")
        wait_until(lambda: subscriber.publish("other/topic", b"x") or publisher.handler_errors, "the handler to fail")
        _ask_until_answered(subscriber, topics.request("ping"), b"still there")
        publisher.raise_if_failed()


def test_topics_that_no_broker_may_deliver(mosquitto, subscribe):
    """With wildcards, without letters, in no encoding: each is dropped, and the connection and handlers go on."""
    node = "hostile"
    subscriber = subscribe(mosquitto.port, f"piapp/{node}/#")
    attacking = threading.Event()
    gate = HostileGate(mosquitto.port, attacking, garbage_every=0)
    threading.Thread(target=gate.run, daemon=True).start()
    with make_publisher(f"mqtt://127.0.0.1:{gate.port}", node=node) as publisher:
        topics = publisher.topics
        publisher.subscribe(
            topics.requests,
            lambda incoming: publisher.publish(Message(topics.response("ping"), incoming.payload, qos=1)),
        )
        _ask_until_answered(subscriber, topics.request("ping"), b"before")
        attacking.set()
        for number in range(2 * len(TOPICS)):
            _ask_until_answered(subscriber, topics.request("ping"), b"%d" % number)
        assert gate.count >= len(TOPICS)
        assert publisher.state.connects == 1
        publisher.raise_if_failed()


def _ask_until_answered(subscriber: Subscriber, topic: str, payload: bytes) -> None:
    """The subscription may take effect a moment after the connection."""

    def answered() -> bool:
        subscriber.publish(topic, payload)
        return any(one.payload == payload and "response" in one.topic for one in subscriber.of("ping"))

    wait_until(answered, "an answer")


def test_two_clients_with_one_id_are_named(mosquitto):
    """The failure says which id; older brokers close without a reason code."""
    settings = ("mqtt.client_id", "twin")
    with make_publisher(mosquitto.url, settings) as first:
        assert first.wait_connected(DEADLINE_S)
        with make_publisher(mosquitto.url, settings):
            wait_until(lambda: first.state.last_error, "the first to be thrown out")
            assert first.state.last_error.reason in ("session_taken_over", "closed")
            assert "id 'twin'" in str(first.state.last_error)


@pytest.mark.parametrize(
    ("disconnect", "reason", "words"),
    [
        (b"\xe0\x02\x8e\x00", "session_taken_over", "another client came with the id 'piapp-hall'"),
        (b"\xe0\x02\x8b\x00", "refused_by_broker", "Server shutting down"),
        (b"\xe0\x02\x87\x00", "not_authorised", "a client without user name"),
        (b"", "closed", "closed by the broker or the network"),
    ],
)
def test_a_brokers_goodbye_is_named(disconnect, reason, words):
    """MQTT 5's DISCONNECT tells why."""
    broker = OldBroker(b"\x20\x03\x00\x00\x00" + disconnect)
    with make_publisher(broker.url) as publisher:
        wait_until(lambda: publisher.state.last_error, "the connection to end")
        assert publisher.state.last_error.reason == reason
        assert words in str(publisher.state.last_error)
    broker.close()


def test_repeated_failures_are_logged_once(caplog):
    """Ten attempts, one line."""
    publisher = make_publisher(f"mqtt://127.0.0.1:{free_port()}", ("mqtt.reconnect_max_s", "0.05"))
    with caplog.at_level(logging.DEBUG, "piapp"), publisher:
        wait_until(lambda: len(caplog.records) >= 10, "ten attempts")
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "connection refused" in warnings[0]


def test_an_error_of_ours_reaches_the_main_thread(mosquitto):
    """Nothing limps on: the thread ends, its error is raised where it is asked for, lockstep is told."""
    publisher = make_publisher(mosquitto.url, node="broken")
    publisher.start()
    assert publisher.wait_connected(DEADLINE_S)

    def broken(_sent_ns: int | None) -> None:
        raise KeyError("oops")

    publisher.publish_frame(lambda: b"f", broken)

    def failed() -> bool:
        try:
            publisher.raise_if_failed()
        except PiappError as error:
            return "KeyError: 'oops'" in str(error)
        return False

    wait_until(failed, "the failure")
    assert publisher.state.connected is False
    assert send_frame(publisher) is None
    assert publisher.stop()


def test_a_forbidden_topic_is_named_and_blocks_nothing(start_mosquitto, tmp_path, subscribe, caplog):
    """The broker's reason code for `event` is logged once and counted; frames go on."""
    acl = tmp_path / "acl"
    acl.write_text("topic read #\ntopic write piapp/hall/status\ntopic write piapp/hall/frame\n")
    acl.chmod(0o600)
    broker = start_mosquitto(lines=[f"acl_file {acl}"])
    subscriber = subscribe(broker.port)
    with caplog.at_level(logging.WARNING, "piapp"), make_publisher(broker.url) as publisher:
        assert publisher.wait_connected(DEADLINE_S)
        for number in range(5):
            publisher.publish_event(event(number))
        wait_until(lambda: publisher.event_depth == 0, "the events to be given up")
        assert send_frame(publisher)
        subscriber.wait_for("frame")
        wait_until(lambda: publisher.counts().rejected == 10, "all events and triggers to be counted")
        assert publisher.counts().events_sent == 0
    refusals = [record.getMessage() for record in caplog.records if "piapp/hall/event" in record.getMessage()]
    assert len(refusals) == 1
    assert "Not authorized" in refusals[0]


def test_a_message_beyond_the_brokers_limit_is_given_up(start_mosquitto, subscribe):
    """Sent, it would make the broker disconnect us, again after every reconnect."""
    broker = start_mosquitto(lines=["max_packet_size 2000"])
    subscriber = subscribe(broker.port)
    with make_publisher(broker.url) as publisher:
        assert publisher.wait_connected(DEADLINE_S)
        publisher.retain(publisher.topics.info, bytes(5_000))
        assert send_frame(publisher, bytes(5_000)) is None
        assert send_frame(publisher, b"small")
        subscriber.wait_for("frame", payload=b"small")
        assert publisher.state.connects == 1
        assert publisher.counts().rejected == 2


def test_over_a_websocket(start_mosquitto):
    """A real one of mosquitto's."""
    port = free_port()
    start_mosquitto(lines=[f"listener {port} 127.0.0.1", "protocol websockets"])
    with make_publisher(f"ws://127.0.0.1:{port}", node="web") as publisher:
        assert publisher.wait_connected(DEADLINE_S)


def test_over_a_unix_socket(start_mosquitto, tmp_path):
    """A real one of mosquitto's."""
    path = tmp_path / "m.sock"
    start_mosquitto(lines=[f"listener 0 {path}"])
    with make_publisher(f"unix://{path}", node="unix") as publisher:
        assert publisher.wait_connected(DEADLINE_S)
