"""A jointed human body for MuJoCo, and where the landmarker's 33 landmarks lie on it.

Axes: x forward, y to the left, z up. Lengths are those of a person of 1.66 m (segment lengths after Winter,
Biomechanics and Motor Control of Human Movement), scaled with the person's height.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import mujoco
import numpy as np

STATURE_M = 1.66

# Name, axis, range in degrees and group, in the order in which the model has them. Positive bends as people do: knees
# back, hips, elbows and trunk forward.
JOINTS = (
    ("waist_yaw", (0, 0, 1), (-45, 45), "trunk"),
    ("waist_bend", (0, 1, 0), (-25, 75), "trunk"),
    ("waist_side", (1, 0, 0), (-35, 35), "trunk"),
    ("neck_bend", (0, 1, 0), (-40, 50), "neck"),
    ("neck_yaw", (0, 0, 1), (-70, 70), "neck"),
    *(
        (f"{side}_{name}", axis, limits, "arm")
        for side, sign in (("left", 1), ("right", -1))
        for name, axis, limits in (
            ("shoulder_bend", (0, -1, 0), (-60, 180)),
            ("shoulder_side", (sign, 0, 0), (-20, 170)),
            ("shoulder_yaw", (0, 0, sign), (-90, 60)),
            ("elbow", (0, -1, 0), (0, 145)),
        )
    ),
    *(
        (f"{side}_{name}", axis, limits, "leg")
        for side, sign in (("left", 1), ("right", -1))
        for name, axis, limits in (
            ("hip_bend", (0, -1, 0), (-20, 130)),
            ("hip_side", (sign, 0, 0), (-25, 60)),
            ("hip_yaw", (0, 0, sign), (-85, 85)),
            ("knee", (0, 1, 0), (0, 150)),
            ("ankle", (0, -1, 0), (-50, 35)),
        )
    ),
)
JOINT_NAMES = tuple(name for name, *_ in JOINTS)
GROUPS = tuple(group for *_, group in JOINTS)
LIMITS_DEG = np.array([limits for _, _, limits, _ in JOINTS], float)
# Torque of a healthy adult that a joint's servo may use, newton metres per radian.
STIFFNESS = np.array([{"trunk": 500, "neck": 40, "arm": 40, "leg": 450}[group] for group in GROUPS], float)

# Landmark: (body, place on it in metres). The order is MediaPipe's.
_HEAD = [
    (0.12, 0, 0.15), (0.1, 0.02, 0.19), (0.1, 0.035, 0.19), (0.095, 0.05, 0.19), (0.1, -0.02, 0.19),
    (0.1, -0.035, 0.19), (0.095, -0.05, 0.19), (0.01, 0.08, 0.17), (0.01, -0.08, 0.17), (0.1, 0.025, 0.11),
    (0.1, -0.025, 0.11),
]  # fmt: skip
_SIDES = ("left", "right")
LANDMARKS: tuple[tuple[str, tuple[float, float, float]], ...] = (
    *(("head", place) for place in _HEAD),
    *((f"{side}_upper_arm", (0.0, 0.0, 0.0)) for side in _SIDES),
    *((f"{side}_forearm", (0.0, 0.0, 0.0)) for side in _SIDES),
    *((f"{side}_forearm", (0.0, 0.0, -0.24)) for side in _SIDES),
    *((f"{side}_forearm", (0.0, -0.03 if side == "left" else 0.03, -0.32)) for side in _SIDES),
    *((f"{side}_forearm", (0.01, 0.0, -0.34)) for side in _SIDES),
    *((f"{side}_forearm", (0.04, 0.02 if side == "left" else -0.02, -0.28)) for side in _SIDES),
    *((f"{side}_thigh", (0.0, 0.0, 0.0)) for side in _SIDES),
    *((f"{side}_shank", (0.0, 0.0, 0.0)) for side in _SIDES),
    *((f"{side}_foot", (0.0, 0.0, 0.0)) for side in _SIDES),
    *((f"{side}_foot", (-0.05, 0.0, -0.06)) for side in _SIDES),
    *((f"{side}_foot", (0.16, 0.0, -0.07)) for side in _SIDES),
)


@dataclass(frozen=True, slots=True)
class Build:
    """One person.

    Attributes:
        stature_m: Height.
        mass_kg: Weight.
        damping: Of the joints, as a factor.
        friction: Of the skin and clothes on the floor.
    """

    stature_m: float
    mass_kg: float
    damping: float
    friction: float

    @property
    def scale(self) -> float:
        """Size relative to the body described above."""
        return self.stature_m / STATURE_M


def random_build(rng: np.random.Generator, *, child: bool = False) -> Build:
    """Somebody at random; `child` is one to three years old."""
    stature_m = rng.uniform(0.75, 1.0) if child else float(np.clip(rng.normal(1.66, 0.1), 1.4, 1.95))
    mass_kg = 12.0 if child else float(np.clip(rng.normal(70, 14), 42, 120))
    return Build(stature_m, mass_kg, rng.uniform(0.6, 1.6), rng.uniform(0.4, 0.9))


class Human:
    """A body with its model and state, a floor, and two boxes that can be put where furniture stands."""

    def __init__(self, build: Build) -> None:
        self.build = build
        self.model = mujoco.MjModel.from_xml_string(_xml(build))
        self.data = mujoco.MjData(self.model)
        self._bodies = np.array([self.model.body(name).id for name, _ in LANDMARKS])
        self._places = np.array([place for _, place in LANDMARKS]) * build.scale
        names = tuple(self.model.joint(i).name for i in range(1, self.model.njnt))
        assert names == JOINT_NAMES, "JOINTS must have the model's order"
        self._skin = np.array([i for i in range(self.model.ngeom) if self.model.geom_bodyid[i] > 2])
        self.pelvis = self.model.body("pelvis").id
        self.chest = self.model.body("chest").id

    def place_box(self, name: str, centre: np.ndarray, half: np.ndarray) -> None:
        """Put the box "seat" or "back" somewhere, in metres."""
        self.model.body(name).pos = centre
        geom = self.model.geom(name)
        geom.size = half
        # What collision detection goes by was computed when the model was compiled.
        self.model.geom_rbound[geom.id] = float(np.linalg.norm(half))
        self.model.geom_aabb[geom.id] = [0, 0, 0, *half]
        self.model.bvh_aabb[self.model.body_bvhadr[self.model.body(name).id]] = [0, 0, 0, *half]

    def landmarks(self) -> np.ndarray:
        """(33, 3) metres of the present state, whose kinematics are up to date."""
        turned = self.data.xmat[self._bodies].reshape(-1, 3, 3)
        return self.data.xpos[self._bodies] + np.einsum("nij,nj->ni", turned, self._places)

    def pose(self, qpos: np.ndarray) -> np.ndarray:
        """Take a posture without physics; (33, 3) landmarks."""
        self.data.qpos[:] = qpos
        mujoco.mj_kinematics(self.model, self.data)
        return self.landmarks()

    def lowest_m(self) -> float:
        """Height of the skin's lowest point."""
        z = self.data.geom_xpos[self._skin, 2]
        axis = np.abs(self.data.geom_xmat[self._skin].reshape(-1, 3, 3)[:, 2, 2])
        size = self.model.geom_size[self._skin]
        half = np.where(self.model.geom_type[self._skin] == mujoco.mjtGeom.mjGEOM_CAPSULE, size[:, 1], 0.0)
        return float((z - size[:, 0] - half * axis).min())


