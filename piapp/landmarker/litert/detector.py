"""Reads the person detector's output: anchors, scores, weighted non-maximum suppression. Pure arithmetic.

Coordinates are fractions of the letterboxed square that the detector sees.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from piapp.landmarker.litert.numbers import running_total, sigmoid
from piapp.types import FloatArray

# All constants: ConfigureSsdAnchorsCalculator, ConfigureTensorsToDetectionsCalculator in pose_detector_graph.cc.
INPUT_SIZE = 224
ANCHOR_STRIDES = (8, 16, 32, 32, 32)
ANCHORS_A_LAYER = 2  # one for the aspect ratio 1, one for the scale between this layer and the next
SCORE_LIMIT = 100.0
_POINTS = slice(4, 12)
# IoU above which two boxes are one person: min_suppression_threshold's default in pose_detector_graph_options.proto.
SUPPRESSION_OVERLAP = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """What the detector found, best first.

    Attributes:
        scores: (n,) float32, 0..1.
        boxes: (n, 4) float32: left, top, right, bottom.
        points: (n, 4, 2) float32: middle of the hips, a point on the circle around the whole person, and the same two
            for the upper body.
    """

    scores: FloatArray
    boxes: FloatArray
    points: FloatArray

    def __len__(self) -> int:
        """How many were found."""
        return len(self.scores)


def anchors(input_size: int = INPUT_SIZE, strides: tuple[int, ...] = ANCHOR_STRIDES) -> FloatArray:
    """(n, 2) float32: x and y of the anchors' centres, in the order of the detector's boxes.

    SsdAnchorsCalculator with fixed anchor sizes: layers of equal stride share one grid, whose cells hold their anchors
    side by side.
    """
    grids = []
    for stride in dict.fromkeys(strides):
        cells = -(-input_size // stride)
        centres = (np.arange(cells, dtype=np.float32) + np.float32(0.5)) / cells
        grid = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)
        grids.append(np.repeat(grid, ANCHORS_A_LAYER * strides.count(stride), axis=0))
    return np.concatenate(grids)


def decode(raw: FloatArray, raw_scores: FloatArray, centres: FloatArray, min_score: float) -> Detections:
    """Turn the network's numbers into detections, best first.

    Args:
        raw: (n, 12): x, y, width, height, four points; in input pixels relative to the anchor.
        raw_scores: (n, 1): before the sigmoid.
        centres: (n, 2): `anchors`.
        min_score: What scores less is left out.
    """
    scores = sigmoid(np.clip(raw_scores[:, 0], -SCORE_LIMIT, SCORE_LIMIT))
    good = np.flatnonzero((scores >= min_score) & (raw[:, 2] >= 0) & (raw[:, 3] >= 0))
    good = good[np.argsort(-scores[good], kind="stable")]
    values, origin = raw[good] / np.float32(INPUT_SIZE), centres[good]
    middle, half = values[:, 0:2] + origin, values[:, 2:4] / 2
    points = values[:, _POINTS].reshape(-1, 4, 2) + origin[:, np.newaxis]
    boxes: FloatArray = np.concatenate([middle - half, middle + half], axis=1)
    return Detections(scores[good], boxes, points)


def suppress(found: Detections, max_overlap: float = SUPPRESSION_OVERLAP) -> Detections:
    """One detection a person: the best's neighbours are averaged into it, weighted by score.

    NonMaxSuppressionCalculator with the algorithm WEIGHTED and INTERSECTION_OVER_UNION.
    """
    scores: list[FloatArray] = []
    boxes: list[FloatArray] = []
    points: list[FloatArray] = []
    left = np.arange(len(found))
    while left.size:
        overlaps = _overlaps(found.boxes[left[0]], found.boxes[left])
        same = left[overlaps > max_overlap]
        scores.append(found.scores[left[0]])
        if not same.size:  # a box without area overlaps nothing, not even itself; upstream ends there
            boxes.append(found.boxes[left[0]])
            points.append(found.points[left[0]])
            break
        weights = found.scores[same]
        total = running_total(weights)
        boxes.append(running_total(found.boxes[same] * weights[:, np.newaxis]) / total)
        points.append(running_total(found.points[same] * weights[:, np.newaxis, np.newaxis]) / total)
        left = left[overlaps <= max_overlap]
    return Detections(
        np.array(scores, np.float32),
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(points, np.float32).reshape(-1, 4, 2),
    )


def without_letterbox(points: FloatArray, width: int, height: int) -> FloatArray:
    """Points as fractions of the picture, from fractions of the square with the picture in its middle.

    PadRoi in image_to_tensor_utils.cc and DetectionLetterboxRemovalCalculator.

    Args:
        points: (..., 2) float32.
        width: The picture's in pixels.
        height: The picture's in pixels.
    """
    aspect = np.float32(height) / np.float32(width)
    one = np.float32(1)
    left = max(np.float32(0), one - one / aspect) / np.float32(2)
    top = max(np.float32(0), one - aspect) / np.float32(2)
    padding = np.array([left, top])
    result: FloatArray = (points - padding) / (one - (padding + padding))
    return result


def _overlaps(box: FloatArray, boxes: FloatArray) -> FloatArray:
    """(n,) intersection over union of one box with each of (n, 4)."""
    sides = np.clip(np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2]), 0, None)
    shared = sides[:, 0] * sides[:, 1]
    union = np.prod(box[2:] - box[:2]) + np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) - shared
    overlaps: FloatArray = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlaps
