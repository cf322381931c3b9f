"""Is it a person? What keeps furniture, toys and shadows from being counted.

Owns the evidence for one track before `person_entered`. A body seen whole must be built like one for a while. A body
seen in part, which is what furniture usually looks like, must also move.
"""

from __future__ import annotations

from piapp.config import PostureConfig
from piapp.posture.features import Features


class Evidence:
    """What speaks for one track."""

    __slots__ = ("_config", "_moved_m", "_seconds")

    def __init__(self, config: PostureConfig) -> None:
        self._config = config
        self._seconds = 0.0
        self._moved_m = 0.0

    def step(self, features: Features, score: float, moved_m: float, dt_s: float) -> bool:
        """Take what is seen now; True when it is enough. Doubt undoes as much as it lasts."""
        self._moved_m = max(self._moved_m, moved_m)
        step_s = min(dt_s, 0.2)
        good = score >= self._config.min_presence and _built_like_a_body(features, self._config)
        self._seconds = max(0.0, self._seconds + (step_s if good else -step_s))
        if self._seconds < self._config.enter_after_s:
            return False
        return _whole(features, self._config) or self._moved_m >= self._config.enter_move_m

    def numbers(self) -> dict[str, float | int | str]:
        """The evidence, for the event."""
        return {"seen_s": round(self._seconds, 2), "moved_m": round(self._moved_m, 2)}


def _built_like_a_body(features: Features, config: PostureConfig) -> bool:
    return (
        features.trunk_seen >= config.min_visibility
        and 0.15 < features.trunk_m < 0.8  # noqa: PLR2004
        and features.leg_m < 1.4  # noqa: PLR2004
        and features.scale >= config.min_scale_px
    )


def _whole(features: Features, config: PostureConfig) -> bool:
    return features.feet_seen >= config.min_visibility and features.leg_m > features.trunk_m
