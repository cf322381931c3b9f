"""What the landmarker makes of a body: its noise, lag, losses, jumps and confusions, as a model of errors.

Owns the way from true joints to landmarks. Sizes and rates were chosen so that landmarks of simulated bodies resemble
those that the lite model gives on films: joint noise grows with hiding, lying and distance from the trunk, and stands
still while the body does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.falls.camera import Shot, hidden
from models.falls.motion import HIPS, SHOULDERS
from models.falls.sight import Sight

Rng = np.random.Generator

_SIGMA_M = np.full(33, 0.01)
_SIGMA_M[[13, 14, 25, 26]] = 0.025
_SIGMA_M[[*range(15, 23), *range(27, 33)]] = 0.04
_TORSO = np.array([11, 12, 23, 24])
_LEGS = np.arange(25, 33)
_BODY = np.array([0, 11, 12, 23, 24, 25, 26, 27, 28])
_PAIRS = np.array([0, 4, 5, 6, 1, 2, 3, 8, 7, 10, 9, *(i + 1 if i % 2 else i - 1 for i in range(11, 33))])


@dataclass(slots=True)
class _Motion:
    """Of each frame: time since the last, speed of the trunk (m/s), how lying it is, its size in pixels a metre."""

    step_s: np.ndarray
    speed: np.ndarray
    lying: np.ndarray
    scale: np.ndarray
    along_ray: np.ndarray


def observe(shot: Shot, body_size: float, rng: Rng, errors: float = 1.0) -> Sight:
    """Look at a shot as the landmarker does; `errors` scales all of its errors."""
    quality = errors * float(np.exp(rng.normal(np.log(0.64), 0.45)))
    points = _lagged(shot.points, shot.times_s, rng.uniform(0, 0.09))
    pixels, depth = shot.camera.project(points)
    motion = _motion(shot, points, depth, body_size)
    pixels = pixels + _drift(shot, rng)
    world = _ray_frame(shot, points) * (rng.uniform(0.93, 1.02) / body_size)
    _usual_legs(world)
    covered = hidden(shot.camera.place, points, shot.boxes)
    outside = _outside(pixels, shot.camera.size)
    doubtful = covered | outside
    _guess_legs(pixels, world, motion, covered, rng)
    _draw_in(pixels, shot.camera.size, rng)
    _shake(pixels, world, motion, doubtful, quality, rng)
    _misjudge_angles(world, motion, quality, rng)
    _confuse(pixels, world, motion, outside[:, _BODY].mean(axis=1), quality, rng)
    seen = _not_lost(motion, outside, quality, rng)
    _jump(shot, pixels, world, motion, body_size, quality, rng)
    return Sight(shot.times_s, pixels, world, _visibility(doubtful, motion, rng), seen, shot.camera.size)


def _visibility(doubtful: np.ndarray, motion: _Motion, rng: Rng) -> np.ndarray:
    """The model is sure of head and trunk whatever it sees, and less so of limbs."""
    progress = np.cumsum(motion.step_s * (0.3 + motion.speed))
    limbs = np.where(doubtful, rng.uniform(0.1, 0.8), rng.uniform(0.75, 0.98)) + 0.1 * _wander(progress, (33,), rng)
    sure = np.where(doubtful, rng.uniform(0.8, 1.0), 0.995)
    is_limb = np.ones(33, bool)
    is_limb[[*range(13), 23, 24]] = False
    return np.clip(np.where(is_limb, limbs, sure), 0, 1)


def _drift(shot: Shot, rng: Rng) -> np.ndarray:
    """(n, 1, 2) pixels by which a camera that is not quite fixed moves its picture; mostly none."""
    if rng.random() < 0.85:
        return np.zeros((len(shot.times_s), 1, 2))
    progress = (shot.times_s - shot.times_s[0]) * rng.uniform(0.3, 2.0)
    return (_wander(progress, (2,), rng) * rng.uniform(0.005, 0.06) * shot.camera.size[0])[:, None]


def _usual_legs(world: np.ndarray) -> None:
    """The landmarker's legs are shorter than people's, by about an eighth."""
    for side in (0, 1):
        hip = world[:, [23 + side]]
        legs = _LEGS[side::2]
        world[:, legs] = hip + 0.88 * (world[:, legs] - hip)


def _draw_in(pixels: np.ndarray, size: tuple[int, int], rng: Rng) -> None:
    """What is outside the picture is guessed, often at its edge."""
    share = rng.uniform(0, 0.8)
    pixels += share * (np.clip(pixels, 0, size) - pixels)


def _lagged(points: np.ndarray, times_s: np.ndarray, lag_s: float) -> np.ndarray:
    """A first-order lag, which the landmarker's own smoothing brings."""
    result = points.copy()
    for i in range(1, len(points)):
        share = 1 - np.exp(-(times_s[i] - times_s[i - 1]) / max(lag_s, 1e-3))
        result[i] = result[i - 1] + share * (points[i] - result[i - 1])
    return result


