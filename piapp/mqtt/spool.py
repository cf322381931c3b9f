"""Events that outlive the process: in memory for sending, and journalled on disk until the broker has them.

Owns the journal's file, its bounds, and what happens when the disk fails. Knows no connection: the outbox asks for the
next event and says which one is acknowledged.

An event has happened when `append` returns, and from then on it survives `kill -9`: it is written through to SQLite
in WAL mode, one small write into the kernel's cache. Nothing is flushed to the card while the broker is there, because
an event then waits for milliseconds only; what a power cut can take are events of the last seconds that nobody
acknowledged. While the broker is away, `sync` flushes, off the main thread. Between events nothing is written, and the
disk is read once, at the start. About every 200 events SQLite folds its log into the file, which flushes both.

Acknowledged events are kept for some seconds more: a broker that is killed forgets what it had in memory for its
subscribers, so what it acknowledged just before the connection broke is sent again, with the same id.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from piapp.config.sections import SpoolConfig
from piapp.mqtt.payload import EventPayload

# Acknowledged events are deleted when none waits, and this many at a time while a backlog drains.
ACKS_PER_WRITE = 256

# How long an acknowledged event is kept in case the broker crashes, and how many at most. A guess: seen lost with a
# killed mosquitto were events of the last second.
DOUBT_S = 5.0
MAX_DOUBTED = 1_000

# A disk that failed is tried again with the first event after so many seconds.
RETRY_S = 60.0

# What a row takes beside its payload: its number, lengths, and its share of half-empty pages (measured: 20 to 60).
ROW_BYTES = 64

_SCHEMA_VERSION = 1
_SCHEMA = "CREATE TABLE events (number INTEGER PRIMARY KEY AUTOINCREMENT, payload BLOB NOT NULL)"

# sqlite.org/rescode.html
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}  # the last: no such table or column

_decoder = msgspec.json.Decoder(EventPayload)

_log = logging.getLogger(__name__)


class CorruptJournalError(Exception):
    """The file is there and is no journal of ours."""


class EventJournal:
    """The SQLite file. One process at a time holds it; not thread-safe, but for `sync`.

    Raises:
        CorruptJournalError: The file cannot be used and should be set aside.
        OSError: It cannot be opened.
        sqlite3.Error: Likewise, or another process holds it.
    """

    def __init__(self, file: Path) -> None:
        self._wal = Path(f"{file}-wal")
        self._unsynced = False
        # Who was at home and when is nobody else's business; SQLite gives its log the same mode.
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._database = sqlite3.connect(file, timeout=0.5, isolation_level=None, check_same_thread=False)
        try:
            self._prepare()
        except BaseException:
            self._database.close()
            raise

    def read(self) -> list[tuple[int, bytes]]:
        """All events, oldest first."""
        return list(self._database.execute("SELECT number, payload FROM events ORDER BY number"))

    @property
    def last(self) -> int:
        """The highest number ever written, 0 before the first; it stays when events go."""
        row = self._database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
        return row[0] if row else 0

    def write(self, added: Iterable[tuple[int, bytes]], removed: Iterable[int]) -> None:
        """Add and remove events, all or none; they are in the kernel's hands when this returns."""
        with self._database:  # commits, or rolls back
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany("DELETE FROM events WHERE number = ?", ((number,) for number in removed))
            self._database.executemany("INSERT INTO events VALUES (?, ?)", added)
        self._unsynced = True

    def replace(self, events: Iterable[tuple[int, bytes]]) -> None:
        """Hold these events and no others."""
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.execute("DELETE FROM events")
            self._database.executemany("INSERT INTO events VALUES (?, ?)", events)
        self._unsynced = True

    def sync(self) -> None:
        """Have what was written reach the disk; from any thread, blocks for it.

        Raises:
            OSError: The disk failed.
        """
        if not self._unsynced:
            return
        self._unsynced = False
        # SQLite holds its locks on the other file, so closing this one gives none away (its howtocorrupt.html, 2.2).
        with suppress(FileNotFoundError), self._wal.open("rb") as wal:
            os.fdatasync(wal.fileno())

    def close(self) -> None:
        """Fold the log into the file and let go of it."""
        self._database.close()

    def _prepare(self) -> None:
        try:
            # With the lock held from the first access on there is no shared memory to be found damaged or mapped.
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode = WAL").fetchone()
            # Survives the death of the process; flushing is `sync`'s business.
            self._database.execute("PRAGMA synchronous = NORMAL")
            (version,) = self._database.execute("PRAGMA user_version").fetchone()
            if version == 0:
                with self._database:
                    self._database.execute("BEGIN IMMEDIATE")
                    self._database.execute(_SCHEMA)
                    self._database.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
            elif version != _SCHEMA_VERSION:
                raise CorruptJournalError(f"its version is {version}, expected {_SCHEMA_VERSION}")
            self._database.execute("SELECT number, payload FROM events LIMIT 1").fetchone()
            (verdict,) = self._database.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise CorruptJournalError(verdict)
            # A log that a crash left is folded in now; on a full disk that waits, for reading works there.
            with suppress(sqlite3.OperationalError):
                self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.DatabaseError as error:
            if _is_corrupt(error):
                raise CorruptJournalError(str(error)) from error
            raise


