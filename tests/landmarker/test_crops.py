"""Crops of a picture, and poses brought back from them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from piapp.landmarker.crops import Crop, upright_quarters
from piapp.landmarker.region import Region, Square
from piapp.types import Pose

PICTURE = np.random.default_rng(1).integers(1, 255, (48, 64, 3), np.uint8)
SIZE = (64, 48)


def square(x: float, y: float, side: float) -> Square:
    """An upright square."""
    return Square(*(np.float32(value) for value in (x, y, side, side, 0.0)))


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
@pytest.mark.parametrize("centre", [(30, 20), (2, 46), (63, 0)])
def test_a_point_of_a_crop_is_the_same_point_of_the_picture(quarters, centre):
    """Wherever the crop lies: the pixel at a landmark is the same in both; z keeps its ratio to x."""
    crop = Crop.of(square(*centre, 20), quarters, SIZE)
    cut = crop.cut(PICTURE)
    assert cut.shape == (20, 20, 3)
    landmarks = np.full((33, 5), 0.5, np.float32)
    landmarks[0, :3] = (4.5 / 20, 11.5 / 20, 0.4)
    pose = crop.pose_of_picture(Pose(landmarks, np.zeros((33, 5), np.float32)))
    x, y = (pose.landmarks[0, :2] * SIZE).tolist()
    inside = 0 <= x < SIZE[0] and 0 <= y < SIZE[1]
    expected = PICTURE[int(y), int(x)] if inside else np.zeros(3)
    np.testing.assert_array_equal(cut[11, 4], expected)
    assert pose.landmarks[0, 2] == pytest.approx(0.4 * 20 / 64)


def test_a_mask_lies_where_the_crop_was():
    """And is empty elsewhere."""
    crop = Crop.of(square(60, 10, 20), 1, SIZE)
    pose = Pose(np.zeros((33, 5), np.float32), np.zeros((33, 5), np.float32), np.ones((20, 20), np.float32))
    mask = crop.pose_of_picture(pose).mask
    assert mask is not None
    assert mask.shape == (48, 64)
    assert mask[:20, 50:].all()
    assert mask.sum() == 20 * 14


def test_a_crop_outside_the_picture_is_black():
    """Nothing is shared."""
    assert not Crop.of(square(200, -50, 20), 0, SIZE).cut(PICTURE).any()


def test_slanted_people_are_turned_to_the_nearest_quarter():
    """Forty degrees are none, fifty are one."""
    for degrees, quarters in ((40, 0), (50, 1), (-50, 3), (179, 2), (-179, 2)):
        region = Region(*(np.float32(value) for value in (0.5, 0.5, 0.1, 0.1, math.radians(degrees))))
        assert upright_quarters(region) == quarters
