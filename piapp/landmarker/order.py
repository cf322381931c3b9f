"""Puts results of several workers back into the order of their frames. Pure; the caller holds the lock."""

from __future__ import annotations

import heapq

from piapp.types import PoseResult


class ResultOrder:
    """Releases results in the order of `ts_ms`.

    A result waits until no older frame is in flight. When more than `limit` wait, the frames they wait for are given
    up: their results count as `late` and are dropped.

    Args:
        limit: How many results may wait.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._in_flight: set[int] = set()
        self._waiting: list[tuple[int, PoseResult]] = []
        self._released_ms = -1
        self.late = 0

    def submitted(self, ts_ms: int) -> None:
        """Note that a frame was handed over."""
        self._in_flight.add(ts_ms)

    def finished(self, result: PoseResult) -> list[PoseResult]:
        """Take a result; return those that may go, oldest first."""
        self._in_flight.discard(result.ts_ms)
        if result.ts_ms <= self._released_ms:
            self.late += 1
        else:
            heapq.heappush(self._waiting, (result.ts_ms, result))
        return self._release()

    def _release(self) -> list[PoseResult]:
        released = []
        while self._waiting:
            ts_ms, result = self._waiting[0]
            oldest_ms = min(self._in_flight, default=ts_ms)
            if oldest_ms < ts_ms and len(self._waiting) <= self._limit:
                break
            heapq.heappop(self._waiting)
            self._released_ms = ts_ms
            released.append(result)
        return released
