"""What a body can be: the lengths of its bones, and how far it can have moved since it was last seen.

Pure arithmetic that the landmarker and the posture logic share. Owns no thresholds of behaviour but those of the
measurements below. Arrays as small as a body's cost more in calls than in sums, and an array's method `sum` costs twice
what `np.add.reduce`, which it calls, does (measured).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

TORSO = (11, 12, 23, 24)
# What spans the body without hands, face and feet, which are noisy and small.
FRAME = np.array([0, 11, 12, 13, 14, 23, 24, 25, 26, 27, 28])

# Ten bones as pairs of landmarks, with their usual length in metres of the model's world landmarks: shoulders, hips,
# both sides of the trunk, thighs, shanks, upper arms. Geometric means of the medians of calm clips of four kinds
# (34,700 poses of the lite model, none of them from the footage on which the search was judged).
_BONES = (
    (11, 12, 0.319), (23, 24, 0.207), (11, 23, 0.485), (12, 24, 0.485), (23, 25, 0.360), (24, 26, 0.360),
    (25, 27, 0.378), (26, 28, 0.378), (11, 13, 0.237), (12, 14, 0.237),
)  # fmt: skip
# The `bone_deviation` where bodies end and things begin: what a search finds may have no more.
MAX_BODY_DEVIATION = 0.21
_STARTS = np.array([bone[0] for bone in _BONES])
_ENDS = np.array([bone[1] for bone in _BONES])
_SQUARED_M2 = np.array([bone[2] ** 2 for bone in _BONES])

Array = npt.NDArray[np.float64]


def bone_deviation(world: npt.NDArray[Any]) -> float:
    """Mean |log(length / usual length)| of ten bones: 0 for the usual body, up to `MAX_BODY_DEVIATION` for a body.

    Args:
        world: (33, 3 or more) x, y, z in metres.
    """
    places = world[:, :3]
    apart = places.take(_STARTS, axis=0) - places.take(_ENDS, axis=0)
    apart *= apart
    squared: Array = np.maximum(np.add.reduce(apart, axis=1), 1e-9)
    return float(np.add.reduce(np.abs(np.log(squared / _SQUARED_M2)))) / (2 * len(_BONES))


def pixels_per_metre(points: npt.NDArray[Any], visibility: npt.NDArray[Any]) -> float:
    """Size of a body in the picture: the ratio of the spreads of its frame in pixels and in metres, at least 1.

    Both are seen from the same side, so the ratio does not depend on the posture.

    Args:
        points: (33, 4 or more): x, y in pixels, x, y in metres.
        visibility: (33,), 0..1.
    """
    frame = points.take(FRAME, axis=0)[:, :4]
    # No product of matrices here or below: NumPy gives up Python's lock for each, and waits to get it back.
    share = np.maximum(visibility.take(FRAME), 0.05)
    share /= np.add.reduce(share)
    weight = share[:, np.newaxis]
    offset = frame - np.add.reduce(weight * frame)
    weighted = weight * offset
    weighted *= offset
    x, y, x_m, y_m = np.add.reduce(weighted).tolist()
    return max(1.0, math.sqrt((x + y) / max(x_m + y_m, 1e-6)))


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """Where a body is, how large it looks and how it is folded.

    Attributes:
        centre_px: Middle of shoulders and hips (x, y).
        scale: Pixels a metre.
        folded_m: (11, 3) world landmarks of its frame.
    """

    ts_ms: int
    centre_px: tuple[float, float]
    scale: float
    folded_m: Array

    @classmethod
    def of(cls, points: npt.NDArray[Any], visibility: npt.NDArray[Any], ts_ms: int) -> Placement:
        """Measure a body.

        Args:
            points: (33, 5): x, y in pixels; x, y, z in metres.
            visibility: (33,), 0..1.
            ts_ms: When it was seen.
        """
        folded = points[:, 2:5].take(FRAME, axis=0)
        return cls(ts_ms, centre(points), pixels_per_metre(points, visibility), folded)


def centre(points: npt.NDArray[Any]) -> tuple[float, float]:
    """The middle of shoulders and hips (x, y), of (33, 2 or more)."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = points[:, :2].take(TORSO, axis=0).tolist()
    return (ax + bx + cx + dx) / 4, (ay + by + cy + dy) / 4


# Metres from where somebody was headed at which they are still the same. Guess: half a step.
_MATCH_RADIUS_M = 0.7
# Metres a second by which that grows while they are unseen, for at most 1 s. Guess: walking.
_MATCH_SPEED_M_S = 1.5


def mismatch(last: Placement, velocity_px_s: tuple[float, float], now: Placement) -> float:
    """How little a body can be the one that was seen last: 0 for the same place and shape, 1 at the limit.

    Args:
        last: The body as it was seen last.
        velocity_px_s: How its centre moved then.
        now: The body to compare, seen later.
    """
    gap_s = max(0.0, (now.ts_ms - last.ts_ms) / 1000)
    ahead_s = min(gap_s, 0.3)
    x, y = (last.centre_px[axis] + ahead_s * velocity_px_s[axis] for axis in (0, 1))
    away_m = math.hypot(now.centre_px[0] - x, now.centre_px[1] - y) / max(now.scale, last.scale)
    away = away_m / (_MATCH_RADIUS_M + _MATCH_SPEED_M_S * min(gap_s, 1.0))
    size = abs(math.log(now.scale / last.scale)) / math.log(3.0 + gap_s)
    apart = np.abs(now.folded_m - last.folded_m)
    shape = float(np.add.reduce(apart, axis=None)) / apart.size / (0.5 + gap_s)
    return max(away, size, 0.6 * away + 0.2 * size + 0.2 * shape)
