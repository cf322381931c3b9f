"""Reads the landmark model's output: landmarks, their refinement by the heat map, world landmarks. Pure arithmetic."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from piapp.landmarker.litert.numbers import running_total, sigmoid
from piapp.landmarker.region import Region
from piapp.types import LANDMARK_COUNT, FloatArray

# pose_landmarks_detector_graph.cc: 39 points are modelled, of which 33 are landmarks and the next two span the region
# to look at in the next frame (middle of the hips, and a point on the circle around the person).
MODELLED = 39
REGION_POINTS = slice(33, 35)
USED = 35
INPUT_SIZE = 256
# kernel_size in pose_landmarks_detector_graph.cc; min_confidence_to_refine's default in
# refine_landmarks_from_heatmap_calculator.proto.
KERNEL = 7
MIN_REFINE_CONFIDENCE = 0.5

# (2, 49, 1): x and y of the kernel's cells from its middle, row by row.
_STEPS = (np.indices((KERNEL, KERNEL), np.float32)[::-1] - np.float32(KERNEL // 2)).reshape(2, -1, 1)
_CHANNELS = np.arange(USED)


def decode(raw: FloatArray) -> FloatArray:
    """(35, 5) float32 from the network's (195,): x, y, z as fractions of the crop, visibility, presence in 0..1."""
    points = raw.reshape(MODELLED, 5)[:USED].copy()
    points[:, :3] /= np.float32(INPUT_SIZE)
    points[:, 3:] = sigmoid(points[:, 3:])
    return points


def refine(points: FloatArray, heatmap: FloatArray) -> None:
    """Move points, in place, to the middle of the heat around them, where it is sure.

    RefineLandmarksFromHeatmapCalculator: the mean of the 7 x 7 cells around a point, weighted by their confidence.
    Points outside the map, and those where no cell is confident, stay.

    Args:
        points: (35, 5): x and y as fractions of the crop.
        heatmap: (height, width, 39) before the sigmoid.
    """
    height, width = heatmap.shape[:2]
    cells = np.array([width, height], np.float32)
    cell = np.trunc(points[:, :2] * cells).T
    near = cell[:, np.newaxis] + _STEPS
    valid = _within(near, cells[:, np.newaxis, np.newaxis])
    places = np.where(valid, near[1] * np.float32(width) + near[0], 0).astype(np.intp)
    confidence = sigmoid(heatmap.reshape(-1)[places * MODELLED + _CHANNELS]) * valid
    sure = _within(cell, cells[:, np.newaxis]) & (confidence.max(axis=0) >= MIN_REFINE_CONFIDENCE)
    total, x, y = (running_total(values)[sure] for values in (confidence, near[0] * confidence, near[1] * confidence))
    points[sure, 0] = x / cells[0] / total
    points[sure, 1] = y / cells[1] / total


def _within(cell: FloatArray, cells: FloatArray) -> npt.NDArray[np.bool_]:
    """Which (x, y), along the first axis, are cells of the map."""
    x, y = (cell >= 0) & (cell < cells)
    inside: npt.NDArray[np.bool_] = x & y
    return inside


def project(points: FloatArray, region: Region) -> None:
    """Turn x, y, z, in place, from fractions of the crop into fractions of the picture.

    LandmarkProjectionCalculator: z, whose scale is that of x, grows with the region and does not turn.
    """
    x, y = points[:, 0] - np.float32(0.5), points[:, 1] - np.float32(0.5)
    cos, sin = np.float32(math.cos(region.rotation)), np.float32(math.sin(region.rotation))
    points[:, 0] = (cos * x - sin * y) * region.width + region.x
    points[:, 1] = (sin * x + cos * y) * region.height + region.y
    points[:, 2] *= region.width


def world_landmarks(raw: FloatArray, rotation: float) -> FloatArray:
    """(33, 3) float32 in metres from the network's (117,), turned upright: WorldLandmarkProjectionCalculator."""
    world = raw.reshape(MODELLED, 3)[:LANDMARK_COUNT].copy()
    x, y = world[:, 0].copy(), world[:, 1].copy()
    cos, sin = np.float32(math.cos(rotation)), np.float32(math.sin(rotation))
    world[:, 0] = cos * x - sin * y
    world[:, 1] = sin * x + cos * y
    return world
