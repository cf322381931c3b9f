"""A node at a camera's rate: how late its messages are, and what it costs with somebody there and with nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np

from piapp.bench.frames import SharedFrames
from piapp.bench.node import MeasuredNode
from piapp.bench.protocol import IdleFound
from piapp.bench.tally import Tally
from piapp.camera.base import SourceStatus
from piapp.config.sections import Config
from piapp.errors import LandmarkerTimeoutError
from piapp.landmarker.model import find_model
from piapp.landmarker.runtime import live_factory
from piapp.types import Frame, PoseResult

# Somebody lost is waited for, then nobody for `power.idle_after_s`; and for machines that need a second a frame.
CHANGE_S = 60.0
_POLL_S = 0.02

_GREY = 128


class RatedCamera:
    """A camera that keeps its rate while it runs; behind the protocol of `piapp.bench.node.MeasuredCamera`.

    Args:
        frames: What it shows.
        fps: Its rate.
        tally: Notes every frame that was published.

    Attributes:
        somebody: Whether the pictures show somebody; an empty ground otherwise. Set by any thread.
        given: How many frames it gave.
    """

    lockstep = False

    def __init__(self, frames: SharedFrames, fps: float, tally: Tally) -> None:
        self.description = f"frames from memory, {fps:g} a second"
        self.somebody = True
        self.given = 0
        self._frames = frames
        self._period_s = 1.0 / fps
        self._tally = tally
        self._running = threading.Event()
        self._closed = threading.Event()

    def frames(self) -> Iterator[Frame]:
        """Yield a frame a period while running."""
        empty = np.full_like(self._frames.images[0], _GREY)
        due_s = time.monotonic()
        for ts_ms, image in self._frames.endless():
            self._running.wait()
            # After a pause, or where the machine cannot keep the rate, frames do not come in a bunch.
            due_s = max(due_s + self._period_s, time.monotonic())
            if self._closed.wait(max(0.0, due_s - time.monotonic())):
                return
            self.given += 1
            yield Frame(ts_ms, time.monotonic_ns(), image if self.somebody else empty)

    def close(self) -> None:
        """End."""
        self._closed.set()
        self._running.set()

    def status(self) -> SourceStatus:
        """How the source is now; any thread."""
        return SourceStatus()

    def run(self, *, running: bool) -> None:
        """Begin or pause."""
        if running:
            self._running.set()
        else:
            self._running.clear()

    def sent(self, result: PoseResult, sent_ns: int | None) -> None:
        """A result's message was written at that time, or dropped."""
        if sent_ns is not None:
            self._tally.add_latency(sent_ns - result.inference_ns, sent_ns)
            self._tally.add_added(sent_ns - result.captured_ns - result.inference_ns)


class RatedPipeline(MeasuredNode):
    """A node at the rate of its configured camera.

    Args:
        config: What the node is; its camera is not opened.
        frames: What it sees.
        tally: Notes every frame.
    """

    def __init__(self, config: Config, frames: SharedFrames, tally: Tally) -> None:
        self._rated = RatedCamera(frames, config.camera.fps, tally)
        model = find_model(config.landmarker.model, masks=False)
        super().__init__(config, self._rated, live_factory(config.landmarker, model.path), model, tally)

    def compare(self, seconds: float) -> IdleFound:
        """Measure with somebody there, then idling; each for so long."""
        self._rated.run(running=True)
        active_percent = self._percent(seconds)
        self._rated.somebody = False
        self._wait_until(lambda: self.idle, "idling")
        return IdleFound(active_percent, self._percent(seconds))

    def _percent(self, seconds: float) -> float:
        """Of one processor."""
        started_s, cpu_s = time.perf_counter(), time.process_time()
        time.sleep(seconds)
        return (time.process_time() - cpu_s) / (time.perf_counter() - started_s) * 100

    def _wait_until(self, true: Callable[[], bool], what: str) -> None:
        until_s = time.monotonic() + CHANGE_S
        while not true():
            self.check()
            if time.monotonic() > until_s:
                raise LandmarkerTimeoutError(f"no {what} within {CHANGE_S:g} s")
            time.sleep(_POLL_S)