def _xml(build: Build) -> str:
    s = build.scale

    def at(*place: float) -> str:
        return " ".join(f"{value * s:.4f}" for value in place)

    def joints(prefix: str) -> str:
        lines = [
            f'<joint name="{name}" axis="{" ".join(map(str, axis))}" range="{low} {high}" '
            f'damping="{_damping(group) * build.damping:.3f}"/>'
            for name, axis, (low, high), group in JOINTS
            if name.startswith(prefix)
        ]
        return "".join(lines)

    def capsule(start: str, end: str, radius: float, mass: float) -> str:
        return (
            f'<geom type="capsule" fromto="{start} {end}" size="{radius * s:.4f}" mass="{mass * build.mass_kg:.3f}"/>'
        )

    def limbs(side: str, sign: int) -> tuple[str, str]:
        arm = f"""<body name="{side}_upper_arm" pos="{at(0, 0.16 * sign, 0.33)}">{joints(side + "_shoulder")}
          {capsule(at(0, 0, 0), at(0, 0, -0.26), 0.045, 0.028)}
          <body name="{side}_forearm" pos="{at(0, 0, -0.29)}">{joints(side + "_elbow")}
            {capsule(at(0, 0, 0), at(0, 0, -0.24), 0.035, 0.016)}
            {capsule(at(0, 0, -0.26), at(0, 0, -0.33), 0.03, 0.006)}
          </body></body>"""
        leg = f"""<body name="{side}_thigh" pos="{at(0, 0.09 * sign, -0.02)}">{joints(side + "_hip")}
          {capsule(at(0, 0, -0.03), at(0, 0, -0.38), 0.07, 0.1)}
          <body name="{side}_shank" pos="{at(0, 0, -0.4)}">{joints(side + "_knee")}
            {capsule(at(0, 0, -0.02), at(0, 0, -0.38), 0.048, 0.0465)}
            <body name="{side}_foot" pos="{at(0, 0, -0.4)}">{joints(side + "_ankle")}
              {capsule(at(-0.04, 0, -0.05), at(0.15, 0, -0.06), 0.032, 0.0145)}
            </body></body></body>"""
        return arm, leg

    left_arm, left_leg = limbs("left", 1)
    right_arm, right_leg = limbs("right", -1)
    return f"""<mujoco><compiler angle="degree"/>
    <option timestep="0.0041666667" integrator="implicitfast" iterations="20"/>
    <default><joint armature="0.02" limited="true" solreflimit="0.02 1"/>
      <geom friction="{build.friction:.3f} 0.01 0.001" solref="0.02 1" condim="3"
        contype="1" conaffinity="2"/></default>
    <worldbody>
      <geom type="plane" size="20 20 1" contype="2" conaffinity="1"/>
      <body name="seat" pos="0 0 -9">
        <geom name="seat" type="box" size="0.1 0.1 0.1" contype="2" conaffinity="1"/></body>
      <body name="back" pos="0 0 -9">
        <geom name="back" type="box" size="0.1 0.1 0.1" contype="2" conaffinity="1"/></body>
      <body name="pelvis" pos="0 0 1"><freejoint/>
        {capsule(at(0, -0.07, 0), at(0, 0.07, 0), 0.105, 0.142)}
        <body name="chest" pos="{at(0, 0, 0.12)}">{joints("waist")}
          {capsule(at(0, -0.04, 0.04), at(0, 0.04, 0.04), 0.11, 0.139)}
          {capsule(at(0, -0.09, 0.2), at(0, 0.09, 0.2), 0.11, 0.216)}
          <body name="head" pos="{at(0, 0, 0.36)}">{joints("neck")}
            <geom type="sphere" pos="{at(0.02, 0, 0.17)}" size="{0.105 * s:.4f}"
              mass="{0.081 * build.mass_kg:.3f}"/></body>
          {left_arm}{right_arm}
        </body>
        {left_leg}{right_leg}
      </body>
    </worldbody></mujoco>"""


def _damping(group: str) -> float:
    return {"trunk": 20.0, "neck": 3.0, "arm": 2.0, "leg": 8.0}[group]


def quaternion(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """(w, x, y, z) of turning by roll (x), pitch (y, forward), then yaw (z); radians."""
    cy, sy, cp, sp, cr, sr = (f(a / 2) for a in (yaw, pitch, roll) for f in (math.cos, math.sin))
    return np.array([
        cr * cp * cy + sr * sp * sy, sr * cp * cy - cr * sp * sy, cr * sp * cy + sr * cp * sy,
        cr * cp * sy - sr * sp * cy,
    ])  # fmt: skip