class Spool:
    """`EventQueue` of bounded size whose events survive the process, as long as there is a disk to hold them.

    A disk that is full, read-only or broken is never fatal: events are then kept in memory alone, `problem` says why,
    and the disk is tried again later. A corrupt file is renamed to `*.corrupt`, and a new one begun.

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
        self._retry_s = 0.0
        self._given_up = False
        self.last = first - 1
        self.dropped = 0
        self.problem = ""
        self._journal = self._opened()
        if self._journal is not None:
            self._take_over(self._journal)
        else:
            self._given_up = True  # writing to it later would overwrite what an earlier run left

    @property
    def depth(self) -> int:
        """Events that wait."""
        return len(self._waiting)

    def append(self, event: EventPayload) -> int:
        """Add an event and return its number."""
        self._settle()
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
            self._say_problem(f"spool {self._file}: cannot be flushed ({error.strerror}); a power cut may lose events")

    def close(self) -> None:
        """Write what is left to write and let go of the file; what comes later is kept in memory."""
        self._given_up = True
        for number in list(self._acked):
            self._forget(number)
        if self._journal is not None:
            self._write([])
        self._let_go()

    def _take_over(self, journal: EventJournal) -> None:
        try:
            rows = journal.read()
            self.last = max(self.last, journal.last)
        except sqlite3.Error as error:
            self._given_up = not _is_corrupt(error)
            self._lose(error)
            return
        for number, payload in rows:
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
        self._bytes += len(payload) + ROW_BYTES

    def _forget(self, number: int) -> None:
        payload = self._acked.pop(number)[1] if number in self._acked else self._waiting.pop(number)
        self._bytes -= len(payload) + ROW_BYTES
        self._gone.append(number)

    def _settle(self) -> None:
        """Forget acknowledged events that are beyond doubt; they leave the disk when it is worth a write."""
        old_s = self._monotonic_s() - DOUBT_S
        while self._acked:
            number, (acked_s, _) = next(iter(self._acked.items()))
            if acked_s > old_s and len(self._acked) <= MAX_DOUBTED:
                break
            self._forget(number)
        if len(self._gone) >= ACKS_PER_WRITE or (self._gone and not self._waiting and not self._acked):
            self._write([])

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
        if _is_corrupt(error):
            self._set_aside(self._file, error)
            self._retry_s = 0.0
            self._try_disk_again()
        else:
            self._say_problem(f"spool {self._file}: {error}; events are kept in memory until the disk works again")

    def _try_disk_again(self) -> None:
        if self._file is None or self._given_up or self._monotonic_s() < self._retry_s:
            return
        journal = self._opened()
        if journal is None:
            return
        try:
            doubted = ((number, payload) for number, (_, payload) in self._acked.items())
            journal.replace([*doubted, *self._waiting.items()])
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                journal.close()
            self._retry_s = self._monotonic_s() + RETRY_S
            self._say_problem(f"spool {self._file}: {error}; events are kept in memory until the disk works again")
            return
        self._gone.clear()
        self._journal = journal
        if self.problem:
            _log.info("spool %s: works again, %d events on disk", self._file, self.depth)
        self.problem = ""

    def _opened(self) -> EventJournal | None:
        """The journal, a new one in place of a corrupt one; None, with `problem` set, when there can be none."""
        if self._file is None:
            return None
        self._retry_s = self._monotonic_s() + RETRY_S
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                return EventJournal(self._file)
            except CorruptJournalError as error:
                self._set_aside(self._file, error)
                return EventJournal(self._file)
        except (OSError, sqlite3.Error, CorruptJournalError) as error:
            busy = isinstance(error, sqlite3.OperationalError) and "locked" in str(error)
            words = "another process uses it; give each node its own node.id" if busy else str(error)
            self._say_problem(f"spool {self._file}: {words}; events are kept in memory, and lost when the program ends")
            return None

    @staticmethod
    def _set_aside(file: Path, error: Exception) -> None:
        """Rename a corrupt file and its log; one is kept, so that a dying card does not fill itself."""
        aside = f"{file}.corrupt"
        _log.error("spool %s: corrupt (%s); renamed to %s, a new one is begun", file, error, aside)
        for suffix in ("-wal", "-shm", ""):
            with suppress(FileNotFoundError):
                Path(f"{file}{suffix}").replace(f"{aside}{suffix}")

    def _let_go(self) -> None:
        journal, self._journal = self._journal, None
        if journal is not None:
            with suppress(sqlite3.Error):
                journal.close()

    def _say_problem(self, words: str) -> None:
        """Warn once for each new problem."""
        if words != self.problem:
            _log.warning("%s", words)
        self.problem = words


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
    except msgspec.DecodeError:
        return False
    return True


def _is_corrupt(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _CORRUPT
