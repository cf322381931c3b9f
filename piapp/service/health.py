"""Counts what the pipeline does and sums it up for the `health` topic.

Pure apart from reading the machine's state when a report is made. Counters that other parts own are passed in.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil

from piapp.service import hardware

# Percentiles are over at most so many results, the newest; at 30 frames a second more than a default period.
WINDOW_RESULTS = 2000


@dataclass(frozen=True, slots=True)
class Counters:
    """Totals since the start, owned by the parts that count them.

    Attributes:
        frames_in: Frames that the camera gave.
        frames_dropped: By the slot, the landmarker's queue and as late results, by name.
        frames_published: Frame messages written to the broker.
        messages_dropped: Frame messages that were not, by name.
        queue_depth: Messages that wait.
        spool_depth: Events that wait for the broker.
        spool_problem: Why they would not survive the process; empty when all is well.
        mqtt_reconnects: Connections made after the first.
    """

    frames_in: int
    frames_dropped: Mapping[str, int]
    frames_published: int
    messages_dropped: Mapping[str, int]
    queue_depth: int
    spool_depth: int
    spool_problem: str
    mqtt_reconnects: int


class Health:
    """Collects latencies of results and makes reports."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._process.cpu_percent()  # the first call starts the measurement
        self._started_s = time.monotonic()
        self._inference_ms: deque[float] = deque(maxlen=WINDOW_RESULTS)  # full: the oldest is forgotten
        self._latency_ms: deque[float] = deque(maxlen=WINDOW_RESULTS)  # likewise
        self._lock = threading.Lock()  # latencies come from the publisher thread
        self._results = 0
        self._last = (self._started_s, 0, 0)

    @property
    def results(self) -> int:
        """Frames processed since the start."""
        return self._results

    def add_result(self, inference_ns: int) -> None:
        """Note one processed frame; main thread."""
        self._results += 1
        self._inference_ms.append(inference_ns / 1e6)

    def add_latency(self, latency_ns: int) -> None:
        """Note how long a frame took from capture to PUBLISH; any thread."""
        with self._lock:
            self._latency_ms.append(latency_ns / 1e6)

    def report(self, counters: Counters) -> dict[str, Any]:
        """Sum up the time since the last report, as `HealthPayload` lists it; main thread."""
        now_s = time.monotonic()
        last_s, last_in, last_out = self._last
        elapsed_s = max(now_s - last_s, 1e-3)
        self._last = (now_s, counters.frames_in, self._results)
        memory = self._process.memory_info()
        throttled = hardware.throttled()
        with self._lock:
            latency_ms, self._latency_ms = self._latency_ms, deque(maxlen=WINDOW_RESULTS)
        report = {
            "uptime_s": round(now_s - self._started_s, 1),
            "fps_in": round((counters.frames_in - last_in) / elapsed_s, 2),
            "fps_out": round((self._results - last_out) / elapsed_s, 2),
            "frames_processed": self._results,
            "frames_dropped": dict(counters.frames_dropped),
            "frames_published": counters.frames_published,
            "messages_dropped": dict(counters.messages_dropped),
            "inference_ms": _percentiles(self._inference_ms),
            "latency_ms": _percentiles(latency_ms),
            "cpu_percent": round(self._process.cpu_percent(), 1),
            "rss_mb": round(memory.rss / 2**20, 1),
            "temperature_c": hardware.temperature_c(),
            "throttled_now": throttled[0] if throttled else None,
            "throttled_since_boot": throttled[1] if throttled else None,
            "queue_depth": counters.queue_depth,
            "spool_depth": counters.spool_depth,
            "spool_problem": counters.spool_problem or None,
            "mqtt_reconnects": counters.mqtt_reconnects,
        }
        self._inference_ms.clear()
        return report


def _percentiles(values_ms: deque[float]) -> dict[str, float] | None:
    """p50, p95 and p99; None when there was nothing to measure."""
    if not values_ms:
        return None
    p50, p95, p99 = np.percentile(np.array(values_ms), (50, 95, 99))
    return {"p50": round(float(p50), 2), "p95": round(float(p95), 2), "p99": round(float(p99), 2)}
