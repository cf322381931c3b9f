"""Reads what can still be read of a damaged journal. Owns no file: it works on a copy.

SQLite stops at the first damaged page that it meets, so rows are sought from both ends and one by one. Where it refuses
the database as a whole, because its first pages are damaged, rows are read straight from the pages: some that had been
sent already may be among them, and come twice with the same id.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from piapp.mqtt.journal import PAGE_BYTES, is_row
from piapp.mqtt.leaf_pages import rows_in_leaf_pages

_PAGE_SIZES = (PAGE_BYTES, 4096)  # what journals have, and what they had; a damaged header does not tell

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
        rows = _read_copy(file, Path(folder) / "copy.db")
    if rows:
        return rows
    content = file.read_bytes()
    return {
        number: payload
        for page_bytes in _PAGE_SIZES
        for number, payload in rows_in_leaf_pages(content, page_bytes)
        if is_row(number, payload)
    }


def _read_copy(file: Path, copy: Path) -> Rows:
    shutil.copyfile(file, copy)
    with suppress(FileNotFoundError):
        shutil.copyfile(f"{file}-wal", f"{copy}-wal")
    try:
        with closing(sqlite3.connect(copy, isolation_level=None)) as database:
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            return _read_rows(database)
    except sqlite3.Error:
        return {}


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
