"""Counting and timing inside a process that is measured, without disturbing it."""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Callable
from pathlib import Path

from piapp.bench.protocol import Measure, Window
from piapp.errors import LandmarkerTimeoutError

# Caches fill, tracking begins, processors raise their clock.
WARM_UP = Measure(seconds=0.3, frames=5)

# A Pi Zero needs a second a frame; this is for what hangs.
NO_FRAME_S = 60.0

_POLL_S = 0.02


class Tally:
    """Samples of one measurement: appended by the part that is measured, read by the thread that measures.

    Attributes:
        first_ns: When the first frame was done (`CLOCK_MONOTONIC`), 0 before.
    """

    def __init__(self) -> None:
        self.first_ns = 0
        # Numbers without objects, so that 20,000 of them do not show in the process's memory.
        self._latency_ms = array("d")
        self._added_ms = array("d")

    def add_latency(self, started_ns: int, finished_ns: int) -> None:
        """Note a frame's inference."""
        self.first_ns = self.first_ns or finished_ns
        self._latency_ms.append((finished_ns - started_ns) / 1e6)

    def add_added(self, added_ns: int) -> None:
        """Note a frame's time in the pipeline besides."""
        self._added_ms.append(added_ns / 1e6)

    def measure(self, wanted: Measure, *, published: bool, check: Callable[[], None]) -> Window:
        """Wait until the loop is warm, then until `wanted` is reached, and give what happened from then on.

        Args:
            wanted: The limits.
            published: Whether a frame is done when it was published, not when its result is in.
            check: Called now and then; raises when the loop has failed.
        """
        done = self._added_ms if published else self._latency_ms
        self._wait(WARM_UP, done, len(done), check)
        latencies, added, before = len(self._latency_ms), len(self._added_ms), len(done)
        started_s, cpu_s = time.perf_counter(), time.process_time()
        self._wait(wanted, done, before, check)
        elapsed_s, cpu_s = time.perf_counter() - started_s, time.process_time() - cpu_s
        resident_mb, own_mb = memory_mb()  # before the samples become objects
        return Window(
            frames=len(done) - before,
            lost=0,
            elapsed_s=elapsed_s,
            cpu_s=cpu_s,
            latency_ms=self._latency_ms[latencies:].tolist(),
            added_ms=self._added_ms[added:].tolist(),
            rss_mb=resident_mb,
            own_mb=own_mb,
        )

    def clear(self) -> None:
        """Forget all samples; nothing may be running."""
        del self._latency_ms[:], self._added_ms[:]

    @staticmethod
    def _wait(wanted: Measure, done: array[float], before: int, check: Callable[[], None]) -> None:
        started_s = progress_s = time.monotonic()
        count = len(done)
        while time.monotonic() - started_s < wanted.seconds or len(done) - before < wanted.frames:
            time.sleep(_POLL_S)
            check()
            if len(done) > count:
                count, progress_s = len(done), time.monotonic()
            elif time.monotonic() - progress_s > NO_FRAME_S:
                raise LandmarkerTimeoutError(f"no frame was done for {NO_FRAME_S:g} s")


class LoopGate:
    """Open while a measurement runs; loops wait before it."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self.ended = False

    def open(self) -> None:
        """Let loops run."""
        self._open.set()

    def close(self) -> None:
        """Hold loops before their next frame."""
        self._open.clear()

    def end(self) -> None:
        """Let loops run out, for good."""
        self.ended = True
        self._open.set()

    def passes(self) -> bool:
        """Wait until open; False when the end has come."""
        self._open.wait()
        return not self.ended


def memory_mb() -> tuple[float, float]:
    """This process's resident memory without shared memory, where the frames are, and what of it is in no file."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    fields = dict(line.split(":", 1) for line in status.splitlines())
    own_mb, mapped_mb = (int(fields[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile"))
    return own_mb + mapped_mb, own_mb
