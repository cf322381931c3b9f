"""The capture thread's rate limit, on the shipped fake camera."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from piapp.camera.capture import CaptureThread, FrameSlot
from piapp.testing.camera import FakeCamera
from piapp.types import Frame


class Recorder(FrameSlot):
    """A slot that also remembers every frame's time."""

    def __init__(self) -> None:
        super().__init__()
        self.times_ms: list[int] = []

    def put(self, frame: Frame) -> None:
        """Remember, and offer as usual."""
        self.times_ms.append(frame.ts_ms)
        super().put(frame)


class Film:
    """A source whose frames come at once and say that they were taken at 15 a second."""

    description = "film"
    lockstep = False

    def frames(self) -> Iterator[Frame]:
        """Yield ten seconds."""
        image = np.zeros((2, 2, 3), np.uint8)
        for number in range(150):
            yield Frame(1000 + number * 1000 // 15, (1000 + number * 1000 // 15) * 1_000_000, image)

    def close(self) -> None:
        """Nothing to do."""


@pytest.mark.parametrize(("max_fps", "expected"), [(None, 150), (2.0, 20), (7.5, 75), (11.25, 112), (100.0, 150)])
def test_frames_between_are_dropped_and_counted(max_fps: float | None, expected: int) -> None:
    """The rate holds on average, also where it does not divide the camera's; every frame is accounted for."""
    slot = Recorder()
    capture = CaptureThread(Film(), slot)
    capture.max_fps = max_fps
    capture._run()
    assert len(slot.times_ms) == pytest.approx(expected, abs=2)
    assert len(slot.times_ms) + capture.spared == capture.frames == 150


def test_lockstep_is_never_limited() -> None:
    """A source that wants every frame processed gets that."""
    slot = Recorder()
    capture = CaptureThread(FakeCamera(count=5, paced=False, lockstep=True), slot)
    capture.max_fps = 0.001
    for _ in range(5):
        capture.frame_done()
    capture._run()
    assert len(slot.times_ms) == 5
