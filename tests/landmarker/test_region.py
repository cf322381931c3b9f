"""Regions: where they lie, how they are cut out, when two are one person."""

from __future__ import annotations

import math

import numpy as np
import pytest

from piapp.landmarker.region import Region, Square, associate


def region(x: float, y: float, size: float = 0.2) -> Region:
    """An upright region of a square picture."""
    return Region(*(np.float32(value) for value in (x, y, size, size, 0.0)))


def test_a_region_around_an_upright_person():
    """Scale point 80 px above the hips in a 400 x 200 picture: a square of 2 * 80 * 1.25 = 200 px, not turned."""
    found = Region.around(np.array([[0.5, 0.5], [0.5, 0.1]], np.float32), 400, 200)
    assert (found.x, found.y) == (0.5, 0.5)
    assert found.width == pytest.approx(0.5)
    assert found.height == pytest.approx(1.0)
    assert found.rotation == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("scale_point", "rotation"),
    [((0.5, 0.1), 0.0), ((0.9, 0.5), math.pi / 2), ((0.1, 0.5), -math.pi / 2), ((0.7, 0.3), math.pi / 4)],
)
def test_a_region_turns_with_the_person(scale_point, rotation):
    """Somebody whose head points right is looked at turned by a quarter, clockwise."""
    found = Region.around(np.array([[0.5, 0.5], scale_point], np.float32), 100, 100)
    assert found.rotation == pytest.approx(rotation, abs=1e-6)


def test_upside_down_is_half_a_turn():
    """The angle stays within -pi to pi."""
    found = Region.around(np.array([[0.5, 0.5], [0.5, 0.9]], np.float32), 100, 100)
    assert abs(found.rotation) == pytest.approx(math.pi, abs=1e-6)


def test_corners_of_a_turned_square():
    """A quarter turn clockwise takes the top left corner to the top right."""
    square = Square(*(np.float32(value) for value in (100, 50, 40, 40, math.pi / 2)))
    expected = [[80, 30], [120, 30], [120, 70], [80, 70]]
    np.testing.assert_allclose(square.corners(), expected, atol=1e-4)


def test_the_square_around_a_picture():
    """As wide as the longer side, the picture in its middle."""
    square = Square.around_picture(640, 480)
    assert (square.x, square.y, square.width, square.height) == (320, 240, 640, 640)
    np.testing.assert_array_equal(square.corners(), [[0, 560], [0, -80], [640, -80], [640, 560]])


def test_pixels_of_a_region():
    """Fractions times width and height."""
    square = region(0.5, 0.25).in_pixels(200, 100)
    assert (square.x, square.y) == (100, 25)
    assert square.width == pytest.approx(40)
    assert square.height == pytest.approx(20)


def test_overlap_by_hand():
    """Two squares of 0.2, half of one within the other: 0.02 / (0.04 + 0.04 - 0.02) = 1/3."""
    assert region(0.5, 0.5).overlap(region(0.6, 0.5)) == pytest.approx(1 / 3, rel=1e-5)
    assert region(0.5, 0.5).overlap(region(0.5, 0.5)) == pytest.approx(1.0, rel=1e-5)
    assert region(0.5, 0.5).overlap(region(0.8, 0.5)) == 0.0


def test_a_region_without_extent_is_not_looked_at():
    """Both points in one place, or no number at all."""
    assert region(0.5, 0.5).usable
    assert not region(0.5, 0.5, 0.0).usable
    assert not region(math.nan, 0.5).usable
    assert not Region.around(np.full((2, 2), np.nan, np.float32), 64, 48).usable
    assert not Region.around(np.full((2, 2), 0.5, np.float32), 64, 48).usable


def test_a_detection_renews_the_region_it_falls_on():
    """Later regions replace earlier ones that they overlap, and go to the end."""
    tracked = [region(0.2, 0.5), region(0.7, 0.5)]
    detected = [region(0.21, 0.5), region(0.9, 0.9)]
    assert associate(tracked, detected, 0.5) == [tracked[1], *detected]


def test_tracked_regions_that_ran_together_are_one():
    """Two people's regions on one person; 2/3 of each is shared, so half of both together."""
    together = [region(0.5, 0.5), region(0.5 + 0.2 / 3, 0.5)]
    assert associate(together, [], 0.4) == together[1:]
    assert associate(together, [], 0.6) == together


def test_a_changed_region_has_the_same_centre():
    """Closer and turned; the angle stays within half turns."""
    found = Region(*(np.float32(value) for value in (0.3, 0.6, 0.2, 0.4, 3.0))).changed(0.5, 0.5)
    assert (found.x, found.y) == (np.float32(0.3), np.float32(0.6))
    assert (found.width, found.height) == (pytest.approx(0.1), pytest.approx(0.2))
    assert found.rotation == pytest.approx(3.5 - 2 * math.pi, abs=1e-6)
