"""Numbers that the learnt fall detector reads: one row for each tenth of a second, and a window of fifty rows.

Owns their definition, for training and for the node alike, so that the two cannot differ. A row (`measure_row`) holds
what one body shows. A window (`assemble`) puts places in the picture relative to where the feet were while the body was
most upright, in metres of the body's own size, and adds speeds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from piapp.posture.geometry import (
    ANKLES,
    FRAME,
    HIPS,
    KNEES,
    NOSE,
    SHOULDERS,
    TOES,
    Array,
    Body,
    Vector,
    pixels_per_metre,
)
from piapp.types import FloatArray

STEPS = 50
STEP_S = 0.1

# World landmarks are put upright for a camera that looks down by this much: the middle of what cameras at home do. The
# detector learns what other tilts make of it, and so it does not depend on an estimate that may be wrong.
_TILT_DEG = 18.0
_COS, _SIN = math.cos(math.radians(_TILT_DEG)), math.sin(math.radians(_TILT_DEG))

# Bones as (from, to) and their usual lengths in world landmarks, in metres; those of a skeleton on furniture differ.
_BONES = np.array([(11, 12), (23, 24), (11, 23), (12, 24), (23, 25), (24, 26), (25, 27), (26, 28), (11, 13), (12, 14)])
_STARTS, _ENDS = _BONES[:, 0].copy(), _BONES[:, 1].copy()
_BONE_LOGS = np.log(np.array([0.314, 0.191, 0.47, 0.47, 0.352, 0.352, 0.351, 0.351, 0.231, 0.231]))
_BOX = np.array([NOSE, *FRAME[1:].tolist(), *TOES])

# Columns of a row. Those of the picture are in pixels until `assemble`.
SHOULDER_X, SHOULDER_Y, HIP_X, HIP_Y, NOSE_Y, FOOT_Y, KNEE_Y, TOP, BOTTOM, SCALE = range(10)
_PLACES = np.array([SHOULDER_Y, HIP_Y, NOSE_Y, FOOT_Y, KNEE_Y, TOP, BOTTOM])
SHOULDERS_M, HIPS_M = 10, 11
_TRUNK_UP, _BONES_WRONG = 15, 24
ROW = 36
# Channels of a window: heights of the places, way sideways, the row's numbers in metres, growth, two of time, speeds.
_HEIGHTS = len(_PLACES)
_WORLD, _GROWTH = _HEIGHTS + 1, _HEIGHTS + 1 + ROW - SHOULDERS_M
# Those whose speeds are taken: shoulders, hips, nose and top in the picture; shoulders, hips and trunk in the world;
# the way sideways and growth.
_MOVING = np.array([0, 1, 2, 5, _WORLD, _WORLD + 1, _WORLD + _TRUNK_UP - SHOULDERS_M, _HEIGHTS, _GROWTH])
_SPEEDS = _GROWTH + 3
CHANNELS = _SPEEDS + len(_MOVING)

_SPEED_STEPS = 3
_LATELY = 10
_SHOULDERS_ABOVE_LOWEST, _HIPS_ABOVE_LOWEST = 13, 14  # columns of a row
_EDGES, _LOWER_EDGE = (28, 29, 30), 31  # left, upper, right
_LEAVING_STEPS, _LEAVING_S = 3, 0.4  # how far back an unseen body's way is looked at, and for how long it goes on
_TOP_STEPS = 5
_END_STEPS = 3


def measure_row(body: Body, size: tuple[int, int]) -> Array:
    """The (ROW,) float64 numbers of one body; `size` is the picture's width and height."""
    points: list[list[float]] = body.points.tolist()
    seen: list[float] = body.visibility.tolist()
    up = [(x, -_COS * y - _SIN * z, _COS * z - _SIN * y) for _, _, x, y, z in points[: ANKLES[1] + 1]]
    scale = pixels_per_metre(body)
    box = body.points[:, :2].take(_BOX, axis=0)
    (left, top), (right, bottom) = np.minimum.reduce(box).tolist(), np.maximum.reduce(box).tolist()
    shoulders_px, hips_px = _place(points, SHOULDERS), _place(points, HIPS)
    ankles_px, knee_y = _place(points, ANKLES), (points[KNEES[0]][1] + points[KNEES[1]][1]) / 2
    foot_y = max(points[ANKLES[0]][1], points[ANKLES[1]][1])
    foot, lowest = min(up[ANKLES[0]][1], up[ANKLES[1]][1]), min([-_COS * y - _SIN * z for _, _, _, y, z in points])
    shoulders, hips, knees, ankles = _middle(up, SHOULDERS), _middle(up, HIPS), _middle(up, KNEES), _middle(up, ANKLES)
    trunk_m = math.dist(hips, shoulders) + 1e-6
    axis_m = math.dist(ankles, shoulders) + 1e-6
    return np.array([
        *shoulders_px, *hips_px, points[NOSE][1], foot_y, knee_y, top, bottom, scale,
        shoulders[1] - foot, hips[1] - foot, up[NOSE][1] - foot, shoulders[1] - lowest, hips[1] - lowest,
        (shoulders[1] - hips[1]) / trunk_m, (shoulders[2] - hips[2]) / trunk_m, trunk_m,
        (shoulders[1] - ankles[1]) / axis_m, (shoulders[2] - ankles[2]) / axis_m,
        (hips[1] - knees[1]) / (math.dist(knees, hips) + 1e-6),
        (knees[1] - ankles[1]) / (math.dist(ankles, knees) + 1e-6),
        (_bend(up, 23, 25, 27) + _bend(up, 24, 26, 28)) / 2, (_bend(up, 11, 23, 25) + _bend(up, 12, 24, 26)) / 2,
        _bone_error(body),
        # How the body lies in the picture: two cosines, its aspect, distances to the four edges in metres, its size.
        (hips_px[1] - shoulders_px[1]) / (math.dist(hips_px, shoulders_px) + 1.0),
        (ankles_px[1] - shoulders_px[1]) / (math.dist(ankles_px, shoulders_px) + 1.0),
        math.log((right - left + 2.0) / (bottom - top + 2.0)),
        *[min(max(edge / scale, -0.5), 2.0) for edge in (left, top, size[0] - right, size[1] - bottom)],
        math.log(scale / max(size[1], 1)),
        *_visible(seen),
    ])  # fmt: skip


