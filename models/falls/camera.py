"""Cameras in a room: where they hang, what they see of a body, and what stands in between.

Owns projection and occlusion. What a landmarker makes of it is in `landmarker`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from models.falls.motion import FPS, HIPS, Clip

Rng = np.random.Generator
SIZES = ((640, 480), (640, 360), (800, 480), (1280, 720))


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera.

    Attributes:
        place: (3,) metres, z up.
        axes: (3, 3) rows are right, down and ahead.
        focal_px: Focal length in pixels.
        size: Width and height in pixels.
    """

    place: np.ndarray
    axes: np.ndarray
    focal_px: float
    size: tuple[int, int]

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(..., 2) pixels and (...) depth in metres of (..., 3) points."""
        seen = (points - self.place) @ self.axes.T
        depth = np.maximum(seen[..., 2], 0.2)
        centre = np.array(self.size) / 2
        return seen[..., :2] / depth[..., None] * self.focal_px + centre, depth


@dataclass(frozen=True, slots=True)
class Shot:
    """What is given to a landmarker: the true body at the times of frames.

    Attributes:
        times_s: (n,) in the clip's time.
        shown_s: (n,) when what a frame shows happened; a camera that stutters shows the same for a while.
        points: (n, 33, 3) metres.
        boxes: Furniture that hides, (centre, half size).
    """

    camera: Camera
    times_s: np.ndarray
    shown_s: np.ndarray
    points: np.ndarray
    boxes: list[tuple[np.ndarray, np.ndarray]]


def axes_for(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Right, down and ahead of a camera that looks along yaw, down by pitch, turned by roll; radians."""
    ahead = np.array([math.cos(yaw) * math.cos(pitch), math.sin(yaw) * math.cos(pitch), -math.sin(pitch)])
    right = np.array([math.sin(yaw), -math.cos(yaw), 0.0])
    down = np.cross(ahead, right)
    return np.array([
        math.cos(roll) * right + math.sin(roll) * down, -math.sin(roll) * right + math.cos(roll) * down, ahead
    ])  # fmt: skip


def random_camera(rng: Rng, clip: Clip, *, recommended: bool = False) -> Camera:
    """A camera that has the person somewhere in its picture; `recommended` places it as the README advises."""
    look_at = clip.points[rng.integers(len(clip.points)), HIPS].mean(axis=0)
    if recommended:
        height, distance = rng.uniform(1.6, 2.6), rng.uniform(2.5, 5.0)
        stray = 0.12
    else:
        height = rng.uniform(1.8, 3.0) if rng.random() < 0.62 else rng.uniform(0.4, 1.7)
        distance = math.exp(rng.uniform(math.log(1.5), math.log(6.0)))
        stray = 0.3
    around = rng.uniform(-math.pi, math.pi)
    place = np.array([look_at[0] - distance * math.cos(around), look_at[1] - distance * math.sin(around), height])
    size = SIZES[rng.integers(len(SIZES))]
    field = math.radians(rng.uniform(60, 80) if recommended else rng.uniform(48, 95))
    focal_px = size[0] / 2 / math.tan(field / 2)
    upright = 2 * math.atan(size[1] / 2 / focal_px)
    down = math.atan2(height - look_at[2], distance)
    pitch = float(np.clip(down + rng.uniform(-stray, stray) * upright, math.radians(-8), math.radians(62)))
    yaw = around + rng.uniform(-stray, stray) * field
    return Camera(place, axes_for(yaw, pitch, rng.normal(0, 0.035)), focal_px, size)


