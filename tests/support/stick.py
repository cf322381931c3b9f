"""A stick figure before a pinhole camera: exact landmarks for any posture, view and time.

A stance is a few angles; a script moves from stance to stance in seconds; the camera turns each moment into the result
that a perfect landmarker would give.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from piapp.types import Pose, PoseResult

SIZE = (640, 480)
Point = tuple[float, float, float]


@dataclass(frozen=True)
class Stance:
    """Leans in degrees, forwards positive: of the shanks, thighs and trunk from the feet up, and of the arms.

    Arms are (outwards, forwards, elbow): 0 hangs, 180 points up; the elbow bends towards the head. `lift` is the height
    of what the figure stands on, `apart` the distance of the feet.
    """

    shank: float = 0.0
    thigh: float = 0.0
    trunk: float = 0.0
    left: tuple[float, float, float] = (8.0, 5.0, 5.0)
    right: tuple[float, float, float] = (8.0, 5.0, 5.0)
    apart: float = 0.2
    lift: float = 0.0
    x: float = 0.0


STAND = Stance()
SIT = Stance(shank=0, thigh=-82, trunk=5)
SQUAT = Stance(shank=30, thigh=-80, trunk=35)
HALF_SQUAT = Stance(shank=15, thigh=-30, trunk=20)
BEND = Stance(shank=-3, thigh=-8, trunk=85, left=(0, 85, 0), right=(0, 85, 0))
KNEEL = Stance(shank=88, thigh=0, trunk=0)
KNEEL_BACK = Stance(shank=80, thigh=-45, trunk=5)
SIT_HEELS = Stance(shank=88, thigh=-85, trunk=5)
SIT_FLOOR = Stance(shank=-86, thigh=-86, trunk=5)
LIE_BACK = Stance(shank=-87, thigh=-87, trunk=-87)
LIE_FRONT = Stance(shank=87, thigh=87, trunk=87)
PLANK = Stance(shank=68, thigh=70, trunk=72, left=(5, 72, 0), right=(5, 72, 0))
PLANK_LOW = Stance(shank=82, thigh=83, trunk=84, left=(60, 20, 80), right=(60, 20, 80))
RAISE_RIGHT = replace(STAND, right=(170, 0, 0))
WAVE_OUT = replace(STAND, right=(95, 0, 50))
WAVE_IN = replace(STAND, right=(95, 0, 125))
JACK = replace(STAND, left=(160, 0, 0), right=(160, 0, 0), apart=0.75)

_SHANK, _THIGH, _TRUNK, _UPPER_ARM, _FOREARM = 0.39, 0.40, 0.48, 0.27, 0.25


def _along(start: Point, length: float, lean_deg: float) -> Point:
    rad = math.radians(lean_deg)
    return start[0] + length * math.sin(rad), start[1] + length * math.cos(rad), start[2]


def joints(stance: Stance) -> np.ndarray:
    """(33, 3) metres: x forwards, y up, z to the figure's left; the feet near the origin."""
    return _joints(stance).copy()


@functools.lru_cache(maxsize=4096)
def _joints(stance: Stance) -> np.ndarray:
    out = np.zeros((33, 3))
    for side, left in ((1, True), (-1, False)):
        k = 0 if left else 1
        ankle = (0.0, 0.08, side * stance.apart / 2)
        knee = _along(ankle, _SHANK, stance.shank)
        hip = _along(knee, _THIGH, stance.thigh)
        hip = (hip[0], hip[1], side * 0.1)
        shoulder = _along(hip, _TRUNK, stance.trunk)
        shoulder = (shoulder[0], shoulder[1], side * 0.17)
        outwards, forwards, bend = stance.left if left else stance.right
        elbow = _arm(shoulder, _UPPER_ARM, (outwards, forwards), stance.trunk, side)
        wrist = _arm(elbow, _FOREARM, (outwards + bend, forwards), stance.trunk, side)
        for index, point in ((11, shoulder), (13, elbow), (15, wrist), (23, hip), (25, knee), (27, ankle)):
            out[index + k] = point
        for index in (17, 19, 21):
            out[index + k] = wrist
        flat = stance.shank if abs(stance.shank) > 60 else 0.0
        out[29 + k] = _along(ankle, 0.06, flat - 120)
        out[31 + k] = _along(ankle, 0.17, flat + 100)
    head = _along(tuple((out[11] + out[12]) / 2), 0.2, stance.trunk)
    face = np.array(_along(head, 0.1, stance.trunk + 90))
    out[0] = face
    out[1:7] = face + (np.array(_along((0, 0, 0), 0.04, stance.trunk)))
    out[1:4, 2], out[4:7, 2] = 0.03, -0.03
    out[7], out[8] = np.add(head, (0, 0, 0.07)), np.subtract(head, (0, 0, 0.07))
    out[9], out[10] = np.add(face, (0, -0.03, 0.02)), np.add(face, (0, -0.03, -0.02))
    out[:, 1] += max(0.0, 0.03 - out[:, 1].min()) + stance.lift
    out[:, 0] += stance.x
    return out


