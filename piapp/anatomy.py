"""What a body can be: the lengths of its bones, and how far it can have moved since it was last seen.

Pure arithmetic that the landmarker and the posture logic share. Owns no thresholds of behaviour but those of the
measurements below. Computes with plain numbers: for so few, NumPy's calls cost more than the sums, the more so right
after an inference, which drives them out of the processor's caches (measured).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import sub
from typing import Any

import numpy as np
import numpy.typing as npt

TORSO = (11, 12, 23, 24)
# What spans the body without hands, face and feet, which are noisy and small.
FRAME = np.array([0, 11, 12, 13, 14, 23, 24, 25, 26, 27, 28])
_TORSO_IN_FRAME = [FRAME.tolist().index(joint) for joint in TORSO]

# Ten bones as pairs of landmarks, with their usual length in metres of the model's world landmarks: shoulders, hips,
# both sides of the trunk, thighs, shanks, upper arms. Geometric means of the medians of calm clips of four kinds
# (34,700 poses of the lite model, none of them from the footage on which the search was judged).
_BONES = (
    (11, 12, 0.319), (23, 24, 0.207), (11, 23, 0.485), (12, 24, 0.485), (23, 25, 0.360), (24, 26, 0.360),
    (25, 27, 0.378), (26, 28, 0.378), (11, 13, 0.237), (12, 14, 0.237),
)  # fmt: skip
# The `bone_deviation` where bodies end and things begin: what a search finds may have no more.
MAX_BODY_DEVIATION = 0.21
_SHORTEST_M = 3e-5  # so that a bone of no length has a logarithm

Array = npt.NDArray[np.float64]


def bone_deviation(world: npt.NDArray[Any]) -> float:
    """Mean |log(length / usual length)| of ten bones: 0 for the usual body, up to `MAX_BODY_DEVIATION` for a body.

    Args:
        world: (33, 3 or more) x, y, z in metres.
    """
    places = world[:, :3].tolist()
    apart = 0.0
    for start, end, usual_m in _BONES:
        apart += abs(math.log(max(math.dist(places[start], places[end]), _SHORTEST_M) / usual_m))
    return apart / len(_BONES)


def pixels_per_metre(points: npt.NDArray[Any], visibility: npt.NDArray[Any]) -> float:
    """Size of a body in the picture.

    Args:
        points: (33, 4 or more): x, y in pixels, x, y in metres.
        visibility: (33,), 0..1.
    """
    return _size(points.take(FRAME, axis=0).tolist(), visibility.take(FRAME).tolist())


def _size(frame: Sequence[Sequence[float]], visibility: Sequence[float]) -> float:
    """The ratio of the spreads of a body's frame in pixels and in metres, at least 1.

    Both are seen from the same side, so the ratio does not depend on the posture.
    """
    whole = x_sum = y_sum = squares = x_sum_m = y_sum_m = squares_m = 0.0
    first_x, first_y, first_x_m, first_y_m, *_ = frame[0]  # sums about it lose no digits
    for joint, seen in zip(frame, visibility, strict=True):
        weight = max(seen, 0.05)
        x, y, x_m, y_m = joint[0] - first_x, joint[1] - first_y, joint[2] - first_x_m, joint[3] - first_y_m
        whole += weight
        x_sum += weight * x
        y_sum += weight * y
        squares += weight * (x * x + y * y)
        x_sum_m += weight * x_m
        y_sum_m += weight * y_m
        squares_m += weight * (x_m * x_m + y_m * y_m)
    spread = max(0.0, squares - (x_sum * x_sum + y_sum * y_sum) / whole)
    spread_m = squares_m - (x_sum_m * x_sum_m + y_sum_m * y_sum_m) / whole
    return max(1.0, math.sqrt(spread / max(spread_m, 1e-6 * whole)))


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """Where a body is, how large it looks and how it is folded.

    Attributes:
        centre_px: Middle of shoulders and hips (x, y).
        scale: Pixels a metre.
        folded_m: x, y, z of the world landmarks of its frame, one joint after the other.
    """

    ts_ms: int
    centre_px: tuple[float, float]
    scale: float
    folded_m: Sequence[float]

    @classmethod
    def of(cls, frame: Sequence[Sequence[float]], visibility: Sequence[float], ts_ms: int) -> Placement:
        """Measure a body.

        Args:
            frame: For each joint of its frame x, y in pixels; x, y, z in metres.
            visibility: Of these joints, 0..1.
            ts_ms: When it was seen.
        """
        torso = [frame[number] for number in _TORSO_IN_FRAME]
        centre_px = sum(joint[0] for joint in torso) / 4, sum(joint[1] for joint in torso) / 4
        folded = [metres for joint in frame for metres in joint[2:]]
        return cls(ts_ms, centre_px, _size(frame, visibility), folded)


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
    apart: float = sum(map(abs, map(sub, now.folded_m, last.folded_m))) / len(now.folded_m)
    shape = apart / (0.5 + gap_s)
    return max(away, size, 0.6 * away + 0.2 * size + 0.2 * shape)
