"""Changes results as a camera or the landmarker might have, to see whether answers hold. Pure; seeded.

The noise's sizes are those found for the lite model: how far landmarks of a body at rest are off from the truth, most
of it slow, a part of it new in every frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import exp

import numpy as np
import numpy.typing as npt

from piapp.types import LANDMARK_COUNT, FloatArray, Pose, PoseResult

_DROPPED_SHARE = 0.15
_TRUNK_AND_HEAD_M, _KNEES_AND_ELBOWS_M, _HANDS_AND_FEET_M = 0.0064, 0.0128, 0.0192
_MIDDLE_JOINTS = (13, 14, 25, 26)
_FAR_JOINTS = (*range(15, 23), *range(27, 33))
_WHITE_SHARE = 0.2
_SLOW_S = 0.5
_DEPTH_FACTOR = 1.7

Results = Sequence[PoseResult]


def drop_frames(results: Results, seed: int) -> list[PoseResult]:
    """Leave out about one frame in seven, at random."""
    kept = np.random.default_rng(seed).random(len(results)) >= _DROPPED_SHARE
    return [result for result, keep in zip(results, kept, strict=True) if keep]


def halve_rate(results: Results, seed: int) -> list[PoseResult]:
    """Leave out every second frame."""
    return list(results[seed % 2 :: 2])


def shift(results: Results, seed: int) -> list[PoseResult]:
    """Begin one or two frames later, as another start of the same camera would."""
    return list(results[1 + seed % 2 :])


def add_noise(results: Results, seed: int) -> list[PoseResult]:
    """Move landmarks by the error that the landmarker makes, in picture and world alike."""
    rng = np.random.default_rng(seed)
    slow = rng.normal(size=(LANDMARK_COUNT, 3)) * _SIZES_M
    noisy: list[PoseResult] = []
    last_ms = results[0].ts_ms if results else 0
    for result in results:
        kept = exp(-(result.ts_ms - last_ms) / 1000 / _SLOW_S)
        last_ms = result.ts_ms
        slow = kept * slow + (1 - kept * kept) ** 0.5 * rng.normal(size=slow.shape) * _SIZES_M
        error = slow + rng.normal(size=slow.shape) * _SIZES_M * _WHITE_SHARE
        poses = tuple(_moved(pose, error, result.size) for pose in result.poses)
        noisy.append(replace(result, poses=poses))
    return noisy


PERTURBATIONS: dict[str, Callable[[Results, int], list[PoseResult]]] = {
    "frames dropped": drop_frames,
    "rate halved": halve_rate,
    "shifted": shift,
    "noise": add_noise,
}


def perturbed(results: Results, copies: int) -> list[tuple[str, list[PoseResult]]]:
    """So many changed copies, with the name of each change; the kinds take turns."""
    names = list(PERTURBATIONS)
    kinds = [names[copy % len(names)] for copy in range(copies)]
    return [(kind, PERTURBATIONS[kind](results, copy // len(names))) for copy, kind in enumerate(kinds)]


def _sizes_m() -> npt.NDArray[np.float64]:
    sizes = np.full((LANDMARK_COUNT, 3), _TRUNK_AND_HEAD_M)
    sizes[list(_MIDDLE_JOINTS)] = _KNEES_AND_ELBOWS_M
    sizes[list(_FAR_JOINTS)] = _HANDS_AND_FEET_M
    sizes[:, 2] *= _DEPTH_FACTOR
    return sizes


_SIZES_M = _sizes_m()


def _moved(pose: Pose, error_m: npt.NDArray[np.float64], size: tuple[int, int]) -> Pose:
    landmarks, world = pose.landmarks.copy(), pose.world_landmarks.copy()
    world[:, :3] += error_m.astype(np.float32)
    pixels_per_metre = _spread(landmarks[:, :2] * size) / max(_spread(pose.world_landmarks[:, :2]), 1e-3)
    landmarks[:, :2] += (error_m[:, :2] * pixels_per_metre / size).astype(np.float32)
    return replace(pose, landmarks=landmarks, world_landmarks=world)


def _spread(points: FloatArray | npt.NDArray[np.float64]) -> float:
    return float(np.sqrt(np.var(points, axis=0).sum()))
