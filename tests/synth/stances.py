"""The ways a body can hold itself, as joint angles in degrees, and how angles become rotations of the rig.

Angles: `root` is (forward pitch, roll to its own right, turn); `hip` is (flexion, abduction, twist); `knee` flexion;
`ankle` points the toes down, and keeps the sole level when None. Arms are (upper arm, forearm) directions in the
chest's frame: outward, up, forward.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from body import Rig, Rotations
from rotations import about_x, about_y, about_z, shortest, unit

Triple = tuple[float, float, float]
Arm = tuple[Triple, Triple]

HANGING: Arm = ((0.16, -1, 0.0), (0.05, -1, 0.22))
UP: Arm = ((0.32, 0.9, 0.12), (0.02, 1, 0.12))


@dataclass(frozen=True)
class Stance:
    """A pose of the whole body.

    Attributes:
        posture: What `state` calls it, or "transition" where ground truth asserts nothing.
        palms: How far the hands are bent back, to carry the body on the palms.
    """

    posture: str = "standing"
    root: Triple = (0, 0, 0)
    hip_left: Triple = (0, 0, 0)
    hip_right: Triple = (0, 0, 0)
    knee_left: float = 3
    knee_right: float = 3
    ankle_left: float | None = None
    ankle_right: float | None = None
    spine: Triple = (0, 0, 0)
    neck: Triple = (0, 0, 0)
    arm_left: Arm = HANGING
    arm_right: Arm | None = None
    palms: float = 0

    def mirrored(self) -> Stance:
        """The same with left and right exchanged."""
        return replace(
            self, root=_flip(self.root), spine=_flip(self.spine), neck=_flip(self.neck),
            hip_left=self.hip_right, hip_right=self.hip_left, knee_left=self.knee_right, knee_right=self.knee_left,
            ankle_left=self.ankle_right, ankle_right=self.ankle_left,
            arm_left=self.arm_right or self.arm_left, arm_right=self.arm_left,
        )  # fmt: skip


class Limbs:
    """Turns stances into rotations of one rig, whose arms have their own rest directions."""

    def __init__(self, rig: Rig) -> None:
        self._upper = {side: rig.direction(f"upperarm01.{side}", f"lowerarm01.{side}") for side in "LR"}
        self._fore = {side: rig.direction(f"lowerarm01.{side}", f"wrist.{side}") for side in "LR"}
        self._known: dict[Stance, Rotations] = {}

    def rotations(self, stance: Stance) -> Rotations:
        """Local rotations of the bones; `root` still lacks the yaw of the whole body. Not to be written to."""
        if stance not in self._known:
            self._known[stance] = self._turned(stance)
        return self._known[stance]

    def _turned(self, stance: Stance) -> Rotations:
        turned = {"root": about_x(stance.root[0]) @ about_z(stance.root[1]) @ about_y(stance.root[2])}
        pitch = stance.root[0]
        turned |= _leg("L", pitch, stance.hip_left, stance.knee_left, stance.ankle_left)
        turned |= _leg("R", pitch, stance.hip_right, stance.knee_right, stance.ankle_right)
        turned |= _shared(("spine05", "spine04", "spine03", "spine02", "spine01"), stance.spine)
        turned |= _shared(("neck01", "neck02", "head"), stance.neck)
        turned |= {f"wrist.{side}": about_x(-stance.palms) for side in "LR"}
        turned |= self._arm("L", 1, stance.arm_left)
        turned |= self._arm("R", -1, stance.arm_right or stance.arm_left)
        return turned

    def _arm(self, side: str, sign: int, arm: Arm) -> Rotations:
        upper, fore = (unit((sign * x, y, z)) for x, y, z in arm)
        raised = np.clip((upper[1] + 0.3) / 1.3, 0, 1)
        clavicle, shoulder = about_z(sign * 6 * raised), about_z(sign * 28 * raised)
        parent = clavicle @ shoulder
        upper_turn = shortest(self._upper[side], parent.T @ upper)
        fore_turn = shortest(self._fore[side], upper_turn.T @ parent.T @ fore)
        fingers = {f"finger{f}-{k}.{side}": about_z(-sign * 10) for f in range(2, 6) for k in (1, 2, 3)}
        return {
            f"clavicle.{side}": clavicle, f"shoulder01.{side}": shoulder, f"upperarm01.{side}": upper_turn,
            f"lowerarm01.{side}": fore_turn, **fingers,
        }  # fmt: skip


def _leg(side: str, pitch: float, hip: Triple, knee: float, ankle: float | None) -> Rotations:
    sign = 1 if side == "L" else -1
    flexion, abduction, twist = hip
    level = float(np.clip(flexion - knee - pitch, -35, 50))
    return {
        f"upperleg01.{side}": about_z(sign * (abduction - 4)) @ about_x(-flexion) @ about_y(sign * twist),
        f"lowerleg01.{side}": about_x(knee),
        f"foot.{side}": about_x(level if ankle is None else ankle),
    }


def _shared(bones: tuple[str, ...], angles: Triple) -> Rotations:
    x, y, z = (angle / len(bones) for angle in angles)
    return {bone: about_x(x) @ about_z(y) @ about_y(z) for bone in bones}


def _flip(angles: Triple) -> Triple:
    return angles[0], -angles[1], -angles[2]


def walking(phase: float, reach: float = 1.0, arms: Arm | None = None) -> Stance:
    """One instant of a gait: `phase` in radians, `reach` scales the stride, `arms` held instead of swinging."""
    s = float(np.sin(phase)) * reach
    hips = 4 + 21 * s, 4 - 21 * s
    knees = [5 + 46 * reach * max(0.0, sign * float(np.cos(phase + 0.35))) ** 1.3 for sign in (1, -1)]
    ankles = [float(np.clip(hip - knee, -15, 15)) for hip, knee in zip(hips, knees, strict=True)]
    return Stance(
        root=(3, 0, 0), hip_left=(hips[0], 0, 0), hip_right=(hips[1], 0, 0),
        knee_left=knees[0], knee_right=knees[1], ankle_left=ankles[0], ankle_right=ankles[1],
        spine=(2, 0, 5 * s), neck=(0, 0, -3 * s),
        arm_left=arms or ((0.14, -1, -0.36 * s), (0.02, -1, 0.28 - 0.45 * s)),
        arm_right=arms or ((0.14, -1, 0.36 * s), (0.02, -1, 0.28 + 0.45 * s)),
    )  # fmt: skip


STAND = Stance()
RAISE_RIGHT = Stance(spine=(0, 2, 0), arm_left=HANGING, arm_right=((0.30, 0.9, 0.12), (0.0, 1, 0.12)))
RAISE_LEFT = RAISE_RIGHT.mirrored()
RAISE_BOTH = Stance(arm_left=UP)
WAVE_OUT = Stance(arm_left=HANGING, arm_right=((0.85, 0.15, 0.25), (0.55, 1, 0.25)))
WAVE_IN = Stance(arm_left=HANGING, arm_right=((0.85, 0.2, 0.25), (-0.35, 1, 0.25)))
SPREAD = Stance(hip_left=(0, 10, 0), hip_right=(0, 10, 0), arm_left=((1, 0, 0.02), (1, 0.1, 0.05)))
JACK_OPEN = Stance(hip_left=(0, 21, 0), hip_right=(0, 21, 0), arm_left=((0.4, 0.9, 0.05), (0.1, 1, 0.05)))
SIT = Stance(
    "sitting", root=(-4, 0, 0), hip_left=(86, 6, 0), hip_right=(86, 6, 0), knee_left=84, knee_right=84,
    spine=(8, 0, 0), neck=(-4, 0, 0), arm_left=((0.18, -0.9, 0.30), (-0.22, -0.30, 0.9)),
)  # fmt: skip
SIT_DOWN = Stance(
    "transition", root=(32, 0, 0), hip_left=(88, 4, 0), hip_right=(88, 4, 0), knee_left=72, knee_right=72,
    spine=(14, 0, 0), neck=(-20, 0, 0), arm_left=((0.2, -0.8, 0.5), (-0.05, -0.5, 0.9)),
)  # fmt: skip
SIT_TIE = replace(
    SIT, root=(38, 0, 0), hip_left=(126, 8, 0), hip_right=(126, 8, 0), spine=(44, 0, 0), neck=(-10, 0, 0),
    arm_left=((0.05, 0.2, 1), (-0.1, 0.6, 0.8)),
)  # fmt: skip
BEND = Stance(
    "bending", root=(48, 0, 0), hip_left=(42, 0, 0), hip_right=(42, 0, 0), knee_left=8, knee_right=8,
    spine=(42, 0, 0), neck=(6, 0, 0), arm_left=((0.10, 0.05, 1), (0.0, 0.2, 1)),
)  # fmt: skip
PICK = Stance(
    "bending", root=(58, 0, 0), hip_left=(78, 4, 0), hip_right=(78, 4, 0), knee_left=36, knee_right=36,
    ankle_left=-14, ankle_right=-14, spine=(52, 0, 0), neck=(-10, 0, 0),
    arm_left=((0.08, 0.1, 1), (-0.05, 0.25, 1)),
)  # fmt: skip
SQUAT = Stance(
    "squatting", root=(28, 0, 0), hip_left=(118, 14, 0), hip_right=(118, 14, 0), knee_left=112, knee_right=112,
    ankle_left=-24, ankle_right=-24, spine=(18, 0, 0), neck=(-28, 0, 0),
    arm_left=((0.15, -0.1, 1), (-0.1, 0.15, 1)),
)  # fmt: skip
HALF_SQUAT = Stance(
    "transition", root=(18, 0, 0), hip_left=(46, 10, 0), hip_right=(46, 10, 0), knee_left=46, knee_right=46,
    spine=(8, 0, 0), neck=(-14, 0, 0), arm_left=((0.15, -0.4, 1), (-0.1, 0.1, 1)),
)  # fmt: skip
CROUCH = Stance(
    "squatting", root=(36, 0, 0), hip_left=(122, 10, 0), hip_right=(108, 8, 0), knee_left=120, knee_right=112,
    ankle_left=-22, ankle_right=-20, spine=(20, 0, 0), neck=(-20, 0, 0),
    arm_left=((0.2, -0.6, 0.7), (-0.1, -0.5, 0.9)),
)  # fmt: skip
KNEEL = Stance(
    "transition", root=(2, 0, 0), hip_left=(2, 6, 0), hip_right=(2, 6, 0), knee_left=90, knee_right=90,
    ankle_left=48, ankle_right=48, arm_left=((0.16, -0.95, 0.2), (-0.1, -0.6, 0.7)),
)  # fmt: skip
KNEEL_ONE = Stance(
    "transition", root=(6, 0, 0), hip_left=(92, 4, 0), hip_right=(4, 4, 0), knee_left=86, knee_right=94,
    ankle_right=20, arm_left=((0.16, -0.8, 0.5), (-0.1, -0.4, 0.9)),
)  # fmt: skip
TIE = replace(
    KNEEL_ONE, root=(22, 0, 0), hip_left=(118, 4, 0), hip_right=(18, 4, 0), knee_left=96, knee_right=88,
    spine=(46, 0, 0), neck=(4, 0, 0), arm_left=((0.0, -0.5, 1), (-0.1, -0.4, 1)),
)  # fmt: skip
ALL_FOURS = Stance(
    "transition", root=(78, 0, 0), hip_left=(78, 4, 0), hip_right=(78, 4, 0), knee_left=88, knee_right=88,
    ankle_left=45, ankle_right=45, neck=(-40, 0, 0), arm_left=((0.1, -0.05, 1), (0.0, -0.15, 1)), palms=75,
)  # fmt: skip
PLANK = Stance(
    "transition", root=(77, 0, 0), hip_left=(2, 2, 0), hip_right=(2, 2, 0), knee_left=2, knee_right=2,
    ankle_left=0, ankle_right=0, neck=(-18, 0, 0), arm_left=((0.18, -0.2, 1), (0.0, -0.22, 1)), palms=75,
)  # fmt: skip
PLANK_LOW = replace(
    PLANK, root=(88, 0, 0), arm_left=((0.75, -0.75, -0.15), (0.0, 0.12, 1)), ankle_left=-8, ankle_right=-8,
)  # fmt: skip
LIE_BACK = Stance(
    "lying", root=(-90, 0, 0), hip_left=(4, 6, 0), hip_right=(14, 6, 0), knee_left=6, knee_right=26,
    ankle_left=25, ankle_right=20, arm_left=((0.5, -1, -0.05), (0.25, -1, 0.12)),
)  # fmt: skip
LIE_FRONT = Stance(
    "lying", root=(90, 0, 0), hip_left=(0, 4, 0), hip_right=(0, 8, 0), knee_left=4, knee_right=4,
    ankle_left=45, ankle_right=45, neck=(-18, 0, 40),
    arm_left=((0.7, 0.5, 0.06), (-0.1, 1, 0.12)), arm_right=((0.6, -0.8, -0.05), (0.3, -1, 0.05)),
)  # fmt: skip
LIE_SIDE = Stance(
    "lying", root=(0, -90, 0), hip_left=(38, 0, 0), hip_right=(22, -6, 0), knee_left=55, knee_right=40,
    ankle_left=15, ankle_right=15, spine=(16, 0, 0), neck=(8, -6, 0),
    arm_left=((-0.1, -0.6, 0.8), (-0.3, 0.1, 0.9)), arm_right=((0.05, -0.2, 1), (-0.2, 0.5, 0.8)),
)  # fmt: skip
SIT_FLOOR = Stance(
    "transition", root=(-18, 0, 0), hip_left=(112, 10, 0), hip_right=(98, 10, 0), knee_left=86, knee_right=54,
    spine=(26, 0, 0), arm_left=((0.35, -0.9, -0.45), (0.2, -1, -0.4)),
)  # fmt: skip
SIT_LOW = Stance(
    "transition", root=(4, 0, 0), hip_left=(128, 10, 0), hip_right=(124, 10, 0), knee_left=112, knee_right=104,
    spine=(24, 0, 0), neck=(-12, 0, 0), arm_left=((0.35, -0.9, 0.1), (0.1, -0.9, 0.3)),
)  # fmt: skip
HALF_UP = Stance(
    "transition", root=(-22, 0, 0), hip_left=(84, 10, 0), hip_right=(66, 10, 0), knee_left=86, knee_right=50,
    spine=(22, 0, 0), arm_left=((0.35, -0.9, -0.35), (0.2, -1, -0.3)),
)  # fmt: skip
# Way points of falls: the body topples about its feet while the knees give way.
BACK_LOST = Stance(
    "transition", root=(-14, -10, 0), hip_left=(26, 4, 0), hip_right=(6, 4, 0), knee_left=42, knee_right=34,
    ankle_left=5, ankle_right=-20, spine=(16, -6, 0), neck=(10, 0, 0), arm_left=((0.8, -0.2, 0.5), (0.6, 0.1, 0.9)),
)  # fmt: skip
BACK_LOW = Stance(
    "transition", root=(-52, -16, 0), hip_left=(48, 6, 0), hip_right=(34, 6, 0), knee_left=56, knee_right=44,
    ankle_left=10, ankle_right=10, spine=(20, -4, 0), neck=(20, 0, 0), arm_left=((0.8, -0.3, 0.4), (0.5, 0.2, 0.9)),
)  # fmt: skip
FRONT_LOST = Stance(
    "transition", root=(24, 4, 0), hip_left=(8, 4, 0), hip_right=(22, 4, 0), knee_left=14, knee_right=40,
    ankle_left=-14, ankle_right=0, spine=(10, 0, 0), neck=(-14, 0, 0), arm_left=((0.4, -0.1, 0.9), (0.1, 0.3, 0.9)),
)  # fmt: skip
FRONT_LOW = Stance(
    "transition", root=(62, 6, 0), hip_left=(10, 4, 0), hip_right=(24, 4, 0), knee_left=36, knee_right=50,
    ankle_left=-5, ankle_right=5, spine=(6, 0, 0), neck=(-24, 0, 10), arm_left=((0.4, 0.5, 0.8), (0.0, 0.8, 0.6)),
)  # fmt: skip
SIDE_LOST = Stance(
    "transition", root=(4, -20, 0), hip_left=(10, 2, 0), hip_right=(16, 14, 0), knee_left=24, knee_right=30,
    ankle_left=0, ankle_right=0, spine=(6, 8, 0), neck=(0, 12, 0),
    arm_left=((0.9, -0.3, 0.2), (0.7, -0.5, 0.4)), arm_right=((0.9, 0.2, 0.2), (0.6, 0.4, 0.5)),
)  # fmt: skip
SIDE_LOW = Stance(
    "transition", root=(4, -58, 0), hip_left=(26, 0, 0), hip_right=(24, 8, 0), knee_left=50, knee_right=42,
    ankle_left=10, ankle_right=10, spine=(10, 10, 0), neck=(0, 16, 0),
    arm_left=((0.7, -0.3, 0.6), (0.6, -0.2, 0.7)), arm_right=((0.7, 0.0, 0.6), (0.2, 0.3, 0.9)),
)  # fmt: skip
SLUMP = Stance(
    "transition", root=(12, 0, 0), hip_left=(84, 8, 0), hip_right=(78, 8, 0), knee_left=96, knee_right=92,
    ankle_left=-18, ankle_right=-18, spine=(24, 4, 0), neck=(24, 6, 0), arm_left=((0.2, -1, 0.1), (0.1, -1, 0.25)),
)  # fmt: skip
SLUMP_LOW = Stance(
    "transition", root=(6, -32, 0), hip_left=(86, 8, 0), hip_right=(76, 8, 0), knee_left=112, knee_right=104,
    ankle_left=10, ankle_right=0, spine=(22, -8, 0), neck=(20, -10, 0), arm_left=((0.3, -1, 0.1), (0.2, -0.9, 0.3)),
)  # fmt: skip
CHAIR_SIDE = replace(SIT, posture="transition", root=(4, -28, 0), spine=(12, -14, 0), neck=(10, -14, 0))
CHAIR_SIDE_LOW = replace(CHAIR_SIDE, root=(4, -62, 0), hip_left=(70, 4, 0), hip_right=(60, 4, 0), neck=(8, 4, 0))
CHAIR_FRONT = replace(
    SIT, posture="transition", root=(34, 0, 0), hip_left=(118, 8, 0), hip_right=(118, 8, 0), knee_left=114,
    knee_right=112, spine=(30, 0, 0), arm_left=((0.2, -0.5, 0.8), (0.0, -0.3, 1)),
)  # fmt: skip
FOLDED = replace(
    CHAIR_FRONT, root=(52, 0, 0), hip_left=(100, 8, 0), hip_right=(96, 8, 0), knee_left=136, knee_right=132,
    ankle_left=45, ankle_right=45, spine=(20, 0, 0), arm_left=((0.4, 0.3, 0.8), (0.1, 0.6, 0.8)),
)  # fmt: skip
AID_ARMS: Arm = ((0.24, -0.92, 0.30), (0.04, -0.62, 0.78))
STAND_AID = Stance(root=(6, 0, 0), hip_left=(4, 0, 0), hip_right=(4, 0, 0), spine=(8, 0, 0), neck=(-8, 0, 0),
                   knee_left=8, knee_right=8, arm_left=AID_ARMS)  # fmt: skip
