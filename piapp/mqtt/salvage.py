"""Reads what can still be read of a damaged journal. Owns no file: it works on a copy.

SQLite refuses a database whose first page is damaged, and stops at the first damaged page it meets on its way. So the
first page is replaced by that of an empty journal where need be, and rows are sought from both ends and one by one.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from piapp.mqtt.journal import EventJournal, is_row

_PAGE_BYTES = 4096  # SQLite's default page size, which journals have
_PAGE_COUNT = slice(28, 32)  # of the database header, sqlite.org/fileformat.html#the_database_header
_FREE_PAGES = slice(32, 40)  # first page of the free list, and their number

# Rows between those that both ends reach are tried one by one, so many at most: some seconds of work at the worst.
_MAX_TRIED = 200_000

Rows = dict[int, bytes]


def salvage(file: Path) -> Rows:
    """Return the events that can be read of a damaged journal, by number.

    Args:
        file: The database; its write-ahead log, if there is one, lies beside it. Neither is changed.

    Raises:
        OSError: There is no room for a copy.
    """
    with tempfile.TemporaryDirectory(dir=file.parent, prefix="salvage-") as folder:
        rows = _read_copy(file, Path(folder) / "as-is.db")
        mended = Path(folder) / "mended.db"
        return _read_copy(file, mended, first_page=_empty_first_page(Path(folder) / "empty.db")) | rows


def _read_copy(file: Path, copy: Path, *, first_page: bytes | None = None) -> Rows:
    shutil.copyfile(file, copy)
    with suppress(FileNotFoundError):
        shutil.copyfile(f"{file}-wal", f"{copy}-wal")
    if first_page is not None:
        _replace_first_page(copy, first_page)
    try:
        with closing(sqlite3.connect(copy, isolation_level=None)) as database:
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            return _read_rows(database)
    except sqlite3.Error:
        return {}


def _empty_first_page(file: Path) -> bytes:
    EventJournal(file).close()
    return file.read_bytes()[:_PAGE_BYTES]


def _replace_first_page(file: Path, first_page: bytes) -> None:
    pages = file.stat().st_size // _PAGE_BYTES
    page = bytearray(first_page)
    page[_PAGE_COUNT] = pages.to_bytes(4)
    page[_FREE_PAGES] = bytes(8)
    with file.open("r+b") as raw:
        raw.write(page)


def _read_rows(database: sqlite3.Connection) -> Rows:
    """Read from the front and from the back until damage stops each, then try the numbers between."""
    front = dict(_until_damage(database, "ASC"))
    back = dict(_until_damage(database, "DESC"))
    rows = front | back
    first, last = max(front, default=0) + 1, min(back, default=0)
    for number in range(first, min(last, first + _MAX_TRIED)):
        with suppress(sqlite3.Error):
            row = database.execute("SELECT number, payload FROM events WHERE number = ?", (number,)).fetchone()
            if row is not None and is_row(*row):
                rows[number] = row[1]
    return rows


def _until_damage(database: sqlite3.Connection, order: str) -> Iterator[tuple[int, bytes]]:
    with suppress(sqlite3.Error):
        for row in database.execute(f"SELECT number, payload FROM events ORDER BY number {order}"):  # noqa: S608
            if is_row(*row):
                yield row[0], row[1]
