"""The summaries of the last days as a part of the node: what they are made of, and when they are written.

Results and events come on the main thread; the page reads on its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from piapp.config.sections import Config
from piapp.mqtt.payload import EventPayload
from piapp.node.days import SLOT_MINUTES, Day, DayFolder
from piapp.node.outlets import Observation, Outlet

# People and postures are counted so often; more would cost time and say no more.
SAMPLE_S = 1.0

# A longer time without results is one in which nobody watched.
LONGEST_S = 15.0

# Each write wears the card. What a power cut may cost is a part of a summary: alarms are kept by others.
WRITE_PERIOD_S = 6 * 3600.0

# A clock that is before this was not set yet: it knows nothing of days.
CLOCK_SET_YEAR = 2026


class DaysOutlet(Outlet):
    """Sums up the days.

    Args:
        folder: Where they are kept.
        local_now: The local time.
        monotonic_s: Seconds that no clock change moves.
    """

    name = "days"

    def __init__(
        self,
        folder: DayFolder,
        *,
        local_now: Callable[[], datetime] = datetime.now,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._local_now = local_now
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._day: Day | None = None
        self._sampled_s = self._written_s = monotonic_s()
        self._changed = False

    def offer(self, observation: Observation) -> None:
        """Count who is there, once a second."""
        now_s = self._monotonic_s()
        elapsed_s = now_s - self._sampled_s
        if elapsed_s < SAMPLE_S:
            return
        self._sampled_s = now_s
        moment = self._local_now()
        if (day := self._today(moment)) is None or elapsed_s > LONGEST_S:
            return
        with self._lock:
            day.add(moment, elapsed_s, (person.posture for person in observation.state.persons))
        self._changed = True
        if now_s - self._written_s >= WRITE_PERIOD_S:
            self._write()

    def event(self, payload: EventPayload) -> None:
        """Keep it; a test is none. Alarms are written by others, so this waits."""
        if payload.test is True or (day := self._today(self._local_now())) is None:
            return
        with self._lock:
            day.note(payload)
        self._changed = True

    def stop(self) -> bool:
        """Write what is not written yet."""
        self._write()
        return True

    def document(self, query: Mapping[str, str]) -> dict[str, Any]:
        """One day for the page, and which days there may be; any thread.

        Args:
            query: `day`, such as 2026-11-27; today without one.

        Raises:
            LookupError: It is no day.
        """
        today = self._local_now().date()
        try:
            wanted = date.fromisoformat(query.get("day", today.isoformat()))
        except ValueError as error:
            raise LookupError(f"{query['day']!r} is no day; expected one such as {today.isoformat()}") from error
        with self._lock:
            current = self._day is not None and self._day.day == wanted.isoformat()
            found = msgspec.to_builtins(self._day) if current else None
        days = [(today - timedelta(days=back)).isoformat() for back in range(self._folder.days)]
        shown: dict[str, Any] = found or msgspec.to_builtins(self._folder.read(wanted))
        return shown | {"days": days, "slot_minutes": SLOT_MINUTES}

    def _today(self, moment: datetime) -> Day | None:
        """The summary that goes on; another one after midnight. None while the clock is not set."""
        if moment.year < CLOCK_SET_YEAR:
            return None
        name = moment.date().isoformat()
        if self._day is None or self._day.day != name:
            self._write()
            day = self._folder.read(moment.date())
            with self._lock:
                self._day = day
        return self._day

    def _write(self) -> None:
        if self._day is not None and self._changed:
            self._folder.write(self._day)
        self._changed = False
        self._written_s = self._monotonic_s()


def days_outlet(folder: Path | None, node: str, config: Config) -> DaysOutlet | None:
    """What sums up the days, or None where nothing is kept, or no page would show it."""
    days = config.history.days
    if folder is None or not days or not config.preview.enabled:
        return None
    return DaysOutlet(DayFolder(folder / f"days-{node}", days))


def no_days(_query: object) -> dict[str, Any]:
    """What the page reads of a node that keeps no summaries."""
    return {"days": []}
