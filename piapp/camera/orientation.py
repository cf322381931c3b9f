"""Turning and mirroring pictures: pure, the same for every source.

OpenCV does it in 0.1 to 0.3 ms where NumPy takes 1.5 to 2.3 ms (640x480, measured on a PC).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2

from piapp.config.sections import CameraConfig
from piapp.types import ImageArray

_TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
# (hflip, vflip) to OpenCV's code.
_MIRRORS = {(True, False): 1, (False, True): 0, (True, True): -1}


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
        if self.rotation:
            image = cv2.rotate(image, _TURNS[self.rotation])
        if self.hflip or self.vflip:
            image = cv2.flip(image, _MIRRORS[self.hflip, self.vflip])
        return image

    def split(self) -> tuple[Orientation, Orientation]:
        """This orientation in two steps: mirrors for the camera's hardware, then a quarter turn or nothing for us.

        Half a turn is both mirrors. A mirror that follows a quarter turn equals the other mirror before it.
        """
        half = self.rotation == 180  # noqa: PLR2004 - half a turn in degrees
        hflip, vflip = self.hflip != half, self.vflip != half
        if self.rotation in (0, 180):
            return Orientation(hflip=hflip, vflip=vflip), Orientation()
        return Orientation(hflip=vflip, vflip=hflip), Orientation(self.rotation)
