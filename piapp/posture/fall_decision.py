"""When windows amount to a fall.

Owns the decision about one person: the network must be sure three times in a row, the body must have come down, fast
enough to have fallen and no faster than bodies fall, and the skeleton must be one of a body. The network need not be as
sure when the rules have seen a fall, too. A decision is made once; the next one needs the network to have been unsure
in between.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Literal

from piapp.posture.fall_window import Window

Sensitivity = Literal["low", "normal", "high"]

# Least probability in three windows in a row. Set on films that nothing was trained on; models/falls/README.md says
# how many falls each finds and how many films it takes for a fall wrongly.
FALL_THRESHOLDS: dict[Sensitivity, float] = {"low": 0.92, "normal": 0.82, "high": 0.62}

_WINDOWS = 3
_WITHIN_MS = 500  # three windows in a row, one of which may be missing
# Least and most of what bodies do that fall; more is a skeleton that jumps to something else.
_DROP_M = (0.25, 2.5)
_SPEED_M_S = (0.5, 5.0)
_BONE_ERROR = 0.33
_UNSURE = 0.5
_EASED_LOGITS = 3.0  # how much less sure the network may be when the rules agree
_AGREED_MS = 3000


@dataclass(frozen=True, slots=True)
class LearntFall:
    """A fall that the network found.

    Attributes:
        drop_m: By how much the shoulders came down.
        speed_m_s: Highest speed of the shoulders downwards, mean of picture and world.
        probability: The least of the three windows.
        seconds: From the first of the windows to the last.
    """

    drop_m: float
    speed_m_s: float
    probability: float
    seconds: float


class FallDecision:
    """One person's decisions.

    Args:
        threshold: One of `FALL_THRESHOLDS`.
    """

    __slots__ = ("_agreed_ms", "_armed", "_eased", "_recent", "_threshold")

    def __init__(self, threshold: float) -> None:
        self.use(threshold)
        self._agreed_ms: int | None = None
        self._recent: deque[tuple[int, float]] = deque(maxlen=_WINDOWS)
        self._armed = True

    def use(self, threshold: float) -> None:
        """Take another threshold from the next window on."""
        self._threshold = threshold
        self._eased = threshold / (threshold + (1 - threshold) * math.exp(_EASED_LOGITS))

    def agree(self, ts_ms: int) -> None:
        """The rules have seen a fall, which makes the threshold easier for three seconds."""
        self._agreed_ms = ts_ms

    def step(self, window: Window, probability: float) -> LearntFall | None:
        """Judge the next window; the fall, once, when there is one."""
        self._recent.append((window.ts_ms, probability))
        self._armed = self._armed or probability < _UNSURE
        least = min(probability for _, probability in self._recent)
        span_ms = self._recent[-1][0] - self._recent[0][0]
        together = len(self._recent) == _WINDOWS and span_ms <= _WITHIN_MS
        agreed = self._agreed_ms is not None and window.ts_ms <= self._agreed_ms + _AGREED_MS
        sure = least >= (self._eased if agreed else self._threshold)
        if not (self._armed and together and sure and could_be_a_fall(window)):
            return None
        self._armed = False
        return LearntFall(window.drop_m, window.speed_m_s, least, span_ms / 1000)


def could_be_a_fall(window: Window) -> bool:
    """Whether a body came down in it as falling bodies do."""
    down = _DROP_M[0] <= window.drop_m <= _DROP_M[1]
    fast = _SPEED_M_S[0] <= window.speed_m_s <= _SPEED_M_S[1]
    return down and fast and window.bone_error < _BONE_ERROR
