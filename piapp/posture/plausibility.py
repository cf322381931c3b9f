"""Is it a person? What keeps furniture, toys and shadows from being counted.

Owns the evidence for one track before `person_entered`. A body seen whole must be built like one for a while. A body
seen in part, which is what furniture usually looks like, must also move.
"""

from __future__ import annotations

import math

from piapp.config.sections import PostureConfig
from piapp.posture.features import Features
from piapp.posture.tuned import Tuned

# Mean presence, 0 to 1, that a find needs to speak for a person. Measured: whole bodies 0.9 to 1, upper bodies 0.5 and
# more.
_MIN_PRESENCE = 0.45
# Pixels a metre below which a body is too small to judge. Guess: a person then is 35 pixels tall.
_MIN_SCALE_PX = 20.0
# Mean visibility of the better seen leg's knee and ankle, times the square of the mean presence, from which a body is
# seen whole. Measured: people 0.63 to 1, the one thing among the negatives that looks like a person 0.4 to 0.6.
_ENTER_WHOLE = 0.61
# Length of the legs in trunks from which a body is seen whole. Measured: people 1.25 to 2.
_ENTER_LEG_SHARE = 1.15
# Metres that a body seen only in part must move before it is a person. Measured: things stray up to 0.16 by noise.
_ENTER_MOVE_M = 0.25
# Visibility, 0 to 1, of an arm from which its movement counts for that. Measured: people 0.9 to 1, things up to 0.76.
_ENTER_ARMS = 0.85

_Point = tuple[float, float]


class Evidence(Tuned):
    """What speaks for one track."""

    __slots__ = ("_hands_px", "_moved_m", "_part_s", "_shoulders_px", "_whole_s")

    def __init__(self, config: PostureConfig) -> None:
        super().__init__(config)
        self._part_s = self._whole_s = 0.0
        self._moved_m = 0.0
        self._shoulders_px: _Point | None = None
        self._hands_px: _Point | None = None

    def step(self, features: Features, score: float, dt_s: float) -> bool:
        """Take what is seen now; True when it is enough. Doubt undoes as much as it lasts."""
        self._moved_m = max(self._moved_m, self._movement_m(features))
        part = score >= _MIN_PRESENCE and _built_like_a_body(features, self._config)
        step_s = min(dt_s, 0.2)
        self._part_s = max(0.0, self._part_s + (step_s if part else -step_s))
        self._whole_s = max(0.0, self._whole_s + (step_s if part and _whole(features, score) else -step_s))
        enough_s = self._config.enter_after_s
        return self._whole_s >= enough_s or (self._part_s >= enough_s and self._moved_m >= _ENTER_MOVE_M)

    def _movement_m(self, features: Features) -> float:
        """How far the shoulders are from where they were first, or well seen hands from where those were."""
        self._shoulders_px = self._shoulders_px or features.shoulders_px
        moved_px = math.dist(self._shoulders_px, features.shoulders_px)
        if features.arms_seen >= _ENTER_ARMS:
            self._hands_px = self._hands_px or features.hands_px
            moved_px = max(moved_px, math.dist(self._hands_px, features.hands_px))
        return moved_px / features.scale

    def numbers(self) -> dict[str, float | int | str]:
        """The evidence, for the event."""
        return {"seen_s": round(self._part_s, 2), "moved_m": round(self._moved_m, 2)}


def _built_like_a_body(features: Features, config: PostureConfig) -> bool:
    return (
        features.shoulders_seen >= config.min_visibility
        and 0.15 < features.trunk_m < 0.8  # noqa: PLR2004
        and features.leg_m < 1.4  # noqa: PLR2004
        and features.scale >= _MIN_SCALE_PX
    )


def _whole(features: Features, score: float) -> bool:
    legs = (features.legs_seen + features.feet_seen) / 2
    return legs * score * score >= _ENTER_WHOLE and features.leg_m > _ENTER_LEG_SHARE * features.trunk_m
