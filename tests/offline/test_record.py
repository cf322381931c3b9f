"""Recording a file, a camera and a distant node, and playing it again."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

from piapp.camera.source import demo_clip
from piapp.config.load import load_config
from piapp.errors import BrokerError, CameraError, CameraNotFoundError, ConfigError, PiappError
from piapp.mqtt.payload import FramePayload, PayloadWriter, decode_frame
from piapp.offline.record import camera_results, node_results, record, source_results
from piapp.offline.recording import RecordingError, iterate_recording, read_recording
from piapp.testing.camera import FakeCamera
from piapp.testing.landmarker import FakeLandmarker, standing_pose
from piapp.types import Pose, PoseResult
from tests.e2e.node import FAKES, NODE, PIAPP, NodeProcess, clean_environment, piapp
from tests.mosquitto import DEADLINE_S, Subscriber, wait_until
from tests.support.recordings import some

ROOM_EVENTS = 18


def config_of(*settings):
    """The shipped defaults and some more."""
    return load_config(Path("/dev/null"), overrides=list(settings), environ={}).config


def say_nothing(_what, _done, _total):
    """Progress for nobody."""


def events_of(output):
    """Lines of events, without the file's name."""
    return [{key: value for key, value in json.loads(line).items() if key != "file"} for line in output.splitlines()]


def test_a_recording_of_a_clip_gives_the_clip_s_events(tmp_path):
    """All of them, to the last number that decided; and `evaluate` reads the file like any other."""
    path = tmp_path / "room_demo.npz"
    recorded = piapp("record", path, "--source", "demo:")
    assert recorded.returncode == 0, recorded.stderr
    assert recorded.stdout == ""
    replayed = piapp("replay", path)
    detected = piapp("detect", demo_clip(), "--events")
    assert replayed.returncode == detected.returncode == 0
    assert len(events_of(replayed.stdout)) == ROOM_EVENTS
    assert events_of(replayed.stdout) == events_of(detected.stdout)
    assert {json.loads(line)["file"] for line in replayed.stdout.splitlines()} == {str(path)}
    truth = (Path(__file__).parents[1] / "recordings" / "room_demo.json").read_bytes()
    (tmp_path / "room_demo.json").write_bytes(truth)
    judged = json.loads(piapp("evaluate", tmp_path, "--json").stdout)["total"]
    assert judged["events"]["fall"]["found"] == 1


def test_a_camera_is_recorded_as_it_comes(tmp_path):
    """Times count from 0; time of day and latency are kept; the camera is closed."""
    threads = set(threading.enumerate())
    camera = FakeCamera(fps=60, count=30)
    before_ms = time.time_ns() // 1_000_000
    results = camera_results(config_of(), camera, FakeLandmarker, threading.Event())
    summary = record(tmp_path / "a.npz", results, progress=say_nothing)
    back = list(iterate_recording(tmp_path / "a.npz"))
    assert summary.results == len(back) > 5
    assert summary.written_bytes == (tmp_path / "a.npz").stat().st_size
    assert back[0].result.ts_ms == 0
    assert summary.seconds == back[-1].result.ts_ms / 1000
    assert all(0 <= recorded.latency_ms < DEADLINE_S * 1000 for recorded in back)
    assert before_ms - 1000 <= back[0].utc_ms <= time.time_ns() // 1_000_000
    assert camera.closed
    wait_until(lambda: set(threading.enumerate()) <= threads, "all threads to end")


def test_every_frame_of_a_lockstep_source_is_recorded(tmp_path):
    """None is skipped, however slow the landmarker."""
    camera = FakeCamera(fps=1000, paced=False, lockstep=True, count=40)
    results = camera_results(config_of(), camera, FakeLandmarker, threading.Event())
    assert record(tmp_path / "a.npz", results, progress=say_nothing).results == 40


def test_a_camera_that_is_lost_keeps_what_came(tmp_path):
    """The error comes out, the file is whole."""
    camera = FakeCamera(fps=100)
    results = camera_results(config_of(), camera, FakeLandmarker, threading.Event())

    def unplug_later(_what, done, _total):
        if done == 5:
            camera.unplug()

    with pytest.raises(CameraError, match="unplugged"):
        record(tmp_path / "a.npz", results, progress=unplug_later)
    assert len(read_recording(tmp_path / "a.npz")) >= 5


