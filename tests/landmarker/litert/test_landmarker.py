"""The live contract, and the pipeline's choices from frame to frame, on the real model."""

from __future__ import annotations

import threading
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
import pytest

from piapp.camera.source import demo_clip
from piapp.camera.video import VideoFile
from piapp.config.load import default_config
from piapp.errors import LandmarkerError
from piapp.landmarker.litert import LiveLandmarker, OfflineLandmarker, read_models
from piapp.landmarker.litert.crop import Cropper
from piapp.landmarker.litert.network import Network
from piapp.landmarker.litert.pipeline import PosePipeline
from piapp.landmarker.model import find_model
from piapp.types import Frame
from tests.mosquitto import DEADLINE_S

CONFIG = msgspec.structs.replace(default_config().landmarker, runtime="litert")
MODELS = read_models(find_model("lite", masks=False).path)


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    """Some frames of the bundled clip, somebody in each."""
    with VideoFile(demo_clip()) as video:
        return [image for _, image in islice(video.frames(), 60, 66)]


class Caller:
    """Hands frames to a landmarker, and notes what it calls back in which order."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int]] = []
        self.turn = threading.Lock()
        self.landmarker = LiveLandmarker(CONFIG, MODELS, self._result, self._compute, self.turn)

    def _result(self, ts_ms: int, poses: tuple[object, ...]) -> None:
        self.heard.append((f"{len(poses)} person", ts_ms))

    def _compute(self) -> None:
        self.heard.append(("compute", self.turn.locked()))


@pytest.fixture
def caller():
    """One whose landmarker is closed afterwards."""
    made = Caller()
    yield made
    made.landmarker.close()


def frame(ts_ms: int, image: np.ndarray) -> Frame:
    """A frame taken at its logical time."""
    return Frame(ts_ms, ts_ms * 1_000_000, image)


def test_results_come_by_callback(caller, pictures):
    """One for each frame, with its timestamp, after the detector's and the landmark model's run, then the latter's."""
    for number, picture in enumerate(pictures):
        caller.landmarker.submit(frame(10 + number, picture))
    later = [call for number in range(1, len(pictures)) for call in (("compute", True), ("1 person", 10 + number))]
    assert caller.heard == [("compute", True), ("compute", True), ("1 person", 10), *later]


def test_it_starts_no_thread(caller, pictures):
    """It works where it is called; only XNNPACK may have its own, and has none with one thread."""
    threads = len(list(Path("/proc/self/task").iterdir()))
    caller.landmarker.submit(frame(10, pictures[0]))
    assert len(list(Path("/proc/self/task").iterdir())) <= threads


def test_a_second_frame_in_flight_is_refused(caller, pictures, monkeypatch):
    """Nothing queues; afterwards it works on."""
    begun, go_on = threading.Event(), threading.Event()
    run = Network.run
    monkeypatch.setattr(Network, "run", lambda network: (begun.set(), go_on.wait(DEADLINE_S), run(network)))
    thread = threading.Thread(target=caller.landmarker.submit, args=(frame(10, pictures[0]),))
    thread.start()
    assert begun.wait(DEADLINE_S)
    with pytest.raises(LandmarkerError, match="frame 20 came while frame 10 is in flight"):
        caller.landmarker.submit(frame(20, pictures[1]))
    go_on.set()
    thread.join(DEADLINE_S)
    caller.landmarker.submit(frame(20, pictures[1]))
    assert [call for call in caller.heard if call[0] != "compute"] == [("1 person", 10), ("1 person", 20)]


def test_timestamps_must_increase(caller, pictures):
    """As MediaPipe's."""
    caller.landmarker.submit(frame(10, pictures[0]))
    with pytest.raises(LandmarkerError, match="frame 10 came after 10; timestamps must increase"):
        caller.landmarker.submit(frame(10, pictures[1]))
    caller.landmarker.submit(frame(11, pictures[1]))


def test_a_failure_is_told_with_its_reason(caller, pictures, monkeypatch):
    """The frame gets no result."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError("the ceiling fell down")

    monkeypatch.setattr(PosePipeline, "process", fail)
    with pytest.raises(LandmarkerError, match=r"the landmarker failed: ZeroDivisionError\('the ceiling fell down'\)"):
        caller.landmarker.submit(frame(10, pictures[0]))
    assert caller.heard == []


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((8, 16, 3), np.uint8)[:, ::2],
    ],
)
def test_pictures_of_another_form_are_refused(image):
    """Alpha, grey, floats, gaps between pixels."""
    landmarker = OfflineLandmarker(CONFIG, MODELS, video=False)
    with pytest.raises(LandmarkerError, match=r"expected a C-contiguous \(height, width, 3\) uint8 array"):
        landmarker.detect(image, 0)
    landmarker.close()


def test_the_turn_is_free_while_a_network_computes_and_after_it_failed(caller, pictures, monkeypatch):
    """Others run Python meanwhile; one that fails does not keep them out."""
    turn, held = caller.turn, []

    def fail(_network: Network) -> None:
        held.append(turn.locked())
        raise LandmarkerError("no more")

    cut = Cropper.cut
    monkeypatch.setattr(Network, "run", fail)
    monkeypatch.setattr(Cropper, "cut", lambda *args: (held.append(turn.locked()), cut(*args)))
    with pytest.raises(LandmarkerError, match="no more"):
        caller.landmarker.submit(frame(10, pictures[0]))
    assert held == [True, False]
    assert not turn.locked()


def test_the_detector_runs_only_when_somebody_is_missing(pictures, detector_runs):
    """Once with one person to find; with two, one of whom is never there, as often as configured, or in every frame."""
    for num_poses, further_people_hz, expected in ((1, 2.0, 1), (2, 2.0, 1), (2, 400.0, 2), (2, 0.0, len(pictures))):
        config = msgspec.structs.replace(CONFIG, num_poses=num_poses, further_people_hz=further_people_hz)
        landmarker = OfflineLandmarker(config, MODELS, video=True)
        detector_runs.clear()
        for number, picture in enumerate(pictures):
            assert len(landmarker.detect(picture, number + 1)) == 1
        assert len(detector_runs) == expected
        landmarker.close()


def test_an_empty_picture_loses_the_person_and_the_next_finds_them(pictures):
    """Tracking is lost at the presence threshold, and the detector takes over."""
    landmarker = OfflineLandmarker(CONFIG, MODELS, video=True)
    counts = [
        len(landmarker.detect(picture, number + 1))
        for number, picture in enumerate([pictures[0], np.zeros_like(pictures[0]), pictures[1]])
    ]
    landmarker.close()
    assert counts == [1, 0, 1]


def test_thresholds_of_one_let_nobody_through(pictures):
    """Each confidence works on its own step."""
    for key in ("min_pose_detection_confidence", "min_pose_presence_confidence"):
        landmarker = OfflineLandmarker(msgspec.structs.replace(CONFIG, **{key: 1.0}), MODELS, video=False)
        assert landmarker.detect(pictures[0], 0) == ()
        landmarker.close()


def test_a_picture_may_change_its_size(pictures):
    """Regions are fractions of the picture, so tracking goes on (not smoothed with more than one person)."""
    landmarker = OfflineLandmarker(msgspec.structs.replace(CONFIG, num_poses=2), MODELS, video=True)
    (first,) = landmarker.detect(pictures[0], 1)
    (second,) = landmarker.detect(np.ascontiguousarray(pictures[0][::2, ::2]), 2)
    landmarker.close()
    np.testing.assert_allclose(first.landmarks[:, :2], second.landmarks[:, :2], atol=0.03)
