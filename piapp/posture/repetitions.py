"""Exercises: squats, push-ups and jumping jacks, counted when they are whole.

Owns phases with hysteresis. Each exercise has a depth, 0 where it starts and 1 at its far end; a repetition goes from
the start to the far end and back. Half ones never reach the far end, and what takes too long is something else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from piapp.config.sections import PostureConfig
from piapp.posture.features import Features
from piapp.posture.postures import propped
from piapp.posture.tuned import Tuned
from piapp.types import Posture

# Inclination of the trunk, to either side, from which a push-up is possible. Measured: 55 and more.
_PUSH_UP_TRUNK_DEG = 55.0
# Angle of the hips from which the body is straight enough for one. Measured: 115 and more in 98 %.
_PUSH_UP_HIP_DEG = 110.0
# Metres that hands may move in one, at most: they stand on the floor. Guess: half a hand's noise on each side.
_PUSH_UP_HANDS_M = 0.25
# Seconds that stretched arms must have held the body before the first. Guess: longer than getting up takes to pass it.
_PUSH_UP_HOLD_S = 0.25
# Depth of an exercise, 0 (standing, arms stretched, closed) to 1, below which a repetition may begin and end. Measured:
# labelled squats and push-ups part at 0.5.
_REPETITION_START = 0.38
# Depth that it must reach: half ones do not count.
_REPETITION_FAR = 0.58
# Seconds that a repetition takes, at least. Guess: faster is noise.
_REPETITION_MIN_S = 0.25
# Seconds that it takes, at most. Guess: slower is sitting down and getting up.
_REPETITION_MAX_S = 8.0
# Seconds of pause after which counting begins anew. Guess.
_REPETITION_PAUSE_S = 10.0

Kind = Literal["squat", "push_up", "jumping_jack"]

# Measured on 812 labelled poses: these put 0.5 where up and down part best, right in 99 % of squats and push-ups.
_SQUAT_UP_DEG, _SQUAT_DOWN_DEG = 20.0, 90.0
_PUSH_UP_UP, _PUSH_UP_DOWN = 1.0, 0.56
# Height of the shoulders above the wrists, and distance of the ankles, in metres; guesses from an adult's build.
_JACK_HANDS_M = 0.3
_JACK_TOGETHER_M, _JACK_APART_M = 0.25, 0.55
# Squats and jumping jacks keep the trunk steeper than this; measured: squats up to 58, getting up from a push-up 70.
_LEVEL_DEG = 63.0
# An exercise that was impossible for so long has been given up.
_GIVEN_UP_MS = 1000
# Longest time that one result may stand for, so that a gap does not count as a phase.
_STEP_MS = 200


def squat_depth(features: Features) -> float:
    """How deep a squat is: 0 standing, 1 thighs level; 0.5 parts up from down."""
    return (features.thigh_deg - _SQUAT_UP_DEG) / (_SQUAT_DOWN_DEG - _SQUAT_UP_DEG)


def push_up_depth(features: Features) -> float:
    """How deep a push-up is: 0 on stretched arms, 1 near the floor; 0.5 parts up from down.

    From the picture, where arms are clearer than in world landmarks, whose depth is unsure for level bodies.
    """
    return (_PUSH_UP_UP - features.arms_down) / (_PUSH_UP_UP - _PUSH_UP_DOWN)


def jumping_jack_depth(features: Features) -> float:
    """How open a jumping jack is: 0 hands down and feet together, 1 hands up and feet apart."""
    hands = (_JACK_HANDS_M - features.reach_m) / (2 * _JACK_HANDS_M)
    feet = (features.straddle_m - _JACK_TOGETHER_M) / (_JACK_APART_M - _JACK_TOGETHER_M)
    half = 0.5
    if (hands > half) != (feet > half):  # both must go, or it is walking or waving
        return half
    return min(hands, feet) if hands > half else max(hands, feet)


@dataclass(frozen=True, slots=True)
class Repetition:
    """One whole repetition; `count` is the number of this kind without a pause."""

    kind: Kind
    count: int
    duration_s: float


class RepetitionCounter(Tuned):
    """Counts one person's repetitions of one kind."""

    kind: Kind

    def __init__(self, config: PostureConfig) -> None:
        super().__init__(config)
        self._count = 0
        self._counted_ms = -(10**9)
        self._possible_ms = self._step_ms = 0
        self._start_ms: int | None = None
        self._far_ms = 0

    def step(self, features: Features, posture: Posture, ts_ms: int) -> Repetition | None:
        """Take what is seen now, and the judgement of it alone; a repetition when it has just become whole."""
        elapsed_ms, self._step_ms = min(ts_ms - self._step_ms, _STEP_MS), ts_ms
        if not self._possible(features):
            if ts_ms - self._possible_ms > _GIVEN_UP_MS or self._over(features, posture):
                self.interrupt()
            return None
        self._possible_ms = ts_ms
        depth = self._depth(features)
        if depth > _REPETITION_FAR:
            self._at_far(features, posture, elapsed_ms)
        elif depth < _REPETITION_START and self._may_start(features, elapsed_ms):
            return self._at_start(features, ts_ms)
        return None

    def interrupt(self) -> None:
        """Forget a repetition that has begun: something else came between."""
        self._start_ms, self._far_ms = None, 0

    def _possible(self, features: Features) -> bool:
        """Whether the body is in a position for the exercise at all."""
        return features.legs_seen >= self._config.min_visibility and features.trunk_deg < _LEVEL_DEG

    def _over(self, features: Features, posture: Posture) -> bool:
        """Whether the body does something else, not just hard to see."""
        return posture == "lying" or features.trunk_deg > _LEVEL_DEG

    def _depth(self, features: Features) -> float:
        raise NotImplementedError

    def _may_start(self, features: Features, elapsed_ms: int) -> bool:
        """Whether the start counts as one."""
        del features, elapsed_ms
        return True

    def _at_far(self, features: Features, posture: Posture, elapsed_ms: int) -> None:
        del features, posture
        self._far_ms += elapsed_ms

    def _whole(self, features: Features) -> bool:
        """Whether what lies between two starts is a repetition."""
        del features
        return self._far_ms > 0

    def _at_start(self, features: Features, ts_ms: int) -> Repetition | None:
        start_ms, whole = self._start_ms, self._whole(features)
        self.interrupt()
        self._start_ms = ts_ms
        if start_ms is None or not whole:
            return None
        duration_s = (ts_ms - start_ms) / 1000
        if not _REPETITION_MIN_S <= duration_s <= _REPETITION_MAX_S:
            return None
        paused = start_ms - self._counted_ms > _REPETITION_PAUSE_S * 1000
        self._count = 1 if paused else self._count + 1
        self._counted_ms = ts_ms
        return Repetition(self.kind, self._count, duration_s)