def _visible(seen: list[float]) -> tuple[float, float, float]:
    legs = max(min(seen[23], seen[25]), min(seen[24], seen[26]))
    feet = max(min(seen[25], seen[27]), min(seen[26], seen[28]))
    return min(seen[11], seen[12], seen[23], seen[24]), legs, feet


def _place(points: list[list[float]], pair: tuple[int, int]) -> tuple[float, float]:
    """The point half way between two landmarks in the picture."""
    a, b = points[pair[0]], points[pair[1]]
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2


def _middle(points: list[Vector], pair: tuple[int, int]) -> Vector:
    """The point half way between two landmarks in the world."""
    (ax, ay, az), (bx, by, bz) = points[pair[0]], points[pair[1]]
    return (ax + bx) / 2, (ay + by) / 2, (az + bz) / 2


def _bend(points: list[Vector], before: int, joint: int, after: int) -> float:
    """Cosine at a joint: -1 when it is stretched."""
    start, at, end = points[before], points[joint], points[after]
    (ax, ay, az), (jx, jy, jz), (bx, by, bz) = start, at, end
    dot = (ax - jx) * (bx - jx) + (ay - jy) * (by - jy) + (az - jz) * (bz - jz)
    return dot / (math.dist(start, at) * math.dist(end, at) + 1e-6)


def _bone_error(body: Body) -> float:
    """Mean |log(length / usual length)| of ten bones, at most 1."""
    world = body.points[:, 2:]
    bones = world.take(_STARTS, axis=0) - world.take(_ENDS, axis=0)
    lengths = np.sqrt(np.add.reduce(bones * bones, axis=1)) + 1e-3
    return min(1.0, float(np.add.reduce(np.abs(np.log(lengths) - _BONE_LOGS))) / len(_BONES))


@dataclass(frozen=True, slots=True)
class Motion:
    """What a body did in a window, in numbers that a person can check; metres are of its own size.

    Attributes:
        drop_m: By how much the shoulders came down, the larger of picture and world.
        speed_m_s: Mean of the highest speeds downwards in the picture and in the world, metres a second.
        bone_error: Mean |log(length / usual length)| of the bones in the last second; high when the skeleton lies on
            furniture, or on a body that the landmarker cannot make out.
        top_m: How high the shoulders were above the body's lowest joint at their highest, in the world.
        shoulders_m: How high they are at the end, the lower of picture and world.
        hips_m: How high the hips are at the end, the higher of the two.
        edge_m: How far the body is from the left, upper or right edge of the picture at the end, whichever is nearest.
            When it is not seen any more, also where it would be had it gone on, and how far it was from the lower one.
            Below 0 it is cut off there, or has gone.
    """

    drop_m: float
    speed_m_s: float
    bone_error: float
    top_m: float
    shoulders_m: float
    hips_m: float
    edge_m: float


