"""A body that lets go: joints lose strength, support fades, pushes act, and gravity does the rest.

Owns the physics of falling and of letting oneself down. Which motions begin and end so is in `tumbles` and `life`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import mujoco
import numpy as np

from models.falls.body import GROUPS, STIFFNESS, Human
from models.falls.motion import FPS, HIPS, ROOT, SHOULDERS

_SUBSTEPS = 8
_GROUP = np.array([{"leg": 0, "arm": 1, "trunk": 2, "neck": 2}[group] for group in GROUPS])
_GRAVITY = 9.81


@dataclass(slots=True)
class Release:
    """How a body lets go.

    Attributes:
        floors: Share of strength left at last in legs, arms and trunk.
        fade_s: Time in which each loses it.
        support: Share of the weight held up at first; support_s how long until none is.
        pushes: (body, force as a share of the weight (3,), from second, to second).
        target: Joint angles aimed at, (23,) radians; None keeps those of the beginning.
        seconds: How long to go on.
        stirring: Whether the body moves when it is down.
    """

    floors: np.ndarray
    fade_s: np.ndarray
    support: float
    support_s: float
    seconds: float
    pushes: list[tuple[str, np.ndarray, float, float]] = field(default_factory=list)
    target: np.ndarray | None = None
    stirring: bool = True


def let_go(
    human: Human, qpos: np.ndarray, qvel: np.ndarray, release: Release, rng: np.random.Generator
) -> list[np.ndarray]:
    """The qpos of every frame from here on."""
    model, data = human.model, human.data
    mujoco.mj_resetData(model, data)
    data.qpos[:], data.qvel[:] = qpos, np.clip(qvel, -6, 6)
    start = qpos[ROOT:].copy()
    target = start if release.target is None else release.target
    weight = human.build.mass_kg * _GRAVITY
    frames: list[np.ndarray] = []
    stir_from = rng.uniform(0.8, 2.5)
    for frame in range(round(release.seconds * FPS)):
        now_s = frame / FPS
        if release.stirring and now_s > stir_from and rng.random() < 0.06:
            target = target + rng.normal(0, 0.35, len(target))
        for _ in range(_SUBSTEPS):
            _drive(human, release, start, target, now_s, weight)
            mujoco.mj_step(model, data)
            now_s += 1 / FPS / _SUBSTEPS
        if not np.isfinite(data.qpos).all() or np.abs(data.qvel).max() > 60:
            break
        frames.append(data.qpos.copy())
    return frames


def _drive(human: Human, release: Release, start: np.ndarray, target: np.ndarray, now_s: float, weight: float) -> None:
    model, data = human.model, human.data
    left = np.clip(1 - now_s / release.fade_s, 0, 1)
    strength = (release.floors + (1 - release.floors) * left)[_GROUP] * STIFFNESS * (human.build.mass_kg / 70)
    aim = start + min(1.0, now_s / 0.5) * (target - start)
    data.qfrc_applied[6:] = strength * np.clip(aim - data.qpos[ROOT:], -0.6, 0.6)
    data.xfrc_applied[:] = 0
    held = release.support * max(0.0, 1 - now_s / release.support_s) * weight
    data.xfrc_applied[human.pelvis, 2] += 0.4 * held
    data.xfrc_applied[human.chest, 2] += 0.6 * held
    for body, force, begin_s, end_s in release.pushes:
        if begin_s <= now_s < end_s:
            data.xfrc_applied[model.body(body).id, :3] += force * weight


def trunk_heights(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Heights of hips and shoulders of (n, 33, 3) landmarks."""
    return points[:, HIPS, 2].mean(axis=1), points[:, SHOULDERS, 2].mean(axis=1)


def impact_frame(points: np.ndarray, first: int) -> int | None:
    """The frame in which the trunk has come down for good after `first`; None when it has not."""
    hips, shoulders = trunk_heights(points)
    height = (hips + shoulders) / 2
    rest = float(np.median(height[-FPS:]))
    if height[first] - rest < 0.15:
        return None
    limit = rest + 0.15 * (height[first] - rest) + 0.02
    low = height[first:] < limit
    for frame in range(len(low) - 8):
        if low[frame : frame + 8].all():
            return first + frame
    return None