class SquatCounter(RepetitionCounter):
    """Squats; sitting down and standing up looks the same but for where the weight is."""

    kind = "squat"

    def __init__(self, config: PostureConfig) -> None:
        super().__init__(config)
        self._deepest, self._seated, self._seated_ms = 0.0, False, 0

    def interrupt(self) -> None:
        """Forget a squat that has begun."""
        super().interrupt()
        self._deepest, self._seated, self._seated_ms = 0.0, False, 0

    def _depth(self, features: Features) -> float:
        return squat_depth(features)

    def _at_far(self, features: Features, posture: Posture, elapsed_ms: int) -> None:
        super()._at_far(features, posture, elapsed_ms)
        depth = squat_depth(features)
        self._seated_ms += elapsed_ms if posture == "sitting" else 0
        if depth > self._deepest:
            self._deepest, self._seated = depth, posture == "sitting"

    def _whole(self, features: Features) -> bool:
        seated = self._seated and 2 * self._seated_ms > self._far_ms  # for most of the time, and at the bottom
        return not seated and super()._whole(features)


class PushUpCounter(RepetitionCounter):
    """Push-ups; the first begins when stretched arms have held the body for a moment, and hands stay where they are."""

    kind = "push_up"

    def __init__(self, config: PostureConfig) -> None:
        super().__init__(config)
        self._held_ms = 0
        self._hands_px = (0.0, 0.0)

    def under_way(self, features: Features, ts_ms: int) -> bool:
        """Whether a push-up has begun and not been given up."""
        if self._start_ms is None or ts_ms - self._start_ms > _REPETITION_MAX_S * 1000:
            return False
        return self._hands_moved_m(features) < 2 * _PUSH_UP_HANDS_M

    def _possible(self, features: Features) -> bool:
        level = _PUSH_UP_TRUNK_DEG < features.trunk_deg < 180 - _PUSH_UP_TRUNK_DEG
        straight = features.hip_deg > _PUSH_UP_HIP_DEG
        return level and straight and features.arms_seen >= self._config.min_visibility

    def _over(self, features: Features, posture: Posture) -> bool:
        del features
        return posture == "lying"

    def _depth(self, features: Features) -> float:
        return push_up_depth(features)

    def _may_start(self, features: Features, elapsed_ms: int) -> bool:
        if self._start_ms is not None:
            return True
        self._held_ms = self._held_ms + elapsed_ms if propped(features, self._config) else 0
        return self._held_ms >= _PUSH_UP_HOLD_S * 1000

    def _whole(self, features: Features) -> bool:
        return self._hands_moved_m(features) < _PUSH_UP_HANDS_M and super()._whole(features)

    def _at_start(self, features: Features, ts_ms: int) -> Repetition | None:
        done = super()._at_start(features, ts_ms)
        self._hands_px = features.hands_px
        return done

    def _hands_moved_m(self, features: Features) -> float:
        return math.dist(self._hands_px, features.hands_px) / features.scale


class JumpingJackCounter(RepetitionCounter):
    """Jumping jacks."""

    kind = "jumping_jack"

    def _depth(self, features: Features) -> float:
        return jumping_jack_depth(features)
