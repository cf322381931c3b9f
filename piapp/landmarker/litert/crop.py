"""Cuts regions out of pictures, and puts masks back into them. The only module of this package that imports cv2."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from piapp.landmarker.litert.numbers import sigmoid
from piapp.landmarker.region import Square
from piapp.types import FloatArray, ImageArray

# Added to a float64 and taken away again, this rounds it to 1/32: five bits are left for the fraction.
_ROUNDING = 1.5 * 2**47
# Rows that are cut at a time. Each call into NumPy or OpenCV may cost Python's own lock, and what lies between two of
# them should stay in the cache: of 16 to 256 rows, 64 and 128 took least time (measured).
_BAND = 64


class Cropper:
    """Cuts square pictures of one size out of larger ones; its memory is allocated once. Used by one thread at a time.

    Coordinates are rounded to 1/32 pixel and weights to 1/32768, as by the OpenCV that MediaPipe is built with. The
    wheels of OpenCV since 4.11 round neither in warpPerspective, which moves landmarks by some 1 % of the torso
    (measured); `remap` with these maps rounds both, and takes less time. Halves are common, as corners are float32:
    each step here is the one that decides them as there.

    Args:
        size: Width and height of the cut pictures.
        repeat_border: Beyond a picture its edge goes on; else it is black.
        scale: What pixels are multiplied by.
        offset: What is added to them then.
    """

    def __init__(self, size: int, *, repeat_border: bool, scale: float, offset: float = 0.0) -> None:
        self._scale, self._offset = np.float32(scale), np.float32(offset)
        self._border = cv2.BORDER_REPLICATE if repeat_border else cv2.BORDER_CONSTANT
        self._corners = _corners(size)
        self._bands = _bands(size)
        self._places = np.empty((_BAND, size, 2), np.float64)
        self._rounded = np.empty((_BAND, size, 2), np.float32)
        self._whole = np.empty((_BAND, size, 2), np.int16)
        self._fraction = np.empty((_BAND, size), np.uint16)
        self._pixels = np.empty((size, size, 3), np.uint8)

    def cut(self, image: ImageArray, square: Square, into: FloatArray) -> None:
        """A region of the picture, turned upright; nothing else of the picture is touched.

        ImageToTensorCalculator on the processor: bilinear, without averaging when it shrinks.

        Args:
            image: (height, width, 3) uint8.
            square: Where to look; it may reach beyond the picture.
            into: (size, size, 3) float32, overwritten.
        """
        _, matrix = cv2.invert(cv2.getPerspectiveTransform(square.corners(), self._corners))
        for band, first in zip(self._bands, range(0, len(into), _BAND), strict=True):
            rows = slice(len(band))
            places, rounded = self._places[rows], self._rounded[rows]
            whole, fraction = self._whole[rows], self._fraction[rows]
            cv2.perspectiveTransform(band, matrix, dst=places)
            places += _ROUNDING
            places -= _ROUNDING
            rounded[:] = places
            cv2.convertMaps(rounded, None, cv2.CV_16SC2, dstmap1=whole, dstmap2=fraction)
            pixels = self._pixels[first : first + _BAND]
            cv2.remap(image, whole, fraction, cv2.INTER_LINEAR, dst=pixels, borderMode=self._border)
        np.multiply(self._pixels, self._scale, out=into)
        if self._offset:
            into += self._offset


def full_mask(logits: FloatArray, square: Square, width: int, height: int) -> FloatArray:
    """(height, width) float32 mask in 0..1 from the network's (n, n, 1); 0 outside the region.

    TensorsToSegmentationCalculator with a sigmoid, then WarpAffineCalculator with a border of zeros.
    """
    mask = sigmoid(logits[:, :, 0])
    to_crop = cv2.getPerspectiveTransform(square.corners(), _corners(mask.shape[0]))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    full: FloatArray = cv2.warpPerspective(mask, to_crop, (width, height), flags=flags)
    return full


@cache
def _bands(size: int) -> tuple[npt.NDArray[np.float64], ...]:
    """Places (x, y) of the pixels of a crop, some rows at a time; the same for all who cut this size."""
    grid = np.stack(np.meshgrid(np.arange(size, dtype=np.float64), np.arange(size, dtype=np.float64)), axis=-1)
    grid.flags.writeable = False
    return tuple(grid[row : row + _BAND] for row in range(0, size, _BAND))


def _corners(size: int) -> FloatArray:
    """Corners of a crop, in the order of `Square.corners`."""
    return np.array([[0, size], [0, 0], [size, 0], [size, size]], np.float32)
