"""One person as read from a picture: the landmarks, and the region in which to look for them next. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from piapp.anatomy import Placement, bone_deviation
from piapp.landmarker.region import Region
from piapp.types import FloatArray

# Largest distance of two readings of one find, on average over its landmarks, in shares of its region's side.
MAX_READING_DISTANCE = 0.06


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """One person as read from a region.

    Attributes:
        points: (33, 5) float32: x, y, z as fractions of the picture, visibility, presence.
        world: (33, 3) float32 in metres.
        following: Where to look in the next frame.
        presence: How sure the model is that there is a person, 0..1; 1 where it does not say.
    """

    points: FloatArray
    world: FloatArray
    mask: FloatArray | None
    following: Region
    presence: float = 1.0


def placement_of(reading: Reading, ts_ms: int, size: tuple[int, int]) -> Placement:
    """Where a person is in a picture of this (width, height)."""
    points = np.empty((len(reading.points), 5))
    points[:, 0] = reading.points[:, 0] * size[0]
    points[:, 1] = reading.points[:, 1] * size[1]
    points[:, 2:] = reading.world
    return Placement.of(points, reading.points[:, 3], ts_ms)


def deviation(reading: Reading) -> float:
    """`bone_deviation` of a reading."""
    return bone_deviation(reading.world)


def readings_agree(first: Reading, second: Reading) -> bool:
    """Whether a find, read again in the region that its own pose gives, is the same body."""
    apart: FloatArray = np.abs(first.points[:, :2] - second.points[:, :2]).mean(axis=0)
    region = second.following
    return math.hypot(apart[0] / region.width, apart[1] / region.height) <= MAX_READING_DISTANCE
