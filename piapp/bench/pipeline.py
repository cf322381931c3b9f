"""The daemon's own `Node`, fed from memory: nothing between camera and broker is left out or replaced."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from piapp.bench.frames import SharedFrames
from piapp.bench.node import MeasuredNode
from piapp.bench.tally import Tally
from piapp.camera.base import SourceStatus
from piapp.config.sections import Config
from piapp.landmarker.live import Landmarker, LandmarkerFactory, OnCompute, OnResult
from piapp.landmarker.model import find_model
from piapp.landmarker.runtime import live_factory
from piapp.types import Frame, Pose, PoseResult

# Landmarkers take a frame within a millisecond, or it does not come to them.
NOT_TAKEN_S = 1.0


class FeedCamera:
    """A camera whose next frame always waits for the next landmarker that is idle, in place of one that keeps a rate.

    Behind the protocol of `piapp.camera.base.Camera`.

    Args:
        frames: What it shows.
        tally: Notes every result.
    """

    lockstep = False

    def __init__(self, frames: SharedFrames, tally: Tally) -> None:
        _count, height, width, _channels = frames.shape
        self.description = f"frames from memory, {width}x{height}"
        self._frames = frames
        self._tally = tally
        self._changed = threading.Condition()
        self._running = False
        self._closed = False
        self.given = 0
        self._taken = 0
        self._taken_ns: dict[int, int] = {}  # of frames on their way, by `ts_ms`

    def frames(self) -> Iterator[Frame]:
        """Yield frames while running; wait while not."""
        for ts_ms, image in self._frames.endless():
            with self._changed:
                while not self._changed.wait_for(self._wanted, NOT_TAKEN_S):
                    self._forget_dropped()
                if self._closed:
                    return
                self.given += 1
            yield Frame(ts_ms, time.monotonic_ns(), image)

    def close(self) -> None:
        """End."""
        self._note(closed=True)

    def status(self) -> SourceStatus:
        """How the source is now; any thread."""
        return SourceStatus()

    def run(self, *, running: bool) -> None:
        """Begin or pause."""
        self._note(running=running)

    def taken(self, ts_ms: int) -> None:
        """A landmarker has the frame that was given last."""
        self._taken_ns[ts_ms] = time.monotonic_ns()
        self._note(taken=1)

    def finished(self, ts_ms: int) -> None:
        """A landmarker has given its result."""
        self._tally.add_latency(self._taken_ns[ts_ms], time.monotonic_ns())

    def sent(self, result: PoseResult, sent_ns: int | None) -> None:
        """A result's message was written at that time, or dropped."""
        taken_ns = self._taken_ns.pop(result.ts_ms)
        if sent_ns is not None:
            self._tally.add_added(sent_ns - taken_ns - result.inference_ns)

    def _note(self, *, running: bool | None = None, closed: bool = False, taken: int = 0) -> None:
        with self._changed:
            self._running = self._running if running is None else running
            self._closed = self._closed or closed
            self._taken += taken
            self._changed.notify_all()

    def _forget_dropped(self) -> None:
        """Go on after a frame that the node left out, as it does on a board that is hot or short of power."""
        self._taken = self.given

    def _wanted(self) -> bool:
        # The slot holds one frame: another one before it is taken would push it out.
        return self._closed or (self._running and self._taken == self.given)


@dataclass(slots=True)
class _FedLandmarker:
    """Tells the camera when a frame is taken."""

    inner: Landmarker
    camera: FeedCamera

    def submit(self, frame: Frame) -> None:
        self.camera.taken(frame.ts_ms)
        self.inner.submit(frame)

    def raise_if_failed(self) -> None:
        self.inner.raise_if_failed()

    def close(self) -> None:
        self.inner.close()


def fed(factory: LandmarkerFactory, camera: FeedCamera) -> LandmarkerFactory:
    """A factory whose landmarkers tell the camera when they take a frame and when they give its result."""

    def create(on_result: OnResult, on_compute: OnCompute) -> Landmarker:
        def deliver(ts_ms: int, poses: tuple[Pose, ...]) -> None:
            camera.finished(ts_ms)
            on_result(ts_ms, poses)

        return _FedLandmarker(factory(deliver, on_compute), camera)

    return create


class Pipeline(MeasuredNode):
    """A node whose landmarkers always have a next frame.

    Args:
        config: What the node is; its camera is not opened.
        frames: What it sees.
        tally: Notes every frame.
    """

    def __init__(self, config: Config, frames: SharedFrames, tally: Tally) -> None:
        self.frames = frames
        model = find_model(config.landmarker.model, masks=config.landmarker.output_segmentation_masks)
        camera = FeedCamera(frames, tally)
        super().__init__(config, camera, fed(live_factory(config.landmarker, model.path), camera), model, tally)