def _motion(shot: Shot, points: np.ndarray, depth: np.ndarray, body_size: float) -> _Motion:
    step_s = np.maximum(np.diff(shot.times_s, prepend=shot.times_s[0] - 0.07), 0.01)
    trunk = points[:, _TORSO].mean(axis=1)
    speed = np.linalg.norm(np.diff(trunk, axis=0, prepend=trunk[:1]), axis=1) / step_s
    axis = points[:, SHOULDERS].mean(axis=1) - points[:, HIPS].mean(axis=1)
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    lying = np.clip((0.75 - axis[:, 2]) / 0.5, 0, 1)
    ray = trunk - shot.camera.place
    ray /= np.linalg.norm(ray, axis=1, keepdims=True)
    scale = shot.camera.focal_px / depth[:, HIPS].mean(axis=1) * body_size
    return _Motion(step_s, speed, lying, scale, np.abs((axis * ray).sum(axis=1)))


def _ray_frame(shot: Shot, points: np.ndarray) -> np.ndarray:
    """World landmarks are as seen along the ray to the hips, from the hips."""
    hips = points[:, HIPS].mean(axis=1)
    ahead = hips - shot.camera.place
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    right = shot.camera.axes[0] - (ahead @ shot.camera.axes[0])[:, None] * ahead
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    frame = np.stack((right, np.cross(ahead, right), ahead), axis=1)
    return np.einsum("nij,nkj->nki", frame, points - hips[:, None])


