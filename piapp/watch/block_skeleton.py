"""Draws skeletons into the cells of a terminal: braille patterns, or plain ASCII. Pure.

A braille cell has 2 x 4 dots, which are square where a cell is twice as tall as wide: four times as fine as half
blocks, enough to tell an arm from a leg in 40 columns. ASCII shows each limb by the stroke nearest to its slope.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from piapp.types import MIN_DRAWN_VISIBILITY, SKELETON, FloatArray
from piapp.wording import printable

# Height of a terminal's cell in widths.
CELL_ASPECT = 2.0

NOBODY = -1

# In so few cells fingers, heels and the face's lines are noise: the head becomes a circle.
_FACE = slice(0, 11)
_SHOULDERS = [11, 12]
_DRAWN = frozenset((*range(11, 17), *range(23, 29), 31, 32))
LIMBS = tuple(pair for pair in SKELETON if _DRAWN.issuperset(pair))

# The face's landmarks reach from ear to ear; the head reaches further. Guess that looks right.
_HEAD_PER_FACE = 1.5

# Landmarks far outside the picture are drawn as if they were this many pictures away.
_FARTHEST = 3.0

# Unicode, "Braille Patterns": the bit of each dot, [row][column].
_BRAILLE = 0x2800
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], np.uint8)

# Below this slope, in squares, a limb is a level stroke; above its inverse an upright one.
_LEVEL = 0.4

_SQUARE = np.array((1.0, CELL_ASPECT))

# In ASCII a smaller head, in cells' widths, is a letter.
_SMALL_HEAD = 2.5

_Points = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """Somebody to draw.

    Attributes:
        points: (33, 3): x and y, normalised by the picture's width and height, and visibility; NaN where unknown.
        label: What stands at the head.
    """

    points: FloatArray
    label: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """Cells of one row that belong to the same figure.

    Attributes:
        owner: The figure's index, or `NOBODY`.
        is_label: Whether it is words.
    """

    text: str
    owner: int = NOBODY
    is_label: bool = False


def fit(picture: tuple[int, int], columns: int, rows: int) -> tuple[int, int]:
    """The most (columns, rows) that keep a picture's shape, at least (1, 1).

    Args:
        picture: Its width and height in pixels.
        columns: How many there are.
        rows: How many there are.
    """
    shape = CELL_ASPECT * picture[0] / picture[1]
    wide = max(1, min(columns, round(rows * shape)))
    return wide, max(1, min(rows, round(wide / shape)))


def draw(figures: Sequence[Figure], columns: int, rows: int, *, ascii_only: bool = False) -> list[list[Run]]:
    """Draw everybody over the whole of `columns` x `rows`; each row's runs are `columns` characters in sum."""
    canvas = (_Ascii if ascii_only else _Braille)(columns, rows)
    for owner, figure in enumerate(figures):
        _skeleton(canvas, figure.points, owner)
    labels = _Labels()
    for owner, figure in enumerate(figures):
        labels.put(canvas, figure.label, owner)
    return [_runs(canvas, labels, row) for row in range(rows)]


