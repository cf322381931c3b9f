"""When windows amount to a fall.

Owns the decision about one person: the network must be sure three times in a row, the body must have come down, fast
enough to have fallen and no faster than bodies fall, must have ended low and within the picture, and the skeleton must
be one of a body. The network need not be as sure when the rules have seen a fall, too. It must be surer of somebody who
was not seen up, and the rules do not help there; and of somebody who is bent over their legs or propped up on their
arms, as people are in exercise or while they lie down. A decision is made once; the next one needs the network to have
been unsure in between.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from piapp.posture.fall_features import Motion
from piapp.posture.fall_window import Window

Sensitivity = Literal["low", "normal", "high"]

# Least probability in three windows in a row. Set on films that nothing was trained on; models/falls/README.md says
# how many falls each finds and how many films it takes for a fall wrongly.
FALL_THRESHOLDS: dict[Sensitivity, float] = {"low": 0.65, "normal": 0.48, "high": 0.33}

Probability = Callable[[], float]
"""Gives how likely the network thinks a fall, always the same for a window."""

WINDOWS = 3
_WITHIN_MS = 500  # three windows in a row, one of which may be missing
# Least and most of what bodies do that fall; more is a skeleton that jumps to something else.
_DROP_M = (0.3, 2.5)
_SPEED_M_S = (0.4, 5.0)
_BONE_ERROR = 0.38
# How low a body must end: shoulders in picture or world, hips in both. Measured at the moment of decision: shoulders of
# those who fell up to 0.63, hips up to 0.71; both higher in some who bend or walk.
_SHOULDERS_M = 0.7
_HIPS_M = 0.75
# How far from the edges: who is cut off at a side or above is leaving the picture, and so is who is lost while the legs
# are out of it below. Measured: falls 0.13 and more.
_EDGE_M = 0.0
# Shoulders that were never so high above the body's lowest joint: somebody on the floor or on all fours, or a skeleton
# that sits on something. Measured: nine tenths of falls 0.88 and more, crawling children up to 0.81.
_SEEN_UP_M = 0.9
_BONE_ERROR_LOW = 0.25
_DROP_LOW_M = 0.4
_UNSURE = 0.2
# Logits by which the threshold is lower when the rules agree, and higher for somebody who was not seen up, or is bent.
_EASED, _RAISED, _RAISED_BENT = 2.0, 2.5, 2.0
AGREED_MS = 3000


@dataclass(frozen=True, slots=True)
class LearntFall:
    """A fall that the network found.

    Attributes:
        drop_m: By how much the shoulders came down.
        speed_m_s: Highest speed of the shoulders downwards, mean of picture and world.
        shoulders_m: Their height in the end, the lower of picture and world.
        hips_m: The hips' height in the end, the higher of the two.
        probability: The least of the three windows.
        sure_s: For how long the network was sure.
    """

    drop_m: float
    speed_m_s: float
    shoulders_m: float
    hips_m: float
    probability: float
    sure_s: float


class FallDecision:
    """One person's decisions.

    Args:
        threshold: One of `FALL_THRESHOLDS`.
    """

    __slots__ = ("_agreed_ms", "_armed", "_recent", "_threshold")

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._agreed_ms: int | None = None
        self._recent: deque[tuple[int, Probability]] = deque(maxlen=WINDOWS)
        self._armed = True

    def use(self, threshold: float) -> None:
        """Take another threshold from the next window on."""
        self._threshold = threshold

    def agree(self, ts_ms: int) -> None:
        """The rules have seen a fall, which makes the threshold easier for three seconds."""
        self._agreed_ms = ts_ms

    def step(self, window: Window, probability: Probability, *, bent: bool = False) -> LearntFall | None:
        """Judge the next window; the fall, once, when there is one.

        The network is asked only where its answer decides: what it needs is a third of all posture logic.

        Args:
            window: The last five seconds.
            probability: The network's answer to it.
            bent: The posture was "bending" when the person was last seen.
        """
        self._recent.append((window.ts_ms, probability))
        self._armed = self._armed or probability() < _UNSURE
        span_ms = self._recent[-1][0] - self._recent[0][0]
        together = len(self._recent) == WINDOWS and span_ms <= _WITHIN_MS
        if not (self._armed and together and could_be_a_fall(window.motion)):
            return None
        least = min(probability() for _, probability in self._recent)
        agreed = self._agreed_ms is not None and window.ts_ms <= self._agreed_ms + AGREED_MS
        if logit(least) + favour(window.motion, agreed=agreed, bent=bent) < logit(self._threshold):
            return None
        self._armed = False
        motion = window.motion
        numbers = (motion.drop_m, motion.speed_m_s, motion.shoulders_m, motion.hips_m)
        return LearntFall(*numbers, least, span_ms / 1000)


def came_down(motion: Motion) -> bool:
    """Whether a body came down as falling bodies do."""
    down = _DROP_M[0] <= motion.drop_m <= _DROP_M[1]
    fast = _SPEED_M_S[0] <= motion.speed_m_s <= _SPEED_M_S[1]
    return down and fast and motion.bone_error < _BONE_ERROR


def could_be_a_fall(motion: Motion) -> bool:
    """Whether a body came down as falling bodies do, and ended low and within the picture."""
    low = motion.shoulders_m <= _SHOULDERS_M and motion.hips_m <= _HIPS_M and motion.edge_m >= _EDGE_M
    clear = motion.bone_error <= _BONE_ERROR_LOW and motion.drop_m >= _DROP_LOW_M
    certain = motion.top_m >= _SEEN_UP_M or clear
    return low and certain and came_down(motion)


def favour(motion: Motion, *, agreed: bool, bent: bool = False) -> float:
    """Logits to add to the network's for what else speaks for a fall; `agreed` says that the rules saw one."""
    unbent = -_RAISED if motion.top_m < _SEEN_UP_M else _EASED if agreed else 0.0
    return unbent - _RAISED_BENT if bent else unbent


def logit(probability: float) -> float:
    """The logit of a probability, of those that are all but 0 or 1 a large one."""
    bounded = min(max(probability, 1e-9), 1 - 1e-9)
    return math.log(bounded / (1 - bounded))
