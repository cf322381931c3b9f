"""Cuts regions out of pictures, and puts masks back into them. The only module of this package that imports cv2."""

from __future__ import annotations

import cv2
import numpy as np

from piapp.landmarker.litert.numbers import sigmoid
from piapp.landmarker.litert.region import Square
from piapp.types import FloatArray, ImageArray

# Added to a float64, the first rounds a pixel coordinate to 1/32 (five bits are left for the fraction). The
# second makes its bits a fixed-point number: words of 16 bits, of which one counts whole pixels, and the one below
# fractions.
_ROUNDING = 1.5 * 2**47
_FIXED_POINT = 1.5 * 2**20
_WHOLE, _FRACTION = 2, 1  # which of the number's four 16-bit words, counted from the lowest


class Cropper:
    """Cuts square pictures of one size out of larger ones; its memory is allocated once. Used by one thread at a time.

    Coordinates are rounded to 1/32 pixel and weights to 1/32768, as in the OpenCV that MediaPipe is built with (3.4,
    warpPerspective); later versions, which round neither, move landmarks by some 1 % of the torso (measured).

    Args:
        size: Width and height of the cut pictures.
        repeat_border: Beyond a picture its edge goes on; else it is black.
    """

    def __init__(self, size: int, *, repeat_border: bool) -> None:
        self._border = cv2.BORDER_REPLICATE if repeat_border else cv2.BORDER_CONSTANT
        self._corners = np.array([[0, size], [0, 0], [size, 0], [size, size]], np.float32)
        self._grid = np.stack(np.meshgrid(np.arange(size, dtype="<f8"), np.arange(size, dtype="<f8")), axis=-1)
        self._places = np.empty_like(self._grid)
        words = self._places.view("<u2").reshape(size, size, 2, 4)
        self._place_whole = words[..., _WHOLE].view("<i2")
        self._place_fraction = words[..., _FRACTION]
        self._whole = np.empty((size, size, 2), np.int16)
        self._fraction = np.empty((size, size), np.uint16)
        self._fraction_y = np.empty((size, size), np.uint16)
        self._pixels = np.empty((size, size, 3), np.uint8)

    def cut(self, image: ImageArray, square: Square) -> ImageArray:
        """A region of the picture, turned upright; nothing else of the picture is touched.

        ImageToTensorCalculator on the processor: bilinear, without averaging when it shrinks.

        Args:
            image: (height, width, 3) uint8.
            square: Where to look; it may reach beyond the picture.

        Returns:
            (size, size, 3) uint8; overwritten by the next call.
        """
        _, matrix = cv2.invert(cv2.getPerspectiveTransform(square.corners(), self._corners))
        cv2.perspectiveTransform(self._grid, matrix, dst=self._places)
        self._places += _ROUNDING
        self._places += _FIXED_POINT - _ROUNDING
        np.copyto(self._whole, self._place_whole)
        # The table of weights is ordered by 32 * y + x.
        np.right_shift(self._place_fraction[..., 0], 11, out=self._fraction)
        np.right_shift(self._place_fraction[..., 1], 6, out=self._fraction_y)
        np.bitwise_and(self._fraction_y, 31 * 32, out=self._fraction_y)
        np.bitwise_or(self._fraction, self._fraction_y, out=self._fraction)
        cv2.remap(image, self._whole, self._fraction, cv2.INTER_LINEAR, dst=self._pixels, borderMode=self._border)
        return self._pixels


def full_mask(logits: FloatArray, square: Square, width: int, height: int) -> FloatArray:
    """(height, width) float32 mask in 0..1 from the network's (n, n, 1); 0 outside the region.

    TensorsToSegmentationCalculator with a sigmoid, then WarpAffineCalculator with a border of zeros.
    """
    mask = sigmoid(logits[:, :, 0])
    size = mask.shape[0]
    corners = np.array([[0, size], [0, 0], [size, 0], [size, size]], np.float32)
    to_crop = cv2.getPerspectiveTransform(square.corners(), corners)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    full: FloatArray = cv2.warpPerspective(mask, to_crop, (width, height), flags=flags)
    return full
