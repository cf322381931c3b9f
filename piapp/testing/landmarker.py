"""A landmarker without a model: answers at once or fails on command, in a thread of its own as MediaPipe does."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from piapp.errors import LandmarkerError
from piapp.landmarker.live import OnCompute, OnResult
from piapp.types import LANDMARK_COUNT, FloatArray, Frame, Pose


class FakeLandmarker:
    """A landmarker with the LIVE_STREAM contract; its switches work from any thread.

    Attributes:
        history: `ts_ms` of the frames taken, oldest first.

    Args:
        on_result: Called with (ts_ms, poses) on the thread named "fake-landmarker".
        on_compute: Called when a frame was taken.
        poses: What to answer for a frame.
        inference_s: How long an answer takes.
    """

    def __init__(
        self,
        on_result: OnResult,
        on_compute: OnCompute,
        *,
        poses: Callable[[Frame], tuple[Pose, ...]] | None = None,
        inference_s: float = 0.0,
    ) -> None:
        self.history: deque[int] = deque(maxlen=1000)
        self.inference_s = inference_s
        self._on_result = on_result
        self._on_compute = on_compute
        self._poses = poses or (lambda _frame: (standing_pose(),))
        self._frames: queue.Queue[Frame | None] = queue.Queue(1)  # one in flight: a second is refused
        self._running = threading.Event()
        self._running.set()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="fake-landmarker", daemon=True)
        self._thread.start()

    def submit(self, frame: Frame) -> None:
        """Take one frame.

        Raises:
            LandmarkerError: The last frame is still in flight, or time went backwards.
        """
        if self.history and frame.ts_ms <= self.history[-1]:
            raise LandmarkerError(f"fake landmarker: ts_ms {frame.ts_ms} does not follow {self.history[-1]}")
        try:
            self._frames.put_nowait(frame)
        except queue.Full as error:
            raise LandmarkerError("fake landmarker: was given a frame while busy") from error
        self.history.append(frame.ts_ms)
        self._on_compute()

    def hang(self) -> None:
        """Answer nothing until `resume`, and let `close` wait, as a stuck library does."""
        self._running.clear()

    def resume(self) -> None:
        """Go on after `hang`."""
        self._running.set()

    def fail(self, failure: BaseException) -> None:
        """Give no more results, because of this; a frame in flight gets none either."""
        self._failure = failure

    def raise_if_failed(self) -> None:
        """Tell that no more results will come.

        Raises:
            LandmarkerError: After `fail`, with its reason.
        """
        if self._failure is not None:
            raise LandmarkerError(f"the landmarker failed: {self._failure!r}") from self._failure

    def close(self) -> None:
        """Finish the frame in flight and stop."""
        self._frames.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (frame := self._frames.get()) is not None:
            time.sleep(self.inference_s)
            self._running.wait()
            if self._failure is None:
                self._on_result(frame.ts_ms, self._poses(frame))


def standing_pose(x: float = 0.5) -> Pose:
    """Somebody who stands upright in the middle of the picture's height, facing the camera.

    Args:
        x: Where, 0 (left) to 1 (right).
    """
    landmarks = _from_joints(_STANDING, scale=(0.18, 0.4), origin=(x, 0.5))
    world = _from_joints(_STANDING, scale=(0.9, 0.85), origin=(0.0, 0.0))
    return Pose(landmarks, world)


# Upright, hips' midpoint at 0, y down, in half body heights: nose, eyes, ears, mouth, then joints in pairs.
_STANDING: Sequence[tuple[float, float]] = (
    (0, -0.85), (0.03, -0.89), (0.05, -0.89), (0.07, -0.89), (-0.03, -0.89), (-0.05, -0.89), (-0.07, -0.89),
    (0.1, -0.87), (-0.1, -0.87), (0.03, -0.8), (-0.03, -0.8), (0.2, -0.62), (-0.2, -0.62), (0.26, -0.3),
    (-0.26, -0.3), (0.28, 0.0), (-0.28, 0.0), (0.29, 0.08), (-0.29, 0.08), (0.28, 0.1), (-0.28, 0.1), (0.26, 0.07),
    (-0.26, 0.07), (0.12, 0.0), (-0.12, 0.0), (0.13, 0.45), (-0.13, 0.45), (0.13, 0.9), (-0.13, 0.9), (0.12, 0.95),
    (-0.12, 0.95), (0.16, 1.0), (-0.16, 1.0),
)  # fmt: skip


def _from_joints(
    joints: Sequence[tuple[float, float]], scale: tuple[float, float], origin: tuple[float, float]
) -> FloatArray:
    landmarks = np.ones((LANDMARK_COUNT, 5), np.float32)
    landmarks[:, :2] = np.array(joints) * scale + np.array(origin)
    landmarks[:, 2] = 0.0
    landmarks[:, 3:] = 0.99
    return landmarks
