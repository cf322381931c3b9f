"""Rotated regions of a picture: where a person is looked at. Pure arithmetic with MediaPipe's rounding (`numbers`)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from piapp.types import FloatArray

# How much larger than the circle through the scale point a region is, so that the whole person fits:
# RectTransformationCalculator's scale_x and scale_y in pose_detector_graph.cc and pose_landmarks_detector_graph.cc.
MARGIN = np.float32(1.25)
# rotation_vector_target_angle_degrees of both graphs: in an upright person the way to the scale point is upward.
_UPRIGHT = np.float32(math.pi / 2)


@dataclass(frozen=True, slots=True)
class Square:
    """A region in pixels; width and height differ by rounding only.

    Attributes:
        x: Centre from the left edge.
        y: Centre from the top edge.
        rotation: Radians, clockwise as seen.
    """

    x: np.float32
    y: np.float32
    width: np.float32
    height: np.float32
    rotation: np.float32

    @classmethod
    def upright(cls, x: float, y: float, side: float) -> Square:
        """The square with this centre and side."""
        return cls(np.float32(x), np.float32(y), np.float32(side), np.float32(side), np.float32(0))

    @classmethod
    def around_picture(cls, width: int, height: int) -> Square:
        """The smallest upright square with the whole picture in its middle: PadRoi in image_to_tensor_utils.cc."""
        side = np.float32(max(width, height))
        half = np.float32(0.5)
        return cls(half * np.float32(width), half * np.float32(height), side, side, np.float32(0))

    def out_of(self, points: FloatArray, width: int, height: int) -> FloatArray:
        """(n, 2) fractions of a picture of this size, from (n, 2) fractions of the square."""
        x, y = ((points - np.float32(0.5)) * np.array([self.width, self.height], np.float32)).T
        cos, sin = np.float32(math.cos(self.rotation)), np.float32(math.sin(self.rotation))
        turned = np.stack([cos * x - sin * y + self.x, sin * x + cos * y + self.y], axis=1)
        result: FloatArray = (turned / np.array([width, height])).astype(np.float32)
        return result

    def corners(self) -> FloatArray:
        """(4, 2) float32: bottom left, top left, top right, bottom right, before turning.

        cv::RotatedRect::points of OpenCV 5, which MediaPipe is built with; 4 rounds the last two otherwise.
        """
        degrees = float(np.float32(float(self.rotation * np.float32(180)) / math.pi))
        angle = degrees * math.pi / 180
        b = np.float32(math.cos(angle)) * np.float32(0.5)
        a = np.float32(math.sin(angle)) * np.float32(0.5)
        right, down = np.array([b * self.width, a * self.width]), np.array([a * self.height, b * self.height])
        x, y = self.x, self.y
        return np.array(
            [
                (x - down[0] - right[0], y + down[1] - right[1]),
                (x + down[0] - right[0], y - down[1] - right[1]),
                (x + down[0] + right[0], y - down[1] + right[1]),
                (x - down[0] + right[0], y + down[1] + right[1]),
            ],
            np.float32,
        )


@dataclass(frozen=True, slots=True)
class Region:
    """Where to look for one person, as fractions of the picture's width and height.

    Attributes:
        x: Centre.
        y: Centre.
        rotation: Radians, clockwise as seen, -pi to pi.
    """

    x: np.float32
    y: np.float32
    width: np.float32
    height: np.float32
    rotation: np.float32

    @classmethod
    def around(cls, points: FloatArray, width: int, height: int) -> Region:
        """The region of a person.

        AlignmentPointsRectsCalculator, then RectTransformationCalculator.

        Args:
            points: (2, 2) float32, fractions of the picture: the middle of the hips, and a point on the circle around
                the person in the direction of the head.
            width: The picture's in pixels.
            height: The picture's in pixels.
        """
        w, h = np.float32(width), np.float32(height)
        (x, y), (scale_x, scale_y) = points * np.array([w, h])
        dx, dy = scale_x - x, scale_y - y
        side = np.sqrt(dx * dx + dy * dy) * np.float32(2)
        rotation = _UPRIGHT - np.float32(math.atan2(-dy, dx))
        longest = max(side / w * w, side / h * h)
        return cls(x / w, y / h, longest / w * MARGIN, longest / h * MARGIN, _half_turns(rotation))

    @property
    def usable(self) -> bool:
        """False when there is nothing to look at: no extent, or a network gave no number."""
        finite = math.isfinite(self.x + self.y + self.width + self.height + self.rotation)
        return finite and min(float(self.width), float(self.height)) > 0

    def changed(self, scale: float, turn: float) -> Region:
        """The region about the same centre, with this share of its sides, turned further by these radians."""
        factor = np.float32(scale)
        rotation = _half_turns(self.rotation + np.float32(turn))
        return Region(self.x, self.y, self.width * factor, self.height * factor, rotation)

    def in_pixels(self, width: int, height: int) -> Square:
        """The region within a picture of this size."""
        w, h = np.float32(width), np.float32(height)
        return Square(self.x * w, self.y * h, self.width * w, self.height * h, self.rotation)

    def overlap(self, other: Region) -> float:
        """Intersection over union with rotation left out, as AssociationNormRectCalculator does."""
        width = _shared(self.x, self.width, other.x, other.width)
        height = _shared(self.y, self.height, other.y, other.height)
        shared = width * height
        union = float(self.width * self.height + other.width * other.height) - shared
        return shared / union if union > 0 else 0.0


def associate(tracked: Iterable[Region], detected: Iterable[Region], max_overlap: float) -> list[Region]:
    """One region a person: each region replaces the earlier ones it overlaps more than `max_overlap`.

    AssociationCalculator: tracked ones come first, so that a detection renews the region it falls on.
    """
    kept: list[Region] = []
    for region in (*tracked, *detected):
        kept = [earlier for earlier in kept if region.overlap(earlier) <= max_overlap]
        kept.append(region)
    return kept


def _shared(centre: np.float32, length: np.float32, other: np.float32, other_length: np.float32) -> float:
    """How long two stretches run side by side."""
    start = max(centre - length / 2, other - other_length / 2)
    end = min(centre + length / 2, other + other_length / 2)
    return max(0.0, float(end - start))


def _half_turns(angle: np.float32) -> np.float32:
    """The same angle within -pi to pi."""
    turns = np.floor((float(angle) + math.pi) / (2 * math.pi))
    return np.float32(float(angle) - 2 * math.pi * turns)
