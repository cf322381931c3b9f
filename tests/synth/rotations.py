"""Rotations and rigid placement: matrices act on column vectors; metres, y up, degrees."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

Array = npt.NDArray[np.float64]


def about_x(degrees: float) -> Array:
    """Rotation about x; positive leans an upright body, which looks along +z, forwards."""
    c, s = _cos_sin(degrees)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def about_y(degrees: float) -> Array:
    """Rotation about the vertical; positive turns +z towards +x."""
    c, s = _cos_sin(degrees)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def about_z(degrees: float) -> Array:
    """Rotation about z; positive leans the body to its own right."""
    c, s = _cos_sin(degrees)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def _cos_sin(degrees: float) -> tuple[float, float]:
    return math.cos(math.radians(degrees)), math.sin(math.radians(degrees))


def unit(vector: npt.ArrayLike) -> Array:
    """The vector at length 1."""
    v = np.asarray(vector, float)
    return v / np.linalg.norm(v)


def shortest(a: npt.ArrayLike, b: npt.ArrayLike) -> Array:
    """The rotation by the smallest angle that takes direction `a` to direction `b`."""
    a, b = unit(a), unit(b)
    axis, cosine = np.cross(a, b), float(a @ b)
    if cosine < -0.9999:
        p = unit(np.cross(a, [0.0, 0.0, 1.0]))
        return 2 * np.outer(p, p) - np.eye(3)
    k = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + k + k @ k / (1 + cosine)


def between(a: Array, b: Array, share: float) -> Array:
    """Rotations (n, 3, 3), each `share` (0..1) of the way from that in `a` to that in `b`."""
    turns = Rotation.from_matrix(np.swapaxes(a, 1, 2) @ b).as_rotvec()
    return a @ Rotation.from_rotvec(turns * share).as_matrix()
