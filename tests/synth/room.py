"""What stands around: a room with a doorway, and furniture made of boxes. Metres, y up, colours linear RGB."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from rotations import Array, about_y

Point = tuple[float, float, float]
Color = tuple[float, float, float]
FLOOR, WALL, WOOD = 6, 7, 8  # materials, as scene.frag numbers them

HALF, CEILING = 2.5, 2.6
DOOR_LEFT, DOOR_RIGHT, DOOR_TOP = -1.75, -0.85, 2.05
_WALL, _SIDE_WALL, _FRAME = (0.66, 0.63, 0.56), (0.58, 0.62, 0.63), (0.75, 0.74, 0.70)
_BOARDS, _HALL_BOARDS, _HALL, _CEILING = (0.42, 0.27, 0.16), (0.35, 0.23, 0.14), (0.42,) * 3, (0.8, 0.8, 0.78)


@dataclass(frozen=True)
class Box:
    """An upright box between two corners."""

    low: Point
    high: Point
    color: Color

    def quads(self) -> list[Quad]:
        """Its five visible sides; nothing is seen from below."""
        (x0, y0, z0), (x1, y1, z1) = self.low, self.high
        sides = (
            ((x0, y1, z0), (x0, y1, z1), (x1, y1, z1), (x1, y1, z0)),
            ((x0, y0, z1), (x1, y0, z1), (x1, y1, z1), (x0, y1, z1)),
            ((x1, y0, z0), (x0, y0, z0), (x0, y1, z0), (x1, y1, z0)),
            ((x1, y0, z1), (x1, y0, z0), (x1, y1, z0), (x1, y1, z1)),
            ((x0, y0, z0), (x0, y0, z1), (x0, y1, z1), (x0, y1, z0)),
        )
        return [Quad(corners, self.color) for corners in sides]


@dataclass(frozen=True)
class Quad:
    """A flat four-sided face, counter-clockwise from its visible side."""

    corners: tuple[Point, Point, Point, Point]
    color: Color
    material: int = WOOD


def empty_room() -> list[Quad]:
    """Floor, walls, a doorway at the back with a hall behind it, a sideboard, two pictures, a cupboard."""
    return [*_shell(), *_doorway(), *(quad for box in _fittings() for quad in box.quads())]


def triangles(quads: Iterable[Quad]) -> npt.NDArray[np.float32]:
    """Vertices for the renderer, (6 * quads, 13): position, normal, rest position, colour, material."""
    rows = []
    for quad in quads:
        a, b, c, d = np.array(quad.corners)
        normal = np.cross(b - a, c - a)
        normal /= np.linalg.norm(normal)
        rows += [[*p, *normal, *p, *quad.color, quad.material] for p in (a, b, c, a, c, d)]
    return np.array(rows, np.float32)


def moved(quads: Iterable[Quad], x: float, z: float, yaw: float = 0.0) -> list[Quad]:
    """The quads turned about the vertical by `yaw` degrees, then shifted over the floor."""
    turn, shift = about_y(yaw), np.array([x, 0.0, z])

    def place(point: Point) -> Array:
        return turn @ point + shift

    return [replace(quad, corners=tuple(tuple(place(p)) for p in quad.corners)) for quad in quads]


def furniture(*boxes: tuple[Point, Point, Color]) -> list[Quad]:
    """Quads of some boxes."""
    return [quad for low, high, color in boxes for quad in Box(low, high, color).quads()]


def stool(height: float) -> list[Quad]:
    """A block to sit on, centred."""
    return furniture(((-0.21, 0, -0.21), (0.21, height, 0.21), (0.50, 0.30, 0.15)))


def chair(height: float) -> list[Quad]:
    """A chair with a back, its front towards +z, the seat centred."""
    wood, w, t = (0.45, 0.28, 0.14), 0.22, 0.04
    legs = [((x, 0, z), (x + t, height - t, z + t), wood) for x in (-w, w - t) for z in (-w, w - t)]
    back = ((-w, height, -w - 0.02), (w, height + 0.42, -w + 0.02), wood)
    return furniture(*legs, ((-w, height - t, -w), (w, height, w), (0.30, 0.33, 0.20)), back)


def bed(height: float) -> list[Quad]:
    """A bed 2 m long in x and 0.95 m wide in z, centred, the pillow at -x."""
    return furniture(
        ((-1.0, 0, -0.47), (1.0, height - 0.14, 0.47), (0.33, 0.22, 0.14)),
        ((-0.98, height - 0.14, -0.45), (0.98, height, 0.45), (0.62, 0.66, 0.72)),
        ((-0.95, height, -0.3), (-0.6, height + 0.07, 0.3), (0.80, 0.79, 0.75)),
    )


def table(width: float = 1.1, height: float = 0.72) -> list[Quad]:
    """A table with four legs, long in x, centred."""
    wood, x, z = (0.40, 0.25, 0.13), width / 2, 0.35
    legs = [((a, 0, b), (a + 0.06, height - 0.04, b + 0.06), wood) for a in (-x, x - 0.06) for b in (-z, z - 0.06)]
    return furniture(*legs, ((-x, height - 0.04, -z), (x, height, z), wood))


def sofa() -> list[Quad]:
    """A sofa seen from behind: its back is towards +z."""
    cloth = (0.33, 0.30, 0.36)
    return furniture(
        ((-0.8, 0.08, -0.45), (0.8, 0.42, 0.35), cloth),
        ((-0.8, 0.08, 0.25), (0.8, 0.75, 0.45), cloth),
        ((-0.95, 0.08, -0.45), (-0.8, 0.58, 0.45), cloth),
        ((0.8, 0.08, -0.45), (0.95, 0.58, 0.45), cloth),
    )


def walking_frame() -> list[Quad]:
    """A walking frame of aluminium tube, open towards -z, where the user stands."""
    metal, t, w, d, h = (0.60, 0.62, 0.65), 0.028, 0.30, 0.24, 0.86
    posts = [((x - t, 0, z - t), (x + t, h, z + t), metal) for x in (-w, w) for z in (-d, d)]
    grips = [((x - t, h - t, -d - t), (x + t, h + t, d + t), metal) for x in (-w, w)]
    bars = [((-w, y - t, d - t), (w, y + t, d + t), metal) for y in (0.45, 0.80)]
    return furniture(*posts, *grips, *bars)


def _wall(*corners: Point, color: Color = _WALL, material: int = WALL) -> Quad:
    return Quad(corners, color, material)


def _shell() -> list[Quad]:
    r, h, left, right, top = HALF, CEILING, DOOR_LEFT, DOOR_RIGHT, DOOR_TOP
    hall = -r - 1.6
    return [
        _wall((-r, 0, -r), (-r, 0, r), (r, 0, r), (r, 0, -r), color=_BOARDS, material=FLOOR),
        _wall((-r, 0, -r), (left, 0, -r), (left, h, -r), (-r, h, -r)),
        _wall((right, 0, -r), (r, 0, -r), (r, h, -r), (right, h, -r)),
        _wall((left, top, -r), (right, top, -r), (right, h, -r), (left, h, -r)),
        _wall((-r - 1, 0, hall), (r, 0, hall), (r, h, hall), (-r - 1, h, hall), color=_HALL),
        _wall((-r - 1, 0, hall), (-r - 1, 0, -r), (r, 0, -r), (r, 0, hall), color=_HALL_BOARDS, material=FLOOR),
        _wall((-r, 0, r), (-r, 0, -r), (-r, h, -r), (-r, h, r), color=_SIDE_WALL),
        _wall((r, 0, -r), (r, 0, r), (r, h, r), (r, h, -r)),
        _wall((r, 0, r), (-r, 0, r), (-r, h, r), (r, h, r)),
        _wall((-r, h, -r), (r, h, -r), (r, h, r), (-r, h, r), color=_CEILING),
    ]


def _doorway() -> list[Quad]:
    z0, z1 = -HALF - 0.05, -HALF + 0.03
    posts = [((x, 0, z0), (x + 0.07, DOOR_TOP, z1), _FRAME) for x in (DOOR_LEFT - 0.07, DOOR_RIGHT)]
    return furniture(*posts, ((DOOR_LEFT - 0.07, DOOR_TOP, z0), (DOOR_RIGHT + 0.07, DOOR_TOP + 0.08, z1), _FRAME))


def _fittings() -> list[Box]:
    return [
        Box((0.5, 0, -2.5), (1.8, 0.8, -2.08), (0.36, 0.22, 0.12)),
        Box((0.75, 0.8, -2.4), (1.0, 1.05, -2.2), (0.15, 0.33, 0.22)),
        Box((0.4, 1.35, -2.5), (1.2, 1.9, -2.47), (0.16, 0.25, 0.38)),
        Box((0.47, 1.41, -2.48), (1.13, 1.84, -2.465), (0.7, 0.5, 0.25)),
        Box((-2.5, 1.2, -0.5), (-2.46, 2.0, 0.5), (0.65, 0.6, 0.5)),
        Box((-2.47, 1.26, -0.44), (-2.45, 1.94, 0.44), (0.3, 0.38, 0.3)),
        Box((-2.5, 0, 1.0), (-2.1, 1.7, 1.9), (0.55, 0.5, 0.42)),
    ]
