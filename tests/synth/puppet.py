"""Brings the dressed mesh into the postures of a simulated body (`models/falls`), whose axes are x forward, z up."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from body import Figure, Rotations
from rotations import Array, between, shortest

from models.falls.body import STATURE_M, Human
from models.falls.motion import HIPS

# From the simulation's axes (x forward, y left, z up) to the mesh's (z forward, x left, y up).
TO_MESH = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])

_SIDES = {"L": "left", "R": "right"}
# Which bone follows which part of the simulated body; those not named go with their parent.
_FOLLOWS = {"root": "pelvis", "spine03": "chest", "head": "head"} | {
    f"{bone}.{letter}": f"{side}_{part}"
    for bone, part in (
        ("upperleg01", "thigh"), ("lowerleg01", "shank"), ("foot", "foot"),
        ("upperarm01", "upper_arm"), ("lowerarm01", "forearm"),
    )
    for letter, side in _SIDES.items()
}  # fmt: skip
# Bones that stand halfway between two parts of the body.
_HALFWAY = {"spine05": ("pelvis", "chest"), "neck01": ("chest", "head")}
# The simulated body hangs its limbs straight down at rest; the mesh holds them away. Bone, and the one at its end.
_LIMBS = (("upperleg01", "lowerleg01"), ("lowerleg01", "foot"), ("upperarm01", "lowerarm01"), ("lowerarm01", "wrist"))
_DOWN = (0.0, -1.0, 0.0)


class Puppet:
    """A figure that does what a simulated body does.

    Args:
        figure: The dressed mesh.
        human: The simulated body.
    """

    def __init__(self, figure: Figure, human: Human) -> None:
        self.figure, self._human = figure, human
        self._hang = {
            f"{bone}.{letter}": shortest(figure.rig.direction(f"{bone}.{letter}", f"{end}.{letter}"), _DOWN)
            for bone, end in _LIMBS
            for letter in _SIDES
        }
        names = {*_FOLLOWS.values(), "pelvis", "chest", "head"}
        self._bodies = {name: human.model.body(name).id for name in names}
        self._size = human.build.scale * STATURE_M / float(figure.rest[:, 1].max())

    def vertices(self, qpos: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """The mesh (n, 3) in metres, in the mesh's axes, where the simulated body is."""
        points = self._human.pose(qpos)
        lowest_m = self._human.lowest_m()
        vertices, joints = self.figure.pose(self._rotations())
        middle = (joints["left_hip"] + joints["right_hip"]) / 2
        placed = (vertices - middle) * self._size + TO_MESH @ points[HIPS].mean(axis=0)
        placed[:, 1] += lowest_m - placed[self.figure.carrying, 1].min()
        return placed.astype(np.float32)

    def _rotations(self) -> Rotations:
        """Local rotations of the bones in the body's present state."""
        turned = {name: self._turn(body) for name, body in self._bodies.items()}
        targets = {bone: turned[part] @ self._hang.get(bone, np.eye(3)) for bone, part in _FOLLOWS.items()}
        for bone, (first, second) in _HALFWAY.items():
            targets[bone] = between(turned[first][None], turned[second][None], 0.5)[0]
        rig = self.figure.rig
        world: list[Array] = []
        rotations: Rotations = {}
        for name, parent in zip(rig.bones, rig.parents, strict=True):
            above = world[parent] if parent >= 0 else np.eye(3)
            target = targets.get(name)
            if target is not None:
                rotations[name] = above.T @ target
            world.append(above if target is None else target)
        return rotations

    def _turn(self, body: int) -> Array:
        """Orientation of a part of the simulated body, in the mesh's axes."""
        return TO_MESH @ self._human.data.xmat[body].reshape(3, 3) @ TO_MESH.T
