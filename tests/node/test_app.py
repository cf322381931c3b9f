"""The node put together, in this process, with fakes for camera and landmarker."""

from __future__ import annotations

import json
import threading
import time

import pytest

from piapp.errors import CameraNotFoundError, LandmarkerTimeoutError, ModelError, UsageError
from piapp.landmarker.model import find_model
from piapp.node.app import Node, make_parts
from piapp.node.assembly import NodeParts, node_id
from piapp.service.identity import default_node_id
from piapp.testing.camera import FakeCamera
from piapp.testing.landmarker import FakeLandmarker
from tests.mosquitto import DEADLINE_S, Subscriber, free_port, wait_until
from tests.support.nodes import config_of, node_of


def test_a_source_that_ends_ends_the_run(subscriber):
    """Every frame in lockstep leaves; state only when it changes; `offline` at last; no thread is left."""
    threads = set(threading.enumerate())
    camera = FakeCamera(paced=False, lockstep=True, count=40)
    node = node_of(config_of(subscriber.port), camera)
    node.run(threading.Event())
    subscriber.wait_for("status", payload=b"offline")
    frames = [json.loads(message.payload) for message in subscriber.of("frame")]
    assert [frame["seq"] for frame in frames] == list(range(1, 41))
    assert all(len(frame["poses"][0]["landmarks"]) == 33 for frame in frames)
    states = [json.loads(message.payload) for message in subscriber.of("state")]
    changes = [(state["count"], state["posture"]) for state in states]
    assert len(changes) < 10
    assert changes[-2][0] == 1
    assert [state["occupied"] for state in states][0 :: len(states) - 1] == [None, None], (
        "before and after nobody watches"
    )
    assert camera.closed
    assert node.hung == []
    wait_until(lambda: set(threading.enumerate()) <= threads, "all threads to end")


def test_landmarkers_load_while_the_camera_opens():
    """A camera that takes its time holds nothing else up."""
    loaded, camera, opened_after = threading.Event(), FakeCamera(), []

    def open_slowly():
        opened_after.append(loaded.wait(DEADLINE_S))
        return camera

    def load(*callbacks):
        loaded.set()
        return FakeLandmarker(*callbacks)

    config = config_of(free_port(), ("spool.dir", "off"))
    Node(config, NodeParts(open_slowly, load, find_model("lite", masks=False))).run(threading.Event(), 0.0)
    assert opened_after == [True]


def test_frames_off_still_processes_all(subscriber):
    """Nothing is published as a frame, and lockstep does not stall."""
    camera = FakeCamera(paced=False, lockstep=True, count=40)
    node_of(config_of(subscriber.port, ("publish.frames", "off")), camera).run(threading.Event())
    subscriber.wait_for("status", payload=b"offline")
    assert camera.delivered == 40
    assert subscriber.of("frame") == []
    assert json.loads(subscriber.of("state")[-2].payload)["count"] == 1


def test_state_tells_when_somebody_has_been_still_for_long(subscriber):
    """Published when that mark is passed, so that a subscriber can compare `still_s` with it."""
    camera = FakeCamera(paced=False, lockstep=True, count=60)
    node_of(config_of(subscriber.port, ("posture.inactive_after_s", "1")), camera).run(threading.Event())
    subscriber.wait_for("status", payload=b"offline")
    assert any(json.loads(message.payload)["event_type"] == "inactive" for message in subscriber.of("event"))
    states = [json.loads(message.payload) for message in subscriber.of("state")]
    still_s = [person["still_s"] for one in states if one["occupied"] for person in one["persons"]]
    assert max(still_s) >= 1.0


def test_home_assistant_follows_the_settings(subscriber):
    """A setting that an entity's template holds is announced again when it changes."""
    home = Subscriber(subscriber.port, "homeassistant/#")
    stop = threading.Event()
    node = node_of(config_of(subscriber.port), FakeCamera(fps=15.0))
    thread = threading.Thread(target=node.run, args=(stop,), daemon=True)
    thread.start()
    try:
        home.wait_for("config")
        subscriber.wait_for("frame")
        subscriber.publish("piapp/app/request/set", b'{"values":{"posture.inactive_after_s":77}}')
        wait_until(lambda: b"'ge', 77)" in home.of("config")[-1].payload, "another announcement")
    finally:
        stop.set()
        thread.join(DEADLINE_S)
        home.close()


def test_a_duration_ends_the_run(subscriber):
    """After so many seconds of running, without a signal."""
    started = time.monotonic()
    node_of(config_of(subscriber.port), FakeCamera(fps=30)).run(threading.Event(), duration_s=0.5)
    assert time.monotonic() - started >= 0.5
    assert subscriber.wait_for("frame")


