"""What happened in a day, summed up: how long which posture, who was there, and the events that matter.

Owns the form of a summary, its bounds, and the folder. A summary has neither landmarks nor pictures: times, names of
postures, and counts. Pure but for the folder; the moment is handed in.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct, field

from piapp.mqtt.payload import EventPayload
from piapp.types import EventType, Posture
from piapp.whole_file import write_whole

SLOT_MINUTES = 10

# Those that a day is told by. Changes of posture come hundreds of times, and their times are in the slots.
KEPT_EVENTS: frozenset[EventType] = frozenset(
    {
        "person_entered", "person_left", "sit_down", "stand_up", "lie_down", "fall", "fallen", "recovered", "inactive",
        "active", "zone_entered", "zone_left", "camera_lost", "camera_back",
    }
)  # fmt: skip

# Of one day; later ones are only counted.
MAX_EVENTS = 300

_log = logging.getLogger(__name__)


class Slot(Struct, omit_defaults=True):
    """Ten minutes.

    Attributes:
        watched_s: How long the node watched.
        people: The most that were there at once.
        postures: How long each posture was seen, all people together, s.
    """

    watched_s: float = 0.0
    people: int = 0
    postures: dict[Posture, float] = field(default_factory=dict)


class DayEvent(Struct, frozen=True, omit_defaults=True):
    """An event of the day.

    Attributes:
        id: Of the event.
        type: Its kind.
        t: When, UTC as in payloads.
        person: Whom it happened to.
    """

    id: str
    type: EventType
    t: str
    person: int | None = None


class Day(Struct, kw_only=True):
    """One day of local time.

    Attributes:
        day: Such as "2026-11-27".
        slots: By their number in the day, from midnight; those without results are not there.
        events: Those of `KEPT_EVENTS`, oldest first.
        dropped: Events beyond the limit.
        version: Of this form.
    """

    day: str
    slots: dict[int, Slot] = field(default_factory=dict)
    events: list[DayEvent] = field(default_factory=list)
    dropped: int = 0
    version: Literal[1] = 1

    def add(self, moment: datetime, elapsed_s: float, postures: Iterable[Posture]) -> None:
        """Count people who were there for a while.

        Args:
            moment: The end of that while, local time.
            elapsed_s: How long it was.
            postures: One for each person.
        """
        slot = self.slots.setdefault((moment.hour * 60 + moment.minute) // SLOT_MINUTES, Slot())
        slot.watched_s = round(slot.watched_s + elapsed_s, 1)
        people = 0
        for posture in postures:
            people += 1
            slot.postures[posture] = round(slot.postures.get(posture, 0.0) + elapsed_s, 1)
        slot.people = max(slot.people, people)

    def note(self, payload: EventPayload) -> None:
        """Keep an event, if it is one of those that matter."""
        if payload.event_type not in KEPT_EVENTS or "repeat" in payload.evidence:
            return
        if len(self.events) >= MAX_EVENTS:
            self.dropped += 1
        else:
            self.events.append(DayEvent(payload.id, payload.event_type, payload.t, payload.person))


@dataclass(frozen=True, slots=True)
class DayFolder:
    """The summaries of one node, a file a day.

    Attributes:
        path: Where they are; made when the first is written.
        days: How many are kept; older ones are deleted.
    """

    path: Path
    days: int

    def read(self, day: date) -> Day:
        """The summary of a day, an empty one where there is none."""
        file = self._file(day)
        try:
            if file.exists():
                return msgspec.json.decode(file.read_bytes(), type=Day)
        except (OSError, ValueError, RecursionError) as error:
            _log.warning("%s: is left out: %s", file, error)
        return Day(day=day.isoformat())

    def write(self, day: Day) -> None:
        """Write a summary, and delete those that are too old; a full disk costs the summary alone."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(self._file(date.fromisoformat(day.day)), msgspec.json.encode(day), mode=0o600)
            self._forget(date.fromisoformat(day.day) - timedelta(days=self.days - 1))
        except OSError as error:
            _log.warning("%s: the summary of %s cannot be written: %s", self.path, day.day, error.strerror)

    def _file(self, day: date) -> Path:
        return self.path / f"{day.isoformat()}.json"

    def _forget(self, first: date) -> None:
        for file in self.path.glob("????-??-??.json"):
            if file.stem < first.isoformat():
                file.unlink(missing_ok=True)
