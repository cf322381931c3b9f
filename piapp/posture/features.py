"""Numbers about one body that postures, falls and exercises are judged by.

Owns their definition. Heights and angles are taken in gravity's frame, from world landmarks, because these keep their
meaning when somebody faces the camera or lies towards it; positions and speeds across the picture are taken in pixels
and put in metres by the body's own size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from piapp.posture.geometry import (
    ANKLES,
    ELBOWS,
    HIPS,
    KNEES,
    SHOULDERS,
    TOES,
    WRISTS,
    Body,
    Vector,
    angle_deg,
    inclination_deg,
    joint_deg,
    length,
    middle,
    minus,
    pixels_per_metre,
    upright,
)

# Where the weight of trunk, head and arms acts: this far from the hips to the shoulders, and its share of the body's
# (Winter, Biomechanics and Motor Control of Human Movement, table 4.1: head, arms and trunk 0.678 at 0.626).
_TRUNK_CENTRE, _TRUNK_SHARE, _THIGH_SHARE = 0.626, 0.678, 0.2

# A trunk is about as long as this in world landmarks, which are of one average body; measured 0.44 to 0.50 on people
# who stand, whatever their size. When it looks shorter the model could not tell how far it leans.
TRUNK_M = 0.47


@dataclass(frozen=True, slots=True)
class Features:
    """What one body shows.

    Attributes:
        scale: Pixels a metre at the body.
        shoulders_px: Middle of the shoulders (x, y) in pixels; likewise hips, hands (wrists)
            and feet (the lower ankle).
        trunk_deg: Inclination of the trunk, 0 upright to 180 head down.
        sunk_deg: The same from its height over its usual length: a trunk that looks too short points at the camera.
        trunk_picture_deg: The same as it looks in the picture.
        trunk_m: Length of the trunk in world landmarks.
        leg_m: Length of thigh and shank.
        hips_m: Height of the hips above the lower foot; shoulders_m likewise.
        thigh_deg: Inclination of the thighs: 0 hangs straight down, 90 level; the better seen leg counts most.
        knee_deg: Angle of the knees, 180 stretched; likewise hip_deg.
        shank_deg: How far the shanks lean to where the knees point; 0 below a chair, more the deeper a squat.
        elbow_deg: Angle of the elbow of the better seen arm.
        reach_m: Height of that arm's shoulder above its wrist.
        arms_down: Height of shoulders above wrists in the picture, as a share of the arms' length there: 1 when they
            hang or stand straight, below 0 when hands are up.
        straddle_m: Distance between the ankles.
        balance_m: Horizontal distance from the middle of the feet to where the body's weight acts.
        trunk_seen: Lowest visibility of shoulders and hips; shoulders_seen of the shoulders alone.
        legs_seen: Lowest visibility of hip and knee, feet_seen of knee and ankle, of the better seen leg; arms_seen of
            elbow and wrist of the better seen arm.
        axis_tilt_deg: Camera tilt at which this body would be upright, NaN when it is not straight.
    """

    scale: float
    shoulders_px: tuple[float, float]
    hips_px: tuple[float, float]
    hands_px: tuple[float, float]
    feet_px: tuple[float, float]
    trunk_deg: float
    sunk_deg: float
    trunk_picture_deg: float
    trunk_m: float
    leg_m: float
    hips_m: float
    shoulders_m: float
    thigh_deg: float
    knee_deg: float
    hip_deg: float
    shank_deg: float
    elbow_deg: float
    reach_m: float
    arms_down: float
    straddle_m: float
    balance_m: float
    trunk_seen: float
    shoulders_seen: float
    legs_seen: float
    feet_seen: float
    arms_seen: float
    axis_tilt_deg: float

    @property
    def extension(self) -> float:
        """Height of the hips as a share of the legs' length: about 0.95 standing, 0.6 on a chair, 0 on the floor."""
        return self.hips_m / max(self.leg_m, 0.5)


