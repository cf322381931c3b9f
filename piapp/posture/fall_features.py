"""Numbers that the learnt fall detector reads: one row for each tenth of a second, and a window of fifty rows.

Owns their definition, for training and for the node alike, so that the two cannot differ. A row (`measure_row`) holds
what one body shows. A window (`assemble`) puts places in the picture relative to where the feet were while the body was
most upright, in metres of the body's own size, and adds speeds.
"""

from __future__ import annotations

import math

import numpy as np

from piapp.posture.geometry import (
    ANKLES,
    FRAME,
    HIPS,
    KNEES,
    NOSE,
    SHOULDERS,
    TOES,
    TORSO,
    Array,
    Body,
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
_BONE_LOGS = np.log(np.array([0.314, 0.191, 0.47, 0.47, 0.352, 0.352, 0.351, 0.351, 0.231, 0.231]))
_BOX = np.array([NOSE, *FRAME[1:].tolist(), *TOES])

# Columns of a row. Those of the picture are in pixels until `assemble`.
SHOULDER_X, SHOULDER_Y, HIP_X, HIP_Y, NOSE_Y, FOOT_Y, KNEE_Y, TOP, BOTTOM, SCALE = range(10)
_PLACES = np.array([SHOULDER_Y, HIP_Y, NOSE_Y, FOOT_Y, KNEE_Y, TOP, BOTTOM])
SHOULDERS_M, HIPS_M = 10, 11
_TRUNK_UP, _BONES_WRONG = 15, 24
ROW = 36
CHANNELS = len(_PLACES) + 1 + (ROW - SHOULDERS_M) + 1 + 2 + 9

_SPEED_STEPS = 3
_LATELY = 10


def measure_row(body: Body, size: tuple[int, int]) -> Array:
    """The (ROW,) float64 numbers of one body; `size` is the picture's width and height."""
    points: list[list[float]] = body.points.tolist()
    seen: list[float] = body.visibility.tolist()
    up = [(x, -_COS * y - _SIN * z, _COS * z - _SIN * y) for _, _, x, y, z in points]
    scale = pixels_per_metre(body)
    box = body.points[:, :2].take(_BOX, axis=0)
    (left, top), (right, bottom) = box.min(axis=0).tolist(), box.max(axis=0).tolist()
    picture = [*_picture_places(points), top, bottom, scale]
    foot, lowest = min(up[ANKLES[0]][1], up[ANKLES[1]][1]), min(point[1] for point in up)
    shoulders, hips = _middle(up, SHOULDERS), _middle(up, HIPS)
    knees, ankles = _middle(up, KNEES), _middle(up, ANKLES)
    trunk, trunk_m = _direction(hips, shoulders)
    axis, _ = _direction(ankles, shoulders)
    world = [
        shoulders[1] - foot, hips[1] - foot, up[NOSE][1] - foot, shoulders[1] - lowest, hips[1] - lowest,
        trunk[1], trunk[2], trunk_m, axis[1], axis[2],
        _direction(knees, hips)[0][1], _direction(ankles, knees)[0][1],
        (_bend(up, 23, 25, 27) + _bend(up, 24, 26, 28)) / 2, (_bend(up, 11, 23, 25) + _bend(up, 12, 24, 26)) / 2,
        _bone_error(body),
    ]  # fmt: skip
    return np.array([*picture, *world, *_outline(points, (left, top, right, bottom), scale, size), *_visible(seen)])


def _picture_places(points: list[list[float]]) -> list[float]:
    shoulders, hips, knees = _middle(points, SHOULDERS), _middle(points, HIPS), _middle(points, KNEES)
    foot_y = max(points[ANKLES[0]][1], points[ANKLES[1]][1])
    return [shoulders[0], shoulders[1], hips[0], hips[1], points[NOSE][1], foot_y, knees[1]]


def _outline(
    points: list[list[float]], box: tuple[float, float, float, float], scale: float, size: tuple[int, int]
) -> list[float]:
    """How the body lies in the picture: two cosines, its aspect, distances to the four edges in metres, its size."""
    left, top, right, bottom = box
    shoulders, hips, ankles = _middle(points, SHOULDERS), _middle(points, HIPS), _middle(points, ANKLES)
    edges = (left, top, size[0] - right, size[1] - bottom)
    return [
        (hips[1] - shoulders[1]) / (math.dist(hips[:2], shoulders[:2]) + 1.0),
        (ankles[1] - shoulders[1]) / (math.dist(ankles[:2], shoulders[:2]) + 1.0),
        math.log((right - left + 2.0) / (bottom - top + 2.0)),
        *(min(max(edge / scale, -0.5), 2.0) for edge in edges),
        math.log(scale / max(size[1], 1)),
    ]


def _visible(seen: list[float]) -> list[float]:
    legs = max(min(seen[23], seen[25]), min(seen[24], seen[26]))
    feet = max(min(seen[25], seen[27]), min(seen[26], seen[28]))
    return [min(seen[point] for point in TORSO), legs, feet]


def _middle(points: list[list[float]] | list[tuple[float, float, float]], pair: tuple[int, int]) -> list[float]:
    return [(a + b) / 2 for a, b in zip(points[pair[0]][:3], points[pair[1]][:3], strict=True)]


def _direction(start: list[float], end: list[float]) -> tuple[list[float], float]:
    """Unit vector from start to end, and their distance."""
    distance = math.dist(start, end) + 1e-6
    return [(b - a) / distance for a, b in zip(start, end, strict=True)], distance


def _bend(points: list[tuple[float, float, float]], before: int, joint: int, after: int) -> float:
    """Cosine at a joint: -1 when it is stretched."""
    (ax, ay, az), (jx, jy, jz), (bx, by, bz) = points[before], points[joint], points[after]
    dot = (ax - jx) * (bx - jx) + (ay - jy) * (by - jy) + (az - jz) * (bz - jz)
    return dot / (math.dist(points[before], points[joint]) * math.dist(points[after], points[joint]) + 1e-6)


def _bone_error(body: Body) -> float:
    """Mean |log(length / usual length)| of ten bones, at most 1."""
    world = body.points[:, 2:]
    bones = world.take(_BONES[:, 0], axis=0) - world.take(_BONES[:, 1], axis=0)
    lengths = np.sqrt((bones * bones).sum(axis=1)) + 1e-3
    return min(1.0, float(np.abs(np.log(lengths) - _BONE_LOGS).mean()))


def assemble(rows: Array, unseen_s: Array, padded: Array) -> tuple[FloatArray, float, float, float]:
    """A window's channels from its rows, oldest first.

    Args:
        rows: (STEPS, ROW) of `measure_row`.
        unseen_s: (STEPS,) for how long the body was not seen at each step.
        padded: (STEPS,) 1 where the track had not begun, 0 else.

    Returns:
        (CHANNELS, STEPS) float32; by how much the shoulders came down, in metres, the larger of picture and world;
        the mean of the two highest speeds downwards, in metres a second; how wrong the bones' lengths were in the last
        second.
    """
    scale = float(np.median(rows[:, SCALE]))
    heights = (_floor_y(rows, scale) - rows[:, _PLACES]) / scale
    sideways = (rows[:, HIP_X : HIP_X + 1] - rows[-1, HIP_X]) / scale
    growth = np.log(rows[:, SCALE : SCALE + 1] / scale)
    moving = np.concatenate(
        (heights[:, [0, 1, 2, 5]], rows[:, SHOULDERS_M : HIPS_M + 1], rows[:, [_TRUNK_UP]], sideways, growth), axis=1
    )
    speeds = np.zeros_like(moving)
    speeds[_SPEED_STEPS:] = (moving[_SPEED_STEPS:] - moving[:-_SPEED_STEPS]) / (_SPEED_STEPS * STEP_S)
    times = np.stack((np.minimum(unseen_s, 3.0) / 3.0, padded), axis=1)
    channels = np.concatenate((heights, sideways, rows[:, SHOULDERS_M:], growth, times, speeds), axis=1)
    drop_m = max(_drop_m(heights[:, 0]), _drop_m(rows[:, SHOULDERS_M]))
    speed_m_s = -float(speeds[:, 0].min() + speeds[:, 4].min()) / 2
    bone_error = float(rows[-_LATELY:, _BONES_WRONG].mean())
    return np.ascontiguousarray(np.clip(channels, -5.0, 5.0).T, dtype=np.float32), drop_m, speed_m_s, bone_error


def _floor_y(rows: Array, scale: float) -> float:
    """Where the feet are in the picture, from the three steps in which the body reaches highest above them."""
    reach = (rows[:, FOOT_Y] - rows[:, SHOULDER_Y]) / scale
    return float(rows[np.argpartition(reach, -3)[-3:], FOOT_Y].mean())


def _drop_m(heights: Array) -> float:
    """How far heights come down, from the highest to the lowest after it."""
    return float((np.maximum.accumulate(heights) - heights).max())
