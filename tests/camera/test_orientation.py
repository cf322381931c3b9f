import itertools

import cv2
import numpy as np
import pytest

from piapp.camera.orientation import Orientation

PICTURE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
ALL = [Orientation(*row) for row in itertools.product((0, 90, 180, 270), (False, True), (False, True))]


def expected(orientation):
    """What OpenCV makes of it: turned clockwise, then mirrored."""
    picture = cv2.rotate(PICTURE, TURNS[orientation.rotation]) if orientation.rotation else PICTURE
    picture = cv2.flip(picture, 1) if orientation.hflip else picture
    return cv2.flip(picture, 0) if orientation.vflip else picture


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
