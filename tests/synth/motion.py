"""What somebody does: a script of stances over time, and the body that performs it on the floor.

Owns timing, easing and contact with the floor. The lowest point of the body always rests on what carries it, and feet
that carry it stay where they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Self

import numpy as np
import numpy.typing as npt
import stances
from body import Figure, Joints, Rotations
from rotations import about_x, about_y, about_z, between
from stances import STAND, Stance

Spot = tuple[float, float]  # x, z on the floor, metres
Warp = Callable[[float], float]
STRIDE_M = 1.18  # two steps of `stances.walking` at full reach
CONTACT_M = 0.012  # a foot this much above the lower one carries a third of what that one does


def smooth(u: float) -> float:
    """Start and stop gently."""
    return u * u * (3 - 2 * u)


def steady(u: float) -> float:
    """Constant speed."""
    return u


def plunge(u: float) -> float:
    """Gravity: slow at first, fastest at the end; hips land at about 3 m/s, the head at 4 to 6."""
    return u**1.6


def drop(u: float) -> float:
    """Fast towards the end, caught just before it: someone letting themselves fall into a seat."""
    return (0.45 * u**1.9 + 0.55 * smooth(u)) if u < 1 else 1.0


@dataclass(frozen=True)
class Move:
    """One stretch of a script.

    Attributes:
        path: (share of the way, stance), from share 0 to 1.
        lift: Height of what carries the body at the start and at the end.
        hips_to: Where the hips' midpoint goes; None leaves the planted feet where they are.
        walk: Metres a second along the body's direction while walking, with `reach`; None for standing still.
        hop: Height of a jump in the middle.
    """

    start: float
    seconds: float
    path: Sequence[tuple[float, Stance]]
    yaw: tuple[float, float]
    label: str
    warp: Warp = smooth
    lift: tuple[float, float] = (0.0, 0.0)
    hips_to: Spot | None = None
    walk: float | None = None
    reach: float = 1.0
    arms: stances.Arm | None = None
    hop: float = 0.0

    @property
    def end(self) -> float:
        """When it is over, seconds."""
        return self.start + self.seconds

    def share(self, t: float) -> float:
        """How far it is at time `t`, 0..1."""
        u = float(np.clip((t - self.start) / self.seconds, 0, 1)) if self.seconds else 1.0
        return self.warp(u)

    def pace(self, share: float) -> float:
        """Part of the full walking speed, 0..1: into and out of the gait within a third of a second."""
        return min(1.0, share * self.seconds / 0.33, (1 - share) * self.seconds / 0.33)


@dataclass
class Script:
    """Written by calling what happens, one after another; `seconds` grows with each call.

    Attributes:
        at: Where the body stands at first: x, z.
        yaw: Which way it faces: 0 is towards +z, where the front camera is; 90 towards +x.
        appears_s: Before it the label is `absent` (somebody hidden by a wall, which projection cannot tell).
    """

    at: Spot = (0.0, 0.0)
    yaw: float = 0.0
    stance: Stance = STAND
    appears_s: float = 0.0
    lift: float = 0.0
    moves: list[Move] = field(default_factory=list)
    events: list[dict[str, float | str | int]] = field(default_factory=list)
    _held: str = field(init=False)
    _down: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._held = self.stance.posture

    @property
    def seconds(self) -> float:
        """How long it is so far."""
        return self.moves[-1].end if self.moves else 0.0

    def hold(self, seconds: float) -> Self:
        """Stay as it is."""
        return self.go(self.stance, seconds)

    def go(
        self,
        stance: Stance,
        seconds: float,
        *,
        yaw: float | None = None,
        via: Sequence[tuple[float, Stance]] = (),
        warp: Warp = smooth,
        lift: float | None = None,
        hips_to: Spot | None = None,
        hop: float = 0.0,
        label: str | None = None,
    ) -> Self:
        """Reach `stance` after `seconds`, through the way points `via`: (share, stance)."""
        same = stance.posture == self.stance.posture and all(s.posture == stance.posture for _, s in via)
        move = Move(
            self.seconds, seconds, [(0.0, self.stance), *via, (1.0, stance)],
            (self.yaw, self.yaw if yaw is None else yaw), label or (stance.posture if same else "transition"), warp,
            (self.lift, self.lift if lift is None else lift), hips_to, hop=hop,
        )  # fmt: skip
        self.moves.append(move)
        self.stance, self.yaw, self.lift = stance, move.yaw[1], move.lift[1]
        self._arrive(stance.posture)
        return self

    def walk(
        self, seconds: float, speed: float = 0.92, *, yaw: float | None = None, reach: float = 1.0,
        arms: stances.Arm | None = None,
    ) -> Self:  # fmt: skip
        """Walk ahead."""
        turn = (self.yaw, self.yaw if yaw is None else yaw)
        path = [(0.0, self.stance), (1.0, self.stance)]
        self.moves.append(
            Move(self.seconds, seconds, path, turn, "standing", steady, walk=speed, reach=reach, arms=arms)
        )
        self.yaw = turn[1]
        return self

    def fall(
        self, stance: Stance, seconds: float, via: Sequence[tuple[float, Stance]], *, yaw: float | None = None,
        hips_to: Spot | None = None, warp: Warp = plunge,
    ) -> Self:  # fmt: skip
        """Lose balance now and hit the floor after `seconds`; the event's time is the impact."""
        start = self.seconds
        self._down = True
        self.go(stance, seconds, via=via, warp=warp, yaw=yaw, hips_to=hips_to, label="transition")
        return self.event("fall", start_s=round(start, 3))

    def event(self, name: str, **more: float | str) -> Self:
        """Note an event at the present end of the script."""
        self.events.append({"event_type": name, "t_s": round(self.seconds, 3), **more})
        return self

    def _arrive(self, posture: str) -> None:
        if posture == "transition":
            return
        before, self._held = self._held, posture
        for name in _events_between(before, posture, fallen=self._down):
            self.event(name)
        if posture == "standing":
            self._down = False


