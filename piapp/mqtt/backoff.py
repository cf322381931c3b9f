"""Pauses between attempts to connect."""

from __future__ import annotations

import random


class Backoff:
    """Seconds to wait before each new attempt: doubled up to `max_s`, each shortened at random by up to half."""

    def __init__(self, min_s: float, max_s: float, rng: random.Random) -> None:
        self._min_s, self._max_s, self._rng = min_s, max_s, rng
        self._pause_s = min_s

    def next_s(self) -> float:
        """The next pause."""
        pause_s = self._pause_s
        self._pause_s = min(pause_s * 2, self._max_s)
        return pause_s * self._rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Start with short pauses again."""
        self._pause_s = self._min_s
