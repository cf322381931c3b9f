"""What a body can be, on a body of usual size."""

from __future__ import annotations

import numpy as np
import pytest

from piapp.anatomy import FRAME, Placement, bone_deviation, centre, mismatch, pixels_per_metre

# x, y of an upright body seen from the front, in metres, y down; every other landmark is at the nose.
_JOINTS = {
    11: (0.16, 0.0), 12: (-0.16, 0.0), 13: (0.20, 0.24), 14: (-0.20, 0.24), 23: (0.10, 0.48), 24: (-0.10, 0.48),
    25: (0.10, 0.84), 26: (-0.10, 0.84), 27: (0.10, 1.22), 28: (-0.10, 1.22),
}  # fmt: skip


def _world(size: float = 1.0) -> np.ndarray:
    world = np.tile((0.0, -0.2, 0.0), (33, 1))
    for index, (x, y) in _JOINTS.items():
        world[index, :2] = x, y
    return world * size


def _placement(ts_ms: int, x_px: float = 0.0, scale: float = 100.0) -> Placement:
    world = _world()
    points = np.hstack([world[:, :2] * scale + (x_px, 0), world])
    return Placement.of(points[FRAME].tolist(), [1.0] * len(FRAME), ts_ms)


def _mismatch(last: Placement, now: Placement, velocity: tuple[float, float] = (0.0, 0.0)) -> float:
    return mismatch(last, velocity, now)


def test_a_usual_body_deviates_little_and_a_thing_much():
    """Bones twice as long, or legs of a table's length, are no body's."""
    table = _world()
    table[[25, 26, 27, 28]] = table[[23, 24, 23, 24]] + (0.0, 0.02, 0.0)
    assert bone_deviation(_world()) < 0.1
    assert bone_deviation(_world(2.0)) == pytest.approx(np.log(2), abs=0.1)
    assert bone_deviation(table) > 0.5


def test_bones_of_no_length_and_turned_bodies():
    """All landmarks at one place give a large number, not an error; turning changes nothing."""
    angle = 1.0
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    assert 1 < bone_deviation(np.zeros((33, 3))) < 100
    assert bone_deviation(_world() @ turn) == pytest.approx(bone_deviation(_world()))


def test_size_and_place_in_the_picture():
    """Pixels a metre as drawn; the centre is between shoulders and hips."""
    world = _world()
    points = np.hstack([world[:, :2] * 250 + (300, 100), world])
    assert pixels_per_metre(points, np.ones(33)) == pytest.approx(250)
    assert pixels_per_metre(np.full((33, 5), 7.1), np.ones(33)) == 1
    assert centre(points) == pytest.approx((300, 100 + 0.24 * 250))


def test_the_same_body_a_little_farther_is_the_same():
    """Half a step in a tenth of a second is; three metres are not, unless they were headed there."""
    last = _placement(0)
    assert _mismatch(last, _placement(100)) == pytest.approx(0)
    assert _mismatch(last, _placement(100, x_px=40)) < 1
    assert _mismatch(last, _placement(100, x_px=300)) > 1
    assert _mismatch(last, _placement(100, x_px=80), (500.0, 0.0)) < _mismatch(last, _placement(100, x_px=80))


def test_the_longer_unseen_the_farther():
    """Two metres are too far after a tenth of a second, and near enough after one."""
    last = _placement(0)
    assert _mismatch(last, _placement(100, x_px=200)) > 1
    assert _mismatch(last, _placement(1000, x_px=200)) < 1


def test_a_body_of_another_size_is_another():
    """Four times as large at the same place."""
    assert _mismatch(_placement(0), _placement(100, scale=400.0)) > 1
