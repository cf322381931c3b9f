import itertools

import numpy as np
import pytest

from piapp.camera.orientation import Orientation

# No two pixels alike.
PICTURE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
ALL = [Orientation(*row) for row in itertools.product((0, 90, 180, 270), (False, True), (False, True))]


def expected(orientation):
    """Pixel by pixel: turned clockwise, then mirrored."""
    picture = PICTURE
    for _ in range(orientation.rotation // 90):
        picture = picture[::-1].transpose(1, 0, 2)
    picture = picture[:, ::-1] if orientation.hflip else picture
    return picture[::-1] if orientation.vflip else picture


@pytest.mark.parametrize("orientation", ALL, ids=str)
def test_apply(orientation):
    """Turned clockwise, then mirrored, and contiguous."""
    turned = orientation.apply(PICTURE)
    assert np.array_equal(turned, expected(orientation))
    assert turned.flags.c_contiguous


@pytest.mark.parametrize("orientation", ALL, ids=str)
def test_split(orientation):
    """The two steps together are the whole, and hardware only mirrors."""
    hardware, ours = orientation.split()
    assert hardware.rotation == 0
    assert np.array_equal(ours.apply(hardware.apply(PICTURE)), expected(orientation))


def test_nothing_to_do_copies_nothing():
    """The usual case costs nothing."""
    assert np.shares_memory(Orientation().apply(PICTURE), PICTURE)
