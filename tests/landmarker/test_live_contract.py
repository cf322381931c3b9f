"""What the live stage relies on, of the fake and of both runtimes with the real model: order, failures, hanging."""

from __future__ import annotations

import threading
import time
from itertools import islice
from typing import Any

import msgspec
import numpy as np
import pytest
from mediapipe.tasks.python.vision import PoseLandmarker

from piapp.camera.capture import FrameSlot
from piapp.camera.source import demo_clip
from piapp.camera.video import VideoFile
from piapp.config.load import default_config
from piapp.errors import LandmarkerError, LandmarkerTimeoutError
from piapp.landmarker import mediapipe as mediapipe_adapter
from piapp.landmarker.litert.pipeline import PosePipeline
from piapp.landmarker.live import Landmarker, LandmarkerFactory, LiveStage, OnCompute, OnResult
from piapp.landmarker.model import find_model
from piapp.landmarker.runtime import live_factory
from piapp.testing.landmarker import FakeLandmarker
from piapp.types import Frame
from tests.mosquitto import DEADLINE_S, wait_until

WORKERS = 2
FAILURE = ZeroDivisionError("the ceiling fell down")


class Rig:
    """A stage with landmarkers of one kind, which `sabotage` breaks."""

    def __init__(self, kind: str, pictures: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
        self.landmarkers: list[Any] = []
        self.released = threading.Event()
        self.slot = FrameSlot()
        self._kind = kind
        self._pictures = pictures
        self._monkeypatch = monkeypatch
        self._create = _factory(kind)

    def start(self, max_result_age_s: float = DEADLINE_S) -> LiveStage:
        """A stage whose landmarkers are loaded."""
        self.stage = LiveStage(self._make, self.slot.take, workers=WORKERS, max_result_age_s=max_result_age_s)
        self.stage.start()
        assert self.stage.wait_ready(DEADLINE_S)
        return self.stage

    def give(self, ts_ms: int) -> None:
        """Offer a frame and wait until a worker has taken it."""
        picture = self._pictures[ts_ms // 100 % len(self._pictures)]
        self.slot.put(Frame(ts_ms, ts_ms * 1_000_000, picture))
        wait_until(lambda: self.slot.empty, f"frame {ts_ms} to be taken")

    def hang(self) -> None:
        """Frames that are given from now on stay inside, until the end of the test."""
        for landmarker in self.landmarkers:
            if self._kind == "fake":
                landmarker.hang()
            elif self._kind == "litert":
                self._monkeypatch.setattr(PosePipeline, "process", lambda *_: self.released.wait() and ())
            else:
                self._monkeypatch.setattr(PoseLandmarker, "detect_async", lambda *_: None)

    def fail(self) -> None:
        """The next frame raises where the runtime works on it."""

        def raising(*_: object) -> None:
            raise FAILURE

        for landmarker in self.landmarkers:
            if self._kind == "fake":
                landmarker.fail(FAILURE)
            elif self._kind == "litert":
                self._monkeypatch.setattr(PosePipeline, "process", raising)
            else:
                self._monkeypatch.setattr(mediapipe_adapter, "read_poses", raising)

    def close(self) -> None:
        """Let go of what hangs, and stop."""
        self.released.set()
        for landmarker in self.landmarkers:
            if self._kind == "fake":
                landmarker.resume()
        self.slot.close()
        assert self.stage.stop(DEADLINE_S)

    def _make(self, on_result: OnResult, on_compute: OnCompute) -> Landmarker:
        self.landmarkers.append(self._create(on_result, on_compute))
        return self.landmarkers[-1]


def _factory(kind: str) -> LandmarkerFactory:
    if kind == "fake":
        return FakeLandmarker
    config = msgspec.structs.replace(default_config().landmarker, runtime=kind)
    return live_factory(config, find_model("lite", masks=False).path)


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    """Some frames of the bundled clip, somebody in each."""
    with VideoFile(demo_clip()) as video:
        return [image for _, image in islice(video.frames(), 60, 66)]


@pytest.fixture(params=["fake", "litert", "mediapipe"])
def rig(request, pictures, monkeypatch):
    """A rig of each kind."""
    made = Rig(request.param, pictures, monkeypatch)
    yield made
    made.close()


def until_raised(stage: LiveStage, error: type[Exception], words: str) -> float:
    """Ask for results until one raises; after how many seconds."""
    started = time.monotonic()
    with pytest.raises(error, match=words):
        _read(stage)
    return time.monotonic() - started


def _read(stage: LiveStage) -> None:
    until = time.monotonic() + DEADLINE_S
    while time.monotonic() < until:
        stage.next_result(0.1)


def test_every_frame_has_its_result_in_order(rig):
    """One person in each, though two landmarkers take turns; as many frames as landmarkers are under way at a time."""
    stage = rig.start()
    for ts_ms in range(100, 1700, 200):
        rig.give(ts_ms)
        rig.give(ts_ms + 100)
        results = [stage.next_result(DEADLINE_S) for _ in range(WORKERS)]
        assert [(result.ts_ms, len(result.poses)) for result in results] == [(ts_ms, 1), (ts_ms + 100, 1)]


@pytest.mark.parametrize(("workers", "masks"), [(1, False), (2, False), (1, True)])
@pytest.mark.parametrize("runtime", ["litert", "mediapipe"])
def test_every_frame_gives_one_result_in_order(runtime, workers, masks):
    """Masks fit odd pictures; no thread is left."""
    config = msgspec.structs.replace(default_config().landmarker, runtime=runtime, output_segmentation_masks=masks)
    slot = FrameSlot()
    factory = live_factory(config, find_model("lite", masks=masks).path)
    stage = LiveStage(factory, slot.take, workers=workers, max_result_age_s=DEADLINE_S)
    stage.start()
    assert stage.wait_ready(DEADLINE_S)
    results = []
    with VideoFile(demo_clip()) as video:
        for ts_ms, image in islice(video.frames(), 60, 70):
            picture = np.ascontiguousarray(image[:, :-1]) if masks else image
            slot.put(Frame(ts_ms + 1, ts_ms, picture))
            wait_until(lambda: slot.empty, "the frame to be taken")
            results.append(stage.next_result(DEADLINE_S))
    slot.close()
    assert stage.stop(DEADLINE_S)
    times = [result.ts_ms for result in results]
    assert times == sorted(set(times))
    assert [len(result.poses) for result in results] == [1] * 10
    for result in results:
        (pose,) = result.poses
        assert pose.landmarks.shape == (33, 5)
        assert (pose.mask.shape == (result.size[1], result.size[0])) if masks else (pose.mask is None)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("landmarker-")]


def test_a_failure_inside_is_told_at_once(rig):
    """With its reason, long before a missing result would count as stuck; and again when asked again."""
    stage = rig.start()
    rig.give(100)
    assert stage.next_result(DEADLINE_S)
    rig.fail()
    rig.give(200)
    assert until_raised(stage, LandmarkerError, "the ceiling fell down") < DEADLINE_S / 2
    with pytest.raises(LandmarkerError, match="the landmarker failed"):
        stage.next_result(0.0)


def test_one_that_hangs_is_found(rig):
    """A frame without a result for longer than allowed."""
    stage = rig.start(max_result_age_s=0.5)
    rig.hang()
    rig.give(100)
    until_raised(stage, LandmarkerTimeoutError, r"landmarker-\d gave no result .*max_result_age_s = 0\.5")


def test_stop_is_in_time_though_it_hangs(rig):
    """The program ends all the same, with code 0 where it was asked to."""
    stage = rig.start()
    rig.hang()
    rig.give(100)
    rig.give(200)
    started = time.monotonic()
    stage.stop(0.7)
    assert time.monotonic() - started < 5
