"""What fails around and inside a running node, and what it does then (the failure table of the design)."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time

import pytest

from tests.e2e.node import FAKES
from tests.mosquitto import DEADLINE_S, free_port, wait_until

KEEPALIVE_S = 2
STOP_LIMIT_S = 3.0

QUICK = (
    "--set", f"mqtt.keepalive_s={KEEPALIVE_S}", "--set", "mqtt.reconnect_min_s=0.1",
    "--set", "mqtt.reconnect_max_s=0.5", "--set", "health.period_s=1",
)  # fmt: skip


@pytest.fixture
def fake_node(broker, subscribe, run_node):
    """A node with fakes that sends frames; it, and a subscriber."""

    def start(*options):
        subscriber = subscribe(broker)
        node = run_node(broker.port, *QUICK, *options, program=FAKES)
        subscriber.wait_for("frame", 3)
        return node, subscriber

    return start


def last(subscriber, leaf):
    """The newest payload of a topic."""
    return subscriber.of(leaf)[-1].payload


def test_a_killed_node_is_reported_by_its_will(fake_node):
    """SIGKILL closes the connection, so the broker speaks at once."""
    node, subscriber = fake_node()
    assert last(subscriber, "status") == b"online"
    node.send(signal.SIGKILL)
    subscriber.wait_for("status", payload=b"offline")


def test_a_silent_node_is_reported_within_the_keep_alive(fake_node):
    """As after a power cut, nobody closes the connection: the broker waits 1.5 keep-alives (MQTT 5, 3.1.2.10)."""
    node, subscriber = fake_node()
    node.send(signal.SIGSTOP)
    started = time.monotonic()
    subscriber.wait_for("status", payload=b"offline")
    assert time.monotonic() - started < 1.5 * KEEPALIVE_S + 5.0, "the keep-alive is not what was configured"
    node.send(signal.SIGCONT)
    subscriber.wait_for("status", 2, payload=b"online")  # it comes back by itself


def test_a_killed_broker_is_outlived(fake_node, broker, subscribe):
    """The node goes on and reconnects to a broker that remembers nothing; all retained topics are back."""
    node, subscriber = fake_node()
    subscriber.wait_for("health")
    before = json.loads(last(subscriber, "frame"))["seq"]
    broker.kill()
    node.wait_for_log("trying again")
    time.sleep(3.0)  # the length of the outage under test
    assert node.running
    broker.start()
    subscriber = subscribe(broker)
    for leaf in ("status", "info", "state", "health", "frame"):
        subscriber.wait_for(leaf)
    assert last(subscriber, "status") == b"online"
    assert json.loads(subscriber.of("frame")[0].payload)["seq"] > before + 30, "frames were not processed meanwhile"
    wait_until(lambda: json.loads(last(subscriber, "health"))["mqtt_reconnects"] == 1, "the reconnect to be counted")
    assert json.loads(last(subscriber, "health"))["messages_dropped"]["frames"] > 0
    assert node.stop()[0] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(fake_node, number):
    """Exit 0 in under 3 s, `offline` published by the node itself, and everything before it delivered."""
    node, subscriber = fake_node()
    code, seconds = node.stop(number)
    assert code == 0, node.log
    assert seconds < STOP_LIMIT_S
    subscriber.wait_for("status", payload=b"offline")
    assert "disconnected from" in node.log, "the broker spoke for it"


@pytest.mark.parametrize(
    "switches",
    [
        ("camera freeze",),
        ("camera hang_on_close",),
        ("camera freeze", "camera hang_on_close"),
        ("landmarker hang",),
        ("camera hang_on_close", "landmarker hang"),
    ],
    ids=" and ".join,
)
def test_a_signal_ends_it_though_parts_hang(fake_node, switches):
    """A driver or library that does not return is left behind; `offline` is said all the same."""
    node, subscriber = fake_node()
    for switch in switches:
        node.switch(switch)
    code, seconds = node.stop()
    assert code == 0, node.log
    assert seconds < STOP_LIMIT_S, node.log
    subscriber.wait_for("status", payload=b"offline")
    assert "disconnected from" in node.log, "the broker spoke for it"


def test_a_signal_ends_it_though_the_broker_hangs(fake_node, broker):
    """A broker that answers nothing cannot hold it up; its will says `offline` when the broker wakes."""
    node, subscriber = fake_node()
    broker.freeze()
    try:
        code, seconds = node.stop()
    finally:
        broker.thaw()
    assert code == 0, node.log
    assert seconds < STOP_LIMIT_S, node.log
    subscriber.wait_for("status", payload=b"offline")


def test_a_signal_ends_it_while_everything_hangs(fake_node, broker):
    """Camera, landmarker and broker at once."""
    node, _ = fake_node()
    node.switch("camera hang_on_close")
    node.switch("landmarker hang")
    broker.freeze()
    try:
        code, seconds = node.stop()
    finally:
        broker.thaw()
    assert code == 0, node.log
    assert seconds < STOP_LIMIT_S, node.log


def test_a_signal_ends_it_while_it_waits_for_a_broker(run_node, clip):
    """In lockstep the first frame waits for the broker; a signal does not."""
    node = run_node(free_port(), "--source", f"file:{clip}?pace=lockstep", "--log-level", "debug")
    node.wait_for_log("connection refused")
    code, seconds = node.stop()
    assert code == 0, node.log
    assert seconds < STOP_LIMIT_S, node.log


def test_a_signal_ends_it_while_a_stream_does_not_open(run_node):
    """An RTSP server that takes the connection and says nothing: the node is still opening the source."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked = threading.Event()
        connections = []

        def accept():
            connections.append(server.accept()[0])
            asked.set()

        threading.Thread(target=accept, daemon=True).start()
        address = f"rtsp://127.0.0.1:{server.getsockname()[1]}/x"
        node = run_node(free_port(), "--source", address, "--set", "camera.frame_timeout_s=60")
        assert asked.wait(DEADLINE_S), node.log
        code, seconds = node.stop()
        for connection in connections:
            connection.close()
    assert code == 0, node.log
    assert seconds < STOP_LIMIT_S, node.log


