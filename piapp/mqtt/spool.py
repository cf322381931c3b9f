"""Events that outlive the process: in memory for sending, and journalled on disk until the broker has them.

Owns when the journal is written, and what happens when the disk fails. Knows no connection: the outbox asks for the
next event and reports which one is acknowledged.

An event has happened when `append` returns, and from then on it survives `kill -9`. Nothing is flushed to the card
while the broker is there, because an event then waits for milliseconds only; what a power cut can take are events of
the last seconds that nobody acknowledged. While the broker is away, `sync` flushes, off the main thread. Between events
nothing is written, and the disk is read once, at the start.

Acknowledged events are kept for some seconds more: a broker that is killed forgets what it had in memory for its
subscribers, so what it acknowledged just before the connection broke is sent again, with the same id.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from piapp.config.sections import SpoolConfig
from piapp.mqtt.journal import CorruptJournalError, EventJournal, is_corrupt
from piapp.mqtt.payload import EventPayload
from piapp.mqtt.salvage import Rows
from piapp.mqtt.spool_file import SpoolFile
from piapp.mqtt.waiting_events import WaitingEvents

# Acknowledged events are deleted when none waits, and this many at a time while a backlog drains.
ACKS_PER_WRITE = 256

# Acknowledged events leave the disk together with the next one's coming, or after so long without one. Guess: an alarm
# and what belongs to it comes within a minute.
QUIET_S = 60.0

# A disk that failed is tried again with the first event after so many seconds.
RETRY_S = 60.0

_decoder = msgspec.json.Decoder(EventPayload)

_log = logging.getLogger(__name__)


class Spool:
    """`EventQueue` of bounded size whose events survive the process, as long as there is a disk to hold them.

    A disk that is full, read-only or broken is never fatal: events are then kept in memory alone, `problem` tells why,
    and the disk is tried again later.

    Attributes:
        last: Number of the newest event ever appended.
        problem: Why events are not on disk, empty when they are or are not meant to be.
    """

    def __init__(
        self,
        file: Path | None,
        *,
        max_events: int,
        max_bytes: int,
        first: int = 1,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open the file, which it makes if need be, and take over what an earlier run left in it.

        Args:
            file: None keeps events in memory alone.
            max_events: Most events that wait.
            max_bytes: Most bytes of their payloads on disk, and in memory.
            first: The least number that the next event may get.
            monotonic_s: The clock of retries.
        """
        self._file = None if file is None else SpoolFile(file, self._report)
        self._monotonic_s = monotonic_s
        self._events = WaitingEvents(max_events=max_events, max_bytes=max_bytes, monotonic_s=monotonic_s)
        self._journal: EventJournal | None = None
        self._retry_s = self._appended_s = 0.0
        self._given_up = False
        self._unreadable = 0
        self.last = first - 1
        self.problem = ""
        self._start()

    @property
    def depth(self) -> int:
        """Events that wait."""
        return self._events.depth

    @property
    def dropped(self) -> int:
        """Events given up because the spool was full or its rows could not be read."""
        return self._events.dropped + self._unreadable

    def append(self, event: EventPayload) -> int:
        """Add an event and return its number."""
        self._settle()
        self._appended_s = self._monotonic_s()
        self.last += 1
        payload = event.encoded(historical=False)
        self._events.add(self.last, payload)
        self._events.make_room()
        if self._journal is None:
            self._try_disk_again()
        else:
            self._write([(self.last, payload)])
        return self.last

    def peek(self, after: int) -> tuple[int, EventPayload] | None:
        """The oldest waiting event with a number above `after`."""
        self._settle()
        found = self._events.after(after)
        return None if found is None else (found[0], _decoder.decode(found[1]))

    def ack(self, number: int) -> None:
        """Forget an event, though not at once; see `doubt`."""
        self._events.acknowledge(number)
        self._settle()

    def doubt(self) -> None:
        """Let what was acknowledged in the last seconds wait again."""
        self._settle()
        if self._file is not None:
            self._file.report_sharing()
        self._events.doubt()

    def sync(self) -> None:
        """Have what waits reach the disk; needs no lock, blocks for the disk."""
        journal = self._journal
        if journal is None:
            return
        try:
            journal.sync()
        except OSError as error:
            self._report(f"spool {journal.file}: cannot be flushed ({error.strerror}); a power cut may lose events")

    def close(self) -> None:
        """Write what is left to write and let go of the file; what comes later is kept in memory."""
        self._given_up = True
        self._events.forget_acknowledged()
        self._write([])
        self._close_journal()

    def _start(self) -> None:
        """Open the journal and take over what earlier runs left in it; without one, events are kept in memory."""
        opened = None if self._file is None else self._file.open(self.last)
        if opened is None:
            self._given_up = True  # writing to it later would overwrite what an earlier run left
        else:
            self._take_over(*opened)

    def _take_over(self, journal: EventJournal, rows: Rows) -> None:
        self._journal = journal
        self.last = max(self.last, journal.last, *rows)
        for number, payload in sorted(rows.items()):
            self._events.add(number, payload)
            if not _is_event(payload):
                self._events.forget(number)
                self._unreadable += 1
        self._events.make_room()
        if self._unreadable:
            _log.warning("spool %s: %d events cannot be read and are left out", journal.file, self._unreadable)
        if self.depth:
            _log.info("spool %s: %d events of an earlier run wait for the broker", journal.file, self.depth)

    def _settle(self) -> None:
        """Forget acknowledged events that are beyond doubt; they leave the disk when it is worth a write."""
        self._events.forget_beyond_doubt()
        if self._events.gone >= ACKS_PER_WRITE or (self._events.gone and self._quiet()):
            self._write([])

    def _quiet(self) -> bool:
        """Nothing waits, and no event has come for a while with which the gone ones could leave the disk."""
        return self._events.empty and self._monotonic_s() - self._appended_s >= QUIET_S

    def _write(self, added: Sequence[tuple[int, bytes]]) -> None:
        """Bring the journal up to date; does nothing without one."""
        gone = self._events.take_gone()
        if self._journal is None:
            return
        try:
            self._journal.write(added, gone)
        except sqlite3.Error as error:
            self._fail(self._journal.file, error)

    def _fail(self, path: Path, error: sqlite3.Error) -> None:
        """The disk failed: what waits stays in memory; a corrupt file is replaced at once, any other tried later."""
        self._close_journal()
        self._retry_s = self._monotonic_s() + RETRY_S
        self._report(f"spool {path}: {error}; events are kept in memory until the disk works again")
        if is_corrupt(error) and self._file is not None and self._file.set_aside(error):
            self._retry_s = 0.0
            self._try_disk_again()

    def _try_disk_again(self) -> None:
        if self._file is None or self._given_up or self._monotonic_s() < self._retry_s:
            return
        self._retry_s = self._monotonic_s() + RETRY_S
        try:
            self._journal = self._file.create(self._events.all())
        except (OSError, sqlite3.Error, CorruptJournalError) as error:
            self._report(f"spool {self._file.path}: {error}; events are kept in memory until the disk works again")
            return
        self._events.take_gone()
        _log.info("spool %s: works again, %d events on disk", self._file.path, self.depth)
        self.problem = ""

    def _close_journal(self) -> None:
        journal, self._journal = self._journal, None
        if journal is not None:
            with suppress(sqlite3.Error):
                journal.close()

    def _report(self, problem: str) -> None:
        """Warn once for each new problem."""
        if problem != self.problem:
            _log.warning("%s", problem)
        self.problem = problem


def open_spool(config: SpoolConfig, folder: Path | None, node: str, *, first: int) -> Spool:
    """The node's spool in `folder`, or in memory.

    Args:
        config: Its bounds.
        folder: From `piapp.node.state_folder`; None keeps them in memory.
        node: Each node has its own file.
        first: The least number that the next event may get.
    """
    file = None if folder is None else folder / f"events-{node}.db"
    return Spool(file, max_events=config.max_events, max_bytes=config.max_mb * 1_000_000, first=first)


def _is_event(payload: bytes) -> bool:
    try:
        _decoder.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError):  # damaged bytes are no text, too
        return False
    return True
