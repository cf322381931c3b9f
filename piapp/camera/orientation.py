"""Turning and mirroring pictures: pure, the same for every source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from piapp.config import CameraConfig
from piapp.types import ImageArray


@dataclass(frozen=True, slots=True)
class Orientation:
    """How a picture is turned, and mirrored afterwards.

    Attributes:
        rotation: Clockwise, in degrees: 0, 90, 180 or 270.
        hflip: Mirror left and right of the turned picture.
        vflip: Mirror top and bottom of the turned picture.
    """

    rotation: int = 0
    hflip: bool = False
    vflip: bool = False

    @classmethod
    def of(cls, config: CameraConfig) -> Orientation:
        """The orientation that the configuration asks for."""
        return cls(config.rotation, config.hflip, config.vflip)

    def apply(self, image: ImageArray) -> ImageArray:
        """The (height, width, 3) picture in this orientation, C-contiguous; the same array when nothing changes."""
        image = np.rot90(image, k=-self.rotation // 90)
        vertical, horizontal = (slice(None, None, -1 if flip else 1) for flip in (self.vflip, self.hflip))
        return np.ascontiguousarray(image[vertical, horizontal])

    def split(self) -> tuple[Orientation, Orientation]:
        """This orientation in two steps: mirrors for the camera's hardware, then a quarter turn or nothing for us.

        Half a turn is both mirrors. A mirror that follows a quarter turn equals the other mirror before it.
        """
        half = self.rotation == 180  # noqa: PLR2004 - half a turn in degrees
        hflip, vflip = self.hflip != half, self.vflip != half
        if self.rotation in (0, 180):
            return Orientation(hflip=hflip, vflip=vflip), Orientation()
        return Orientation(hflip=vflip, vflip=hflip), Orientation(self.rotation)