def measure(body: Body, tilt_deg: float) -> Features:
    """Work out the features of a body seen by a camera that looks down by `tilt_deg`."""
    points = upright(body.points[:, 2:], tilt_deg)
    seen: list[float] = body.visibility.tolist()
    shoulders, hips = middle(points, SHOULDERS), middle(points, HIPS)
    trunk = minus(shoulders, hips)
    trunk_m = length(trunk)
    floor = min(points[ANKLES[0]][1], points[ANKLES[1]][1])
    left, right = _weights(seen)
    pixels = body.points[:, :2].tolist()
    shoulders_px, hips_px = _centre(pixels, SHOULDERS), _centre(pixels, HIPS)
    arm = 0 if min(seen[ELBOWS[0]], seen[WRISTS[0]]) >= min(seen[ELBOWS[1]], seen[WRISTS[1]]) else 1
    thigh_deg = left * _thigh_deg(points, 0) + right * _thigh_deg(points, 1)
    knee_deg = left * joint_deg(points, 23, 25, 27) + right * joint_deg(points, 24, 26, 28)
    return Features(
        scale=pixels_per_metre(body),
        shoulders_px=shoulders_px,
        hips_px=hips_px,
        hands_px=_centre(pixels, WRISTS),
        feet_px=max(pixels[ANKLES[0]], pixels[ANKLES[1]], key=lambda point: point[1]),
        trunk_deg=inclination_deg(trunk),
        sunk_deg=_sunk_deg(trunk, trunk_m),
        trunk_picture_deg=math.degrees(
            math.atan2(abs(shoulders_px[0] - hips_px[0]), hips_px[1] - shoulders_px[1] + 1e-9)
        ),
        trunk_m=trunk_m,
        leg_m=max(_leg_m(points, 0), _leg_m(points, 1)),
        hips_m=hips[1] - floor,
        shoulders_m=shoulders[1] - floor,
        thigh_deg=thigh_deg,
        knee_deg=knee_deg,
        hip_deg=left * joint_deg(points, 11, 23, 25) + right * joint_deg(points, 12, 24, 26),
        shank_deg=180.0 - knee_deg - thigh_deg,
        elbow_deg=joint_deg(points, SHOULDERS[arm], ELBOWS[arm], WRISTS[arm]),
        reach_m=points[SHOULDERS[arm]][1] - points[WRISTS[arm]][1],
        arms_down=_arms_down(pixels),
        straddle_m=length(minus(points[ANKLES[0]], points[ANKLES[1]])),
        balance_m=_balance_m(points, shoulders, hips),
        trunk_seen=min(seen[11], seen[12], seen[23], seen[24]),
        shoulders_seen=min(seen[11], seen[12]),
        legs_seen=max(min(seen[23], seen[25]), min(seen[24], seen[26])),
        feet_seen=max(min(seen[25], seen[27]), min(seen[26], seen[28])),
        arms_seen=min(seen[ELBOWS[arm]], seen[WRISTS[arm]]),
        axis_tilt_deg=_axis_tilt_deg(body),
    )


def _weights(seen: list[float]) -> tuple[float, float]:
    """Weights of the left and right leg: a hidden leg is guessed by the model, often stretched when it is bent."""
    left = 1.0 / (1.02 - min(seen[HIPS[0]], seen[KNEES[0]]))
    right = 1.0 / (1.02 - min(seen[HIPS[1]], seen[KNEES[1]]))
    return left / (left + right), right / (left + right)


def _centre(pixels: list[list[float]], pair: tuple[int, int]) -> tuple[float, float]:
    a, b = pixels[pair[0]], pixels[pair[1]]
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2


def _sunk_deg(trunk: Vector, trunk_m: float) -> float:
    rise = trunk[1] / max(trunk_m, TRUNK_M)
    return math.degrees(math.acos(min(1.0, max(-1.0, rise))))


def _thigh_deg(points: list[list[float]], side: int) -> float:
    return inclination_deg(minus(points[HIPS[side]], points[KNEES[side]]))


def _leg_m(points: list[list[float]], side: int) -> float:
    hip, knee, ankle = points[HIPS[side]], points[KNEES[side]], points[ANKLES[side]]
    return length(minus(hip, knee)) + length(minus(knee, ankle))


def _arms_down(pixels: list[list[float]]) -> float:
    rise = along = 0.0
    for shoulder, elbow, wrist in zip(SHOULDERS, ELBOWS, WRISTS, strict=True):
        rise += pixels[wrist][1] - pixels[shoulder][1]
        along += math.dist(pixels[shoulder], pixels[elbow]) + math.dist(pixels[elbow], pixels[wrist])
    return rise / (along + 1e-9)


def _balance_m(points: list[list[float]], shoulders: Vector, hips: Vector) -> float:
    knees, ankles, toes = middle(points, KNEES), middle(points, ANKLES), middle(points, TOES)
    return math.hypot(*(
        _overhang_m(shoulders[axis], hips[axis], knees[axis], ankles[axis], toes[axis]) for axis in (0, 2)
    ))  # fmt: skip


def _overhang_m(shoulders: float, hips: float, knees: float, ankles: float, toes: float) -> float:
    """How far the body's weight is from the middle of the feet along one axis."""
    trunk = hips + _TRUNK_CENTRE * (shoulders - hips)
    thighs = (hips + knees) / 2
    shanks = (knees + ankles) / 2
    weight = _TRUNK_SHARE * trunk + _THIGH_SHARE * thighs + (1 - _TRUNK_SHARE - _THIGH_SHARE) * shanks
    return weight - (ankles + toes) / 2


# A body is straight when knees and hips are stretched more than this; measured on people who stand: 145 to 175.
_STRAIGHT_DEG = 140.0
# It may be a standing one when it leans to the side less than this, in the picture.
_SIDEWAYS_DEG = 15.0


def _axis_tilt_deg(body: Body) -> float:
    points: list[list[float]] = body.points[:, 2:].tolist()
    shoulders, hips, knees = middle(points, SHOULDERS), middle(points, HIPS), middle(points, KNEES)
    bent = angle_deg(minus(shoulders, hips), minus(knees, hips)) < _STRAIGHT_DEG or any(
        joint_deg(points, hip, knee, ankle) < _STRAIGHT_DEG
        for hip, knee, ankle in zip(HIPS, KNEES, ANKLES, strict=True)
    )
    if bent:
        return math.nan
    axis = minus(shoulders, middle(points, ANKLES))
    sideways = math.degrees(math.atan2(abs(axis[0]), math.hypot(axis[1], axis[2])))
    return math.degrees(math.atan2(-axis[2], -axis[1])) if sideways < _SIDEWAYS_DEG else math.nan
