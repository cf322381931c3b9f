"""The file that lets an alarm outlive the process: what is open, written when it changes and read once at the start.

Owns the file's form and how times are carried over a restart of the process or of the board. Does not decide what an
alarm is.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from piapp.mqtt.payload import EventPayload
from piapp.posture.snapshot import MonitorSnapshot
from piapp.types import LANDMARK_COUNT
from piapp.whole_file import write_whole

# Repeats whose ids are kept; at one a minute those of more than an hour. Whoever answers a later one knows its id.
MAX_REPEAT_IDS = 100

# Three centuries; no time line of a source gets there.
MAX_TIME_MS = 10**13

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OpenAlarm:
    """Somebody is down and is not up again.

    Attributes:
        person: The track's id.
        event_id: Of the event that opened it.
        acknowledged: Somebody takes care of it.
        confirmed: `fallen` was reported: they stay down.
        fallen_ids: Of the first `fallen` and the newest ones.
    """

    person: int
    event_id: str
    acknowledged: bool = False
    confirmed: bool = False
    fallen_ids: tuple[str, ...] = ()

    def meant_by(self, event_id: str | None) -> bool:
        """Whether somebody who names this event means this alarm; without an event every alarm is meant."""
        return event_id is None or event_id == self.event_id or event_id in self.fallen_ids

    def with_fallen(self, event_id: str) -> OpenAlarm:
        """The alarm after a `fallen`: confirmed, and the event can be named."""
        ids = (*self.fallen_ids, event_id)
        return replace(self, confirmed=True, fallen_ids=(*ids[:1], *ids[1:][-MAX_REPEAT_IDS:]))


class KeptAlarms(Struct, frozen=True):
    """What is kept.

    Attributes:
        version: Of this form.
        boot: The boot in which it was written.
        boottime_ns: `CLOCK_BOOTTIME` then.
        utc_ns: UTC then, as far as the clock was right.
        ts_ms: The same instant on the time line of `monitor`.
        alarms: Those that are open.
        last_fall: UTC of the newest fall, as in payloads.
        last_recovered: The event with which the newest alarm ended.
        unsent: Events that may not have reached the spool.
    """

    boot: str
    boottime_ns: int
    utc_ns: int
    ts_ms: int
    monitor: MonitorSnapshot
    alarms: tuple[OpenAlarm, ...] = ()
    last_fall: str | None = None
    unsent: tuple[EventPayload, ...] = ()
    last_recovered: EventPayload | None = None
    version: Literal[1] = 1


@dataclass(frozen=True, slots=True)
class Clocks:
    """The clocks that a restart is measured with; tests put their own in.

    Attributes:
        boot: The kernel's id of this boot.
        boottime_ns: Runs on while the board sleeps.
        utc_ns: UTC now.
    """

    boot: str
    boottime_ns: Callable[[], int] = lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    utc_ns: Callable[[], int] = time.time_ns

    def since_s(self, kept: KeptAlarms) -> float:
        """Seconds since a file was written.

        Within a boot its own clock counts, whatever happens to the wall clock. After a start of the board only the wall
        clock is left: one that was behind when the board started, for want of a battery, can give no less than 0.
        """
        if kept.boot == self.boot:
            return max(0.0, (self.boottime_ns() - kept.boottime_ns) / 1e9)
        return max(0.0, (self.utc_ns() - kept.utc_ns) / 1e9)


class AlarmFile:
    """Reads and writes the file. A disk that fails is reported once and costs only what a restart would have needed.

    Args:
        folder: Where it is; None keeps nothing.
        node: Each node has its own file.
        clocks: Of this boot.
    """

    def __init__(self, folder: Path | None, node: str, clocks: Clocks) -> None:
        self._file = None if folder is None else _file(folder, node)
        self._clocks = clocks
        self._failed = False

    def read(self) -> tuple[KeptAlarms, float] | None:
        """What was kept and how many seconds ago; None when there is nothing that can be read."""
        try:
            if self._file is None or not self._file.exists():
                return None
            kept = msgspec.json.decode(self._file.read_bytes(), type=KeptAlarms)
            _check(kept)
        except (OSError, ValueError, RecursionError) as error:
            _log.warning("%s: cannot be read (%s); an alarm that was open in it is not taken up", self._file, error)
            return None
        return kept, self._clocks.since_s(kept)

    def write(
        self,
        ts_ms: int,
        monitor: MonitorSnapshot,
        alarms: tuple[OpenAlarm, ...],
        last_fall: str | None,
        unsent: tuple[EventPayload, ...] = (),
        *,
        last_recovered: EventPayload | None = None,
    ) -> None:
        """Replace the file as a whole; `ts_ms` is now on the monitor's time line."""
        if self._file is None:
            return
        clocks = self._clocks
        now = clocks.boot, clocks.boottime_ns(), clocks.utc_ns()
        kept = KeptAlarms(*now, ts_ms, monitor, alarms, last_fall, unsent, last_recovered)
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(self._file, msgspec.json.encode(kept), mode=0o600)
        except OSError as error:
            if not self._failed:
                _log.warning("%s cannot be written (%s); a restart would end open alarms", self._file, error.strerror)
            self._failed = True
        else:
            self._failed = False


def _check(kept: KeptAlarms) -> None:
    """Refuse what no node has written: a damaged digit must not end this start and every later one.

    Raises:
        ValueError: A time or a body is impossible.
    """
    persons = kept.monitor.persons
    times = [time_ms for person in persons for time_ms in (person.entered_ms, person.since_ms, person.still_since_ms)]
    times += [person.down_since_ms for person in persons if person.down_since_ms is not None]
    times += [kept.ts_ms, kept.boottime_ns // 1_000_000, kept.utc_ns // 1_000_000]
    if any(abs(time_ms) >= MAX_TIME_MS for time_ms in times):
        raise ValueError("a time in it is impossible")
    bodies = [(person.body.pixels, person.body.metres, person.body.visibility) for person in persons]
    if any(len(column) != LANDMARK_COUNT for body in bodies for column in body):
        raise ValueError("a body in it has not all landmarks")
    if kept.last_recovered is not None:
        datetime.fromisoformat(kept.last_recovered.t)


def learnt(folder: Path, node: str) -> MonitorSnapshot | None:
    """What a node has learnt of its room, without who is in it; None when nothing is kept."""
    file = _file(folder, node)
    try:
        kept = msgspec.json.decode(file.read_bytes(), type=KeptAlarms)
    except (OSError, ValueError, RecursionError):
        return None
    return replace(kept.monitor, next_id=1, persons=())


def has_open_alarm(folder: Path, node: str) -> bool:
    """Whether an alarm of a node is open, by its file."""
    try:
        return bool(msgspec.json.decode(_file(folder, node).read_bytes(), type=KeptAlarms).alarms)
    except (OSError, ValueError, RecursionError):
        return False


def keep_learnt(folder: Path, node: str, monitor: MonitorSnapshot, *, owner: tuple[int, int]) -> None:
    """Have a node that does not run begin with what another has learnt.

    Raises:
        OSError: It cannot be written.
    """
    kept = KeptAlarms("", 0, time.time_ns(), 0, replace(monitor, next_id=1, persons=()))
    write_whole(_file(folder, node), msgspec.json.encode(kept), mode=0o600, owner=owner)


def _file(folder: Path, node: str) -> Path:
    return folder / f"alarms-{node}.json"
