"""The detector's output: anchors, decoding, suppression, letterbox."""

from __future__ import annotations

import numpy as np
import pytest

from piapp.landmarker.litert.detector import Detections, anchors, decode, suppress, without_letterbox


def found(scores, boxes, points=None) -> Detections:
    """Detections whose points all lie in their box's first corner, unless given."""
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    points = np.repeat(boxes[:, np.newaxis, :2], 4, axis=1) if points is None else np.array(points, np.float32)
    return Detections(np.array(scores, np.float32), boxes, points)


def test_anchors_by_hand():
    """28 x 28 cells of two, 14 x 14 of two, 7 x 7 of six: 2254, each in the middle of its cell."""
    centres = anchors()
    assert centres.shape == (2254, 2)
    np.testing.assert_allclose(centres[[0, 1, 2]], [[0.5 / 28, 0.5 / 28]] * 2 + [[1.5 / 28, 0.5 / 28]], rtol=1e-6)
    np.testing.assert_allclose(centres[28 * 2], [0.5 / 28, 1.5 / 28], rtol=1e-6)
    np.testing.assert_allclose(centres[1568], [0.5 / 14, 0.5 / 14], rtol=1e-6)
    np.testing.assert_allclose(centres[[1960, 1965, 1966]], [[0.5 / 7] * 2] * 2 + [[1.5 / 7, 0.5 / 7]], rtol=1e-6)
    np.testing.assert_allclose(centres[-1], [6.5 / 7, 6.5 / 7], rtol=1e-6)


def test_decoding_by_hand():
    """22.4 input pixels are a tenth; the box is centred, points are relative to the anchor; best first."""
    raw = np.zeros((3, 12), np.float32)
    raw[1] = [22.4, 0, 44.8, 89.6, 0, 22.4, 0, -22.4, 0, 0, 0, 0]
    raw[2] = [0, 0, 22.4, 22.4, *[0] * 8]
    scores = np.array([[-1.0], [0.0], [500.0]], np.float32)
    result = decode(raw, scores, np.full((3, 2), 0.5, np.float32), 0.5)
    np.testing.assert_allclose(result.scores, [1.0, 0.5])
    np.testing.assert_allclose(result.boxes, [[0.45, 0.45, 0.55, 0.55], [0.5, 0.3, 0.7, 0.7]], rtol=1e-6)
    np.testing.assert_allclose(result.points[1, :2], [[0.5, 0.6], [0.5, 0.4]], rtol=1e-6)


def test_a_box_of_negative_size_is_left_out():
    """The network can say so; upstream drops it."""
    raw = np.zeros((2, 12), np.float32)
    raw[0, 2] = -1.0
    assert len(decode(raw, np.full((2, 1), 9, np.float32), np.zeros((2, 2), np.float32), 0.5)) == 1


def test_neighbours_are_averaged_by_score():
    """Weights 0.9 and 0.6: (0.9 * 0 + 0.6 * 0.1) / 1.5 = 0.04; the score is the best's; the far one stays."""
    result = suppress(found([0.9, 0.6, 0.5], [[0, 0, 1, 1], [0.1, 0, 1.1, 1], [5, 5, 6, 6]]))
    np.testing.assert_allclose(result.scores, [0.9, 0.5])
    np.testing.assert_allclose(result.boxes, [[0.04, 0, 1.04, 1], [5, 5, 6, 6]], rtol=1e-5)
    np.testing.assert_allclose(result.points[0, 0], [0.04, 0], rtol=1e-5)


def test_boxes_that_share_half_are_two():
    """IoU of exactly a half is not more than a half."""
    assert len(suppress(found([0.9, 0.8], [[0, 0, 2, 1], [0, 0, 1, 1]]))) == 2


def test_nothing_found_stays_nothing():
    """No box over the threshold."""
    result = suppress(found([], [], np.zeros((0, 4, 2))))
    assert len(result) == 0
    assert result.points.shape == (0, 4, 2)


def test_a_box_without_area_ends_the_search():
    """It overlaps nothing, not even itself, so would come up for ever."""
    assert len(suppress(found([0.9, 0.8], [[0, 0, 0, 0], [1, 1, 2, 2]]))) == 1


@pytest.mark.parametrize(
    ("size", "inside", "expected"),
    [((640, 480), (0.5, 0.125), (0.5, 0.0)), ((480, 640), (0.875, 0.5), (1.0, 0.5)), ((9, 9), (0.3, 0.7), (0.3, 0.7))],
)
def test_the_letterbox_is_taken_away(size, inside, expected):
    """Bars of an eighth above and below a 4:3 picture."""
    np.testing.assert_allclose(without_letterbox(np.array([inside], np.float32), *size), [expected], atol=1e-6)
