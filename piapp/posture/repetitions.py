"""Exercises: squats, push-ups and jumping jacks, counted when they are whole.

Owns phases with hysteresis: a repetition goes from the starting phase to the far one and back, neither too fast to be
real nor so slow that it is something else. Half ones never reach the far phase and are not counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from piapp.config import PostureConfig
from piapp.posture.features import Features
from piapp.types import Posture

Kind = Literal["squat", "push_up", "jumping_jack"]


@dataclass(frozen=True, slots=True)
class Repetition:
    """One whole repetition; `count` is the number of this kind without a pause."""

    kind: Kind
    count: int
    duration_s: float


def squat_depth(features: Features) -> float:
    """How deep a squat is: 0 standing, 1 thighs level; 0.5 parts up from down."""
    return (features.thigh_deg - _SQUAT_UP_DEG) / (_SQUAT_DOWN_DEG - _SQUAT_UP_DEG)


def push_up_depth(features: Features) -> float:
    """How deep a push-up is: 0 on stretched arms, 1 near the floor; 0.5 parts up from down.

    From the picture, where arms are clearer than in world landmarks, whose depth is unsure for level bodies.
    """
    return (_PUSH_UP_UP - features.arms_down) / (_PUSH_UP_UP - _PUSH_UP_DOWN)


def jumping_jack_depth(features: Features) -> float:
    """How open a jumping jack is: 0 hands down and feet together, 1 hands up and feet apart; 0.5 between."""
    hands = (_JACK_HANDS_M - features.reach_m) / (2 * _JACK_HANDS_M)
    feet = (features.straddle_m - _JACK_TOGETHER_M) / (_JACK_APART_M - _JACK_TOGETHER_M)
    if (hands > 0.5) != (feet > 0.5):  # noqa: PLR2004 - both must go, or it is walking or waving
        return 0.5
    return min(hands, feet) if hands > 0.5 else max(hands, feet)  # noqa: PLR2004


def _possible(kind: Kind, features: Features, config: PostureConfig) -> bool:
    """Whether the body is in a position for the exercise at all."""
    if kind == "push_up":
        level = config.push_up_trunk_deg < features.trunk_deg < 180 - config.push_up_trunk_deg
        return level and features.arms_seen >= config.min_visibility and features.hip_deg > config.push_up_hip_deg
    return features.legs_seen >= config.min_visibility and features.trunk_deg < config.lying_trunk_deg


# Measured on 812 labelled poses: these put 0.5 where up and down part best, right in 99 % of squats and push-ups.
_SQUAT_UP_DEG, _SQUAT_DOWN_DEG = 20.0, 90.0
_PUSH_UP_UP, _PUSH_UP_DOWN = 1.0, 0.56
# A shoulder's height above the wrist, and the distance of the ankles; guesses from an adult's build.
_JACK_HANDS_M = 0.3
_JACK_TOGETHER_M, _JACK_APART_M = 0.25, 0.55

_DEPTH: dict[Kind, Callable[[Features], float]] = {
    "squat": squat_depth,
    "push_up": push_up_depth,
    "jumping_jack": jumping_jack_depth,
}


class RepetitionCounter:
    """Counts one person's repetitions of one kind."""

    __slots__ = (
        "_config",
        "_count",
        "_far_ms",
        "_hands_px",
        "_kind",
        "_last_ms",
        "_start_ms",
        "_wrong_ms",
        "_previous_ms",
    )

    def __init__(self, kind: Kind, config: PostureConfig) -> None:
        self._kind: Kind = kind
        self._config = config
        self._start_ms: int | None = None
        self._hands_px = (0.0, 0.0)
        self._far_ms = self._wrong_ms = 0
        self._last_ms = -(10**9)
        self._previous_ms = 0
        self._count = 0

    def step(self, features: Features, posture: Posture, ts_ms: int) -> Repetition | None:
        """Take what is seen now, and the judgement of it alone; a repetition when it has just become whole."""
        elapsed_ms, self._previous_ms = min(ts_ms - self._previous_ms, 200), ts_ms
        if not _possible(self._kind, features, self._config):
            if self._kind != "push_up" and posture == "lying":
                self.interrupt()
            return None
        depth = _DEPTH[self._kind](features)
        if depth > self._config.repetition_far:
            self._far_ms += elapsed_ms
            # Sitting down and standing up looks like a squat but for where the weight is.
            self._wrong_ms += elapsed_ms if self._kind == "squat" and posture == "sitting" else 0
            return None
        if depth > self._config.repetition_start:
            return None
        start_ms = self._start_ms
        whole = self._far_ms > 2 * self._wrong_ms and (self._kind != "push_up" or self._hands_stayed(features))
        self._start_ms, self._far_ms, self._wrong_ms = ts_ms, 0, 0
        self._hands_px = features.hands_px
        if start_ms is None or not whole:
            return None
        return self._counted(start_ms, ts_ms)

    def interrupt(self) -> None:
        """Forget a repetition that has begun: something else came between."""
        self._start_ms, self._far_ms, self._wrong_ms = None, 0, 0

    def _hands_stayed(self, features: Features) -> bool:
        return math.dist(self._hands_px, features.hands_px) < self._config.push_up_hands_m * features.scale

    def _counted(self, start_ms: int, ts_ms: int) -> Repetition | None:
        duration_s = (ts_ms - start_ms) / 1000
        if not self._config.repetition_min_s <= duration_s <= self._config.repetition_max_s:
            return None
        paused = start_ms - self._last_ms > self._config.repetition_pause_s * 1000
        self._count = 1 if paused else self._count + 1
        self._last_ms = ts_ms
        return Repetition(self._kind, self._count, duration_s)
