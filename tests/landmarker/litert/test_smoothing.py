"""Smoothing over time, with times passed in."""

from __future__ import annotations

import math

import numpy as np
import pytest

from piapp.landmarker.litert.smoothing import OneEuroFilter, OneEuroOptions, PersonSmoothing
from piapp.landmarker.region import Region

SIZE = (100, 200)
FOLLOWING = Region(*(np.float32(value) for value in (0.5, 0.5, 0.8, 0.4, 0.0)))


def person(x: float = 0.5, visibility: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Points and world landmarks, all in one place."""
    points = np.full((33, 5), 0.5, np.float32)
    points[:, 0], points[:, 3] = x, visibility
    return points, np.full((33, 3), x, np.float32)


def test_one_euro_by_hand():
    """One step of 1 in 100 ms at a cutoff of 1 Hz, without beta: alpha = 1 / (1 + 10 / 2 pi)."""
    smooth = OneEuroFilter(OneEuroOptions(min_cutoff=1.0, beta=0.0))
    assert smooth.apply(np.array([3.0]), 100, 1.0) == 3.0
    alpha = 1 / (1 + 10 / (2 * math.pi))
    assert smooth.apply(np.array([4.0]), 200, 1.0)[0] == pytest.approx(3 + alpha)


def test_speed_opens_the_filter():
    """The smoothed speed, times beta, adds to the cutoff; the speed is scaled by the object's size."""
    options = OneEuroOptions(min_cutoff=1.0, beta=2.0)
    smooth = OneEuroFilter(options)
    smooth.apply(np.array([0.0]), 100, 0.5)
    speed_alpha = 1 / (1 + 10 / (2 * math.pi))
    speed = speed_alpha * (1.0 * 0.5 * 10)
    alpha = 1 / (1 + 10 / (2 * math.pi * (1 + 2 * speed)))
    assert smooth.apply(np.array([1.0]), 200, 0.5)[0] == pytest.approx(alpha)


def test_after_time_zero_the_first_step_counts_as_a_thirtieth_of_a_second():
    """Upstream takes 0 for "no time yet"."""
    smooth = OneEuroFilter(OneEuroOptions(min_cutoff=1.0, beta=0.0))
    smooth.apply(np.array([0.0]), 0, 1.0)
    assert smooth.apply(np.array([1.0]), 1000, 1.0)[0] == pytest.approx(1 / (1 + 30 / (2 * math.pi)))


def test_visibility_follows_by_a_tenth():
    """0.5, then 0.1 of the way to 1."""
    smoothing = PersonSmoothing()
    smoothing.apply(*person(), 100, SIZE, FOLLOWING)
    points, world = person(visibility=1.0)
    smoothing.apply(points, world, 200, SIZE, FOLLOWING)
    np.testing.assert_allclose(points[:, 3], 0.55, rtol=1e-6)


def test_a_lost_person_is_not_smoothed_into_the_next():
    """Landmarks start afresh; world landmarks and visibility go on, as upstream's do."""
    smoothing = PersonSmoothing()
    smoothing.apply(*person(0.2), 100, SIZE, FOLLOWING)
    smoothing.lost()
    points, world = person(0.8, visibility=1.0)
    smoothing.apply(points, world, 200, SIZE, FOLLOWING)
    np.testing.assert_allclose(points[:, 0], 0.8, rtol=1e-6)
    np.testing.assert_allclose(points[:, 3], 0.55, rtol=1e-6)
    assert (world < 0.8).all()
