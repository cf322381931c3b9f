"""The live contract, and the pipeline's choices from frame to frame, on the real model."""

from __future__ import annotations

import logging
import threading
from itertools import islice

import msgspec
import numpy as np
import pytest

from piapp.camera.base import demo_clip
from piapp.camera.media import VideoFile
from piapp.config import default_config
from piapp.errors import LandmarkerError
from piapp.landmarker.litert import LiveLandmarker, OfflineLandmarker
from piapp.landmarker.model import find_model
from piapp.types import Frame
from tests.mosquitto import DEADLINE_S

CONFIG = msgspec.structs.replace(default_config().landmarker, runtime="litert")
MODEL = find_model("lite", masks=False).path


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    """Some frames of the bundled clip, somebody in each."""
    with VideoFile(demo_clip()) as video:
        return [image for _, image in islice(video.frames(), 60, 66)]


class Results:
    """Collects what the landmarker calls back; can hold it up."""

    def __init__(self) -> None:
        self.got: list[tuple[int, int]] = []
        self.threads: set[str] = set()
        self.arrived = threading.Semaphore(0)
        self.may_return = threading.Event()
        self.may_return.set()

    def __call__(self, ts_ms: int, poses: tuple[object, ...]) -> None:
        """Store a result."""
        self.got.append((ts_ms, len(poses)))
        self.threads.add(threading.current_thread().name)
        self.arrived.release()
        assert self.may_return.wait(DEADLINE_S)

    def wait(self) -> None:
        """Wait for one more result."""
        assert self.arrived.acquire(timeout=DEADLINE_S)


def frame(ts_ms: int, image: np.ndarray) -> Frame:
    """A frame taken at its logical time."""
    return Frame(ts_ms, ts_ms * 1_000_000, image)


def test_results_come_by_callback(pictures):
    """One for each frame, with its timestamp, on the landmarker's own thread, which ends with it."""
    results = Results()
    landmarker = LiveLandmarker(CONFIG, MODEL, results, threading.Lock())
    for number, picture in enumerate(pictures):
        landmarker.detect_async(frame(10 + number, picture))
        results.wait()
    landmarker.close()
    assert results.got == [(10 + number, 1) for number in range(len(pictures))]
    assert results.threads == {f"{threading.current_thread().name}-litert"}
    assert not [thread for thread in threading.enumerate() if thread.name in results.threads]


def test_a_second_frame_in_flight_is_refused(pictures):
    """Nothing queues: the next frame is taken as soon as the result is out, even while the callback runs."""
    results = Results()
    landmarker = LiveLandmarker(CONFIG, MODEL, results, threading.Lock())
    results.may_return.clear()
    landmarker.detect_async(frame(10, pictures[0]))
    results.wait()
    landmarker.detect_async(frame(20, pictures[1]))
    with pytest.raises(LandmarkerError, match="frame 30 came while frame 20 is in flight"):
        landmarker.detect_async(frame(30, pictures[2]))
    results.may_return.set()
    results.wait()
    landmarker.close()
    assert [ts_ms for ts_ms, _ in results.got] == [10, 20]


def test_timestamps_must_increase(pictures):
    """As MediaPipe's."""
    results = Results()
    landmarker = LiveLandmarker(CONFIG, MODEL, results, threading.Lock())
    landmarker.detect_async(frame(10, pictures[0]))
    results.wait()
    with pytest.raises(LandmarkerError, match="frame 10 came after 10; timestamps must increase"):
        landmarker.detect_async(frame(10, pictures[1]))
    landmarker.close()


def test_closing_waits_for_the_frame_in_flight(pictures):
    """Its result still comes; further frames are refused."""
    results = Results()
    landmarker = LiveLandmarker(CONFIG, MODEL, results, threading.Lock())
    landmarker.detect_async(frame(10, pictures[0]))
    landmarker.close()
    assert results.got == [(10, 1)]
    with pytest.raises(LandmarkerError, match="closed"):
        landmarker.detect_async(frame(20, pictures[1]))


