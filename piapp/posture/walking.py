"""Who walks is on their feet, also where the legs are not seen.

Owns how far the hips have moved lately, and what that makes of a posture that guessed legs have decided. Who is close
to the camera, or at an edge of the picture, has legs that the landmarker guesses. A trunk that is carried upright
through the room has somebody on their feet under it; in a wheelchair, too, if the legs are not seen.
"""

from __future__ import annotations

from collections import deque

from piapp.config.sections import PostureConfig
from piapp.posture.geometry import KNEES
from piapp.posture.reading import Reading
from piapp.posture.tuned import Tuned
from piapp.types import Posture

# Time over which a move counts, and the least of it. Guess: half a step.
_OVER_MS = 800
_LEAST_M = 0.35
# Inclination up to which a trunk is carried upright. Guess: a stoop.
_UPRIGHT_DEG = 40.0
# Postures that bent or unseen legs decide.
_BY_LEGS: tuple[Posture, ...] = ("sitting", "squatting", "unknown")


class Walking(Tuned):
    """Where one person's hips have been lately."""

    __slots__ = ("_places",)

    def __init__(self, config: PostureConfig) -> None:
        super().__init__(config)
        self._places: deque[tuple[int, float, float]] = deque()

    def step(self, judged: Posture, reading: Reading) -> Posture:
        """The posture as judged, or "standing" for somebody who walks and whose legs are guessed."""
        walks = self._carried(reading)
        return "standing" if walks and judged in _BY_LEGS and not self._legs_shown(reading) else judged

    def _carried(self, reading: Reading) -> bool:
        """Whether the trunk has been carried upright for half a step or more."""
        features, ts_ms = reading.features, reading.ts_ms
        if features.trunk_deg > _UPRIGHT_DEG:
            self._places.clear()
            return False
        while self._places and ts_ms - self._places[0][0] > _OVER_MS:
            self._places.popleft()
        self._places.append((ts_ms, features.hips_px[0], features.scale))
        _, first_x, first_scale = self._places[0]
        moved_m = abs(features.hips_px[0] - first_x) / max(min(features.scale, first_scale), 1.0)
        return moved_m >= _LEAST_M

    def _legs_shown(self, reading: Reading) -> bool:
        width, height = reading.size
        knees: list[list[float]] = reading.raw.points[list(KNEES), :2].tolist()
        inside = any(0 <= x <= width and 0 <= y <= height for x, y in knees)
        return inside and reading.features.legs_seen >= self._config.min_visibility