def test_a_stuck_landmarker_ends_the_program(fake_node):
    """No result for `max_result_age_s` while frames come: exit 70 with the reason, and `offline`."""
    node, subscriber = fake_node("--set", "landmarker.max_result_age_s=1")
    node.switch("landmarker hang")
    assert node.wait() == 70
    assert "gave no result for" in node.log
    assert "max_result_age_s = 1" in node.log
    subscriber.wait_for("status", payload=b"offline")


def test_a_dead_landmarker_ends_the_program_at_once(fake_node):
    """Exit 70 with its own reason, long before the missing result would count."""
    node, subscriber = fake_node("--set", "landmarker.max_result_age_s=600")
    node.switch("landmarker die")
    assert node.wait() == 70
    subscriber.wait_for("status", payload=b"offline")
    assert "piapp: the landmarker failed: MemoryError('died on command')" in node.log


def test_a_frozen_camera_is_reported_and_ends_the_program(fake_node):
    """No frame within its deadline: a `camera_lost` event, `offline`, exit 69 with words."""
    node, subscriber = fake_node("--set", "camera.frame_timeout_s=1", "--source", "rtsp://me:s3cret@camera.lan/x")
    node.switch("camera freeze")
    assert node.wait() == 69
    assert "no frame for" in node.log
    assert "camera.frame_timeout_s = 1" in node.log
    subscriber.wait_for("status", payload=b"offline")
    event = json.loads(last(subscriber, "event"))
    assert event["event_type"] == "camera_lost"
    assert "no frame for" in event["evidence"]["reason"]
    assert last(subscriber, "trigger") == b"camera_lost"
    everything = node.log + "".join(repr(message.payload) for message in subscriber.messages)
    assert "s3cret" not in everything, "the password of the stream leaked"


def test_an_unplugged_camera_is_reported_and_ends_the_program(fake_node):
    """An error of the camera, which hangs besides, ends the same way."""
    node, subscriber = fake_node()
    node.switch("camera hang_on_close")
    node.switch("camera unplug")
    assert node.wait() == 69
    assert "was unplugged" in node.log
    subscriber.wait_for("trigger", payload=b"camera_lost")


def test_an_error_of_our_own_is_internal(fake_node):
    """Exit 70, with a trace for the report."""
    node, subscriber = fake_node()
    node.switch("landmarker break")
    assert node.wait() == 70
    assert "ZeroDivisionError: broken on command" in node.log
    assert "internal error" in node.log
    subscriber.wait_for("status", payload=b"offline")


def test_a_broker_that_is_not_there_yet_is_waited_for(run_node, broker, subscribe):
    """Absent at start is no failure: it says so once, goes on, and comes up with the broker."""
    broker.kill()
    node = run_node(broker.port, *QUICK, program=FAKES)
    node.wait_for_log("connection refused")
    node.wait_for_log("running: fake camera")
    wait_until(lambda: "person_entered" in node.log or not node.running, "an event without a broker")
    assert node.running
    broker.start()
    subscriber = subscribe(broker)
    for leaf in ("status", "info", "frame"):
        subscriber.wait_for(leaf)
    events = [json.loads(message.payload) for message in subscriber.wait_for("event")]
    assert [(event["event_type"], event["historical"]) for event in events][:1] == [("person_entered", True)]
    assert node.log.count("connection refused") == 1, "the same words again and again"


def test_restarts_are_counted_and_survive(fake_node, tmp_path):
    """After a kill, `health` of the next run tells of it."""
    keep = ("--set", f"spool.dir={tmp_path / 'state'}")
    for restarts in (0, 1):
        node, subscriber = fake_node(*keep)
        subscriber.wait_for("health", 2)  # the first may be an earlier run's
        assert json.loads(last(subscriber, "health"))["restarts"] == restarts
        node.kill()


def test_a_wrong_password_is_named_and_tried_again(run_node, start_mosquitto, tmp_path):
    """The log says whose password and where it is set, never the password; correcting the file heals."""
    broker = start_mosquitto(users={"hall": "right"})
    password = tmp_path / "password"
    password.write_text("wr0ng\n")
    settings = ("--set", "mqtt.username=hall", "--set", f"mqtt.password_file={password}")
    node = run_node(broker.port, *QUICK, *settings, program=FAKES)
    node.wait_for_log("mqtt.password_file")
    assert "'hall'" in node.log
    assert "wr0ng" not in node.log
    assert node.running
    password.write_text("right\n")
    node.wait_for_log("connected to")