class _Canvas:
    """Cells that lines are drawn into; points are in cells, (0, 0) the upper left corner.

    Attributes:
        owners: (rows, columns) of figures' indices.
        corners: The first row and the leftmost column of each figure.
    """

    DOTS = (1, 1)

    def __init__(self, columns: int, rows: int) -> None:
        self.size = np.array((columns, rows), np.float64)
        self.owners = np.full((rows, columns), NOBODY, np.int16)
        self.corners: dict[int, tuple[int, int]] = {}

    def line(self, start: _Points, end: _Points, owner: int) -> None:
        """Draw a straight line."""
        dots = np.array(self.DOTS, np.float64)
        a, b = start * dots, end * dots
        count = int(np.abs(b - a).max()) * 2 + 2
        x, y = np.floor(np.linspace(a, b, count)).astype(int).T
        rows, columns = self.owners.shape
        inside = (x >= 0) & (y >= 0) & (x < columns * self.DOTS[0]) & (y < rows * self.DOTS[1])
        x, y = x[inside], y[inside]
        self._own(y // self.DOTS[1], x // self.DOTS[0], owner)
        self._mark(x, y, (end - start) * _SQUARE)

    def circle(self, centre: _Points, radius: float, owner: int) -> None:
        """Draw a circle; `radius` in cells' widths."""
        angles = np.linspace(0.0, 2 * np.pi, 13)
        ring = centre + radius * np.stack((np.cos(angles), np.sin(angles)), axis=1) / _SQUARE
        for start, end in pairwise(ring):
            self.line(start, end, owner)

    def text(self, row: int) -> str:
        """A row's characters."""
        raise NotImplementedError

    def _own(self, rows: npt.NDArray[np.int_], columns: npt.NDArray[np.int_], owner: int) -> None:
        if rows.size:
            self.owners[rows, columns] = owner
            row, column = self.corners.get(owner, self.owners.shape)
            self.corners[owner] = min(row, *rows.tolist()), min(column, *columns.tolist())

    def _mark(self, x: npt.NDArray[np.int_], y: npt.NDArray[np.int_], direction: _Points) -> None:
        raise NotImplementedError


class _Braille(_Canvas):
    DOTS = (2, 4)

    def __init__(self, columns: int, rows: int) -> None:
        super().__init__(columns, rows)
        self._bits = np.zeros((rows, columns), np.uint8)

    def text(self, row: int) -> str:
        return "".join(chr(_BRAILLE + bits) if bits else " " for bits in self._bits[row].tolist())

    def _mark(self, x: npt.NDArray[np.int_], y: npt.NDArray[np.int_], direction: _Points) -> None:
        del direction
        np.bitwise_or.at(self._bits, (y // 4, x // 2), _DOTS[y % 4, x % 2])


class _Ascii(_Canvas):
    def __init__(self, columns: int, rows: int) -> None:
        super().__init__(columns, rows)
        self._chars = np.full((rows, columns), " ", "<U1")

    def text(self, row: int) -> str:
        return "".join(self._chars[row].tolist())

    def circle(self, centre: _Points, radius: float, owner: int) -> None:
        column, row = np.floor(centre).astype(int).tolist()
        rows, columns = self.owners.shape
        if radius >= _SMALL_HEAD:
            super().circle(centre, radius, owner)
        elif 0 <= row < rows and 0 <= column < columns:
            self._own(np.array([row]), np.array([column]), owner)
            self._chars[row, column] = "O"

    def _mark(self, x: npt.NDArray[np.int_], y: npt.NDArray[np.int_], direction: _Points) -> None:
        self._chars[y, x] = _stroke(*direction.tolist())


def _stroke(dx: float, dy: float) -> str:
    if abs(dy) <= _LEVEL * abs(dx):
        return "-"
    if abs(dx) <= _LEVEL * abs(dy):
        return "|"
    return "\\" if dx * dy > 0 else "/"


def _skeleton(canvas: _Canvas, points: FloatArray, owner: int) -> None:
    """Draw limbs, neck and head of what the model does not think hidden."""
    known = _known(points)
    cells = np.clip(np.nan_to_num(points[:, :2].astype(np.float64)), -_FARTHEST, _FARTHEST) * canvas.size
    for start, end in LIMBS:
        if known[start] and known[end]:
            canvas.line(cells[start], cells[end], owner)
    if known[_FACE].any():
        _head(canvas, cells, known, owner)


def _head(canvas: _Canvas, cells: _Points, known: npt.NDArray[np.bool_], owner: int) -> None:
    face = cells[_FACE][known[_FACE]]
    centre = face.mean(axis=0)
    radius = _HEAD_PER_FACE * float(np.linalg.norm((face - centre) * _SQUARE, axis=1).max())
    if known[_SHOULDERS].all():
        neck = cells[_SHOULDERS].mean(axis=0)
        away = (neck - centre) * _SQUARE
        length = float(np.linalg.norm(away))
        if length > radius:
            canvas.line(neck, centre + away / length * radius / _SQUARE, owner)
    canvas.circle(centre, radius, owner)


def _known(points: FloatArray) -> npt.NDArray[np.bool_]:
    """(33,): is there, and not thought hidden; without a visibility it is not known to be hidden."""
    finite = np.isfinite(points[:, :2]).all(axis=1)
    return finite & ~(points[:, 2] < MIN_DRAWN_VISIBILITY)


class _Labels:
    def __init__(self) -> None:
        self.chars: dict[tuple[int, int], tuple[str, int]] = {}  # at (row, column): character and owner

    def put(self, canvas: _Canvas, label: str, owner: int) -> None:
        """Write a label above what its owner drew, on the nearest row where no other label is."""
        rows, columns = canvas.owners.shape
        # One cell a character, whatever a node calls its postures.
        text = printable(label).encode("ascii", "replace").decode()[:columns]
        if owner not in canvas.corners or not text:
            return
        top, left = canvas.corners[owner]
        wanted, column = top - 1, min(left, columns - len(text))
        for row in sorted(range(rows), key=lambda row: abs(row - wanted)):
            places = [(row, column + index) for index in range(len(text))]
            if self.chars.keys().isdisjoint(places):
                self.chars |= {place: (char, owner) for place, char in zip(places, text, strict=True)}
                return


def _runs(canvas: _Canvas, labels: _Labels, row: int) -> list[Run]:
    """A row's cells, neighbours of one figure together."""
    runs: list[Run] = []
    for column, (char, owner) in enumerate(zip(canvas.text(row), canvas.owners[row].tolist(), strict=True)):
        label = labels.chars.get((row, column))
        cell = Run(*label, is_label=True) if label else Run(char, owner)
        last = runs[-1] if runs else None
        if last and (last.owner, last.is_label) == (cell.owner, cell.is_label):
            runs[-1] = Run(last.text + cell.text, cell.owner, cell.is_label)
        else:
            runs.append(cell)
    return runs
