"""Pinhole cameras in the room, and the matrices that the renderer needs from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from rotations import Array, unit


@dataclass(frozen=True)
class Camera:
    """A camera without distortion.

    Attributes:
        eye, at: Where it is and what it looks at, metres.
        hfov_deg: Horizontal field of view.
        width, height: Of the picture, pixels.
        up: What is up in the picture.
    """

    eye: tuple[float, float, float]
    at: tuple[float, float, float]
    hfov_deg: float
    width: int = 640
    height: int = 480
    up: tuple[float, float, float] = (0.0, 1.0, 0.0)

    @property
    def focal_px(self) -> float:
        """Focal length in pixels."""
        return float(self.width / 2 / np.tan(np.radians(self.hfov_deg) / 2))

    @cached_property
    def view(self) -> Array:
        """(4, 4) world to camera; the camera looks along -z."""
        return look_at(self.eye, self.at, self.up)

    @property
    def clip_from_world(self) -> Array:
        """(4, 4) projection for the renderer."""
        return perspective(self.focal_px, self.width, self.height) @ self.view

    def project(self, points: npt.ArrayLike) -> Array:
        """Pixel columns and rows and the distance along the optical axis, (n, 3), of world points (n, 3)."""
        seen = np.asarray(points) @ self.view[:3, :3].T + self.view[:3, 3]
        depth = -seen[:, 2]
        column = self.width / 2 + self.focal_px * seen[:, 0] / depth
        row = self.height / 2 - self.focal_px * seen[:, 1] / depth
        return np.stack([column, row, depth], axis=1)

    def shows(self, point: Array, margin_px: float = 0.0) -> bool:
        """Whether a world point falls into the picture, `margin_px` inside its edge."""
        column, row, depth = self.project(point[None])[0]
        inside = margin_px <= column <= self.width - margin_px and margin_px <= row <= self.height - margin_px
        return bool(depth > 0 and inside)


def perspective(focal: float, width: float, height: float, near: float = 0.05, far: float = 20.0) -> Array:
    """(4, 4) OpenGL projection; focal, width and height in one unit."""
    return np.array([
        [2 * focal / width, 0, 0, 0],
        [0, 2 * focal / height, 0, 0],
        [0, 0, -(far + near) / (far - near), -2 * far * near / (far - near)],
        [0, 0, -1, 0],
    ])  # fmt: skip


def look_at(eye: npt.ArrayLike, at: npt.ArrayLike, up: npt.ArrayLike = (0, 1, 0)) -> Array:
    """(4, 4) world to camera."""
    z = unit(np.subtract(eye, at))
    x = unit(np.cross(up, z))
    matrix = np.eye(4)
    matrix[:3, :3] = x, np.cross(z, x), z
    matrix[:3, 3] = -matrix[:3, :3] @ np.asarray(eye, float)
    return matrix


# The room reaches from -2.5 to 2.5 m in x and z; walls are not seen from behind, so a camera may stand outside.
CAMERAS = {
    "corner": Camera((2.25, 2.2, 2.3), (-0.35, 0.72, -0.45), 72),
    "front": Camera((0.0, 1.25, 3.0), (0.0, 0.85, 0.0), 60),
    "front_low": Camera((0.25, 0.75, 3.3), (0.0, 0.8, 0.0), 58),
    "side": Camera((3.3, 1.35, 0.15), (0.0, 0.8, 0.0), 58),
    "high": Camera((-2.3, 2.5, 2.35), (0.25, 0.55, -0.3), 78),
    "near": Camera((0.1, 1.35, 1.15), (0.0, 1.3, 0.0), 60),
}
