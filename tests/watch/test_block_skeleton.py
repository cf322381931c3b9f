"""Skeletons in characters."""

from __future__ import annotations

import numpy as np
import pytest

from piapp.testing.landmarker import standing_pose
from piapp.watch.block_skeleton import Figure, draw, fit


def points(x=0.5):
    """Somebody who stands."""
    return standing_pose(x).landmarks[:, [0, 1, 3]].copy()


def text(runs):
    """Rows of characters."""
    return ["".join(run.text for run in row) for row in runs]


def ink(lines):
    """Where something is drawn: (columns, rows) bounds, normalised."""
    marks = [(column, row) for row, line in enumerate(lines) for column, char in enumerate(line) if char != " "]
    xs, ys = zip(*marks, strict=True)
    return min(xs) / len(lines[0]), max(xs) / len(lines[0]), min(ys) / len(lines), max(ys) / len(lines)


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize(("columns", "rows"), [(37, 14), (80, 30), (5, 3), (1, 1)])
def test_the_cells_are_filled(columns, rows, ascii_only):
    """Every row has its width in one-cell characters, in the alphabet that was asked for."""
    lines = text(draw([Figure(points(), "#1 standing")], columns, rows, ascii_only=ascii_only))
    assert [len(line) for line in lines] == [columns] * rows
    characters = set("".join(lines))
    if ascii_only:
        assert all(char.isascii() for char in characters)
    else:
        assert all(char.isascii() or 0x2800 < ord(char) <= 0x28FF for char in characters)


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("x", [0.25, 0.5, 0.8])
def test_a_figure_stands_where_it_is(x, ascii_only):
    """Its bounds are those of its landmarks, and of half a head above."""
    figure = points(x)
    drawn = ink(text(draw([Figure(figure)], 80, 30, ascii_only=ascii_only)))
    low, high = figure[:, :2].min(axis=0), figure[:, :2].max(axis=0)
    assert drawn == pytest.approx((low[0], high[0], low[1], high[1]), abs=0.08)


def test_braille_is_exact():
    """One upright limb of known dots: Unicode's dots 4, 5, 6 and 8 are the right-hand column."""
    figure = np.full((33, 3), np.nan, np.float32)
    figure[11], figure[13] = (0.75, 0.0, 1.0), (0.75, 0.999, 1.0)
    assert text(draw([Figure(figure)], 1, 2)) == ["⢸", "⢸"]


@pytest.mark.parametrize(
    ("end", "stroke"), [((0.9, 0.5), "-"), ((0.5, 0.9), "|"), ((0.9, 0.7), "\\"), ((0.1, 0.7), "/")]
)
def test_ascii_strokes_follow_slopes(end, stroke):
    """In squares, for cells are twice as tall as wide."""
    figure = np.full((33, 3), np.nan, np.float32)
    figure[11], figure[13] = (0.5, 0.5, 1.0), (*end, 1.0)
    assert set("".join(text(draw([Figure(figure)], 20, 20, ascii_only=True)))) == {" ", stroke}


def test_hidden_unknown_and_mad_landmarks():
    """What the model thinks hidden is left out; without a visibility it is drawn; nothing raises."""
    hidden = points()
    hidden[:, 2] = 0.1
    assert "".join(text(draw([Figure(hidden, "label")], 20, 10))).strip() == ""
    unsaid = points()
    unsaid[:, 2] = np.nan
    assert text(draw([Figure(unsaid)], 20, 10)) == text(draw([Figure(points())], 20, 10))
    mad = points()
    mad[::2, :2] = np.inf
    mad[1::2, :2] = 1e30
    for ascii_only in (False, True):
        assert len(draw([Figure(mad, "x"), Figure(-mad, "y")], 20, 10, ascii_only=ascii_only)) == 10


def test_labels_do_not_cover_each_other():
    """Two people at the same place: both labels can be read; a wide one is cut to one cell a character."""
    lines = text(draw([Figure(points(), "#1 standing"), Figure(points(), "#2 sitting")], 30, 12))
    assert sum("#1 standing" in line for line in lines) == 1
    assert sum("#2 sitting" in line for line in lines) == 1
    at_the_edge = text(draw([Figure(points(0.97), "#7 立つ")], 30, 12))
    assert sum("#7 ??" in line for line in at_the_edge) == 1


def test_runs_know_their_figure():
    """So that each can have a colour."""
    runs = [run for row in draw([Figure(points(0.2), "a"), Figure(points(0.8), "b")], 60, 20) for run in row]
    assert {run.owner for run in runs if run.text.strip()} == {0, 1}
    assert {(run.text, run.owner) for run in runs if run.is_label} == {("a", 0), ("b", 1)}


@pytest.mark.parametrize(
    ("picture", "room", "expected"),
    [((640, 480), (80, 12), (32, 12)), ((640, 480), (20, 30), (20, 8)), ((480, 640), (80, 20), (30, 20)),
     ((1, 10_000), (80, 20), (1, 20)), ((640, 480), (0, 0), (1, 1))],
)  # fmt: skip
def test_the_pictures_shape_is_kept(picture, room, expected):
    """As large as fits, for cells twice as tall as wide."""
    assert fit(picture, *room) == expected
