"""Key poses of daily life, in degrees, each with a person's own variation."""

from __future__ import annotations

import numpy as np

from models.falls.motion import Key

_PELVIS = (23, 24)
_KNEES = (25, 26)


def standing(rng: np.random.Generator, stoop_deg: float | None = None) -> Key:
    """Upright; old people stoop."""
    stoop = abs(rng.normal(0, 8)) if stoop_deg is None else stoop_deg
    arms = rng.choice([0, 1, 2], p=[0.7, 0.2, 0.1])
    hands = ({}, {"elbow": 80, "shoulder_bend": 10}, {"left_elbow": 100, "left_shoulder_bend": 30})[arms]
    return Key({"waist_bend": stoop, "neck_bend": rng.normal(5, 10), "knee": rng.uniform(0, 12),
                "hip_bend": rng.uniform(0, 8), "shoulder_side": rng.uniform(2, 15), "elbow": 12,
                "hip_side": rng.uniform(-2, 8), **hands}, stoop * 0.3)  # fmt: skip


def bending(rng: np.random.Generator) -> Key:
    """Bent over, towards the floor or a table."""
    depth = rng.uniform(35, 110)
    knee = rng.uniform(5, 60)
    return Key({"waist_bend": depth * 0.5, "hip_bend": depth * 0.5 + knee * 0.5, "knee": knee, "ankle": knee * 0.5,
                "shoulder_bend": rng.uniform(40, 110), "elbow": rng.uniform(0, 40), "neck_bend": rng.uniform(-20, 20)},
               depth * 0.5)  # fmt: skip


def squatting(rng: np.random.Generator) -> Key:
    """Crouching on the feet, half-way or deep."""
    knee = rng.uniform(80, 140)
    return Key({"knee": knee, "hip_bend": knee * rng.uniform(0.75, 0.95), "ankle": 25,
                "waist_bend": rng.uniform(10, 45), "shoulder_bend": rng.uniform(20, 80), "elbow": rng.uniform(10, 80),
                "hip_side": rng.uniform(0, 25)},
               rng.uniform(5, 35))  # fmt: skip


def kneeling(rng: np.random.Generator, *, upright: bool | None = None) -> Key:
    """On both knees or one, upright or on the heels."""
    if upright if upright is not None else rng.random() < 0.5:
        if rng.random() < 0.3:
            return Key({"left_knee": 90, "right_knee": 90, "left_hip_bend": 90, "waist_bend": rng.uniform(0, 30),
                        "elbow": 40}, rng.uniform(0, 10), 0, _KNEES)  # fmt: skip
        return Key({"knee": rng.uniform(80, 105), "hip_bend": rng.uniform(0, 25), "waist_bend": rng.uniform(0, 30),
                    "ankle": -40, "shoulder_bend": rng.uniform(0, 50), "elbow": rng.uniform(0, 60)},
                   rng.uniform(0, 15), 0, _KNEES)  # fmt: skip
    lean = rng.uniform(-5, 20)
    return Key({"knee": 147, "hip_bend": 58 + lean, "ankle": -45, "waist_bend": rng.uniform(0, 30),
                "shoulder_bend": rng.uniform(10, 50), "elbow": rng.uniform(10, 70)}, lean, 0, _KNEES)  # fmt: skip


def all_fours(rng: np.random.Generator) -> Key:
    """On hands and knees."""
    lean = rng.uniform(66, 78)
    return Key({"knee": rng.uniform(85, 95), "hip_bend": lean + rng.normal(0, 6), "ankle": -40,
                "shoulder_bend": lean + rng.normal(0, 6), "elbow": rng.uniform(0, 20),
                "waist_bend": rng.uniform(-5, 10), "neck_bend": rng.uniform(-40, 10)}, lean, 0, _KNEES)  # fmt: skip


def chair(rng: np.random.Generator, *, low: bool = False) -> Key:
    """Seated with the feet on the floor."""
    knee = rng.uniform(100, 125) if low else rng.uniform(75, 105)
    lean = rng.uniform(-25, 15)
    return Key({"knee": knee, "hip_bend": rng.uniform(80, 100) + lean * 0.5, "waist_bend": rng.uniform(0, 20),
                "shoulder_bend": rng.uniform(5, 50), "elbow": rng.uniform(20, 90), "hip_side": rng.uniform(-3, 15),
                "neck_bend": rng.uniform(-10, 25)}, lean)  # fmt: skip


