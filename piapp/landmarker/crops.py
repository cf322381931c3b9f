"""Squares cut out of a picture and turned by quarters, for landmarkers that take whole pictures. Pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from piapp.landmarker.region import Region, Square
from piapp.landmarker.views import turned, turned_back
from piapp.types import FloatArray, ImageArray, Pose


@dataclass(frozen=True, slots=True)
class Crop:
    """A square of a picture, turned anticlockwise by quarters; black beyond the picture's edges.

    Attributes:
        left: Of the square in the picture, in pixels; may lie outside.
        top: Likewise.
        side: In pixels.
        quarters: Quarter turns, 0 to 3.
        picture: (width, height) of the picture.
    """

    left: int
    top: int
    side: int
    quarters: int
    picture: tuple[int, int]

    @classmethod
    def of(cls, square: Square, quarters: int, picture: tuple[int, int]) -> Crop:
        """The crop with this centre and side, whatever the square's own rotation."""
        side = max(1, round(float(square.width)))
        left, top = round(float(square.x) - side / 2), round(float(square.y) - side / 2)
        return cls(left, top, side, quarters, picture)

    def cut(self, image: ImageArray) -> ImageArray:
        """The crop as a picture of its own, C-contiguous."""
        square = np.zeros((self.side, self.side, 3), np.uint8)
        (here_x, there_x), (here_y, there_y) = (self._shared(axis) for axis in (0, 1))
        square[there_y, there_x] = image[here_y, here_x]
        return turned(square, self.quarters)

    def pose_of_picture(self, pose: Pose) -> Pose:
        """A pose of the whole picture, from one in this crop."""
        upright = turned_back(pose, self.quarters, (self.side, self.side))
        width, height = self.picture
        landmarks = upright.landmarks.copy()
        landmarks[:, 0] = (landmarks[:, 0] * self.side + self.left) / width
        landmarks[:, 1] = (landmarks[:, 1] * self.side + self.top) / height
        landmarks[:, 2] *= self.side / width
        return Pose(landmarks, upright.world_landmarks, self._mask_of_picture(upright.mask), pose.found)

    def _mask_of_picture(self, mask: FloatArray | None) -> FloatArray | None:
        if mask is None:
            return None
        whole = np.zeros((self.picture[1], self.picture[0]), np.float32)
        (here_x, there_x), (here_y, there_y) = (self._shared(axis) for axis in (0, 1))
        whole[here_y, here_x] = mask[there_y, there_x]
        return whole

    def _shared(self, axis: int) -> tuple[slice, slice]:
        """What picture and crop share along an axis: in the picture, and in the crop."""
        start, length = (self.left, self.top)[axis], self.picture[axis]
        first, last = max(0, start), max(0, start, min(length, start + self.side))
        return slice(first, last), slice(first - start, last - start)


def upright_quarters(region: Region) -> int:
    """By how many quarters a picture is turned so that the person of the region stands in it."""
    return round(float(region.rotation) / (math.pi / 2)) % 4
