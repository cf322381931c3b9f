"""Limits how many frames a second leave. Pure: the time is passed in."""

from __future__ import annotations


class FrameLimiter:
    """Lets at most `max_hz` frames a second through, by time; 0 lets all through.

    Due times keep their rhythm, so that 10 of 15 frames a second come out as 10 and not as 7.5.
    """

    def __init__(self, max_hz: float) -> None:
        self._period_ns = round(1e9 / max_hz) if max_hz else 0
        self._due_ns = 0

    def passes(self, now_ns: int) -> bool:
        """Whether a frame at `now_ns` may leave; if so, it counts."""
        # A quarter of a period of slack absorbs the jitter of a camera whose rate is the limit itself.
        if now_ns < self._due_ns - self._period_ns // 4:
            return False
        self._due_ns += self._period_ns
        if self._due_ns <= now_ns:
            self._due_ns = now_ns + self._period_ns
        return True