def assemble(rows: Array, unseen_s: Array, padded: Array) -> tuple[FloatArray, Motion]:
    """A window's channels from its rows, oldest first.

    Args:
        rows: (STEPS, ROW) of `measure_row`.
        unseen_s: (STEPS,) for how long the body was not seen at each step.
        padded: (STEPS,) 1 where the track had not begun, 0 else.

    Returns:
        (CHANNELS, STEPS) float32, and what the body did.
    """
    columns = rows.T
    scale = _median(columns[SCALE])
    channels = np.empty((CHANNELS, STEPS))
    heights = channels[:_HEIGHTS]
    heights[:] = (_floor_y(columns, scale) - columns.take(_PLACES, axis=0)) / scale
    drop_m = max(_drop_m(heights[0]), _drop_m(columns[SHOULDERS_M]))
    top_m = float(np.add.reduce(np.sort(columns[_SHOULDERS_ABOVE_LOWEST])[-_TOP_STEPS:])) / _TOP_STEPS
    shoulders_m = min(_at_the_end(heights[0]), _at_the_end(columns[_SHOULDERS_ABOVE_LOWEST]))
    hips_m = max(_at_the_end(heights[1]), _at_the_end(columns[_HIPS_ABOVE_LOWEST]))
    channels[_HEIGHTS] = (columns[HIP_X] - rows[-1, HIP_X]) / scale
    channels[_WORLD:_GROWTH] = columns[SHOULDERS_M:]
    channels[_GROWTH] = np.log(columns[SCALE] / scale)
    channels[_GROWTH + 1] = np.minimum(unseen_s, 3.0) / 3.0
    channels[_GROWTH + 2] = padded
    moving, speeds = channels.take(_MOVING, axis=0), channels[_SPEEDS:]
    speeds[:, :_SPEED_STEPS] = 0.0
    speeds[:, _SPEED_STEPS:] = (moving[:, _SPEED_STEPS:] - moving[:, :-_SPEED_STEPS]) / (_SPEED_STEPS * STEP_S)
    speed_m_s = -float(np.minimum.reduce(speeds[0]) + np.minimum.reduce(speeds[4])) / 2
    bone_error = float(np.add.reduce(columns[_BONES_WRONG, -_LATELY:])) / _LATELY
    np.maximum(channels, -5.0, out=channels)
    np.minimum(channels, 5.0, out=channels)
    motion = Motion(drop_m, speed_m_s, bone_error, top_m, shoulders_m, hips_m, _edge_m(columns, unseen_s))
    return channels.astype(np.float32), motion


def _edge_m(columns: Array, unseen_s: Array) -> float:
    edges = [_at_the_end(columns[edge]) for edge in _EDGES]
    if unseen_s[-1] > 0.0:
        last = int(np.flatnonzero(unseen_s == 0.0)[-1])
        before = max(last - _LEAVING_STEPS, 0)
        gone = _LEAVING_S / (_LEAVING_STEPS * STEP_S)
        edges += [columns[edge][last] + gone * min(0.0, columns[edge][last] - columns[edge][before]) for edge in _EDGES]
        edges.append(_at_the_end(columns[_LOWER_EDGE]))
    return float(min(edges))


def _at_the_end(values: Array) -> float:
    """The mean of the last steps."""
    return float(np.add.reduce(values[-_END_STEPS:])) / _END_STEPS


def _median(values: Array) -> float:
    """Of an even number of values; `np.median` takes ten times as long for so few."""
    low, high = np.sort(values)[STEPS // 2 - 1 : STEPS // 2 + 1].tolist()
    return float(low + high) / 2


def _floor_y(columns: Array, scale: float) -> float:
    """Where the feet are in the picture, from the three steps in which the body reaches highest above them."""
    reach = (columns[FOOT_Y] - columns[SHOULDER_Y]) / scale
    return float(np.add.reduce(columns[FOOT_Y].take(np.argpartition(reach, -3)[-3:]))) / 3


def _drop_m(heights: Array) -> float:
    """How far heights come down, from the highest to the lowest after it."""
    return float(np.maximum.reduce(np.maximum.accumulate(heights) - heights))