def _outside(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    margin = 0.01 * size[0]
    return ((pixels < -margin) | (pixels > np.array(size) + margin)).any(axis=-1)


def _wander(progress: np.ndarray, shape: tuple[int, ...], rng: Rng) -> np.ndarray:
    """Smooth random values of unit spread that change as `progress` (n,) does."""
    nodes = rng.normal(0, 1, (int(progress[-1]) + 3, *shape))
    first = progress.astype(int)
    share = progress - first
    share = (share * share * (3 - 2 * share)).reshape(-1, *[1] * len(shape))
    return (nodes[first] * (1 - share) + nodes[first + 1] * share) * 1.2


def _shake(
    pixels: np.ndarray, world: np.ndarray, motion: _Motion, doubtful: np.ndarray, quality: float, rng: Rng
) -> None:
    """Noise of joints: slow, moving as the body moves, and some that is white."""
    behind = world[..., 2] > 0.06
    sigma = _SIGMA_M * quality * np.where(doubtful, 4.0, np.where(behind, 2.2, 1.0))
    sigma = sigma * (1 + motion.lying[:, None] + 0.5 * np.minimum(motion.speed, 2.0)[:, None])
    progress = np.cumsum(motion.step_s * (0.25 + 2.5 * motion.speed))
    slow = _wander(progress, (33, 3), rng)
    own = _wander(progress, (33, 2), rng)
    white = rng.normal(0, 0.2, (len(progress), 33, 3))
    noise = (slow + white) * sigma[..., None]
    noise[..., 2] *= 1.7
    shared = (0.7 * slow[..., :2] + 0.7 * own + white[..., :2]) * sigma[..., None]
    world *= np.exp(0.05 * quality * _wander(progress, (1, 1), rng))
    world += noise
    pixels += shared * motion.scale[:, None, None]
    pixels += rng.normal(0, 0.4, pixels.shape)
    world -= world[:, HIPS].mean(axis=1, keepdims=True)


def _misjudge_angles(world: np.ndarray, motion: _Motion, quality: float, rng: Rng) -> None:
    """Pitch and yaw of the body are wrong, for good and slowly; depth is stretched or pressed."""
    progress = np.cumsum(motion.step_s * (0.15 + 1.5 * motion.speed))
    pitch = np.radians(rng.normal(0, 5) + rng.uniform(4, 20) * quality * _wander(progress, (), rng))
    yaw = np.radians(rng.uniform(6, 20) * quality * _wander(progress, (), rng))
    x, y, z = (world[..., i].copy() for i in range(3))
    z *= rng.uniform(0.75, 1.1)
    cos, sin = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
    x, z = cos * x + sin * z, cos * z - sin * x
    cos, sin = np.cos(pitch)[:, None], np.sin(pitch)[:, None]
    world[..., 0], world[..., 1], world[..., 2] = x, cos * y - sin * z, cos * z + sin * y


def _guess_legs(pixels: np.ndarray, world: np.ndarray, motion: _Motion, covered: np.ndarray, rng: Rng) -> None:
    """Legs behind furniture are guessed: straight on from the trunk, or hanging down."""
    gone = covered[:, _LEGS].mean(axis=1) > 0.8
    if not gone.any() or rng.random() < 0.4:
        return
    down = rng.random() < 0.5
    for array in (pixels, world):
        unit = motion.scale[:, None] if array is pixels else np.ones((len(array), 1))
        hips, shoulders = array[:, HIPS].mean(axis=1), array[:, SHOULDERS].mean(axis=1)
        along = np.zeros_like(hips)
        along[:, 1] = 1.0
        if not down:
            along = hips - shoulders
            along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-6
        for side in (0, 1):
            hip = array[:, 23 + side]
            for joint, reach in ((25, 0.36), (27, 0.7), (29, 0.74), (31, 0.78)):
                guess = hip + along * reach * unit
                array[gone, joint + side] = 0.8 * guess[gone] + 0.2 * array[gone, joint + side]


def _confuse(pixels: np.ndarray, world: np.ndarray, motion: _Motion, cut: np.ndarray, quality: float, rng: Rng) -> None:
    """Bodies that lie, or are cut off, are taken for others: head and feet swapped, squeezed, sitting up, mirrored."""
    for rate_hz, cut_rate_hz, change in (
        (0.10, 0.2, _turned), (0.12, 0.8, _squeezed), (0.08, 0.1, _raised), (0.15, 0.3, _mirrored)
    ):  # fmt: skip
        rate = (motion.lying * rate_hz + cut * cut_rate_hz) * quality / 0.64
        for span in _episodes(rate, motion.step_s, 0.5, rng):
            share = rng.uniform(0.6, 1.0)
            change(pixels[span], share)
            change(world[span], share)
    for span in _episodes((0.004 + 1.0 * cut) * quality / 0.64, motion.step_s, 0.5, rng):
        _tip_over(world[span], rng)


def _tip_over(world: np.ndarray, rng: Rng) -> None:
    """In metres the body lies, whatever the picture shows; happens to those who are cut off and to children."""
    pitch, roll = rng.uniform(-1.6, 1.6), rng.normal(0, 0.5)
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    world[:] = world @ (about_x @ about_z).T


def _turned(points: np.ndarray, _share: float) -> None:
    centre = points[:, _BODY].mean(axis=1, keepdims=True)
    points[:] = 2 * centre - points


def _squeezed(points: np.ndarray, share: float) -> None:
    centre = points[:, _TORSO].mean(axis=1, keepdims=True)
    points[:] = centre + (1 - 0.5 * share) * (points - centre)


def _raised(points: np.ndarray, share: float) -> None:
    hips, shoulders = points[:, HIPS].mean(axis=1), points[:, SHOULDERS].mean(axis=1)
    length = np.linalg.norm(shoulders - hips, axis=1)
    goal = hips.copy()
    goal[:, 1] -= length
    points[:, :23] += (share * (goal - shoulders))[:, None]


def _mirrored(points: np.ndarray, _share: float) -> None:
    points[:] = points[:, _PAIRS]


def _episodes(rate_hz: np.ndarray, step_s: np.ndarray, mean_s: float, rng: Rng) -> list[slice]:
    """Spans that begin at a rate a second."""
    spans = []
    for first in np.flatnonzero(rng.random(len(rate_hz)) < rate_hz * step_s):
        length_s = rng.exponential(mean_s)
        last = first + max(1, int(length_s / max(float(step_s[first:].mean()), 0.01)))
        spans.append(slice(int(first), min(last, len(rate_hz))))
    return spans


def _not_lost(motion: _Motion, outside: np.ndarray, quality: float, rng: Rng) -> np.ndarray:
    """Frames in which a pose is found."""
    cut = outside[:, _BODY].mean(axis=1)
    small = np.clip((70 - motion.scale) / 50, 0, 1)
    fast = np.clip((motion.speed - 1.0) / 1.5, 0, 1)
    rate = 0.015 + 0.12 * motion.lying + 0.2 * (motion.along_ray > 0.85) + 0.3 * fast + 0.5 * cut + 0.15 * small
    seen = cut < 0.6
    for span in _episodes(rate * quality / 0.64, motion.step_s, 0.01, rng):
        length_s = 99.0 if rng.random() < 1 / 8 else float(np.exp(rng.normal(np.log(0.55), 0.8)))
        step_s = float(motion.step_s.mean())
        seen[span.start : span.start + max(1, int(length_s / step_s))] = False
    return seen


def _jump(
    shot: Shot, pixels: np.ndarray, world: np.ndarray, motion: _Motion, body_size: float, quality: float, rng: Rng
) -> None:
    """The skeleton goes to a thing or to somebody else nearby, and often comes back."""
    n = len(pixels)
    starts = []
    if rng.random() < min(0.6, 0.25 * quality / 0.64):
        weight = 0.2 + motion.speed + motion.lying
        starts = list(rng.choice(n, rng.integers(1, 3), p=weight / weight.sum()))
    if rng.random() < min(0.25, 0.1 * quality / 0.64):
        starts.append(0)
    for first in starts:
        last = n if rng.random() < 0.2 and first else first + int(rng.uniform(0.15, 1.5) / motion.step_s.mean()) + 1
        _put_thing(shot, pixels[first:last], world[first:last], float(motion.scale[first]), body_size, rng)


def _put_thing(shot: Shot, pixels: np.ndarray, world: np.ndarray, scale: float, body_size: float, rng: Rng) -> None:
    """Somebody's pose, distorted, at a place within a metre or so."""
    pose = shot.points[rng.integers(len(shot.points))]
    angle = rng.uniform(-np.pi, np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    hips = pose[HIPS].mean(axis=0)
    pose = (pose - hips) @ turn.T * rng.normal(1, 0.15, (33, 1)) * rng.uniform(0.6, 1.2) + hips
    pose = pose + rng.normal(0, 0.03, pose.shape)
    still = _ray_frame(shot, pose[None])[0] / body_size
    place = pixels[0, HIPS].mean(axis=0) + rng.standard_t(2.5, 2) * 0.45 * scale
    world[:] = still + rng.normal(0, 0.01, still.shape)
    pixels[:] = place + still[:, :2] * scale + rng.normal(0, 0.008 * scale, (len(pixels), 33, 2))