def _arm(start: Point, length: float, angles: tuple[float, float], trunk: float, side: int) -> Point:
    out, ahead = (math.radians(angle) for angle in angles)
    across, down = math.sin(out), -math.cos(out)
    x, y = -down * math.sin(ahead), down * math.cos(ahead)
    lean = math.radians(trunk)
    return (
        start[0] + length * (x * math.cos(lean) + y * math.sin(lean)),
        start[1] + length * (y * math.cos(lean) - x * math.sin(lean)),
        start[2] + length * side * across,
    )


@dataclass(frozen=True)
class Camera:
    """Where the picture is taken from; yaw 0 sees the figure's face, 90 its left side."""

    yaw: float = 30.0
    distance: float = 3.5
    height: float = 1.2
    tilt: float = 0.0
    focal_px: float = 480.0

    def pose(self, points: np.ndarray, *, visibility: float = 0.95) -> Pose:
        """What a perfect landmarker sees of these joints."""
        yaw, tilt = math.radians(self.yaw), math.radians(self.tilt)
        right = points[:, 2] * math.cos(yaw) - points[:, 0] * math.sin(yaw)
        away = -(points[:, 0] * math.cos(yaw) + points[:, 2] * math.sin(yaw)) + self.distance
        down = self.height - points[:, 1]
        y = down * math.cos(tilt) - away * math.sin(tilt)
        z = np.maximum(away * math.cos(tilt) + down * math.sin(tilt), 0.3)
        world = np.stack([right, y, z], axis=1)
        world -= world[[23, 24]].mean(axis=0)
        landmarks = np.empty((33, 5), np.float32)
        landmarks[:, 0] = 0.5 + self.focal_px * right / z / SIZE[0]
        landmarks[:, 1] = 0.5 + self.focal_px * y / z / SIZE[1]
        landmarks[:, 2] = self.focal_px * world[:, 2] / z / SIZE[0]
        landmarks[:, 3], landmarks[:, 4] = visibility, 0.99
        metres = np.full((33, 5), visibility, np.float32)
        metres[:, :3] = world
        return Pose(landmarks, metres)


FRONT, SIDE, BEHIND = Camera(20), Camera(90), Camera(160)
HIGH = Camera(yaw=40, distance=3.0, height=2.4, tilt=28)
VIEWS = {"front": FRONT, "side": SIDE, "behind": BEHIND, "high": HIGH}

Step = tuple[float, Stance]
Warp = Callable[[float], float]


def smooth(share: float) -> float:
    """Start and stop gently, as people do who mean it."""
    return share * share * (3 - 2 * share)


def plunge(share: float) -> float:
    """Faster and faster until the floor, as falls are."""
    return share * share


def film(
    steps: Sequence[Step | tuple[float, Stance, Warp]],
    *,
    camera: Camera = FRONT,
    fps: float = 15.0,
    start: Stance = STAND,
) -> Iterator[PoseResult]:
    """Results while the figure takes each step: (seconds to get there, stance); the same stance again is a rest."""
    for time, stance in _moments(steps, fps, start):
        yield result(time, [camera.pose(joints(stance))])


def result(time_s: float, poses: Sequence[Pose]) -> PoseResult:
    """A result at a time in seconds."""
    ts_ms = round(time_s * 1000)
    return PoseResult(ts_ms, ts_ms * 1_000_000, SIZE, tuple(poses))


def _moments(steps: Sequence[tuple], fps: float, start: Stance) -> Iterator[tuple[float, Stance]]:
    begin, frame, before = 0.0, 0, start
    for seconds, stance, *warp in steps:
        while frame / fps < begin + seconds:
            share = (warp[0] if warp else smooth)((frame / fps - begin) / seconds)
            yield frame / fps, between(before, stance, share)
            frame += 1
        begin, before = begin + seconds, stance


def between(a: Stance, b: Stance, share: float) -> Stance:
    """The stance part of the way from one to the other."""

    def mix(x: float | tuple, y: float | tuple) -> float | tuple:
        if isinstance(x, tuple):
            return tuple(mix(i, j) for i, j in zip(x, y, strict=True))
        return x + share * (y - x)

    return Stance(**{name: mix(getattr(a, name), getattr(b, name)) for name in Stance.__dataclass_fields__})