def film(rng: Rng, clip: Clip, *, recommended: bool = False, rate_hz: float | None = None, whole: bool = False) -> Shot:
    """Film a clip, or a part of it, at the rate and with the stutter of a real camera; `whole` leaves no part out."""
    camera = random_camera(rng, clip, recommended=recommended)
    length_s = len(clip.points) / FPS
    start_s, end_s = (0.0, length_s) if whole else _part(rng, clip, length_s)
    rate_hz = rate_hz or (float(rng.choice([30, 25, 20])) if rng.random() < 0.25 else rng.uniform(8, 20))
    times_s = np.arange(start_s + rng.uniform(0, 0.1), end_s - 1 / FPS, 1 / rate_hz)
    if rng.random() < 0.3:
        times_s = np.sort(times_s + rng.uniform(-0.4, 0.4, len(times_s)) / rate_hz)
    shown_s = times_s.copy()
    if rng.random() < 0.2 and len(times_s) > 10:
        for _ in range(rng.integers(1, 4)):
            first = rng.integers(len(times_s) - 2)
            last = np.searchsorted(times_s, times_s[first] + rng.uniform(0.1, 0.4))
            shown_s[first:last] = times_s[first]
    boxes = list(clip.boxes) if recommended else [*clip.boxes, *_in_between(rng, clip, camera)]
    return Shot(camera, times_s, shown_s, at_times(clip.points, shown_s), boxes)


def at_times(points: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """Points of a clip at any times, linear between frames."""
    place = np.clip(times_s * FPS, 0, len(points) - 1.001)
    first = place.astype(int)
    share = (place - first)[:, None, None]
    return points[first] * (1 - share) + points[np.minimum(first + 1, len(points) - 1)] * share


def fall_in_view(shot: Shot, clip: Clip) -> bool:
    """Whether most of the body is in the picture, and not behind furniture, where a fall begins and where it ends."""
    assert clip.onset_s is not None
    assert clip.impact_s is not None
    bodies = at_times(clip.points, np.array([clip.onset_s, clip.impact_s]))
    pixels, _ = shot.camera.project(bodies)
    ahead = (bodies - shot.camera.place) @ shot.camera.axes[2] > 0
    inside = ((pixels >= 0) & (pixels <= np.array(shot.camera.size))).all(axis=-1)
    seen = ahead & inside & ~hidden(shot.camera.place, bodies, shot.boxes)
    return bool((seen.mean(axis=1) > 0.5).all())


def _part(rng: Rng, clip: Clip, length_s: float) -> tuple[float, float]:
    """Films of falls often begin just before, and end soon after."""
    start_s, end_s = 0.0, length_s
    if clip.onset_s is not None and clip.impact_s is not None:
        if rng.random() < 0.4:
            start_s = max(0.0, clip.onset_s - rng.uniform(0.6, 2.0))
        if rng.random() < 0.35:
            end_s = min(length_s, clip.impact_s + rng.uniform(0.6, 2.2))
    elif rng.random() < 0.3:
        start_s = rng.uniform(0, 0.4) * length_s
    return start_s, end_s


def _in_between(rng: Rng, clip: Clip, camera: Camera) -> list[tuple[np.ndarray, np.ndarray]]:
    """Tables, beds and chairs between the camera and where the person is."""
    boxes = []
    if rng.random() < 0.45:
        for _ in range(rng.integers(1, 3)):
            person = clip.points[rng.integers(len(clip.points)), HIPS].mean(axis=0)
            share = rng.uniform(0.35, 0.9)
            centre = camera.place + share * (person - camera.place) + np.array([*rng.normal(0, 0.25, 2), 0])
            height = rng.uniform(0.3, 0.95)
            half = np.array([rng.uniform(0.15, 0.9), rng.uniform(0.15, 0.5), height / 2])
            boxes.append((np.array([centre[0], centre[1], height / 2]), half))
    return boxes


def hidden(place: np.ndarray, points: np.ndarray, boxes: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """(...) whether a box lies between the camera and each of (..., 3) points."""
    result = np.zeros(points.shape[:-1], bool)
    ray = points - place
    ray = np.where(np.abs(ray) < 1e-9, 1e-9, ray)
    for centre, half in boxes:
        near, far = (centre - half - place) / ray, (centre + half - place) / ray
        enter = np.minimum(near, far).max(axis=-1)
        leave = np.maximum(near, far).min(axis=-1)
        # The last tenth of the way does not count, or what lies on a bed were hidden by it.
        result |= (enter < leave) & (enter < 0.93) & (leave > 0)
    return result