def test_health_tells_the_rates(subscriber):
    """A slow landmarker drops frames, which are counted; rates in and out differ."""
    stop = threading.Event()
    node = node_of(config_of(subscriber.port, ("health.period_s", "1")), FakeCamera(fps=60), inference_s=0.1)
    runner = threading.Thread(target=node.run, args=(stop,))
    runner.start()
    subscriber.wait_for("health", 2)
    stop.set()
    runner.join(DEADLINE_S)
    health = json.loads(subscriber.of("health")[-1].payload)
    assert health["node"] == "app"
    assert 0 < health["fps_out"] < health["fps_in"]
    assert health["frames_dropped"]["waiting"] > 0
    assert health["inference_ms"]["p50"] >= 100
    assert health["latency_ms"]["p50"] >= health["inference_ms"]["p50"]
    assert health["mqtt_reconnects"] == 0
    assert (health["idle"], health["slowed"]) == (False, False)
    assert isinstance(health["time_synced"], bool)
    assert health["disk_free_mb"] > 0


def test_a_landmarker_that_cannot_be_made_ends_the_run():
    """The error comes out, and everything is stopped."""

    def factory(*_callbacks):
        raise ModelError("no such model")

    threads = set(threading.enumerate())
    parts = NodeParts(FakeCamera, factory, find_model("lite", masks=False))
    node = Node(config_of(free_port()), parts)
    with pytest.raises(ModelError, match="no such model"):
        node.run(threading.Event())
    wait_until(lambda: set(threading.enumerate()) <= threads, "all threads to end")


def test_parts_that_hang_are_named(subscriber):
    """Their threads are left behind; the rest is stopped properly."""
    camera = FakeCamera(fps=30)
    landmarkers = []

    def factory(*callbacks):
        landmarkers.append(FakeLandmarker(*callbacks))
        return landmarkers[-1]

    config = config_of(subscriber.port, ("landmarker.max_result_age_s", "0.5"))
    node = Node(config, NodeParts(lambda: camera, factory, find_model("lite", masks=False)))
    camera.hang_on_close()

    def hang():
        subscriber.wait_for("frame")
        landmarkers[0].hang()

    switch = threading.Thread(target=hang)
    switch.start()
    with pytest.raises(LandmarkerTimeoutError):
        node.run(threading.Event())
    switch.join(DEADLINE_S)
    assert node.hung == ["camera", "landmarker"]
    subscriber.wait_for("status", payload=b"offline")
    camera.release_close()
    landmarkers[0].resume()


def test_parts_come_from_the_configuration(tmp_path):
    """The model is verified and the source's name understood; the camera is opened when the node runs."""
    with pytest.raises(UsageError):
        make_parts(config_of(1, ("camera.source", "usb:0")))
    with pytest.raises(ModelError, match=r"gone\.task"):
        make_parts(config_of(1, ("landmarker.model", str(tmp_path / "gone.task"))))
    parts = make_parts(config_of(1, ("camera.source", "file:/gone.mp4")))
    with pytest.raises(CameraNotFoundError):
        parts.open_camera()


def test_a_camera_that_is_missing_is_published_before_the_end(subscriber, tmp_path):
    """Status, info, settings, health and the loss with its reason are there; the loss is reported once."""
    settings = [("camera.source", "file:/gone.mp4"), ("spool.dir", str(tmp_path))]
    config = config_of(subscriber.port, *settings)
    with pytest.raises(CameraNotFoundError):
        Node(config, make_parts(config)).run(threading.Event())
    subscriber.wait_for("status", payload=b"offline")
    lost = json.loads(subscriber.of("event")[0].payload)
    assert lost["event_type"] == "camera_lost"
    assert "/gone.mp4" in lost["evidence"]["reason"]
    assert json.loads(subscriber.of("info")[-1].payload)["hardware"]["camera"] is None
    assert json.loads(subscriber.of("health")[-1].payload)["frames_processed"] == 0
    assert json.loads(subscriber.of("settings")[-1].payload)["paused"] is False
    with pytest.raises(CameraNotFoundError):
        Node(config, make_parts(config)).run(threading.Event())
    subscriber.wait_for("status", 2, payload=b"offline")
    assert len(subscriber.of("event")) == 1


def test_a_camera_that_hangs_while_it_is_opened_is_left_behind():
    """The node stops when it is asked to, and names what hangs."""
    release, stop = threading.Event(), threading.Event()
    opening = threading.Event()

    def open_camera():
        opening.set()
        release.wait()
        return FakeCamera()

    node = Node(config_of(free_port()), NodeParts(open_camera, FakeLandmarker, find_model("lite", masks=False)))
    runner = threading.Thread(target=node.run, args=(stop,))
    runner.start()
    assert opening.wait(DEADLINE_S)
    stop.set()
    runner.join(DEADLINE_S)
    assert node.hung == ["camera"]
    release.set()


def test_health_that_cannot_be_read_ends_nothing(subscriber, monkeypatch, caplog):
    """A machine out of descriptors costs a report, and the log tells why."""

    def fail(*_):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("piapp.node.health_report.hardware.disk_free_mb", fail)
    node = node_of(config_of(subscriber.port, ("health.period_s", "1")), FakeCamera(fps=30))
    node.run(threading.Event(), duration_s=1.5)
    assert "Too many open files" in caplog.text
    assert subscriber.of("health") == []
    assert subscriber.wait_for("frame")


def test_the_node_id_is_the_configured_one_or_the_devices():
    """Empty means the device's own."""
    assert node_id(config_of(1)) == "app"
    assert node_id(config_of(1, ("node.id", ""))) == default_node_id()
