"""Is it a person? What keeps furniture, toys and shadows from being counted.

Owns the evidence for one track before `person_entered`. A body seen whole must be built like one for a while. A body
seen in part, which is what furniture usually looks like, must also move.
"""

from __future__ import annotations

import math

from piapp.config import PostureConfig
from piapp.posture.features import Features


class Evidence:
    """What speaks for one track."""

    __slots__ = ("_config", "_first", "_moved_m", "_part_s", "_whole_s")

    def __init__(self, config: PostureConfig) -> None:
        self._config = config
        self._part_s = self._whole_s = 0.0
        self._moved_m = 0.0
        self._first: tuple[float, float] | None = None

    def step(self, features: Features, score: float, dt_s: float) -> bool:
        """Take what is seen now; True when it is enough. Doubt undoes as much as it lasts."""
        x, y = features.shoulders_px
        first = self._first = self._first or (x, y)
        self._moved_m = max(self._moved_m, math.hypot(x - first[0], y - first[1]) / features.scale)
        part = score >= self._config.min_presence and _built_like_a_body(features, self._config)
        step_s = min(dt_s, 0.2)
        self._part_s = max(0.0, self._part_s + (step_s if part else -step_s))
        self._whole_s = max(
            0.0, self._whole_s + (step_s if part and _whole(features, score, self._config) else -step_s)
        )
        enough_s = self._config.enter_after_s
        return self._whole_s >= enough_s or (self._part_s >= enough_s and self._moved_m >= self._config.enter_move_m)

    def numbers(self) -> dict[str, float | int | str]:
        """The evidence, for the event."""
        return {"seen_s": round(self._part_s, 2), "moved_m": round(self._moved_m, 2)}


def _built_like_a_body(features: Features, config: PostureConfig) -> bool:
    return (
        features.trunk_seen >= config.min_visibility
        and 0.15 < features.trunk_m < 0.8  # noqa: PLR2004
        and features.leg_m < 1.4  # noqa: PLR2004
        and features.scale >= config.min_scale_px
    )


def _whole(features: Features, score: float, config: PostureConfig) -> bool:
    legs = (features.legs_seen + features.feet_seen) / 2
    return legs * score * score >= config.enter_whole and features.leg_m > config.enter_leg_share * features.trunk_m
