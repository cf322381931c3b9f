"""Crops and masks: what lands where, and what is beyond the picture."""

from __future__ import annotations

import math

import numpy as np
import pytest

from piapp.landmarker.litert.crop import Cropper, full_mask
from piapp.landmarker.region import Square


def square(*values: float) -> Square:
    """From x, y, size and rotation."""
    x, y, size, rotation = values
    return Square(*(np.float32(value) for value in (x, y, size, size, rotation)))


def cut(image: np.ndarray, place: Square, *, repeat_border: bool = True) -> np.ndarray:
    """(32, 32, 3), with pixels as they are."""
    into = np.empty((32, 32, 3), np.float32)
    Cropper(32, repeat_border=repeat_border, scale=1.0).cut(image, place, into)
    return into


@pytest.fixture
def picture() -> np.ndarray:
    """64 x 48 of noise."""
    return np.random.default_rng(5).integers(1, 255, (48, 64, 3), np.uint8)


def test_a_region_as_large_as_the_crop_is_copied(picture):
    """32 x 32 pixels from (10, 8) on, pixel for pixel."""
    crop = cut(picture, square(26, 24, 32, 0))
    np.testing.assert_array_equal(crop, picture[8:40, 10:42])


def test_a_quarter_turn(picture):
    """What is to the right is up; a turned pixel grid is half a step off, so the last row is the neighbour's."""
    crop = cut(picture, square(26, 24, 32, math.pi / 2))
    np.testing.assert_array_equal(crop, np.rot90(picture[8:40, 11:43]))


@pytest.mark.parametrize("repeat", [True, False])
def test_beyond_the_picture(picture, repeat):
    """The edge goes on, or all is black."""
    crop = cut(picture, square(0, 24, 32, 0), repeat_border=repeat)
    expected = np.broadcast_to(picture[8:40, :1] if repeat else 0, (32, 16, 3))
    np.testing.assert_array_equal(crop[:, :16], expected)
    np.testing.assert_array_equal(crop[:, 16:], picture[8:40, :16])


def test_places_are_rounded_to_a_32nd(picture):
    """A shift by 0.4 / 32 pixels shows nothing, one by 0.6 / 32 is one of 1 / 32."""
    still = cut(picture, square(26, 24, 32, 0))
    np.testing.assert_array_equal(cut(picture, square(26 + 0.4 / 32, 24, 32, 0)), still)
    shifted = cut(picture, square(26 + 1 / 32, 24, 32, 0))
    np.testing.assert_array_equal(cut(picture, square(26 + 0.6 / 32, 24, 32, 0)), shifted)
    assert not np.array_equal(shifted, still)


def test_values_are_brought_into_range(picture):
    """0..255 to -1..1, as the detector was trained."""
    into = np.empty((32, 32, 3), np.float32)
    Cropper(32, repeat_border=False, scale=1 / 127.5, offset=-1.0).cut(picture, square(0, 24, 32, 0), into)
    np.testing.assert_allclose(into[:, 16:], picture[8:40, :16] / 127.5 - 1, atol=1e-6)
    assert (into[:, :16] == -1).all()


def test_a_mask_lands_on_its_region():
    """All ones within the region, zeros outside, halves nowhere but at its edge."""
    mask = full_mask(np.full((256, 256, 1), 50, np.float32), square(40, 30, 20, 0), 80, 60)
    assert mask.shape == (60, 80)
    assert mask.dtype == np.float32
    assert (mask[21:39, 31:49] > 0.99).all()
    assert mask[:19].max() == mask[:, :29].max() == mask[:, 51:].max() == 0


def test_a_mask_turns_with_its_region():
    """The crop's upper half is the picture's right half after a quarter turn clockwise."""
    logits = np.full((256, 256, 1), -50, np.float32)
    logits[:128] = 50
    mask = full_mask(logits, square(40, 30, 20, math.pi / 2), 80, 60)
    assert mask[25:35, 42:48].min() > 0.99
    assert mask[25:35, 32:38].max() < 0.01
