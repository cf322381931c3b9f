"""Alarms from the fall to somebody who comes: what is open, acknowledged, repeated, and taken up after a restart.

Owns the open alarms of a node and the moments at which they are kept. Main thread only. Judging who is down is the
posture logic's; the file is `piapp.node.alarm_file`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from piapp.errors import ConfigError
from piapp.mqtt.payload import EventPayload
from piapp.node.alarm_file import AlarmFile, OpenAlarm
from piapp.posture.monitor import Monitor
from piapp.types import ALARM_EVENTS, EventType, PoseResult, PostureEvent

# What changes who is there, who is down, or how somebody has settled. Other events leave nothing to restore.
KEPT_EVENTS: frozenset[EventType] = frozenset(
    {
        "person_entered", "person_left", "sit_down", "stand_up", "lie_down", "fall", "fallen", "recovered",
        "zone_entered", "zone_left", "inactive", "active",
    }
)  # fmt: skip

# Without results for so long, what the clock alone makes due is reported without them.
OVERDUE_AFTER_MS = 500

# For so long after an alarm its end is repeated to whoever was away: a restart of Home Assistant, with an upgrade,
# takes minutes, and what ended long before would look like news (a guess).
MISSABLE_MS = 3_600_000

_log = logging.getLogger(__name__)


class Alarms:
    """The open alarms of a node.

    Args:
        file: Where they outlive the process.
        monitor: The posture logic, which is restored and whose snapshot is kept.
        repeat_s: Gives the seconds after which an alarm that nobody has acknowledged is repeated; 0 for never.

    Attributes:
        open: One for each person who is down.
        last_fall: UTC of the newest fall, None before the first.
        last_recovered: What ended the newest alarm in which somebody stayed down, None before the first.
    """

    def __init__(self, file: AlarmFile, monitor: Monitor, repeat_s: Callable[[], float]) -> None:
        self._file = file
        self._monitor = monitor
        self._repeat_s = repeat_s
        self._repeats: dict[int, tuple[int, int]] = {}  # of those who are down: when it is due, how often it was
        self._last_ms: int | None = None  # of the newest result
        self._unsent: tuple[EventPayload, ...] = ()
        self._orphans: dict[int, float] = {}  # open alarms that are too old to be taken up: for how long unseen
        self.open: tuple[OpenAlarm, ...] = ()
        self.last_fall: str | None = None
        self.last_recovered: EventPayload | None = None

    @property
    def acknowledged(self) -> bool:
        """Whether an alarm is open and somebody takes care of each that is."""
        return bool(self.open) and all(alarm.acknowledged for alarm in self.open)

    @property
    def confirmed(self) -> bool:
        """Whether somebody stays down: `fallen` was reported, and they are not up again."""
        return any(alarm.confirmed for alarm in self.open)

    @property
    def unattended(self) -> bool:
        """Whether an alarm is open that nobody has acknowledged."""
        return any(not alarm.acknowledged for alarm in self.open)

    def restore(self, now_ms: int) -> None:
        """Take up what an earlier run has kept; `now_ms` is now on a provisional time line."""
        found = self._file.read()
        if found is None:
            return
        kept, gap_s = found
        shift_ms = now_ms - kept.ts_ms - round(gap_s * 1000)
        snapshot = kept.monitor.after_gap(gap_s).shifted(shift_ms)
        self._monitor.restore(snapshot, now_ms)
        self.open = kept.alarms
        self._find_orphans(gap_s)
        self.last_fall, self.last_recovered = kept.last_fall, kept.last_recovered
        self._unsent = kept.unsent
        for person in snapshot.persons:
            if person.down_since_ms is not None and person.fallen_reported:
                self._plan(person.id, now_ms, 0)
        if self.open:
            persons = ", ".join(str(alarm.person) for alarm in self.open)
            _log.warning("an alarm is still open after %.0f s: person %s is down", gap_s, persons)

    def take_unsent(self) -> tuple[EventPayload, ...]:
        """Events that an earlier run may not have sent, once; a subscriber knows one that comes again by its id."""
        unsent, self._unsent = self._unsent, ()
        return unsent

    def before(self, result: PoseResult, provisional_ms: int) -> None:
        """Prepare the posture logic for a result; the first one after a start or a pause says where time now is.

        Args:
            result: What comes next.
            provisional_ms: Its capture time on the line that `restore` used.
        """
        if self._last_ms is None:
            shift_ms = result.ts_ms - provisional_ms
            self._monitor.restore(self._monitor.snapshot().shifted(shift_ms), result.ts_ms)
            self._repeats = {person: (due + shift_ms, count) for person, (due, count) in self._repeats.items()}
        self._last_ms = result.ts_ms

    def pause(self, now_ms: int) -> None:
        """Nobody watches from now on; the next result begins as after a restart."""
        self._last_ms = None
        self.keep(now_ms)

    def resume(self, paused_s: float, now_ms: int) -> None:
        """Somebody watches again after so long: of those who were upright nobody is claimed to be there still."""
        self._monitor.restore(self._monitor.snapshot().after_gap(paused_s), now_ms)
        self._find_orphans(paused_s)

    def due(self, now_ms: int) -> tuple[PostureEvent, ...]:
        """What the clock makes due: `fallen` while no result comes, and repeats of what nobody has acknowledged."""
        orphans, self._orphans = self._orphans, {}
        closed = (
            PostureEvent("recovered", now_ms, person, evidence={"nobody_seen": 1, "unseen_s": round(unseen_s)})
            for person, unseen_s in orphans.items()
        )
        if self._last_ms is not None and now_ms - self._last_ms < OVERDUE_AFTER_MS:
            return (*closed, *self._due_repeats(now_ms))
        return (*closed, *self._monitor.overdue(now_ms), *self._due_repeats(now_ms))

    def note(self, payloads: Sequence[EventPayload], now_ms: int) -> None:
        """Open and close alarms by events, and keep the change before anybody hears of it."""
        for payload in payloads:
            self._note(payload, now_ms)
        if any(payload.event_type in KEPT_EVENTS for payload in payloads):
            self.keep(now_ms, tuple(payload for payload in payloads if payload.event_type in ALARM_EVENTS))

    def sent(self, payloads: Sequence[EventPayload], now_ms: int) -> None:
        """The events are in the spool, so a restart need not send them."""
        if any(payload.event_type in ALARM_EVENTS for payload in payloads):
            self.keep(now_ms)

    def keep(self, now_ms: int, unsent: tuple[EventPayload, ...] = ()) -> None:
        """Write down what is open now."""
        snapshot, ended = self._monitor.snapshot(), self.last_recovered
        self._file.write(now_ms, snapshot, self.open, self.last_fall, unsent, last_recovered=ended)

    def missable(self, utc_ms: int) -> EventPayload | None:
        """The `recovered` of an alarm that ended lately, for somebody who was away; None while an alarm is open.

        Args:
            utc_ms: UTC now. A clock that was set since puts the event far away, on either side.
        """
        ended = self.last_recovered
        if ended is None or self.open:
            return None
        ended_ms = datetime.fromisoformat(ended.t).timestamp() * 1000
        return ended if abs(utc_ms - ended_ms) <= MISSABLE_MS else None

    def acknowledge(self, event_id: str | None, now_ms: int) -> list[str]:
        """Somebody takes care of an alarm, or of all that are open.

        Args:
            event_id: Of its `fall` or of a `fallen`; None for all.
            now_ms: Now on the results' time line.

        Returns:
            The ids of the events that opened the alarms.

        Raises:
            ConfigError: There is no such open alarm.
        """
        meant = [alarm for alarm in self.open if alarm.meant_by(event_id)]
        if not meant:
            known = ", ".join(alarm.event_id for alarm in self.open) or "none"
            what = "no alarm is open" if event_id is None else f"{event_id!r} belongs to no alarm that is open"
            raise ConfigError(f"event: {what}; open: {known}")
        self.open = tuple(replace(alarm, acknowledged=alarm.acknowledged or alarm in meant) for alarm in self.open)
        self.keep(now_ms)
        return [alarm.event_id for alarm in meant]

    def _note(self, payload: EventPayload, now_ms: int) -> None:
        person = payload.person
        if person is None:
            return
        if payload.event_type in ("fall", "fallen"):
            if all(alarm.person != person for alarm in self.open):
                self.open += (OpenAlarm(person, payload.id),)
                self.last_fall = payload.t
            if payload.event_type == "fallen":
                self._confirm(person, payload.id)
                self._plan(person, now_ms, self._repeats.get(person, (0, 0))[1])
        elif payload.event_type == "recovered":
            if any(alarm.person == person and alarm.confirmed for alarm in self.open):
                self.last_recovered = payload
            self.open = tuple(alarm for alarm in self.open if alarm.person != person)
            self._repeats.pop(person, None)

    def _confirm(self, person: int, event_id: str) -> None:
        self.open = tuple(alarm.with_fallen(event_id) if alarm.person == person else alarm for alarm in self.open)

    def _find_orphans(self, gap_s: float) -> None:
        down = {person.id for person in self._monitor.state.persons if person.fallen}
        self._orphans |= {alarm.person: gap_s for alarm in self.open if alarm.person not in down}

    def _plan(self, person: int, now_ms: int, count: int) -> None:
        if (repeat_s := self._repeat_s()) > 0:
            self._repeats[person] = now_ms + round(repeat_s * 1000), count

    def _due_repeats(self, now_ms: int) -> tuple[PostureEvent, ...]:
        waiting = {alarm.person for alarm in self.open if not alarm.acknowledged}
        due = [person for person, (due_ms, _) in self._repeats.items() if now_ms >= due_ms and person in waiting]
        if not due:
            return ()
        if self._repeat_s() <= 0:
            self._repeats.clear()
            return ()
        return tuple(self._repeated(person, now_ms) for person in due)

    def _repeated(self, person: int, now_ms: int) -> PostureEvent:
        count = self._repeats[person][1] + 1
        self._repeats[person] = now_ms, count
        found = next((each for each in self._monitor.snapshot().persons if each.id == person), None)
        if found is None or found.down_since_ms is None:
            return PostureEvent("fallen", now_ms, person, evidence={"repeat": count})
        evidence = {"down_s": round((now_ms - found.down_since_ms) / 1000, 1), "repeat": count}
        return PostureEvent(
            "fallen", now_ms, person, found.posture, found.posture, zones=found.zones, evidence=evidence
        )