def test_a_source_that_fails_at_once_leaves_no_file(tmp_path):
    """Nor does it cost an older recording, even when that may be replaced."""
    path = tmp_path / "a.npz"
    record(path, some(), progress=say_nothing)
    before = path.read_bytes()
    config = config_of(("camera.source", "file:/nowhere.mp4"))
    for target in (path, tmp_path / "b.npz"):
        results = source_results(config, threading.Event())
        with pytest.raises(CameraNotFoundError):
            record(target, results, overwrite=True, progress=say_nothing)
    assert path.read_bytes() == before
    assert not (tmp_path / "b.npz").exists()


def test_a_file_is_replaced_only_when_asked(tmp_path):
    """The message says how."""
    path = tmp_path / "a.npz"
    record(path, some(3), progress=say_nothing)
    with pytest.raises(RecordingError, match=r"a\.npz: is there already.*--force"):
        record(path, some(5), progress=say_nothing)
    assert len(read_recording(path)) == 3
    record(path, some(5), overwrite=True, progress=say_nothing)
    assert len(read_recording(path)) == 5


def test_a_duration_is_kept(tmp_path):
    """In the results' own time; progress is told in seconds."""
    told = []
    progress = lambda *what: told.append(what)  # noqa: E731
    summary = record(tmp_path / "a.npz", some(50), duration_s=2.0, progress=progress)
    assert (summary.results, summary.seconds) == (21, 2.0)
    assert told[-1] == ("seconds", 2, 2)


def test_a_duration_ends_also_when_nothing_comes_any_more(tmp_path):
    """A node that has gone does not keep `record` waiting for ever."""

    def falls_silent():
        yield from some(3)
        while True:
            yield None

    summary = record(tmp_path / "a.npz", falls_silent(), duration_s=0.3, progress=say_nothing)
    assert summary.results == 3


@pytest.mark.parametrize("form", ["json", "msgpack"])
def test_frames_are_read_in_both_forms(form):
    """What a node sends can be recorded, whatever its encoding; what is missing is not a number."""
    pose = standing_pose()
    landmarks = pose.landmarks.copy()
    landmarks[3, 4] = np.nan
    writer = PayloadWriter("hall", "9f2c61aa", frame_format=form)
    sent = PoseResult(5, time.monotonic_ns(), (640, 480), (Pose(landmarks, pose.world_landmarks),))
    frame = decode_frame(writer.frame(sent, seq=1), FramePayload)
    assert (frame.ts_ms, frame.size, frame.poses[0].landmarks[3][4]) == (5, (640, 480), None)


@pytest.mark.parametrize("payload", [b"", b"{}", b"\xff", b"[1]", b"online"])
def test_what_is_no_frame_is_refused(payload):
    """By one kind of error, whatever it looks like."""
    with pytest.raises(msgspec.MsgspecError):
        decode_frame(payload, FramePayload)


def wrong(key, value):
    """A frame message with something in its pose that does not belong there."""
    frame = json.loads(PayloadWriter("hall", "boot0001").frame(PoseResult(5, 0, (4, 3), (standing_pose(),)), seq=1))
    frame["poses"][0][key] = value
    return json.dumps(frame).encode()


class Distant:
    """A node's `frame` topic, written by the test."""

    def __init__(self, broker, **writer):
        self.config = config_of(("mqtt.url", broker.url))
        self._remote = Subscriber(broker.port, "nothing")
        self._writers = {}
        self._more = writer
        self.results = []
        self._stop = threading.Event()
        self.error = None
        self._thread = threading.Thread(target=self._listen)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(DEADLINE_S)
        self._remote.close()

    def sends(self, ts_ms, boot="boot0001", payload=None):
        """Send a frame, again and again until it is heard for the first time."""
        writer = self._writers.setdefault(boot, PayloadWriter("hall", boot, **self._more))
        result = PoseResult(ts_ms, time.monotonic_ns(), (640, 480), (standing_pose(),))
        self._remote.publish("piapp/hall/frame", writer.frame(result, seq=1) if payload is None else payload)

    def wait_for(self, count):
        """Wait for results."""
        wait_until(lambda: len(self.results) >= count or self.error, f"{count} results")

    def _listen(self):
        try:
            for recorded in node_results(self.config, "hall", self._stop):
                self.results += [recorded] if recorded else []
        except PiappError as error:
            self.error = error


