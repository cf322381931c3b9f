"""The node's own health: when a report is due, what goes into it, and the machine's temperature.

Owns the moments and the collection of counters. What they count belongs to the parts that count; who gets the report
is the outlets' business.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from piapp.mqtt.clock import clock_is_synchronised
from piapp.mqtt.commands import Commands
from piapp.mqtt.publisher import Publisher
from piapp.result_source import ResultSource
from piapp.service import hardware
from piapp.service.health import Counters, Health
from piapp.service.installation import newest_version
from piapp.service.power import Power

log = logging.getLogger(__name__)

# How often the machine is asked for heat; a file of /sys costs nothing, but on some Pis a process must be asked.
HEAT_PERIOD_S = 5.0


class HeatMonitor:
    """Reads the machine's temperature now and then, and has the rate follow it.

    Attributes:
        temperature_c: The newest one; None where the machine has no sensor.
    """

    def __init__(self, power: Power) -> None:
        self._power = power
        self._due_s = 0.0
        self.temperature_c: float | None = None

    def tick(self) -> None:
        """Read it, when that is due."""
        now_s = time.monotonic()
        if now_s < self._due_s:
            return
        self._due_s = now_s + HEAT_PERIOD_S
        throttled = hardware.throttled()
        self.temperature_c = hardware.temperature_c()
        self._power.update_machine(now_s, temperature_c=self.temperature_c, throttled=throttled[0] if throttled else ())


class HealthReporter:
    """Makes reports on the node's health, one a period.

    Args:
        health: What was measured of results.
        source: Where results come from.
        publisher: Where messages go.
        commands: Requests.
        power: The rate.
        folder: Where the node keeps its state; None for nowhere.
        restarts: How often it was started before since the machine booted; None when that is not known.
        send: Gets each report.
    """

    def __init__(
        self,
        health: Health,
        source: ResultSource,
        publisher: Publisher,
        commands: Commands,
        power: Power,
        *,
        folder: Path | None,
        restarts: int | None,
        send: Callable[[dict[str, Any]], None],
    ) -> None:
        self._health = health
        self._source = source
        self._publisher = publisher
        self._commands = commands
        self._power = power
        self._folder = folder
        self._restarts = restarts
        self._send = send
        self._period_began_s = 0.0

    def start(self) -> None:
        """Begin the first period, at whose end the first report is due."""
        self._period_began_s = time.monotonic()

    def tick(self, period_s: float) -> None:
        """Send a report, when the last one is so long ago."""
        now_s = time.monotonic()
        if now_s >= self._period_began_s + period_s:
            self._period_began_s = max(self._period_began_s + period_s, now_s - period_s)
            self.report()

    def report(self) -> None:
        """Send a report now. A machine that refuses to be read, for lack of descriptors perhaps, costs one report."""
        try:
            report = self._health.report(self._counters()) | self._further()
        except OSError as error:
            log.warning("no report on health this time: %s", error)
        else:
            self._send(report)

    def _further(self) -> dict[str, Any]:
        status = self._source.status
        return {
            "requests": {"refused": self._commands.refused, "ignored": self._commands.ignored},
            "restarts": self._restarts,
            "idle": self._power.idle,
            "slowed": self._power.slowed,
            "time_synced": clock_is_synchronised(),
            "camera": {"age_ms": status.age_ms, "stale": status.stale, "reconnects": status.reconnects},
            "disk_free_mb": hardware.disk_free_mb(self._folder or Path("/")),
            "newest_version": newest_version(),
        }

    def _counters(self) -> Counters:
        sent = self._publisher.counts()
        counts = self._source.counts()
        return Counters(
            frames_in=counts.frames,
            frames_dropped=counts.dropped,
            frames_published=sent.frames_sent,
            messages_dropped={
                "frames": sent.frames_dropped,
                "frames_limited": sent.frames_limited,
                "events": sent.events_dropped,
                "others": sent.messages_dropped,
                "refused": sent.rejected,
            },
            queue_depth=counts.waiting,
            spool_depth=self._publisher.event_depth,
            spool_problem=self._publisher.event_problem,
            mqtt_reconnects=max(0, self._publisher.state.connects - 1),
        )
