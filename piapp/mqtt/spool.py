"""Events that outlive the process: in memory for sending, and journalled on disk until the broker has them.

Owns the journal's file, its bounds, and what happens when the disk fails. Knows no connection: the outbox asks for the
next event and says which one is acknowledged.

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
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from piapp.config.sections import SpoolConfig
from piapp.mqtt.journal import PAGE_BYTES, CorruptJournalError, EventJournal, is_corrupt
from piapp.mqtt.payload import EventPayload
from piapp.mqtt.salvage import Rows, salvage

# Acknowledged events are deleted when none waits, and this many at a time while a backlog drains.
ACKS_PER_WRITE = 256

# How long an acknowledged event is kept in case the broker crashes, and how many at most. A guess: seen lost with a
# killed mosquitto were events of the last second.
DOUBT_S = 5.0
MAX_DOUBTED = 1_000

# Acknowledged events leave the disk together with the next one's coming, or after so long without one. Guess: an alarm
# and what belongs to it comes within a minute.
QUIET_S = 60.0

# A disk that failed is tried again with the first event after so many seconds.
RETRY_S = 60.0

# What a row takes beside its payload, and a page beside its rows.
_ROW_BYTES, _PAGE_HEADER_BYTES = 12, 35

# Files for processes that find the journal in use, at most: each is there by mistake.
_STAND_INS = 3
_SHARED = "another process uses it; give each node its own node.id"
_IN_MEMORY = "events are kept in memory, and lost when the program ends"

_decoder = msgspec.json.Decoder(EventPayload)

_log = logging.getLogger(__name__)


class Spool:
    """`EventQueue` of bounded size whose events survive the process, as long as there is a disk to hold them.

    A disk that is full, read-only or broken is never fatal: events are then kept in memory alone, `problem` says why,
    and the disk is tried again later. A damaged file is renamed to `*.corrupt`, and what can be read of it goes into a
    new one. A file that another process holds is stood in for by one beside it, which the next run takes over.

    Attributes:
        last: Number of the newest event ever appended.
        dropped: Events given up because the spool was full or its rows could not be read.
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
        self._file = file
        self._max_events, self._max_bytes = max_events, max_bytes
        self._monotonic_s = monotonic_s
        self._waiting: OrderedDict[int, bytes] = OrderedDict()  # bounded: append drops the oldest
        self._acked: OrderedDict[int, tuple[float, bytes]] = OrderedDict()  # bounded by MAX_DOUBTED: oldest forgotten
        self._bytes = 0
        self._gone: list[int] = []  # bounded: written when ACKS_PER_WRITE long
        self._journal: EventJournal | None = None
        self._retry_s = self._appended_s = 0.0
        self._given_up = False
        self.last = first - 1
        self.dropped = 0
        self.problem = ""
        self._start()

    @property
    def depth(self) -> int:
        """Events that wait."""
        return len(self._waiting)

    def append(self, event: EventPayload) -> int:
        """Add an event and return its number."""
        self._settle()
        self._appended_s = self._monotonic_s()
        self.last += 1
        self._hold(self.last, event.encoded(historical=False))
        self._make_room()
        if self._journal is None:
            self._try_disk_again()
        else:
            self._write([(self.last, self._waiting[self.last])])
        return self.last

    def peek(self, after: int) -> tuple[int, EventPayload] | None:
        """The oldest waiting event with a number above `after`; quick because acknowledged ones are elsewhere."""
        self._settle()
        found = next(((number, payload) for number, payload in self._waiting.items() if number > after), None)
        return None if found is None else (found[0], _decoder.decode(found[1]))

    def ack(self, number: int) -> None:
        """Forget an event, though not at once; see `doubt`."""
        payload = self._waiting.pop(number, None)
        if payload is not None:
            self._acked[number] = self._monotonic_s(), payload
            self._settle()

    def doubt(self) -> None:
        """Let what was acknowledged in the last seconds wait again."""
        self._settle()
        if self._file is not None and any(file.exists() for file in _stand_ins(self._file)):
            self._report(f"spool {self._file}: {_SHARED}")
        again = [(number, payload) for number, (_, payload) in self._acked.items()]
        self._acked.clear()
        self._waiting = OrderedDict(sorted([*again, *self._waiting.items()]))

    def sync(self) -> None:
        """Have what waits reach the disk; needs no lock, blocks for the disk."""
        journal = self._journal
        if journal is None:
            return
        try:
            journal.sync()
        except OSError as error:
            self._report(f"spool {self._file}: cannot be flushed ({error.strerror}); a power cut may lose events")

    def close(self) -> None:
        """Write what is left to write and let go of the file; what comes later is kept in memory."""
        self._given_up = True
        for number in list(self._acked):
            self._forget(number)
        if self._journal is not None:
            self._write([])
        self._let_go()

    def _start(self) -> None:
        """Open the journal and take over what earlier runs left in it; without one, events are kept in memory."""
        if self._file is not None and (opened := self._opened_first(self._file)) is not None:
            self._journal, rows = opened
            self._take_over(rows)
        else:
            self._given_up = True  # writing to it later would overwrite what an earlier run left

    def _opened_first(self, file: Path) -> tuple[EventJournal, Rows] | None:
        """The journal and its events; where another process holds it, one of the files that stand in for it."""
        for candidate in (file, *_stand_ins(file)):
            try:
                opened = self._opened_or_salvaged(candidate)
            except (OSError, ValueError, sqlite3.Error, CorruptJournalError) as error:
                if not _is_busy(error):
                    self._report(f"spool {candidate}: {error}; {_IN_MEMORY}")
                    return None
            else:
                if candidate is not file:
                    self._report(f"spool {file}: {_SHARED}; events are kept in {candidate}")
                    self._file = candidate
                    return opened
                return opened[0], opened[1] | self._left_in_stand_ins(opened)
        self._report(f"spool {file}: {_SHARED}; {_IN_MEMORY}")
        return None

    def _opened_or_salvaged(self, file: Path) -> tuple[EventJournal, Rows]:
        """Open the journal and read it; a damaged one is set aside, and what can be read of it goes into a new one."""
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            return _opened_and_read(file)
        except CorruptJournalError as error:
            rows = salvage(file)
            self._set_aside(file, error)
            _log.warning("spool %s: %d events could be read of the corrupt file", file, len(rows))
        journal = EventJournal(file)
        journal.replace(sorted(rows.items()))
        return journal, rows

    def _left_in_stand_ins(self, opened: tuple[EventJournal, Rows]) -> Rows:
        """Move into the journal what processes wrote that could not have it; those that still run keep theirs."""
        journal, rows = opened
        moved: Rows = {}
        last = max(self.last, journal.last, *rows)
        for file in _stand_ins(journal.file):
            if not file.exists():
                continue
            try:
                left, payloads = _opened_and_read(file)
            except (OSError, sqlite3.Error, CorruptJournalError) as error:
                self._report(f"spool {journal.file}: {_SHARED}" if _is_busy(error) else f"spool {file}: {error}")
                continue
            numbered = dict(enumerate(payloads.values(), start=last + 1))
            journal.write(numbered.items(), ())
            left.close()
            file.unlink(missing_ok=True)
            moved |= numbered
            last += len(numbered)
        return moved

    def _take_over(self, rows: Rows) -> None:
        assert self._journal is not None
        self.last = max(self.last, self._journal.last, *rows)
        for number, payload in sorted(rows.items()):
            self._hold(number, payload)
            if not _is_event(payload):
                self._forget(number)
                self.dropped += 1
        unreadable = self.dropped
        self._make_room()
        if unreadable:
            _log.warning("spool %s: %d events cannot be read and are left out", self._file, unreadable)
        if self._waiting:
            _log.info("spool %s: %d events of an earlier run wait for the broker", self._file, self.depth)

    def _hold(self, number: int, payload: bytes) -> None:
        self._waiting[number] = payload
        self._bytes += _bytes_on_disk(payload)

    def _forget(self, number: int) -> None:
        payload = self._acked.pop(number)[1] if number in self._acked else self._waiting.pop(number)
        self._bytes -= _bytes_on_disk(payload)
        self._gone.append(number)

    def _settle(self) -> None:
        """Forget acknowledged events that are beyond doubt; they leave the disk when it is worth a write."""
        old_s = self._monotonic_s() - DOUBT_S
        while self._acked:
            number, (acked_s, _) = next(iter(self._acked.items()))
            if acked_s > old_s and len(self._acked) <= MAX_DOUBTED:
                break
            self._forget(number)
        if len(self._gone) >= ACKS_PER_WRITE or (self._gone and self._quiet()):
            self._write([])

    def _quiet(self) -> bool:
        """Nothing waits, and no event has come for a while with which the gone ones could leave the disk."""
        busy = self._waiting or self._acked
        return not busy and self._monotonic_s() - self._appended_s >= QUIET_S

    def _make_room(self) -> None:
        while self._acked and self._is_full(len(self._acked) + len(self._waiting)):
            self._forget(next(iter(self._acked)))
        while len(self._waiting) > 1 and self._is_full(len(self._waiting)):
            self._forget(next(iter(self._waiting)))
            self.dropped += 1
            if self.dropped & (self.dropped - 1) == 0:  # the first, and then ever more rarely
                _log.warning("spool is full (spool.max_events, spool.max_mb): %d oldest events dropped", self.dropped)

    def _is_full(self, events: int) -> bool:
        return events > self._max_events or self._bytes > self._max_bytes

    def _write(self, added: Sequence[tuple[int, bytes]]) -> None:
        """Bring the journal up to date; does nothing without one."""
        gone, self._gone = self._gone, []
        if self._journal is None:
            return
        try:
            self._journal.write(added, gone)
        except sqlite3.Error as error:
            self._lose(error)

    def _lose(self, error: sqlite3.Error) -> None:
        """The disk failed: what waits stays in memory; a corrupt file is replaced at once, any other tried later."""
        assert self._file is not None, "without a file there is no journal"
        self._let_go()
        self._retry_s = self._monotonic_s() + RETRY_S
        self._report(f"spool {self._file}: {error}; events are kept in memory until the disk works again")
        if is_corrupt(error) and self._set_aside(self._file, error):
            self._retry_s = 0.0
            self._try_disk_again()

    def _try_disk_again(self) -> None:
        if self._file is None or self._given_up or self._monotonic_s() < self._retry_s:
            return
        self._retry_s = self._monotonic_s() + RETRY_S
        try:
            self._journal = self._filled(self._file)
        except (OSError, sqlite3.Error, CorruptJournalError) as error:
            self._report(f"spool {self._file}: {error}; events are kept in memory until the disk works again")
            return
        self._gone.clear()
        _log.info("spool %s: works again, %d events on disk", self._file, self.depth)
        self.problem = ""

    def _filled(self, file: Path) -> EventJournal:
        """A journal that holds what this spool has in memory."""
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            journal = EventJournal(file)
        except CorruptJournalError as error:
            self._set_aside(file, error)
            journal = EventJournal(file)
        try:
            doubted = ((number, payload) for number, (_, payload) in self._acked.items())
            journal.replace([*doubted, *self._waiting.items()])
        except sqlite3.Error:
            journal.close()
            raise
        return journal

    @staticmethod
    def _set_aside(file: Path, error: Exception) -> bool:
        """Rename a corrupt file and its log; one is kept, so that a dying card does not fill itself.

        Returns:
            Whether the file could be renamed.
        """
        aside = f"{file}.corrupt"
        try:
            for suffix in ("-wal", "-shm", ""):
                with suppress(FileNotFoundError):
                    Path(f"{file}{suffix}").replace(f"{aside}{suffix}")
        except OSError as failure:
            _log.exception("spool %s: corrupt (%s), and cannot be renamed: %s", file, error, failure.strerror)
            return False
        _log.error("spool %s: corrupt (%s); renamed to %s, a new one is begun", file, error, aside)
        return True

    def _let_go(self) -> None:
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


def _opened_and_read(file: Path) -> tuple[EventJournal, Rows]:
    """Open a journal and read it.

    Raises:
        CorruptJournalError: It is damaged.
        OSError: It cannot be opened.
        sqlite3.Error: Likewise, or another process holds it.
    """
    journal = EventJournal(file)
    try:
        return journal, dict(journal.read())
    except (sqlite3.Error, CorruptJournalError) as error:
        journal.close()
        if is_corrupt(error):
            raise CorruptJournalError(str(error)) from error
        raise


def _stand_ins(file: Path) -> list[Path]:
    """Where events are kept while another process holds the journal."""
    return [file.with_name(f"{file.stem}.{number}{file.suffix}") for number in range(2, 2 + _STAND_INS)]


def _is_busy(error: Exception) -> bool:
    return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)


def _bytes_on_disk(payload: bytes) -> int:
    """What a row takes of the file: its share of a page that holds rows like it, or the pages that it fills."""
    row = len(payload) + _ROW_BYTES
    rows_a_page = (PAGE_BYTES - _PAGE_HEADER_BYTES) // row
    return PAGE_BYTES // rows_a_page if rows_a_page else (row // (PAGE_BYTES - _PAGE_HEADER_BYTES) + 2) * PAGE_BYTES
