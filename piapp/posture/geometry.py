"""Points and angles of one body: pixels and metres, freed of what cannot be used, with gravity put upright.

Owns coordinates. Two frames are used below: the picture in pixels (x right, y down), and gravity's frame in metres
(x right as the camera sees it, y up, z away from the camera, along the floor).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from piapp import anatomy
from piapp.types import Pose

NOSE, EYES, EARS = 0, (2, 5), (7, 8)
SHOULDERS, ELBOWS, WRISTS = (11, 12), (13, 14), (15, 16)
HIPS, KNEES, ANKLES, TOES = (23, 24), (25, 26), (27, 28), (31, 32)
TORSO, FRAME = anatomy.TORSO, anatomy.FRAME

Array = anatomy.Array
Vector = tuple[float, float, float]

# Coordinates beyond this, in pictures and in metres, come from a broken result; they are cut so that arithmetic on them
# stays finite.
_FARTHEST = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """One pose with every number finite.

    Attributes:
        points: (33, 5) float64: x, y in pixels; x, y, z in metres as the camera sees them (y down, z away).
        visibility: (33,) float64, 0..1; 0 for landmarks that had to be filled in.
    """

    points: Array
    visibility: Array


def read_body(pose: Pose, size: tuple[int, int]) -> Body | None:
    """Read a pose; None when shoulders or hips are missing, for then nothing can be said.

    A missing visibility counts as the presence, and as seen where the model gives neither.
    """
    points = np.empty((33, 5))
    points[:, :2] = pose.landmarks[:, :2]
    points[:, 2:] = pose.world_landmarks[:, :3]
    visibility = pose.landmarks[:, 3].astype(np.float64)
    if not _all_finite(visibility):
        presence = pose.landmarks[:, 4]
        known = np.where(np.isfinite(presence), presence, 1.0)
        visibility = np.where(np.isfinite(visibility), visibility, known)
    if not _all_finite(points):
        broken: npt.NDArray[np.bool_] = np.any(~np.isfinite(points), axis=1)
        if broken[list(TORSO)].any():
            return None
        points[broken] = points[list(TORSO)].mean(axis=0)
        visibility[broken] = 0.0
    _limit(points, -_FARTHEST, _FARTHEST)
    points[:, 0] *= max(size[0], 1)
    points[:, 1] *= max(size[1], 1)
    _limit(visibility, 0.0, 1.0)
    return Body(points, visibility)


def pixels_per_metre(body: Body) -> float:
    """Size of the body in the picture: the ratio of the spreads of its frame in pixels and in metres, at least 1.

    Both are seen from the same side, so the ratio does not depend on the posture.
    """
    return anatomy.pixels_per_metre(body.points, body.visibility)


def upright(world: Array, tilt_deg: float) -> list[list[float]]:
    """Turn (n, 3) camera metres into gravity's frame for a camera that looks down by `tilt_deg`."""
    cos, sin = math.cos(math.radians(tilt_deg)), math.sin(math.radians(tilt_deg))
    return [[x, -cos * y - sin * z, cos * z - sin * y] for x, y, z in world.tolist()]


def _all_finite(values: Array) -> bool:
    """Whether no number is infinite or missing: then their sum is finite, for float32 numbers cannot overflow it."""
    return math.isfinite(np.add.reduce(values, axis=None))


def _limit(values: Array, least: float, most: float) -> None:
    """Cut values in place; `np.clip` takes five times as long for so few."""
    np.maximum(values, least, out=values)
    np.minimum(values, most, out=values)


def middle(points: list[list[float]], pair: tuple[int, int]) -> Vector:
    """The point half way between two landmarks."""
    a, b = points[pair[0]], points[pair[1]]
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2, (a[2] + b[2]) / 2


def minus(a: Vector | list[float], b: Vector | list[float]) -> Vector:
    """The vector from b to a."""
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


def length(a: Vector) -> float:
    """Length of a vector, never quite 0, so that it can divide."""
    return math.sqrt(a[0] * a[0] + a[1] * a[1] + a[2] * a[2]) + 1e-9


def angle_deg(a: Vector, b: Vector) -> float:
    """Angle between two vectors, 0..180."""
    ax, ay, az = a
    bx, by, bz = b
    lengths = (math.sqrt(ax * ax + ay * ay + az * az) + 1e-9) * (math.sqrt(bx * bx + by * by + bz * bz) + 1e-9)
    cos = (ax * bx + ay * by + az * bz) / lengths
    return math.degrees(math.acos(cos if -1.0 < cos < 1.0 else min(1.0, max(-1.0, cos))))


def inclination_deg(a: Vector) -> float:
    """Angle between a vector and straight up, 0..180."""
    return math.degrees(math.acos(min(1.0, max(-1.0, a[1] / length(a)))))


def joint_deg(points: list[list[float]], before: int, joint: int, after: int) -> float:
    """Angle at a joint: 180 when it is stretched."""
    jx, jy, jz = points[joint]
    ax, ay, az = points[before]
    bx, by, bz = points[after]
    return angle_deg((ax - jx, ay - jy, az - jz), (bx - jx, by - jy, bz - jz))


def inside(point: tuple[float, float], polygon: tuple[tuple[float, float], ...]) -> bool:
    """Whether a point lies in a polygon (even-odd rule)."""
    x, y = point
    odd = False
    x0, y0 = polygon[-1]
    for x1, y1 in polygon:
        if (y1 > y) != (y0 > y) and x < (x0 - x1) * (y - y1) / (y0 - y1) + x1:
            odd = not odd
        x0, y0 = x1, y1
    return odd
