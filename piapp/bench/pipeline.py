"""The daemon's own `Node`, fed from memory: nothing between camera and broker is left out or replaced."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from piapp.app import Node, Parts
from piapp.bench.frames import SharedFrames
from piapp.bench.node import NodeThread
from piapp.bench.protocol import Measure, Window
from piapp.bench.tally import Tally
from piapp.config import Config
from piapp.errors import BrokerError
from piapp.landmarker.live import AsyncLandmarker, LandmarkerFactory, OnResult
from piapp.landmarker.model import find_model
from piapp.landmarker.runtime import live_factory
from piapp.types import Frame, Pose, PoseResult

CONNECT_S = 15.0
SETTLE_S = 2.0

# Landmarkers take a frame within a millisecond, or it does not come to them.
NOT_TAKEN_S = 1.0

KEPT_RESULTS = 300


class FeedCamera:
    """A camera that hands over the next frame as soon as a landmarker is idle, in place of one that keeps a rate.

    `captured_ns` is the moment of that hand-over. Behind the protocol of `piapp.camera.base.Camera`.

    Args:
        frames: What it shows.
        workers: How many landmarkers take frames.
        tally: What is told of every result.
    """

    lockstep = False

    def __init__(self, frames: SharedFrames, workers: int, tally: Tally) -> None:
        _count, height, width, _channels = frames.shape
        self.description = f"frames from memory, {width}x{height}"
        self._frames = frames
        self._workers = workers
        self._tally = tally
        self._changed = threading.Condition()
        self._running = False
        self._closed = False
        self.given = 0
        self._taken = 0
        self._finished = 0

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

    def run(self, *, running: bool) -> None:
        """Begin or pause."""
        self._note(running=running)

    def taken(self) -> None:
        """A landmarker has the frame that was given last."""
        self._note(taken=1)

    def finished(self, started_ns: int, finished_ns: int) -> None:
        """A landmarker has given its result and is idle."""
        self._tally.add_latency(started_ns, finished_ns)
        self._note(finished=1)

    def _note(self, *, running: bool | None = None, closed: bool = False, taken: int = 0, finished: int = 0) -> None:
        with self._changed:
            self._running = self._running if running is None else running
            self._closed = self._closed or closed
            self._taken += taken
            self._finished += finished
            if self._wanted():  # else the capture thread would wake for nothing
                self._changed.notify_all()

    def _forget_dropped(self) -> None:
        """Go on after a frame that the node left out, as it does on a board that is hot or short of power."""
        self._finished += self.given - self._taken
        self._taken = self.given

    def _wanted(self) -> bool:
        # The slot holds one frame: another one before it is taken would push it out.
        idle = self._taken == self.given and self.given - self._finished < self._workers
        return self._closed or (self._running and idle)


@dataclass(slots=True)
class _FedLandmarker:
    """Tells the camera when a frame is taken."""

    inner: AsyncLandmarker
    camera: FeedCamera
    started_ns: int = 0

    def detect_async(self, frame: Frame) -> None:
        self.camera.taken()
        self.started_ns = time.monotonic_ns()
        self.inner.detect_async(frame)

    def raise_if_failed(self) -> None:
        self.inner.raise_if_failed()

    def close(self) -> None:
        self.inner.close()


def fed(factory: LandmarkerFactory, camera: FeedCamera) -> LandmarkerFactory:
    """A factory whose landmarkers tell the camera when they take a frame and when they are idle again."""

    def create(on_result: OnResult) -> AsyncLandmarker:
        def deliver(ts_ms: int, poses: tuple[Pose, ...]) -> None:
            started_ns, finished_ns = landmarker.started_ns, time.monotonic_ns()
            on_result(ts_ms, poses)
            camera.finished(started_ns, finished_ns)

        landmarker = _FedLandmarker(factory(deliver), camera)
        return landmarker

    return create


class _MeasuredNode(Node):
    """Notes when each frame's message was written, and keeps the newest results."""

    def __init__(self, config: Config, parts: Parts, tally: Tally) -> None:
        super().__init__(config, parts)
        self.results: deque[PoseResult] = deque(maxlen=KEPT_RESULTS)
        self.left = 0
        self.sent = 0
        self._tally = tally

    def frame_left(self, result: PoseResult, sent_ns: int | None) -> None:
        super().frame_left(result, sent_ns)
        self.results.append(result)
        self.left += 1
        if sent_ns is not None:
            self.sent += 1
            self._tally.add_added(sent_ns - result.captured_ns - result.inference_ns)


class Pipeline:
    """A node in a thread named "node".

    Args:
        config: What the node is; its camera is not opened.
        frames: What it sees.
        tally: What is told of every frame.
    """

    def __init__(self, config: Config, frames: SharedFrames, tally: Tally) -> None:
        self.config = config
        self._tally = tally
        model = find_model(config.landmarker.model, masks=config.landmarker.output_segmentation_masks)
        self._camera = FeedCamera(frames, config.landmarker.workers, tally)
        factory = fed(live_factory(config.landmarker, model.path), self._camera)
        self._node = _MeasuredNode(config, Parts(self._camera, factory, model), tally)
        self._thread = NodeThread(self._node)

    @property
    def results(self) -> list[PoseResult]:
        """The newest results."""
        return list(self._node.results)

    def start(self) -> None:
        """Start the node, and wait for the first message.

        Raises:
            BrokerError: The broker cannot be reached.
        """
        self._thread.start()
        if not self._node.publisher.wait_connected(CONNECT_S):
            self._thread.check()
            raise BrokerError(f"{self.config.mqtt.url}: no connection within {CONNECT_S:g} s")
        self.measure(Measure())

    def measure(self, wanted: Measure) -> Window:
        """Run for a while, then wait until nothing is on its way."""
        given, sent = self._camera.given, self._node.sent
        self._camera.run(running=True)
        try:
            window = self._tally.measure(wanted, published=True, check=self._thread.check)
        finally:
            self._camera.run(running=False)
        self._settle()
        lost = (self._camera.given - given) - (self._node.sent - sent)
        return msgspec.structs.replace(window, lost=lost)

    def stop(self) -> None:
        """End the node."""
        self._thread.stop()

    def _settle(self) -> None:
        until_s = time.monotonic() + SETTLE_S
        while self._node.left < self._camera.given and time.monotonic() < until_s:
            time.sleep(0.005)
