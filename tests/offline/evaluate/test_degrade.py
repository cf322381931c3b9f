import numpy as np
import pytest

from piapp.offline.evaluate.degrade import DEGRADATIONS, blur, darken, fade, shrink, tilt


@pytest.fixture
def image():
    """A bright square on dark ground."""
    picture = np.full((120, 160, 3), 20, np.uint8)
    picture[40:80, 60:100] = 220
    return picture


def test_shrinking_keeps_the_picture_and_makes_the_scene_small(image):
    """A quarter of the area remains bright at half the size."""
    smaller = shrink(image, 0.5)
    assert smaller.shape == image.shape
    assert (smaller[:, :, 0] > 150).sum() == pytest.approx((image[:, :, 0] > 150).sum() / 4, rel=0.1)


def test_darkening_lowers_the_levels_and_adds_noise(image):
    """The same picture gets the same noise."""
    dark = darken(image, 0.2)
    assert dark[45:75, 65:95].mean() == pytest.approx(44, abs=2)
    assert 3 < dark[45:75, 65:95].std() < 9
    assert np.array_equal(dark, darken(image, 0.2))


def test_blurring_flattens_edges(image):
    """More of it, more so."""
    steepest = [int(np.abs(np.diff(blur(image, factor)[60, :, 0].astype(int))).max()) for factor in (0.01, 0.05)]
    assert 200 > steepest[0] > steepest[1] > 5


def test_fading_leaves_brightness_and_takes_colour(image):
    """None of it is left at 0, all of it at 1."""
    image[:, :, 0] //= 2
    grey = fade(image, 0.0)
    assert np.ptp(grey, axis=2).max() == 0
    assert grey[60, 80, 0] == pytest.approx(0.299 * 110 + 0.587 * 220 + 0.114 * 220, abs=1)
    assert np.array_equal(fade(image, 1.0), image)


def test_tilting_turns_about_the_middle(image):
    """By a right angle the square is where it was, and an upper mark goes to the left."""
    image[0:10, 75:85] = 255
    turned = tilt(image, 90)
    assert turned[60, 80, 0] == 220
    assert turned[60, 22:30, 0].max() == 255


@pytest.mark.parametrize("kind", list(DEGRADATIONS))
def test_the_original_stays_as_it_is(image, kind):
    """Every change makes a new picture of the same shape and kind."""
    before = image.copy()
    worse = DEGRADATIONS[kind](image, 0.5)
    assert np.array_equal(image, before)
    assert (worse.shape, worse.dtype) == (image.shape, image.dtype)
