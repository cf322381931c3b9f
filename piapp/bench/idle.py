"""What a node costs at a camera's rate: while somebody is there, and when nobody has been for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np

from piapp.bench.frames import SharedFrames
from piapp.bench.node import NodeThread
from piapp.bench.protocol import IdleFound
from piapp.bench.tally import Tally
from piapp.camera.base import SourceStatus
from piapp.config.sections import Config
from piapp.errors import LandmarkerTimeoutError
from piapp.landmarker.model import find_model
from piapp.landmarker.runtime import live_factory
from piapp.node.app import Node
from piapp.node.assembly import NodeParts
from piapp.node.outlets import Outlet
from piapp.types import Frame, PoseResult

# Somebody lost is waited for, then nobody for `power.idle_after_s`; and for machines that need a second a frame.
CHANGE_S = 60.0
_POLL_S = 0.02

_GREY = 128


class RatedCamera:
    """A camera that keeps its rate; behind the protocol of `piapp.camera.base.Camera`.

    Attributes:
        somebody: Whether the pictures show somebody; an empty ground otherwise. Set by any thread.
    """

    lockstep = False

    def __init__(self, frames: SharedFrames, fps: float) -> None:
        self.description = f"frames from memory, {fps:g} a second"
        self.somebody = True
        self._frames = frames
        self._period_s = 1.0 / fps
        self._closed = threading.Event()

    def frames(self) -> Iterator[Frame]:
        """Yield a frame a period."""
        empty = np.full_like(self._frames.images[0], _GREY)
        due_s = time.monotonic()
        for ts_ms, image in self._frames.endless():
            due_s += self._period_s
            if self._closed.wait(max(0.0, due_s - time.monotonic())):
                return
            yield Frame(ts_ms, time.monotonic_ns(), image if self.somebody else empty)

    def close(self) -> None:
        """End."""
        self._closed.set()

    def status(self) -> SourceStatus:
        """How the source is now; any thread."""
        return SourceStatus()


class _FirstFrame(Outlet):
    """Notes the frames that leave the node."""

    name = "measurement"

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def frame_sent(self, result: PoseResult, sent_ns: int | None) -> None:
        """Note a frame that was written."""
        if sent_ns is not None:
            self._tally.add_latency(result.captured_ns, sent_ns)


class RatedPipeline:
    """A node in a thread named "node", at the rate of its configured camera.

    Args:
        config: What the node is; its camera is not opened.
        frames: What it sees.
        tally: Told of every frame.
    """

    def __init__(self, config: Config, frames: SharedFrames, tally: Tally) -> None:
        self._tally = tally
        self._camera = RatedCamera(frames, config.camera.fps)
        model = find_model(config.landmarker.model, masks=False)
        parts = NodeParts(lambda: self._camera, live_factory(config.landmarker, model.path), model)
        self._node = Node(config, parts, observers=(_FirstFrame(tally),))
        self._thread = NodeThread(self._node)

    def start(self) -> None:
        """Start the node, and wait for the first message."""
        self._thread.start()
        self._wait_until(lambda: self._tally.first_ns > 0, "a first frame")

    def compare(self, seconds: float) -> IdleFound:
        """Measure with somebody there, then idling; each for so long."""
        active_percent = self._percent(seconds)
        self._camera.somebody = False
        self._wait_until(lambda: self._node.idle, "idling")
        return IdleFound(active_percent, self._percent(seconds))

    def stop(self) -> None:
        """End the node."""
        self._thread.stop()

    def _percent(self, seconds: float) -> float:
        """Of one processor."""
        started_s, cpu_s = time.perf_counter(), time.process_time()
        time.sleep(seconds)
        return (time.process_time() - cpu_s) / (time.perf_counter() - started_s) * 100

    def _wait_until(self, true: Callable[[], bool], what: str) -> None:
        until_s = time.monotonic() + CHANGE_S
        while not true():
            self._thread.check()
            if time.monotonic() > until_s:
                raise LandmarkerTimeoutError(f"no {what} within {CHANGE_S:g} s")
            time.sleep(_POLL_S)
