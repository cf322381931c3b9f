"""The landmark model's output: activation, heat map, projection, world landmarks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from piapp.landmarker.litert.landmarks import decode, project, refine, world_landmarks
from piapp.landmarker.litert.numbers import running_total, sigmoid
from piapp.landmarker.region import Region


def points_at(x: float, y: float) -> np.ndarray:
    """(35, 5), all in one place."""
    points = np.zeros((35, 5), np.float32)
    points[:, :2] = x, y
    return points


def heatmap(*cells: tuple[int, int, float]) -> np.ndarray:
    """(64, 64, 39), cold but for (row, column, logit) of landmark 0."""
    heat = np.full((64, 64, 39), -50, np.float32)
    for row, column, logit in cells:
        heat[row, column, 0] = logit
    return heat


def test_decoding_by_hand():
    """128 of 256 pixels is a half; a logit of 0 is a half, one of ln 3 is 3/4."""
    raw = np.zeros((39, 5), np.float32)
    raw[34] = 128, 64, -32, 0, math.log(3)
    np.testing.assert_allclose(decode(raw.reshape(-1))[34], [0.5, 0.25, -0.125, 0.5, 0.75], rtol=1e-6)


def test_a_point_moves_to_the_middle_of_the_heat():
    """Two equally hot cells within reach, (32, 33) and (32, 35): column 34, in cells of 1/64."""
    points = points_at(32.9 / 64, 32.2 / 64)
    refine(points, heatmap((32, 33, 10.0), (32, 35, 10.0)))
    np.testing.assert_allclose(points[0, :2], [34 / 64, 32 / 64], rtol=1e-5)
    np.testing.assert_allclose(points[1, :2], [32.9 / 64, 32.2 / 64], rtol=1e-6)


def test_heat_out_of_reach_does_not_count():
    """The kernel is 7 cells wide: three to each side."""
    points = points_at(32.5 / 64, 32.5 / 64)
    refine(points, heatmap((32, 29, 10.0), (32, 36, 10.0)))
    np.testing.assert_allclose(points[0, :2], [29 / 64, 32 / 64], rtol=1e-5)


def test_lukewarm_heat_moves_nothing():
    """At least one cell must have a confidence of a half."""
    points = points_at(32.5 / 64, 32.5 / 64)
    refine(points, heatmap((32, 33, -0.1)))
    np.testing.assert_array_equal(points, points_at(32.5 / 64, 32.5 / 64))


@pytest.mark.parametrize(("x", "moved"), [(0.2 / 64, True), (-0.5 / 64, True), (-1.5 / 64, False), (64.0 / 64, False)])
def test_points_at_the_edge(x, moved):
    """The kernel shrinks at the edge, and points outside stay; -0.5 counts as cell 0, as upstream cuts off."""
    points = points_at(x, 0.5)
    refine(points, heatmap((32, 0, 10.0), (32, 63, 10.0)))
    assert points[0, 0] == pytest.approx(0.0 if moved else x, abs=1e-6)


def test_projection_by_hand():
    """A region of 0.4 x 0.8 around (0.5, 0.5), turned by a quarter: the crop's right end is the picture's bottom."""
    points = points_at(1.0, 0.5)
    points[:, 2] = 0.5
    quarter = Region(*(np.float32(value) for value in (0.5, 0.5, 0.4, 0.8, math.pi / 2)))
    project(points, quarter)
    np.testing.assert_allclose(points[0, :3], [0.5, 0.9, 0.2], atol=1e-6)


def test_world_landmarks_turn_upright():
    """A quarter turn clockwise takes right to down; depth stays."""
    raw = np.zeros((39, 3), np.float32)
    raw[0] = 1, 0, 5
    world = world_landmarks(raw.reshape(-1), math.pi / 2)
    assert world.shape == (33, 3)
    np.testing.assert_allclose(world[0], [0, 1, 5], atol=1e-6)


def test_the_sigmoid_neither_overflows_nor_leaves_its_range():
    """Heat maps hold logits beyond -80."""
    with np.errstate(all="raise", under="ignore"):
        result = sigmoid(np.array([-500, -80, 0, 80, 500], np.float32))
    np.testing.assert_allclose(result, [0, 0, 0.5, 1, 1], atol=1e-30)


def test_sums_run_from_first_to_last():
    """1e8 swallows each 1 that comes after it, which numpy's pairwise sum does not show."""
    values = np.array([1e8, *[1.0] * 64], np.float32)
    assert running_total(values) == np.float32(1e8)
    assert values.sum() > np.float32(1e8)