def test_a_failure_is_logged_and_told(pictures, caplog, monkeypatch):
    """The frame gets no result; the next one is refused with the reason."""
    landmarker = LiveLandmarker(CONFIG, MODEL, Results(), threading.Lock())

    def fail(_image: np.ndarray, _ts_ms: int) -> None:
        raise LandmarkerError("the ceiling fell down")

    monkeypatch.setattr(landmarker._pipeline, "process", fail)
    with caplog.at_level(logging.ERROR):
        landmarker.detect_async(frame(10, pictures[0]))
        landmarker._thread.join(DEADLINE_S)
    assert "gives no more results" in caplog.text
    with pytest.raises(LandmarkerError, match="the ceiling fell down"):
        landmarker.detect_async(frame(20, pictures[1]))
    landmarker.close()


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
    landmarker = OfflineLandmarker(CONFIG, MODEL, video=False)
    with pytest.raises(LandmarkerError, match=r"expected a C-contiguous \(height, width, 3\) uint8 array"):
        landmarker.detect(image, 0)
    landmarker.close()


def test_the_turn_is_free_while_a_network_computes_and_after_it_failed(pictures, monkeypatch):
    """Others run Python meanwhile; one that fails does not keep them out."""
    turn = threading.Lock()
    landmarker = LiveLandmarker(CONFIG, MODEL, Results(), turn)
    held = []

    def fail() -> None:
        held.append(turn.locked())
        raise LandmarkerError("no more")

    monkeypatch.setattr(landmarker._pipeline._landmarks, "run", fail)
    cut = landmarker._pipeline._landmarks_crop.cut
    monkeypatch.setattr(
        landmarker._pipeline._landmarks_crop, "cut", lambda *args: (held.append(turn.locked()), cut(*args))
    )
    landmarker.detect_async(frame(10, pictures[0]))
    landmarker._thread.join(DEADLINE_S)
    landmarker.close()
    assert held == [True, False]
    assert not turn.locked()


def test_the_detector_runs_only_when_somebody_is_missing(pictures, monkeypatch):
    """Once with one person looked for, in every frame with two, one of whom is never there."""
    for num_poses, expected in ((1, 1), (2, len(pictures))):
        config = msgspec.structs.replace(CONFIG, num_poses=num_poses)
        landmarker = OfflineLandmarker(config, MODEL, video=True)
        runs = []
        detector = landmarker._pipeline._detector
        run = detector.run
        monkeypatch.setattr(detector, "run", lambda run=run, runs=runs: (runs.append(1), run()))
        for number, picture in enumerate(pictures):
            assert len(landmarker.detect(picture, number + 1)) == 1
        assert len(runs) == expected
        landmarker.close()


def test_an_empty_picture_loses_the_person_and_the_next_finds_them(pictures):
    """Tracking is lost at the presence threshold, and the detector takes over."""
    landmarker = OfflineLandmarker(CONFIG, MODEL, video=True)
    counts = [
        len(landmarker.detect(picture, number + 1))
        for number, picture in enumerate([pictures[0], np.zeros_like(pictures[0]), pictures[1]])
    ]
    landmarker.close()
    assert counts == [1, 0, 1]


def test_thresholds_of_one_let_nobody_through(pictures):
    """Each confidence works on its own step."""
    for key in ("min_pose_detection_confidence", "min_pose_presence_confidence"):
        landmarker = OfflineLandmarker(msgspec.structs.replace(CONFIG, **{key: 1.0}), MODEL, video=False)
        assert landmarker.detect(pictures[0], 0) == ()
        landmarker.close()


def test_a_picture_may_change_its_size(pictures):
    """Regions are fractions of the picture, so tracking goes on (not smoothed with more than one person)."""
    landmarker = OfflineLandmarker(msgspec.structs.replace(CONFIG, num_poses=2), MODEL, video=True)
    (first,) = landmarker.detect(pictures[0], 1)
    (second,) = landmarker.detect(np.ascontiguousarray(pictures[0][::2, ::2]), 2)
    landmarker.close()
    np.testing.assert_allclose(first.landmarks[:, :2], second.landmarks[:, :2], atol=0.03)
