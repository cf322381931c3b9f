"""What posture a body is in: a judgement for each result, and the one that is kept.

Owns the rules. They follow how a body carries its weight: trunk over stretched legs (standing), trunk over a seat
beside the feet (sitting), over bent legs and feet or on the knees (squatting), leaning over legs that stand (bending),
or lying.
"""

from __future__ import annotations

import math

from piapp.config.sections import PostureConfig
from piapp.posture.features import Features
from piapp.posture.tuned import Tuned
from piapp.types import EventType, Posture

# Degrees by which limits of angles move in favour of the posture held. Measured: flicker is 2 to 5.
_HYSTERESIS_DEG = 6.0
# Inclination of the trunk from which one may lie. Measured: lying 60 to 115, sitting and squatting below 50.
LYING_TRUNK_DEG = 58.0
# Inclination of the thighs from which one lies when the trunk does. Measured: lying 50 to 115, bending 15 to 40.
_LYING_THIGH_DEG = 45.0
# Height of the hips above the feet below which one lies when the trunk does. Measured: -0.1 to 0.25.
_LYING_HIPS_M = 0.35
# Height of the hips as a share of the legs' length below which one lies. Measured: bending from a chair 0.7.
_LYING_EXTENSION = 0.62
# Metres from the feet to where the weight acts beyond which nobody stands, so a leaning trunk lies. Measured: bending
# 0.16 to 0.28, lying 0.6 to 0.9.
_LYING_BALANCE_M = 0.45
# Height of the shoulders above the hands, and the floor, from which arms prop a level trunk up. Guess: half an arm.
_PROPPED_REACH_M = 0.35
# Height of the shoulders above the hands in the picture, as a share of the arms, from which arms stand straight.
# Measured: push-ups 0.89 to 0.97, lying 0.8 and less.
_PROPPED_ARMS_DOWN = 0.85
# Inclination of the trunk from which standing is bending. Guess between a stoop and picking up.
_BENDING_TRUNK_DEG = 45.0
# Angle of the knees below which a bent trunk belongs to a squat. Measured: bending 120 to 150, squats 55 to 100.
_BENDING_KNEE_DEG = 103.0
# Angle of the knees below which an upright trunk on upright thighs kneels, which counts as squatting. Guess.
_KNEELING_KNEE_DEG = 110.0
# Lean of the shanks, knees before feet, from which one kneels, which counts as squatting too. Guess between squats, 22
# to 37, and level.
_KNEELING_SHANK_DEG = 55.0
# Inclination of the thighs from which one sits or squats. Measured: standing and walking 0 to 32, chairs 46 to 90.
_SEATED_THIGH_DEG = 42.0
# Inclination of the thighs up to which a squat is only half-way. Measured: bottoms 62 to 98.
HALF_THIGH_DEG = 57.0
# Height of the hips below which one sits on the floor and does not squat. Measured: squats 0.25 and more.
_FLOOR_HIPS_M = 0.17
# Lean of the shanks between sitting (less) and squatting. Measured: chairs -14 to 14, squats 22 to 37.
_SQUAT_SHANK_DEG = 18.0
# Distance of the weight from the feet between squatting (less) and sitting. Measured: squats 0.01 to 0.15, chairs 0.06
# to 0.4.
_SQUAT_BALANCE_M = 0.12
# Sum of the angles of knees and hips between squatting (less) and sitting. Measured: squats 118 to 165, chairs 188 to
# 240.
_SQUAT_FOLD_DEG = 172.0

_ALL: tuple[Posture, ...] = ("standing", "sitting", "lying", "bending", "squatting", "unknown")


def classify(features: Features, config: PostureConfig, held: Posture = "unknown") -> Posture:
    """Judge one body; limits move by the hysteresis in favour of the posture that is `held`."""
    if features.trunk_seen < config.min_visibility:
        return "unknown"
    legs_seen = features.legs_seen >= config.min_visibility
    if features.sunk_deg > LYING_TRUNK_DEG - (_HYSTERESIS_DEG if held == "lying" else 0) and (
        _level(features) if legs_seen else features.trunk_picture_deg > LYING_TRUNK_DEG
    ):
        return "bending" if propped(features, config) else "lying"
    if not legs_seen:
        return "unknown"
    if features.trunk_deg > _BENDING_TRUNK_DEG - (_HYSTERESIS_DEG if held == "bending" else 0):
        return "squatting" if features.knee_deg < _BENDING_KNEE_DEG else "bending"
    if features.thigh_deg > _SEATED_THIGH_DEG - (_HYSTERESIS_DEG if held in ("sitting", "squatting") else 0):
        return _seated(features, held)
    return "standing" if features.knee_deg > _KNEELING_KNEE_DEG else "squatting"


def _level(features: Features) -> bool:
    """Whether the legs do not carry the leaning trunk: hips low, legs level, or the weight far from the feet."""
    return (
        features.hips_m < _LYING_HIPS_M
        or (features.thigh_deg > _LYING_THIGH_DEG and features.extension < _LYING_EXTENSION)
        or features.balance_m > _LYING_BALANCE_M
    )


