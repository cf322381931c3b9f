"""Turned and covered pictures: a second chance for people whom a still does not show as it is.

Pose models are trained on people who stand. Somebody on the floor is often found only when the picture is turned so
that they stand in it. Two people close together count as one until the first is covered. Owns what is shown to the
landmarker and what counts as a find; works with every runtime.
"""

from __future__ import annotations

from itertools import combinations
from typing import Protocol

import numpy as np

from piapp.anatomy import FRAME, MAX_BODY_DEVIATION, bone_deviation
from piapp.types import FloatArray, ImageArray, Pose

# Largest `bone_deviation` in the upright picture: people measure up to 0.3, a kitchen that counted as one 0.46.
MAX_UPRIGHT_DEVIATION = 0.4
# Largest distance of two views' finds that are one person, on average over the joints, in shares of the longer side of
# the box around them. Views of one person differed by 0.02 to 0.05, furniture was never found twice (measured).
MAX_DISTANCE = 0.10


class SyncLandmarker(Protocol):
    """A landmarker in IMAGE or VIDEO mode; every call from the thread that created it."""

    def detect(self, image: ImageArray, ts_ms: int) -> tuple[Pose, ...]:
        """Find the poses in one (height, width, 3) uint8 RGB picture; blocks for the inference."""
        ...

    def close(self) -> None:
        """Release the model."""
        ...


class StillSearch:
    """Looks at a still again, turned by quarters while nobody is found, with people covered while more are wanted.

    Of turned views two must find the same body: what looks like a person from one side only is furniture.

    Args:
        landmarker: In IMAGE mode; closed with this.
        num_poses: How many people to look for.
    """

    def __init__(self, landmarker: SyncLandmarker, num_poses: int) -> None:
        self._landmarker = landmarker
        self._num_poses = num_poses

    def detect(self, image: ImageArray, ts_ms: int) -> tuple[Pose, ...]:
        """Find the poses in one (height, width, 3) uint8 RGB picture; blocks for up to four times the inference."""
        found = self._landmarker.detect(image, ts_ms)
        poses = tuple(pose for pose in found if bone_deviation(pose.world_landmarks) <= MAX_UPRIGHT_DEVIATION)
        poses = poses or self._detect_turned(image, ts_ms)
        if 0 < len(poses) < self._num_poses:
            poses += self._detect_behind(image, poses, ts_ms)
        return poses[: self._num_poses]

    def close(self) -> None:
        """Release the model."""
        self._landmarker.close()

    def _detect_turned(self, image: ImageArray, ts_ms: int) -> tuple[Pose, ...]:
        views = []
        for quarters in (1, 2, 3):
            poses = self._landmarker.detect(turned(image, quarters), ts_ms)
            upright = (turned_back(pose, quarters, image.shape) for pose in poses)
            views.append([pose for pose in upright if bone_deviation(pose.world_landmarks) <= MAX_BODY_DEVIATION])
        return _seen_twice(views, (image.shape[1], image.shape[0]))

    def _detect_behind(self, image: ImageArray, poses: tuple[Pose, ...], ts_ms: int) -> tuple[Pose, ...]:
        """People who are found only when those found already are covered."""
        size = (image.shape[1], image.shape[0])
        further = self._landmarker.detect(covered(image, poses), ts_ms)
        return tuple(
            pose
            for pose in further
            if bone_deviation(pose.world_landmarks) <= MAX_BODY_DEVIATION
            and all(_distance(pose, other, size) > MAX_DISTANCE for other in poses)
        )


def covered(image: ImageArray, poses: tuple[Pose, ...]) -> ImageArray:
    """A copy in which the boxes around poses have the picture's mean colour."""
    height, width = image.shape[:2]
    result = image.copy()
    colour = image.mean(axis=(0, 1)).astype(np.uint8)
    for pose in poses:
        x, y, w, h = pose.bbox
        result[int(y * height) : int((y + h) * height), int(x * width) : int((x + w) * width)] = colour
    return result


def turned(image: ImageArray, quarters: int) -> ImageArray:
    """The picture turned anticlockwise, C-contiguous."""
    return np.ascontiguousarray(np.rot90(image, quarters))


def turned_back(pose: Pose, quarters: int, shape: tuple[int, ...]) -> Pose:
    """A pose in the upright picture of this (height, width, ...), from one in the picture `turned` by quarters."""
    height, width = shape[:2]
    landmarks, world = pose.landmarks.copy(), pose.world_landmarks.copy()
    for _ in range(quarters % 4):
        landmarks[:, :2] = np.stack([1 - landmarks[:, 1], landmarks[:, 0]], axis=1)
        world[:, :2] = np.stack([-world[:, 1], world[:, 0]], axis=1)
    if quarters % 2:
        landmarks[:, 2] *= np.float32(height / width)  # z is on the scale of x
    mask = None if pose.mask is None else np.ascontiguousarray(np.rot90(pose.mask, -quarters))
    return Pose(landmarks, world, mask, pose.found)


def _seen_twice(views: list[list[Pose]], size: tuple[int, int]) -> tuple[Pose, ...]:
    """Of the bodies that two views show, the pose of the view with the likelier bones."""
    kept: list[Pose] = []
    for one, other in combinations(views, 2):
        for pose in one:
            for twin in other:
                new = all(_distance(pose, earlier, size) > MAX_DISTANCE for earlier in kept)
                if new and _distance(pose, twin, size) <= MAX_DISTANCE:
                    kept.append(min(pose, twin, key=lambda each: bone_deviation(each.world_landmarks)))
    return tuple(kept)


def _distance(pose: Pose, other: Pose, size: tuple[int, int]) -> float:
    """Mean distance of the joints in shares of the longer side of the first pose's box."""
    one, two = (_joints(each) * size for each in (pose, other))
    return float(np.linalg.norm(one - two, axis=1).mean() / max(1.0, float(np.ptp(one, axis=0).max())))


def _joints(pose: Pose) -> FloatArray:
    joints: FloatArray = pose.landmarks[FRAME, :2]
    return joints