def test_a_node_s_times_become_one_line(mosquitto):
    """From 0, later and later, also over a restart of the machine, after which its clock begins anew."""
    with Distant(mosquitto) as node:
        first_ms = 1_000_000
        while not node.results:
            node.sends(first_ms)
            first_ms += 10
            threading.Event().wait(0.02)
        count = len(node.results)
        node.sends(2_000_000)
        node.wait_for(count + 1)
        for broken in (b"not a frame", wrong("landmarks", [[1.0]]), wrong("landmarks", [[1.0], [1.0, 2.0]])):
            node.sends(0, payload=broken)
        node.sends(70, boot="boot0002")
        node.wait_for(count + 2)
        node.sends(170, boot="boot0002")
        node.wait_for(count + 3)
    times_ms = [recorded.result.ts_ms for recorded in node.results]
    assert times_ms[0] == 0
    assert sorted(set(times_ms)) == times_ms
    before, after, last = times_ms[-3:]
    assert before >= 1_000_000 - 10_000
    assert 1 <= after - before < DEADLINE_S * 1000, "as far apart as their times of day"
    assert last - after == 100
    assert node.error is None
    np.testing.assert_allclose(node.results[-1].result.poses[0].landmarks, standing_pose().landmarks, atol=1e-5)
    assert abs(node.results[-1].utc_ms - time.time_ns() / 1e6) < DEADLINE_S * 1000


def test_landmarks_in_metres_are_needed(mosquitto):
    """Without them nothing could be judged; said at once, with what to change."""
    with Distant(mosquitto, world_landmarks=False) as node:
        while not node.error:
            node.sends(1)
            threading.Event().wait(0.02)
    assert isinstance(node.error, ConfigError)
    assert "publish.world_landmarks" in str(node.error)


def test_a_node_that_is_not_there_is_missed(mosquitto, monkeypatch):
    """After a while, with what may be wrong."""
    monkeypatch.setattr("piapp.offline.record.FIRST_FRAME_S", 0.1)
    with pytest.raises(BrokerError, match="nothing came within"):
        list(node_results(config_of(("mqtt.url", mosquitto.url)), "nobody", threading.Event()))


@pytest.fixture
def recorder(mosquitto, tmp_path):
    """A node with fakes, and `piapp record` of what it sends; both as processes."""
    node = NodeProcess(tmp_path, mosquitto.port, ["--set", "publish.frames=msgpack"], FAKES)
    subscriber = Subscriber(mosquitto.port)
    subscriber.wait_for("frame", 3)
    path = tmp_path / "hall.npz"
    command = [*PIAPP, "record", path, "--node", NODE, "--broker", mosquitto.url]
    process = subprocess.Popen(command, env=clean_environment(), stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    yield process, path, subscriber
    process.kill()
    process.communicate()
    subscriber.close()
    node.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_recording_a_distant_node_until_ctrl_c(recorder, number):
    """What the owner of a node without a screen does; the file is whole, and its events are the node's."""
    process, path, subscriber = recorder
    wait_until(path.exists, "the recording to begin")
    seen = len(subscriber.of("frame"))
    subscriber.wait_for("frame", seen + 30)
    process.send_signal(number)
    out, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, err
    assert out == b""
    back = list(iterate_recording(path))
    assert len(back) >= 25
    assert f"{len(back)} results".encode() in err
    sent = [msgspec.msgpack.decode(message.payload)["ts_ms"] for message in subscriber.of("frame")]
    runs = (sent[start : start + len(back)] for start in range(len(sent)))
    assert any([ts_ms - run[0] for ts_ms in run] == _times(back) for run in runs)
    events = events_of(piapp("replay", path).stdout)
    assert [event["event_type"] for event in events][:1] == ["person_entered"]


def _times(recorded):
    return [each.result.ts_ms for each in recorded]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--source", "file:a", "--node", "hall"], 2, "either a --source"),
        (["--broker", "mqtt://127.0.0.1:1"], 2, "which node"),
        (["--broker", "mqtt://127.0.0.1:1", "--node", "hall"], 69, "cannot be reached"),
        (["--source", "file:nowhere.mp4"], 69, "no such file"),
        (["--source", "banana"], 2, "is not a source"),
    ],
)
def test_wrong_commands_are_explained(tmp_path, arguments, code, words):
    """With an exit code and without a trace."""
    done = piapp("record", tmp_path / "a.npz", *arguments)
    assert (done.returncode, words in done.stderr, "Traceback" in done.stderr) == (code, True, False), done.stderr
    assert not (tmp_path / "a.npz").exists()


def test_one_bad_recording_does_not_keep_the_others(tmp_path):
    """It is named, the rest is played, and the exit code tells."""
    good = tmp_path / "good.npz"
    record(good, some(30), progress=say_nothing)
    (tmp_path / "bad.npz").write_bytes(b"nothing")
    done = piapp("replay", tmp_path / "bad.npz", good, tmp_path / "gone.npz")
    assert done.returncode == 1
    assert "bad.npz: is not a recording" in done.stderr
    assert "gone.npz: there is no such recording" in done.stderr
    assert {Path(json.loads(line)["file"]).name for line in done.stdout.splitlines()} == {"good.npz"}
