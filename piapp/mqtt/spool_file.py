"""The spool's place on disk: opening it whatever state it is in.

Owns which file is used: a damaged one is renamed to `*.corrupt`, and what can be read of it goes into a new one. A file
that another process holds is stood in for by one beside it, which the next run takes over.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from piapp.mqtt.journal import CorruptJournalError, EventJournal, is_corrupt
from piapp.mqtt.salvage import Rows, salvage

# Files for processes that find the journal in use, at most: each is there by mistake.
_STAND_INS = 3
_SHARED = "another process uses it; give each node its own node.id"
_IN_MEMORY = "events are kept in memory, and lost when the program ends"

# What opening a file can fail with.
_OPEN_ERRORS = (OSError, ValueError, sqlite3.Error, CorruptJournalError)

_log = logging.getLogger(__name__)


class SpoolFile:
    """The file that holds a spool's events, or the one that stands in for it.

    Args:
        path: Where it should be.
        report: Called with each problem that the owner of the node should know of.

    Attributes:
        path: Where it is; another one after `open` when another process holds the first.
    """

    def __init__(self, path: Path, report: Callable[[str], None]) -> None:
        self.path = path
        self._report = report

    def open(self, last: int) -> tuple[EventJournal, Rows] | None:
        """Open the journal and read it, with what other runs left in files that stood in for it.

        Args:
            last: The highest number that was given to an event; what is taken over gets higher ones.

        Returns:
            The journal and its events; None when no file can be used, which has then been reported.
        """
        for candidate in (self.path, *_stand_ins(self.path)):
            try:
                journal, rows = self._opened_or_salvaged(candidate)
            except _OPEN_ERRORS as error:
                if not _is_busy(error):
                    self._report(f"spool {candidate}: {error}; {_IN_MEMORY}")
                    return None
            else:
                return journal, rows | self._settled_in(journal, max(last, journal.last, *rows))
        self._report(f"spool {self.path}: {_SHARED}; {_IN_MEMORY}")
        return None

    def create(self, events: Iterable[tuple[int, bytes]]) -> EventJournal:
        """A journal that holds these events and no others.

        Raises:
            OSError: It cannot be opened.
            sqlite3.Error: Likewise, or it cannot be written.
            CorruptJournalError: What is there is damaged and cannot be renamed.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            journal = EventJournal(self.path)
        except CorruptJournalError as error:
            _set_aside(self.path, error)
            journal = EventJournal(self.path)
        try:
            journal.replace(events)
        except sqlite3.Error:
            journal.close()
            raise
        return journal

    def set_aside(self, error: Exception) -> bool:
        """Rename the file, which is corrupt; False when it cannot be renamed."""
        return _set_aside(self.path, error)

    def report_sharing(self) -> None:
        """Report when another process found this file in use."""
        if any(file.exists() for file in _stand_ins(self.path)):
            self._report(f"spool {self.path}: {_SHARED}")

    def _opened_or_salvaged(self, file: Path) -> tuple[EventJournal, Rows]:
        """Open the journal and read it; a damaged one is set aside, and what can be read of it goes into a new one."""
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            return _opened_and_read(file)
        except CorruptJournalError as error:
            rows = salvage(file)
            _set_aside(file, error)
            _log.warning("spool %s: %d events could be read of the corrupt file", file, len(rows))
        journal = EventJournal(file)
        journal.replace(sorted(rows.items()))
        return journal, rows

    def _settled_in(self, journal: EventJournal, last: int) -> Rows:
        """Use this journal from now on.

        Returns:
            Events that the files which stood in for it held.
        """
        if journal.file == self.path:
            return self._left_in_stand_ins(journal, last)
        self._report(f"spool {self.path}: {_SHARED}; events are kept in {journal.file}")
        self.path = journal.file
        return {}

    def _left_in_stand_ins(self, journal: EventJournal, last: int) -> Rows:
        """Move into the journal what processes wrote that could not have it; those that still run keep theirs."""
        moved: Rows = {}
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
