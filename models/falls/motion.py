"""Motions of a simulated body: key poses joined smoothly, and a clip of landmarks that comes of them.

Owns time and place of kinematic motion. What the poses are is in `poses`, what people do with them in `life` and
`tumbles`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import mujoco
import numpy as np

from models.falls.body import JOINT_NAMES, LIMITS_DEG, Human, quaternion

FPS = 30
ROOT = 7  # position and quaternion in front of the joints in qpos

_INDEX = {name: i for i, name in enumerate(JOINT_NAMES)}
FEET = np.array([27, 28])
KNEES = np.array([25, 26])
HIPS = np.array([23, 24])
SHOULDERS = np.array([11, 12])


@dataclass(frozen=True, slots=True)
class Key:
    """A posture.

    Attributes:
        joints: Degrees by joint name; "hip_bend" alone means both sides.
        pitch_deg: How far the pelvis leans forward; roll_deg to its right.
        anchor: Landmarks that stay where they are on the way to this posture.
        support_m: Height of what its lowest point lies on.
        grounded: The lowest point touches its support all the way, when it did before too.
    """

    joints: Mapping[str, float]
    pitch_deg: float = 0.0
    roll_deg: float = 0.0
    anchor: tuple[int, ...] = (27, 28)
    support_m: float = 0.0
    grounded: bool = True


@dataclass(slots=True)
class Clip:
    """What a body did.

    Attributes:
        points: (n, 33, 3) metres at FPS.
        kind: What it was, for tables.
        size: The body's scale.
        human: The body; frames is its state (qpos) in each frame.
        onset_s: When a fall begins, None in calm life; impact_s when the trunk is down.
        boxes: Furniture as (centre, half size), which may hide the body.
    """

    points: np.ndarray
    kind: str
    size: float
    human: Human
    frames: list[np.ndarray]
    onset_s: float | None = None
    impact_s: float | None = None
    boxes: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)


def joint_angles(key: Key, rng: np.random.Generator, noise_deg: float = 3.0) -> np.ndarray:
    """A key's joints in radians, with a person's own deviations, within what joints allow."""
    angles = np.zeros(len(JOINT_NAMES))
    for name, degrees in key.joints.items():
        for full in (name,) if name in _INDEX else (f"left_{name}", f"right_{name}"):
            angles[_INDEX[full]] = degrees
    angles += rng.normal(0, noise_deg, len(angles))
    return np.radians(np.clip(angles, LIMITS_DEG[:, 0], LIMITS_DEG[:, 1]))


def minimum_jerk(share: np.ndarray | float) -> np.ndarray:
    """Smooth way from 0 to 1."""
    t = np.clip(share, 0.0, 1.0)
    return np.asarray(t * t * t * (10 - 15 * t + 6 * t * t))


class Player:
    """Moves a body from key to key and keeps every frame's qpos."""

    def __init__(self, human: Human, rng: np.random.Generator, start: Key, yaw: float) -> None:
        self.human, self.rng = human, rng
        self.yaw = yaw
        self.frames: list[np.ndarray] = []
        self._sway = np.zeros(len(JOINT_NAMES))
        self._key = start
        angles = joint_angles(start, rng)
        self._angles, self._lean = angles, np.radians([start.pitch_deg, start.roll_deg])
        self.qpos = self._settled(angles, self._lean, np.zeros(2), start.support_m)
        self.frames.append(self.qpos.copy())

    def begin(self, key: Key) -> None:
        """Start from this posture instead; what was before is forgotten."""
        self._angles, self._lean = joint_angles(key, self.rng), np.radians([key.pitch_deg, key.roll_deg])
        self.qpos = self._settled(self._angles, self._lean, np.zeros(2), key.support_m)
        self.frames, self._key = [self.qpos.copy()], key

    def to(self, key: Key, seconds: float, *, walk: np.ndarray | None = None, turn: float = 0.0) -> None:
        """Go to a posture in so many seconds; `walk` moves the anchor (x, y), `turn` the yaw."""
        angles, lean = joint_angles(key, self.rng), np.radians([key.pitch_deg, key.roll_deg])
        lean = lean + self.rng.normal(0, 0.04, 2)
        anchor = np.array(key.anchor)
        end = self._settled(angles, lean, self.qpos[:2], key.support_m)
        end_z = end[2]
        place = self.human.pose(self.qpos)[anchor, :2].mean(axis=0)
        start_angles, start_lean, start_z, start_yaw = self._angles, self._lean, self.qpos[2], self.yaw
        slide = key.grounded and self._key.grounded and key.support_m == self._key.support_m
        steps = max(2, round(seconds * FPS))
        # Joints do not move in lockstep: each has its own beginning and end within the motion.
        early = self.rng.uniform(0, 0.2, len(angles))
        late = self.rng.uniform(0, 0.2, len(angles))
        for step in range(1, steps + 1):
            raw = step / steps
            share = float(minimum_jerk(raw))
            own = minimum_jerk((raw - early) / (1 - early - late))
            self._sway += 0.12 * (self.rng.normal(0, 0.012, len(angles)) - self._sway)
            now = start_angles + own * (angles - start_angles) + self._sway
            tilt = start_lean + share * (lean - start_lean)
            self.yaw = start_yaw + share * turn
            target = place if walk is None else place + share * walk
            z = start_z + share * (end_z - start_z)
            support = key.support_m if slide else None
            self._put(now, tilt, target, anchor, z, support)
        self._angles, self._lean, self._key = angles, lean, key

    def hold(self, seconds: float, fidget_deg: float = 2.0) -> None:
        """Stay about as it is, moving a little now and then."""
        key = self._key
        while seconds > 0:
            span = float(self.rng.uniform(0.5, 1.5))
            joints = {
                name: float(np.degrees(angle)) + self.rng.normal(0, fidget_deg)
                for name, angle in zip(JOINT_NAMES, self._angles, strict=True)
            }
            pitch, roll = np.degrees(self._lean) + self.rng.normal(0, 0.5, 2)
            self.to(Key(joints, pitch, roll, key.anchor, key.support_m, key.grounded), min(span, seconds + 0.1))
            seconds -= span
        self._key = key

    def walk(self, distance_m: float, speed_m_s: float, upright: Key, *, stoop_deg: float = 0.0) -> None:
        """Walk ahead with swinging legs and arms."""
        scale = self.human.build.scale
        step_hz = np.clip(1.8 * speed_m_s**0.5, 0.8, 3.0) / scale**0.5
        swing = np.degrees(np.arcsin(np.clip(speed_m_s / step_hz / 2 / (0.8 * scale), 0, 0.8)))
        base, steps = joint_angles(upright, self.rng), max(3, round(distance_m / speed_m_s * FPS))
        start = self.human.pose(self.qpos)[FEET, :2].mean(axis=0)
        heading = np.array([np.cos(self.yaw), np.sin(self.yaw)])
        phase = self.rng.uniform(0, 2 * np.pi)
        old_angles, old_lean = self._angles, self._lean
        for step in range(1, steps + 1):
            phase += np.pi * step_hz / FPS
            angles = base.copy()
            for side, sign in (("left", 1.0), ("right", -1.0)):
                wave = sign * np.sin(phase)
                lift = max(0.0, sign * np.cos(phase))
                angles[_INDEX[f"{side}_hip_bend"]] += np.radians(swing * wave + 12 * lift)
                angles[_INDEX[f"{side}_knee"]] += np.radians(8 + 45 * lift * swing / 25)
                angles[_INDEX[f"{side}_shoulder_bend"]] += np.radians(-swing * wave)
            blend = float(minimum_jerk(min(1.0, step / 8)))
            now = old_angles + blend * (angles - old_angles)
            lean = old_lean + blend * (np.radians([stoop_deg + 3, 1.5 * np.sin(phase)]) - old_lean)
            self._put(now, lean, start + heading * distance_m * step / steps, FEET, 0.0, 0.0)
        self._angles, self._lean, self._key = now, lean, upright

    def face(self, yaw: float) -> None:
        """Turn on the spot, at a walker's pace."""
        turn = float((yaw - self.yaw + np.pi) % (2 * np.pi) - np.pi)
        self.to(self._key, 0.3 + abs(turn) / 2.5, turn=turn)

    def clip(self, kind: str, boxes: list[tuple[np.ndarray, np.ndarray]] | None = None) -> Clip:
        """All frames as landmarks."""
        points = np.array([self.human.pose(qpos) for qpos in self.frames])
        return Clip(points, kind, self.human.build.scale, self.human, self.frames, boxes=boxes or [])

    def follow(self, frames: list[np.ndarray]) -> None:
        """Append frames that physics made."""
        self.frames += frames
        self.qpos = frames[-1].copy()

    def _settled(self, angles: np.ndarray, lean: np.ndarray, place: np.ndarray, support_m: float) -> np.ndarray:
        qpos = np.concatenate((place, [1.0], quaternion(self.yaw, lean[0], lean[1]), angles))
        self.human.pose(qpos)
        qpos[2] += support_m - self.human.lowest_m()
        return qpos

    def _put(
        self,
        angles: np.ndarray,
        lean: np.ndarray,
        place: np.ndarray,
        anchor: np.ndarray,
        z: float,
        support: float | None,
    ) -> None:
        qpos = np.concatenate((self.qpos[:2], [z], quaternion(self.yaw, lean[0], lean[1]), angles))
        points = self.human.pose(qpos)
        lowest = self.human.lowest_m()
        if support is not None:
            qpos[2] += support - lowest
        elif lowest < 0:
            qpos[2] -= lowest
        qpos[:2] += place - points[anchor, :2].mean(axis=0)
        self.qpos = qpos
        self.frames.append(qpos.copy())


def velocity(human: Human, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Generalised velocity between two frames."""
    qvel = np.zeros(human.model.nv)
    mujoco.mj_differentiatePos(human.model, qvel, 1 / FPS, before, after)
    return qvel
