"""What hands say: raised, lowered, waving.

Owns one person's two hands. A raised hand is above the head of somebody who is up; a wave is a hand above its elbow
that swings to and fro.
"""

from __future__ import annotations

from collections import deque

from piapp.config import PostureConfig
from piapp.posture.geometry import EARS, ELBOWS, EYES, NOSE, SHOULDERS, WRISTS

SIDES = ("left", "right")


class Hand:
    """One hand."""

    __slots__ = ("_config", "_swings", "_index", "_seen", "_since_ms", "_turn", "_way", "_wave_ms", "raised")

    def __init__(self, index: int, config: PostureConfig) -> None:
        self._index = index
        self._config = config
        self._since_ms: int | None = None
        self._swings: deque[int] = deque(maxlen=8)
        self._turn: float | None = None
        self._way = 0
        self._wave_ms = -(10**9)
        self._seen = False
        self.raised = False

    def step_raised(self, points: list[list[float]], seen: list[float], up: bool, ts_ms: int) -> float | None:
        """Take a body in gravity's frame; return the height above the eyes in metres when `raised` changes."""
        wrist = WRISTS[self._index]
        self._seen = seen[wrist] >= self._config.min_visibility
        if not self._seen:
            self._since_ms = None
            return None
        height_m = points[wrist][1] - max(points[NOSE][1], points[EYES[0]][1], points[EYES[1]][1])
        if self.raised:
            change = height_m < self._config.hand_exit_m or not up
        else:
            change = height_m > self._config.hand_enter_m and up
        if not change:
            self._since_ms = None
            return None
        if self._since_ms is None:
            self._since_ms = ts_ms
        if ts_ms - self._since_ms < self._config.hand_dwell_s * 1000:
            return None
        self.raised, self._since_ms = not self.raised, None
        return height_m

    def step_wave(self, points: list[list[float]], ts_ms: int) -> int:
        """Take the same body; return the number of swings when they make a wave, else 0."""
        wrist, elbow = points[WRISTS[self._index]], points[ELBOWS[self._index]]
        if not self._seen or wrist[1] < elbow[1] + self._config.wave_lift_m or _low(points, self._index):
            self._turn, self._way = None, 0
            self._swings.clear()
            return 0
        self._follow(wrist[0] - elbow[0], ts_ms)
        first_ms = ts_ms - self._config.wave_window_s * 1000
        swings = sum(when >= first_ms for when in self._swings)
        if swings < self._config.wave_swings or ts_ms - self._wave_ms < self._config.wave_pause_s * 1000:
            return 0
        self._wave_ms = ts_ms
        return swings

    def _follow(self, across_m: float, ts_ms: int) -> None:
        """Count a swing whenever the hand has come back far enough from where it last turned."""
        if self._turn is None:
            self._turn = across_m
        moved = across_m - self._turn
        if moved * self._way > 0 or (self._way == 0 and abs(moved) < self._config.wave_swing_m):
            self._turn = across_m if self._way else self._turn
        elif abs(moved) >= self._config.wave_swing_m:
            self._way, self._turn = (1 if moved > 0 else -1), across_m
            self._swings.append(ts_ms)


def _low(points: list[list[float]], index: int) -> bool:
    """Whether the hand is below the shoulder's height by more than half an upper arm."""
    return points[WRISTS[index]][1] < points[SHOULDERS[index]][1] - 0.1


def head_seen(seen: list[float], least: float) -> bool:
    """Whether enough of the head is seen to say what is above it."""
    return max(seen[NOSE], seen[EARS[0]], seen[EARS[1]]) >= least
