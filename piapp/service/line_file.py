"""Keeps the newest lines of something in two small files. Owns their form and their bound."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


class LineFile:
    """Appends lines; the older half goes when the newer one is full. A disk that fails loses lines and nothing else.

    Args:
        file: The newer half; the older one is beside it, with ".1" at its end.
        max_bytes: How long each half may be.
    """

    def __init__(self, file: Path, max_bytes: int) -> None:
        self._file = file
        self._older = file.with_name(f"{file.name}.1")
        self._max_bytes = max_bytes
        self._length = self._size()

    def add(self, line: bytes) -> None:
        """Append one line, which has no line break in it."""
        with suppress(OSError):
            if self._length + len(line) >= self._max_bytes:
                self._file.replace(self._older)
                self._length = 0
            descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                self._length += os.write(descriptor, line + b"\n")
            finally:
                os.close(descriptor)

    def lines(self) -> list[bytes]:
        """All that are there, oldest first; one that was cut off may be among them."""
        found: list[bytes] = []
        for file in (self._older, self._file):
            with suppress(OSError):
                found += file.read_bytes().splitlines()
        return found

    def _size(self) -> int:
        try:
            return self._file.stat().st_size
        except OSError:
            return 0
