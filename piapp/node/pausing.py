"""Pauses a running node: closes the camera, publishes that, and begins anew afterwards.

Owns what a pause does and the requests for it. When there is one, `piapp.node.pauses` decides.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from piapp.config.schedule import is_quiet, parse_spans
from piapp.config.sections import ScheduleConfig
from piapp.mqtt.commands import Pause
from piapp.node.control import Control
from piapp.node.pausable_camera import PausableCamera
from piapp.node.pauses import Pauses

# A clock that is before this was not set yet, for want of a battery and a network: it knows nothing of quiet times.
CLOCK_SET_YEAR = 2026

log = logging.getLogger(__name__)


class Watcher(Protocol):
    """What stops and starts to watch with the camera."""

    @property
    def unattended(self) -> bool:
        """Whether an alarm is open that nobody has acknowledged."""
        ...

    def pause(self) -> None:
        """Nobody watches from now on."""
        ...

    def resume(self, paused_s: float) -> None:
        """Results come again, after so long."""
        ...


class Pausing:
    """Puts pauses into effect. Main thread only.

    Args:
        pauses: Decides.
        camera: Is closed meanwhile.
        control: Knows what is in force, and gives landmarkers no frames.
        watcher: Reports who is there.
        schedule: Gives `[schedule]` as it is now.
        discard: Drops a frame that was captured before the pause.
        local_now: The local time.
    """

    def __init__(
        self,
        *,
        pauses: Pauses,
        camera: PausableCamera,
        control: Control,
        watcher: Watcher,
        schedule: Callable[[], ScheduleConfig],
        discard: Callable[[], None],
        local_now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._pauses = pauses
        self._camera = camera
        self._control = control
        self._watcher = watcher
        self._schedule = schedule
        self._discard = discard
        self._local_now = local_now
        self._paused_s: float | None = None
        control.add("pause", self._request)
        control.add("resume", lambda _: self._request(Pause(paused=False)))

    def tick(self) -> None:
        """Pause or resume when that is due."""
        self._pauses.update(scheduled=self._is_scheduled(), unattended=self._watcher.unattended)
        self._apply()

    def _is_scheduled(self) -> bool:
        schedule, now = self._schedule(), self._local_now()
        return schedule.enabled and now.year >= CLOCK_SET_YEAR and is_quiet(parse_spans(schedule.pause), now)

    def _request(self, parameters: Pause) -> dict[str, Any]:
        self._pauses.request(paused=parameters.paused, persist=parameters.persist)
        self.tick()
        return {"paused": self._pauses.by is not None}

    def _apply(self) -> None:
        by, before = self._pauses.by, self._control.paused_by
        if by == before:
            return
        if before is None:
            self._paused_s = time.monotonic()
            self._camera.pause()
            self._control.set_paused(by)
            self._watcher.pause()
        elif by is None:
            paused_s = 0.0 if self._paused_s is None else time.monotonic() - self._paused_s
            self._discard()
            self._watcher.resume(paused_s)
            self._control.set_paused(None)
            self._camera.resume()
        else:
            self._control.set_paused(by)
        log.info("resumed" if by is None else f"paused by {by}")