def propped(features: Features, config: PostureConfig) -> bool:
    """Whether the arms hold the trunk up, as on all fours or in a push-up.

    They do when the shoulders are well above hands and feet, or well above hands on arms that stand straight in the
    picture: the feet's height is unsure for bodies that point at the camera.
    """
    if features.arms_seen < config.min_visibility or features.reach_m < _PROPPED_REACH_M:
        return False
    above_feet = features.shoulders_m > _PROPPED_REACH_M and features.hips_m > _FLOOR_HIPS_M
    return above_feet or features.arms_down > _PROPPED_ARMS_DOWN


def _seated(features: Features, held: Posture) -> Posture:
    if features.hips_m < _FLOOR_HIPS_M:
        return "sitting"
    if features.shank_deg > _KNEELING_SHANK_DEG:
        return "squatting"
    # In doubt people sit, the more so half-way down, where nobody stays without a seat; and nobody slips from a seat
    # into a squat, or back, without a clear sign.
    favour = {"sitting": 1.2, "squatting": 0.0}.get(held, 0.6) + (0.6 if features.thigh_deg < HALF_THIGH_DEG else 0)
    shanks = (_SQUAT_SHANK_DEG - features.shank_deg) / 10.0
    weight = (features.balance_m - _SQUAT_BALANCE_M) / 0.1
    folded = (features.knee_deg + features.hip_deg - _SQUAT_FOLD_DEG) / 15.0
    level = (features.thigh_deg - HALF_THIGH_DEG + 5.0) / 20.0  # half-way down every squat is still unfolded
    signs = _clip(shanks, 1.0) + _clip(weight, 1.0) + min(1.0, max(0.0, level)) * _clip(folded, 2.0)
    return "sitting" if signs + favour > 0 else "squatting"


def _clip(value: float, limit: float) -> float:
    return min(limit, max(-limit, value))


class PostureFilter:
    """Keeps a posture until another one has had the better of it for the dwell time.

    Shares of recent time, fading exponentially, are counted in seconds, so flicker and the frame rate matter little.
    """

    __slots__ = ("_shares", "_tau_s", "posture", "since_ms")

    def __init__(self, config: PostureConfig) -> None:
        self.use(config)
        self._shares = dict.fromkeys(_ALL, 0.0)
        self.posture: Posture = "unknown"
        self.since_ms = 0

    def use(self, config: PostureConfig) -> None:
        """Take another dwell time from the next result on."""
        self._tau_s = max(config.dwell_s, 1e-3) / math.log(2)

    def step(self, posture: Posture, dt_s: float, ts_ms: int) -> bool:
        """Count `dt_s` for a posture; True when the kept one changes."""
        if not any(self._shares.values()):
            self._shares[posture], self.posture, self.since_ms = 1.0, posture, ts_ms
            return False
        share = 1.0 - math.exp(-min(dt_s, self._tau_s) / self._tau_s)
        for name in _ALL:
            self._shares[name] += share * ((name == posture) - self._shares[name])
        best = max(_ALL, key=self._shares.__getitem__)
        if best == self.posture or self._shares[best] <= 0.5:  # noqa: PLR2004 - more than all others together
            return False
        self.posture, self.since_ms = best, ts_ms
        return True

    def restore(self, posture: Posture, since_ms: int) -> None:
        """Go on with a posture that was kept before."""
        self._shares = {name: float(name == posture) for name in _ALL}
        self.posture, self.since_ms = posture, since_ms

    @property
    def share(self) -> float:
        """How much of the recent time agrees with the kept posture, 0..1."""
        return self._shares[self.posture]


# The event that leads to a posture at rest, by the one before.
_RESTS: dict[Posture, dict[Posture | None, EventType]] = {
    "standing": {"sitting": "stand_up", "lying": "stand_up"},
    "sitting": {"standing": "sit_down"},
    "lying": {"standing": "lie_down", "sitting": "lie_down"},
}


class SettledPosture(Tuned):
    """The last posture of standing, sitting and lying that has settled: squats and stoops pass, these are meant."""

    __slots__ = ("posture",)

    def __init__(self, config: PostureConfig) -> None:
        super().__init__(config)
        self.posture: Posture | None = None

    def step(self, posture: Posture, held_s: float, *, on_floor: bool) -> tuple[EventType | None, Posture | None]:
        """Take the kept posture and for how long; the event when it has settled anew, and the posture it came from.

        `on_floor` says that the hips are low. Falls lead there, and take longer to be told, so sitting there, and
        lying, must last longer.
        """
        if posture not in _RESTS or posture == self.posture:
            return None, None
        settle_s = self._config.settle_s * (2 if posture == "lying" or (posture == "sitting" and on_floor) else 1)
        if held_s < settle_s and self.posture is not None:
            return None, None
        before, self.posture = self.posture, posture
        return _RESTS[posture].get(before), before
