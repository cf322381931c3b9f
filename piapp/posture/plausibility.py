"""Is it a person? What keeps furniture, toys and shadows from being counted.

Owns the evidence for one track before `person_entered`. A body seen whole must be built like one for a while. A body
seen in part, which is what furniture usually looks like, must also move.
"""

from __future__ import annotations

import math

from piapp.config.sections import PostureConfig
from piapp.posture.features import Features
from piapp.posture.tuned import Tuned

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
        part = score >= self._config.min_presence and _built_like_a_body(features, self._config)
        step_s = min(dt_s, 0.2)
        self._part_s = max(0.0, self._part_s + (step_s if part else -step_s))
        self._whole_s = max(
            0.0, self._whole_s + (step_s if part and _whole(features, score, self._config) else -step_s)
        )
        enough_s = self._config.enter_after_s
        return self._whole_s >= enough_s or (self._part_s >= enough_s and self._moved_m >= self._config.enter_move_m)

    def _movement_m(self, features: Features) -> float:
        """How far the shoulders are from where they were first, or well seen hands from where those were."""
        self._shoulders_px = self._shoulders_px or features.shoulders_px
        moved_px = math.dist(self._shoulders_px, features.shoulders_px)
        if features.arms_seen >= self._config.enter_arms:
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
        and features.scale >= config.min_scale_px
    )


def _whole(features: Features, score: float, config: PostureConfig) -> bool:
    legs = (features.legs_seen + features.feet_seen) / 2
    return legs * score * score >= config.enter_whole and features.leg_m > config.enter_leg_share * features.trunk_m