def seated_floor(rng: np.random.Generator) -> Key:
    """On the buttocks, legs straight, bent or crossed."""
    kind, lean = rng.integers(3), rng.uniform(-20, 5)
    raised = rng.uniform(25, 48)
    legs = (
        {"hip_bend": 92 + lean, "knee": rng.uniform(0, 10)},
        {"hip_bend": 90 + lean + raised, "knee": 2 * raised},
        {"hip_bend": 95 + lean, "knee": 110, "hip_side": 35, "hip_yaw": 75},
    )[kind]
    return Key({**legs, "waist_bend": rng.uniform(0, 30) - lean, "shoulder_bend": rng.uniform(-40, 45),
                "elbow": rng.uniform(0, 60)}, lean, 0, _PELVIS)  # fmt: skip


def lying(rng: np.random.Generator, side: str | None = None, support_m: float = 0.0) -> Key:
    """On back, front or a side."""
    side = side or str(rng.choice(["back", "front", "left", "right"], p=[0.4, 0.2, 0.2, 0.2]))
    left, right = rng.uniform(0, 45, 2) * (rng.random(2) < 0.6)
    if side == "back":
        return Key({"left_knee": 2 * left, "right_knee": 2 * right, "left_hip_bend": left, "right_hip_bend": right,
                    "shoulder_side": rng.uniform(5, 60), "elbow": rng.uniform(5, 90), "neck_bend": rng.uniform(-5, 20),
                    "shoulder_bend": rng.uniform(0, 40)}, -88, rng.normal(0, 6), _PELVIS, support_m)  # fmt: skip
    if side == "front":
        return Key({"knee": rng.uniform(0, 20), "neck_yaw": rng.uniform(-70, 70), "shoulder_side": rng.uniform(20, 140),
                    "elbow": rng.uniform(10, 90)}, 88, rng.normal(0, 6), _PELVIS, support_m)  # fmt: skip
    return Key({"shoulder_bend": rng.uniform(10, 100), "elbow": rng.uniform(5, 90), "hip_bend": rng.uniform(10, 80),
                "left_knee": rng.uniform(10, 100), "right_knee": rng.uniform(10, 100), "waist_bend": 15},
               0, 88 if side == "right" else -88, _PELVIS, support_m)  # fmt: skip


def propped(rng: np.random.Generator, support_m: float = 0.0) -> Key:
    """Half way between sitting and lying, on an elbow or hands."""
    lean, raised = rng.uniform(-60, -30), rng.uniform(0, 35)
    return Key({"hip_bend": 92 + lean + raised, "knee": 2 * raised, "waist_bend": rng.uniform(0, 25),
                "shoulder_bend": rng.uniform(-50, -20), "elbow": rng.uniform(30, 90)},
               lean, rng.normal(0, 15), _PELVIS, support_m)  # fmt: skip


def side_seat(rng: np.random.Generator) -> Key:
    """On a hip with one hand on the floor, the usual stop on the way to lying down."""
    sign = rng.choice([-1, 1])
    return Key({"hip_bend": rng.uniform(80, 100), "knee": rng.uniform(60, 120), "waist_side": -15 * sign,
                "left_hip_yaw": 75 * sign, "right_hip_yaw": -75 * sign, "shoulder_side": rng.uniform(10, 50),
                "elbow": 10, "waist_bend": 15}, rng.uniform(-5, 15), 20 * sign, _PELVIS)  # fmt: skip


def plank(rng: np.random.Generator) -> Key:
    """Arms stretched, body straight over the floor."""
    return Key({"shoulder_bend": 67, "elbow": rng.uniform(0, 20), "ankle": 20, "neck_bend": -15},
               rng.uniform(64, 70), 0, (27, 28))  # fmt: skip


def plank_low(rng: np.random.Generator) -> Key:
    """The low end of a push-up."""
    return Key({"shoulder_bend": 30, "shoulder_side": 40, "elbow": rng.uniform(90, 120), "ankle": 20, "neck_bend": -15},
               rng.uniform(80, 86), 0, (27, 28))  # fmt: skip


def folded(rng: np.random.Generator) -> Key:
    """Head to the floor from kneeling, as in prayer or child's pose."""
    lean = rng.uniform(40, 55)
    return Key({"knee": 147, "hip_bend": lean + 70, "waist_bend": rng.uniform(50, 70), "ankle": -45,
                "shoulder_bend": rng.uniform(90, 150), "elbow": rng.uniform(20, 90)}, lean, 0, _KNEES)  # fmt: skip
