"""Exercises: squats, push-ups and jumping jacks, counted when they are whole.

Owns phases with hysteresis: a repetition goes from the starting phase to the far one and back, neither too fast to be
real nor so slow that it is something else. Half ones never reach the far phase and are not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from piapp.config import PostureConfig
from piapp.posture.features import Features

Kind = Literal["squat", "push_up", "jumping_jack"]
Phase = Literal["start", "far"]


@dataclass(frozen=True, slots=True)
class Repetition:
    """One whole repetition; `count` is the number of this kind without a pause."""

    kind: Kind
    count: int
    duration_s: float


def squat_phase(features: Features, config: PostureConfig) -> Phase | None:
    """`start` standing up, `far` down, None between or when it is not a squat."""
    if features.legs_seen < config.min_visibility or features.trunk_deg > config.lying_trunk_deg:
        return None
    if features.knee_deg > config.squat_up_deg and features.thigh_deg < config.squat_up_thigh_deg:
        return "start"
    low = features.knee_deg < config.squat_down_deg and features.thigh_deg > config.squat_down_thigh_deg
    return "far" if low and features.hips_m > config.floor_hips_m else None


def push_up_phase(features: Features, config: PostureConfig) -> Phase | None:
    """`start` on stretched arms, `far` down, None between or when the body is not level over the hands."""
    level = config.push_up_trunk_deg < features.trunk_deg < 180 - config.push_up_trunk_deg
    if not level or features.arms_seen < config.min_visibility or features.hip_deg < config.push_up_hip_deg:
        return None
    if features.elbow_deg > config.push_up_up_deg and features.reach_m > config.push_up_reach_m:
        return "start"
    return "far" if features.elbow_deg < config.push_up_down_deg else None


def jumping_jack_phase(features: Features, config: PostureConfig) -> Phase | None:
    """`start` feet together and hands down, `far` feet apart and hands up, None between."""
    if features.feet_seen < config.min_visibility or features.thigh_deg > config.seated_thigh_deg:
        return None
    if features.straddle_m > config.jack_apart_m and features.reach_m < -config.jack_reach_m:
        return "far"
    together = features.straddle_m < config.jack_together_m and features.reach_m > config.jack_reach_m
    return "start" if together else None


_PHASES = {"squat": squat_phase, "push_up": push_up_phase, "jumping_jack": jumping_jack_phase}


class RepetitionCounter:
    """Counts one person's repetitions of one kind."""

    __slots__ = ("_config", "_count", "_far_ms", "_kind", "_last_ms", "_start_ms")

    def __init__(self, kind: Kind, config: PostureConfig) -> None:
        self._kind = kind
        self._config = config
        self._start_ms: int | None = None
        self._far_ms: int | None = None
        self._last_ms = 0
        self._count = 0

    def step(self, features: Features, ts_ms: int) -> Repetition | None:
        """Take what is seen now; a repetition when it has just become whole."""
        phase = _PHASES[self._kind](features, self._config)
        if phase == "far":
            if self._start_ms is not None:
                self._far_ms = ts_ms
            return None
        if phase != "start":
            return None
        far_ms, start_ms = self._far_ms, self._start_ms
        self._far_ms, self._start_ms = None, ts_ms
        if far_ms is None or start_ms is None:
            return None
        duration_s = (ts_ms - start_ms) / 1000
        if not self._config.repetition_min_s <= duration_s <= self._config.repetition_max_s:
            return None
        paused = start_ms - self._last_ms > self._config.repetition_pause_s * 1000
        self._count = 1 if paused else self._count + 1
        self._last_ms = ts_ms
        return Repetition(self._kind, self._count, duration_s)