def _events_between(before: str, after: str, *, fallen: bool) -> tuple[str, ...]:
    if fallen:
        return ("recovered", "stand_up") if after == "standing" else ()
    events = {
        ("standing", "sitting"): "sit_down", ("sitting", "standing"): "stand_up", ("lying", "standing"): "stand_up",
        ("standing", "lying"): "lie_down", ("sitting", "lying"): "lie_down",
    }  # fmt: skip
    return (events[before, after],) if (before, after) in events else ()


@dataclass(frozen=True)
class Moment:
    """One frame of a performance.

    Attributes:
        vertices: (n, 3) in the room, metres.
        joints: Position of each named joint in the room.
        label: Posture, "transition" or "absent".
        yaw: Which way the body faces, degrees.
    """

    t: float
    vertices: npt.NDArray[np.float32]
    joints: Joints
    label: str
    yaw: float

    @property
    def hips(self) -> npt.NDArray[np.float64]:
        """Midpoint of the hips."""
        return (self.joints["left_hip"] + self.joints["right_hip"]) / 2


class Performer:
    """Performs one script with one figure, frame by frame."""

    def __init__(self, figure: Figure, script: Script) -> None:
        self._figure, self._script = figure, script
        self._limbs = stances.Limbs(figure.rig)
        self._shift = np.array([script.at[0], 0.0, script.at[1]])
        self._move: Move | None = None
        self._hips = self._hips_from = np.array(script.at, float)
        self._planted: npt.NDArray[np.float64] | None = None
        self._phase = 0.0

    def perform(self, fps: float, seconds: float) -> list[Moment]:
        """All frames, `fps` a second."""
        return [self._step(i / fps, 1 / fps) for i in range(round(seconds * fps))]

    def _step(self, t: float, dt: float) -> Moment:
        move = self._current(t)
        share = move.share(t)
        yaw = move.yaw[0] + (move.yaw[1] - move.yaw[0]) * smooth(min(1.0, max(0.0, (t - move.start) / move.seconds)))
        rotations = self._sway(self._rotations(move, share, dt), t)
        rotations["root"] = about_y(yaw) @ rotations["root"]
        vertices, joints = self._figure.pose(rotations)
        self._place(move, share, yaw, joints, dt)
        height = move.lift[0] + (move.lift[1] - move.lift[0]) * share + move.hop * float(np.sin(np.pi * share)) ** 2
        lowest = float(vertices[self._figure.carrying, 1].min())
        shift = self._shift + np.array([0.0, height - lowest, 0.0])
        label = "absent" if t < self._script.appears_s else move.label
        placed = {name: point + shift for name, point in joints.items()}
        return Moment(t, (vertices + shift).astype(np.float32), placed, label, yaw)

    def _current(self, t: float) -> Move:
        moves = self._script.moves
        move = next((m for m in moves if t < m.end - 1e-9), moves[-1])
        if move is not self._move:
            self._move = move
            self._hips_from = self._hips
        return move

    def _rotations(self, move: Move, share: float, dt: float) -> Rotations:
        if move.walk is not None:
            self._phase += 2 * np.pi * dt * abs(move.walk) / (STRIDE_M * move.reach)
            gait = self._limbs.rotations(stances.walking(self._phase, move.reach, move.arms))
            return _blend(self._limbs.rotations(move.path[0][1]), gait, move.pace(share))
        (low, a), (high, b) = next((p, q) for p, q in pairwise(move.path) if share <= q[0] + 1e-9)
        inner = (share - low) / (high - low)
        return _blend(self._limbs.rotations(a), self._limbs.rotations(b), float(np.clip(inner, 0, 1)))

    def _sway(self, rotations: Rotations, t: float) -> Rotations:
        """Nobody stands perfectly still."""
        slow, fast = np.sin(2 * np.pi * t * 0.27), np.sin(2 * np.pi * t * 0.41 + 1)
        rotations["spine03"] = rotations["spine03"] @ about_x(0.8 * slow) @ about_z(0.6 * fast)
        rotations["head"] = rotations["head"] @ about_y(2.0 * fast) @ about_x(1.2 * slow)
        return rotations

    def _place(self, move: Move, share: float, yaw: float, joints: Joints, dt: float) -> None:
        ankles = np.array([joints["left_ankle"], joints["right_ankle"]])
        hips = (joints["left_hip"] + joints["right_hip"])[[0, 2]] / 2
        if move.hips_to is not None:
            target = self._hips_from + (np.array(move.hips_to) - self._hips_from) * share
            self._shift[[0, 2]] = target - hips
        elif move.walk is not None:
            ahead = np.array([np.sin(np.radians(yaw)), 0.0, np.cos(np.radians(yaw))])
            self._shift += move.walk * move.pace(share) * dt * ahead
        elif self._planted is not None:
            carried = np.exp(-(ankles[:, 1] - ankles[:, 1].min()) / CONTACT_M)
            slid = (carried / carried.sum()) @ (ankles - self._planted)
            self._shift[[0, 2]] -= slid[[0, 2]]
        self._planted = ankles
        self._hips = hips + self._shift[[0, 2]]


def _blend(a: Rotations, b: Rotations, share: float) -> Rotations:
    if share <= 0 or share >= 1:
        return dict(b if share >= 1 else a)
    blended = between(np.stack(list(a.values())), np.stack([b[bone] for bone in a]), share)
    return dict(zip(a, blended, strict=True))
