"""How long somebody has not moved.

Owns the time without movement. A place is remembered, and whoever has not gone away from it by more than a little is
still: so slow drift counts as movement at last, and noise does not.
"""

from __future__ import annotations

from statistics import median
from typing import Literal

import numpy as np

from piapp.config.sections import PostureConfig
from piapp.posture.features import Features
from piapp.posture.geometry import Array, Body
from piapp.posture.tuned import Tuned

# Metres that half of the joints move before it is movement. Guess: above the model's noise.
_STILL_MOVE_M = 0.1
# Metres that one joint moves before it is movement. Guess.
_STILL_REACH_M = 0.25

# Nose, shoulders, elbows, wrists, hips, knees: what moves when somebody does.
_JOINTS = np.array([0, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26])


class Stillness(Tuned):
    """One person's movement.

    Attributes:
        moved_m: Distance from the remembered place, of the joint that went farthest among those that are seen.
        still_s: Seconds without movement; last_still_s the length of the last such time.
    """

    __slots__ = ("_inactive", "_place", "_since_ms", "last_still_s", "moved_m", "still_s")

    def __init__(self, config: PostureConfig, ts_ms: int) -> None:
        super().__init__(config)
        self._place: Array | None = None
        self._since_ms = ts_ms
        self._inactive = False
        self.moved_m = self.still_s = self.last_still_s = 0.0

    @property
    def since_ms(self) -> int:
        """Since when they have not moved."""
        return self._since_ms

    @property
    def inactive(self) -> bool:
        """Whether `inactive` was reported and has not ended."""
        return self._inactive

    def restore(self, since_ms: int, *, inactive: bool) -> None:
        """Go on with a time without movement that began before; the place is where they are seen next."""
        self._since_ms, self._inactive = since_ms, inactive

    def step(self, body: Body, features: Features, ts_ms: int) -> bool:
        """Take the body as it is now; True when it has moved."""
        place = body.points[:, :2].take(_JOINTS, axis=0)
        if self._place is None:
            self._place = place
        apart = place - self._place
        steps_px = np.hypot(apart[:, 0], apart[:, 1]).tolist()
        visibility = body.visibility.take(_JOINTS).tolist()
        seen_px = [step for step, seen in zip(steps_px, visibility, strict=True) if seen >= self._config.min_visibility]
        self.moved_m = median(seen_px) / features.scale if seen_px else 0.0
        reach_m = max(seen_px, default=0.0) / features.scale
        moved = self.moved_m > _STILL_MOVE_M or reach_m > _STILL_REACH_M
        if moved:
            self._place, self._since_ms = place, ts_ms
            self.last_still_s = self.still_s
        self.still_s = (ts_ms - self._since_ms) / 1000
        return moved

    def change(self, *, moved: bool) -> Literal["inactive", "active"] | None:
        """What to say now: `inactive` once after long stillness, `active` once when it ends."""
        if self._inactive and moved:
            self._inactive = False
            return "active"
        if not self._inactive and self.still_s >= self._config.inactive_after_s:
            self._inactive = True
            self.last_still_s = self.still_s
            return "inactive"
        return None
