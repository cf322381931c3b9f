"""The file that events are kept in: an SQLite database of numbered payloads. Owns its form and its integrity check.

Written through to SQLite in WAL mode, one small write into the kernel's cache an event, so that what is written
survives `kill -9`. `sync` flushes it to the card. About every 200 events SQLite folds its log into the file, which
flushes both.

No number comes twice: when the event with the highest one goes, its row stays, empty, until a higher number is there.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

# Numbers beyond these are damage: the highest leaves SQLite's own limit out of reach for ever.
MAX_NUMBER = 2**53

PAGE_BYTES = 1024

# Not AUTOINCREMENT: its table of the highest number is one more page to write with each event.
_SCHEMA_VERSION = 1
_SCHEMA = "CREATE TABLE events (number INTEGER PRIMARY KEY, payload BLOB NOT NULL)"

# sqlite.org/rescode.html; the last means that a table or column is missing.
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}


class CorruptJournalError(Exception):
    """The file is there and is no journal of ours."""


class EventJournal:
    """The SQLite file. One process at a time holds it; not thread-safe, but for `sync`.

    Attributes:
        file: Where it is.
        last: The highest number ever written, 0 before the first; it stays when events go.

    Raises:
        CorruptJournalError: The file cannot be used and should be set aside.
        OSError: It cannot be opened.
        sqlite3.Error: Likewise, or another process holds it.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._wal = Path(f"{file}-wal")
        self._unsynced = False
        # Who was at home and when is nobody else's business; SQLite gives its log the same mode.
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._database = sqlite3.connect(file, timeout=0.5, isolation_level=None, check_same_thread=False)
        try:
            self._prepare()
            (self.last,) = self._database.execute("SELECT coalesce(max(number), 0) FROM events").fetchone()
        except BaseException:
            self._database.close()
            raise

    def read(self) -> list[tuple[int, bytes]]:
        """All events, oldest first.

        Raises:
            CorruptJournalError: A number or payload is of no kind that was ever written.
        """
        query = "SELECT number, payload FROM events WHERE payload != x'' ORDER BY number"
        rows = list(self._database.execute(query))
        odd = next((number for number, payload in rows if not is_row(number, payload)), None)
        if odd is not None:
            raise CorruptJournalError(f"row {odd} holds no event's number and bytes")
        return rows

    def write(self, added: Iterable[tuple[int, bytes]], removed: Iterable[int]) -> None:
        """Add and remove events, all or none; they are in the kernel's hands when this returns."""
        self._change("DELETE FROM events WHERE number = ?", [(number,) for number in removed], list(added))

    def replace(self, events: Iterable[tuple[int, bytes]]) -> None:
        """Hold these events and no others."""
        self._change("DELETE FROM events WHERE number >= ?", [(0,)], list(events))

    def _change(self, removal: str, removed: list[tuple[int]], added: list[tuple[int, bytes]]) -> None:
        last = max(self.last, *(number for number, _ in added), 0)
        with self._database as database:  # commits, or rolls back
            database.execute("BEGIN IMMEDIATE")
            database.execute("DELETE FROM events WHERE number = ? AND payload = x''", (self.last,))
            database.executemany(removal, removed)
            database.executemany("INSERT INTO events VALUES (?, ?)", added)
            database.execute("INSERT OR IGNORE INTO events VALUES (?, x'')", (last,))
        self.last = last
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
            # Of a new file. Each event writes the pages that it touches, and most events fit into one of these.
            self._database.execute(f"PRAGMA page_size = {PAGE_BYTES}")
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
            if is_corrupt(error):
                raise CorruptJournalError(str(error)) from error
            raise


def is_row(number: object, payload: object) -> bool:
    """Whether a row is of the form that `EventJournal.write` gives it."""
    return isinstance(number, int) and 0 < number <= MAX_NUMBER and isinstance(payload, bytes) and payload != b""


def is_corrupt(error: Exception) -> bool:
    """Whether the file itself is damaged, not the disk full, busy or failing."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _CORRUPT
