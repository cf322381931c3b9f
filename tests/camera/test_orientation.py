import itertools

import numpy as np
import pytest

from piapp.camera.orientation import Orientation, Shape

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


ONE = 1 << 16
# (a, b, c, d) of a display matrix: where a point (x, y) of the stored picture is shown.
MATRICES = [(a, 0, 0, d) for a in (1, -1) for d in (1, -1)] + [(0, b, c, 0) for b in (1, -1) for c in (1, -1)]


@pytest.mark.parametrize("terms", MATRICES)
def test_every_display_matrix(terms):
    """Each of the eight shows every pixel where its matrix says."""
    a, b, c, d = terms
    stored = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    matrix = np.array([a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30], np.int32)
    shown = Orientation.of_matrix(matrix).apply(stored)
    points = [(a * x + c * y, b * x + d * y) for y in range(2) for x in range(3)]
    left, top = min(x for x, _ in points), min(y for _, y in points)
    assert shown.shape[:2] == (3, 2) if b else (2, 3)
    for (x, y), pixel in zip(points, stored.reshape(-1, 3), strict=True):
        np.testing.assert_array_equal(shown[y - top, x - left], pixel)


def test_a_matrix_of_zeros_means_nothing():
    """Some writers leave it empty."""
    assert Orientation.of_matrix(np.zeros(9, np.int32)) == Orientation()


@pytest.mark.parametrize(
    ("aspect", "size"),
    [(1.0, (704, 288)), (6 / 11, (704, 528)), (12 / 11, (768, 288)), (0.0, (704, 288)), (40.0, (704, 288))],
)
def test_pixels_become_square(aspect, size):
    """By making the picture larger; shapes that cannot be are left alone."""
    shape = Shape(pixel_aspect=aspect)
    assert shape.size(704, 288) == size
    assert shape.apply(np.zeros((288, 704, 3), np.uint8)).shape == (size[1], size[0], 3)
    turned = Shape(Orientation(90), aspect)
    assert turned.size(704, 288) == size[::-1]
