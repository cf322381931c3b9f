"""One person as read from a picture: the landmarks, and what they say of body, place and where to look next. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from piapp.anatomy import FRAME, Placement, bone_deviation
from piapp.landmarker.region import Region
from piapp.types import FloatArray, Pose

# Largest distance of two readings of one find, on average over its landmarks, in shares of its region's side.
MAX_READING_DISTANCE = 0.06
# What spans a person, without fingers: the farthest of these from the hips gives the size of the region.
_REACH = np.array([0, 11, 12, 13, 14, 15, 16, 25, 26, 27, 28, 31, 32])
# Radius of the circle that the models lay around a person, in distances from the hips to the farthest of those joints:
# the median of 720 poses (0.1 above and below for half of them).
_RADIUS = 1.19
_HIPS, _SHOULDERS = (23, 24), (11, 12)


@dataclass(slots=True, eq=False)
class Reading:
    """One person as read from a picture. What its landmarks say is computed once, when first asked for.

    Attributes:
        points: (33, 5) float32: x, y, z as fractions of the picture, visibility, presence.
        world: (33, 3) float32 in metres.
        size: (width, height) of the picture.
        region: Where the model says to look in the next frame; None where it does not say.
        presence: How sure the model is that there is a person, 0..1; 1 where it does not say.
    """

    points: FloatArray
    world: FloatArray
    mask: FloatArray | None
    size: tuple[int, int]
    region: Region | None = None
    presence: float = 1.0
    _deviation: float | None = field(default=None, init=False)
    _placement: Placement | None = field(default=None, init=False)

    @classmethod
    def of(cls, pose: Pose, size: tuple[int, int]) -> Reading:
        """A pose of a picture of this (width, height)."""
        return cls(pose.landmarks, pose.world_landmarks[:, :3], pose.mask, size)

    @property
    def following(self) -> Region:
        """Where to look in the next frame: where the model says, or else where the landmarks do."""
        if self.region is None:
            self.region = region_of(self.points, self.size)
        return self.region

    @property
    def deviation(self) -> float:
        """Its `anatomy.bone_deviation`."""
        if self._deviation is None:
            self._deviation = bone_deviation(self.world)
        return self._deviation

    def placement(self, ts_ms: int) -> Placement:
        """Where the person is, at the time of the picture."""
        if self._placement is None:
            width, height = self.size
            points, world = (joints.take(FRAME, axis=0).tolist() for joints in (self.points, self.world))
            frame = [(p[0] * width, p[1] * height, *metres) for p, metres in zip(points, world, strict=True)]
            self._placement = Placement.of(frame, [point[3] for point in points], ts_ms)
        return self._placement


def region_of(landmarks: FloatArray, size: tuple[int, int]) -> Region:
    """Where the models would look for somebody with these (33, 2 or more) landmarks in the next frame."""
    points = landmarks[:, :2] * np.array(size, np.float32)
    hips, shoulders = (points[list(pair)].mean(axis=0) for pair in (_HIPS, _SHOULDERS))
    radius = _RADIUS * float(np.linalg.norm(points[_REACH] - hips, axis=1).max())
    trunk = shoulders - hips
    head = trunk / max(1e-6, math.hypot(*trunk)) * radius
    ends = np.stack([hips, hips + head]) / np.array(size)
    return Region.around(ends.astype(np.float32), *size)


def readings_agree(first: Reading, second: Reading) -> bool:
    """Whether a find, read again in the region that its own pose gives, is the same body."""
    apart: FloatArray = np.abs(first.points[:, :2] - second.points[:, :2]).mean(axis=0)
    region = second.following
    return math.hypot(apart[0] / region.width, apart[1] / region.height) <= MAX_READING_DISTANCE
