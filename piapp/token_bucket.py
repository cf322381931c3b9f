"""Limits how often something may happen. Pure: the clock is handed in."""

from __future__ import annotations

from collections.abc import Callable


class TokenBucket:
    """Lets `rate_hz` through on average, and `burst` at once; every call from one thread."""

    def __init__(self, rate_hz: float, burst: int, clock: Callable[[], float]) -> None:
        self._rate_hz, self._burst, self._clock = rate_hz, burst, clock
        self._tokens = float(burst)
        self._filled_s = clock()

    def take(self) -> bool:
        """Whether one more may pass now; if so, it counts."""
        now_s = self._clock()
        self._tokens = min(self._burst, self._tokens + (now_s - self._filled_s) * self._rate_hz)
        self._filled_s = now_s
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
