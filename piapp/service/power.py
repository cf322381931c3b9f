"""Decides how many frames a second are worth their electricity: fewer when nobody is there, fewer when it is hot.

Pure: observations and times in, a rate out. Does not read sensors and does not hold frames back.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

from piapp.config.sections import PowerConfig

log = logging.getLogger(__name__)

# A find that never becomes a person, such as a table, keeps the full rate only so long. Above posture.enter_after_s.
WAKE_S = 3.0

# Heat: each step changes the rate by this factor, and then the temperature needs time to follow (a guess for a Pi in a
# closed case; its firmware reacts to the same sensor within a second, the case within minutes).
STEP = 0.75
STEP_S = 15.0
# Back to faster only when it is cooler by so much, so that the rate does not swing.
COOLER_C = 4.0

# What the firmware does when it is in need, now; see `piapp.service.hardware`.
_IN_NEED = ("under_voltage", "frequency_capped", "throttled", "soft_temperature_limit")


class Power:
    """The rate at which frames should be processed; every call from one thread.

    Args:
        config: `[power]`.
        fps: The full rate, frames a second.
        now_s: The time now, seconds on any clock that only rises; the same clock in every call.
    """

    def __init__(self, config: PowerConfig, fps: float, now_s: float) -> None:
        self._config = config
        self._fps = fps
        self._person_s = now_s  # when somebody was there last
        self._awake_until_s = now_s
        self._heat_factor = 1.0
        self._step_due_s = now_s
        self._idle = False

    def use(self, config: PowerConfig) -> None:
        """Take other values from the next result on."""
        self._config = config

    @property
    def idle(self) -> bool:
        """Nobody has been there for long."""
        return self._idle

    @property
    def slowed(self) -> bool:
        """Heat or the power supply holds the rate down."""
        return self._heat_factor < 1.0

    @property
    def max_fps(self) -> float | None:
        """At most so many frames a second should be processed; None for every frame that comes."""
        if self._idle:
            return min(self._config.idle_fps, self._slow_fps)
        return self._slow_fps if self.slowed else None

    def seen(self, now_s: float, *, poses: int, persons: int) -> None:
        """Take a result: how many poses the model found, and how many people the posture logic knows."""
        if persons:
            self._person_s = now_s
        elif poses and self._idle:
            self._awake_until_s = now_s + WAKE_S
        active_until_s = max(self._person_s + self._config.idle_after_s, self._awake_until_s)
        self._idle = bool(self._config.idle_fps) and now_s >= active_until_s

    def update_machine(self, now_s: float, *, temperature_c: float | None, throttled: Collection[str]) -> None:
        """Update the machine's temperature and what its firmware complains of now."""
        if now_s < self._step_due_s:
            return
        limit_c = self._config.max_temp_c
        over_c = temperature_c - limit_c if temperature_c is not None and limit_c else None
        if (over_c is not None and over_c >= 0) or any(name in throttled for name in _IN_NEED):
            self._heat_factor = max(self._heat_factor * STEP, self._least_factor)
            log.warning(
                "slowing down to %.1f frames/s: %s C, %s", self._slow_fps, temperature_c, ", ".join(throttled) or "hot"
            )
        elif self.slowed and (over_c is None or over_c <= -COOLER_C):
            self._heat_factor = min(self._heat_factor / STEP, 1.0)
        self._step_due_s = now_s + STEP_S

    @property
    def _slow_fps(self) -> float:
        return self._fps * self._heat_factor

    @property
    def _least_factor(self) -> float:
        """Heat alone never slows below the idle rate: the node has a purpose."""
        return min(1.0, max(self._config.idle_fps, 1.0) / self._fps)
