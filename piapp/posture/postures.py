"""What posture a body is in: a judgement for each result, and the one that is kept.

Owns the rules. They follow how a body carries its weight: trunk over stretched legs (standing), trunk over a seat
beside the feet (sitting), over bent legs and feet (squatting), leaning over legs that stand (bending), or lying.
"""

from __future__ import annotations

import math

from piapp.config.sections import PostureConfig
from piapp.posture.features import Features
from piapp.posture.tuned import Tuned
from piapp.types import EventType, Posture

_ALL: tuple[Posture, ...] = ("standing", "sitting", "lying", "bending", "squatting", "unknown")


def classify(features: Features, config: PostureConfig, held: Posture = "unknown") -> Posture:
    """Judge one body; limits move by the hysteresis in favour of the posture that is `held`."""
    if features.trunk_seen < config.min_visibility:
        return "unknown"
    slack = config.hysteresis_deg
    legs_seen = features.legs_seen >= config.min_visibility
    if features.sunk_deg > config.lying_trunk_deg - (slack if held == "lying" else 0) and (
        _level(features, config) if legs_seen else features.trunk_picture_deg > config.lying_trunk_deg
    ):
        return "bending" if propped(features, config) else "lying"
    if not legs_seen:
        return "unknown"
    if features.trunk_deg > config.bending_trunk_deg - (slack if held == "bending" else 0):
        return "squatting" if features.knee_deg < config.bending_knee_deg else "bending"
    if features.thigh_deg > config.seated_thigh_deg - (slack if held in ("sitting", "squatting") else 0):
        return _seated(features, config, held)
    return "standing" if features.knee_deg > config.kneeling_knee_deg else "squatting"


def _level(features: Features, config: PostureConfig) -> bool:
    """Whether the legs do not carry the leaning trunk: hips low, legs level, or the weight far from the feet."""
    return (
        features.hips_m < config.lying_hips_m
        or (features.thigh_deg > config.lying_thigh_deg and features.extension < config.lying_extension)
        or features.balance_m > config.lying_balance_m
    )


def propped(features: Features, config: PostureConfig) -> bool:
    """Whether the arms hold the trunk up, as on all fours or in a push-up.

    They do when the shoulders are well above hands and feet, or well above hands on arms that stand straight in the
    picture: the feet's height is unsure for bodies that point at the camera.
    """
    if features.arms_seen < config.min_visibility or features.reach_m < config.propped_reach_m:
        return False
    above_feet = features.shoulders_m > config.propped_reach_m and features.hips_m > config.floor_hips_m
    return above_feet or features.arms_down > config.propped_arms_down


def _seated(features: Features, config: PostureConfig, held: Posture) -> Posture:
    if features.hips_m < config.floor_hips_m:
        return "sitting"
    # In doubt people sit, the more so half-way down, where nobody stays without a seat; and nobody slips from a seat
    # into a squat, or back, without a clear sign.
    favour = {"sitting": 1.2, "squatting": 0.0}.get(held, 0.6) + (
        0.6 if features.thigh_deg < config.half_thigh_deg else 0
    )
    shanks = (config.squat_shank_deg - features.shank_deg) / 10.0
    weight = (features.balance_m - config.squat_balance_m) / 0.1
    folded = (features.knee_deg + features.hip_deg - config.squat_fold_deg) / 15.0
    level = (features.thigh_deg - config.half_thigh_deg + 5.0) / 20.0  # half-way down every squat is still unfolded
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
