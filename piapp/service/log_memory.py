"""Keeps the day's log, for the owner's page and for support bundles.

Owns what is kept and how it is read. As a service, lines are kept in the runtime folder that systemd gives, which is
memory and outlasts a restart of the service; nothing is written to the card. Elsewhere they are kept since the start.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from piapp.service.line_file import LineFile
from piapp.wording import masked

# Without a runtime folder.
MAX_LINES = 500

# Each of two files, twice: some 4,000 lines and as many warnings.
MAX_FILE_BYTES = 512 * 1024

MAX_CHARACTERS = 500
DAY_S = 24 * 3600.0

# What a page is sent at once.
MAX_SHOWN = 500

RUNTIME_VARIABLE = "RUNTIME_DIRECTORY"
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class Line(msgspec.Struct, frozen=True, array_like=True):
    """One line.

    Attributes:
        at_s: When, in seconds of the wall clock.
        level: One of `LEVELS`, as a rule.
        logger: Who said it.
        text: Without what may be a secret in an address.
    """

    at_s: float
    level: str
    logger: str
    text: str

    def described(self) -> dict[str, Any]:
        """For people: with the time as UTC."""
        when = datetime.fromtimestamp(self.at_s, UTC).isoformat(timespec="milliseconds")
        return {"t": when, "at_s": self.at_s, "level": self.level, "logger": self.logger, "text": self.text}


class LogMemory(logging.Handler):
    """Remembers what was logged in the last day, the newest lines of it; any thread.

    Warnings and worse are kept apart, so that nothing that is said often pushes them out.

    Args:
        folder: For the files; None keeps lines in this process.
    """

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__()
        # Full: the oldest goes.
        self._files = [LineFile(folder / name, MAX_FILE_BYTES) for name in ("log", "log-warnings")] if folder else None
        self._memory: list[deque[Line]] = [deque(maxlen=MAX_LINES), deque(maxlen=MAX_LINES)]

    @classmethod
    def of_this_process(cls) -> LogMemory:
        """With the runtime folder that systemd gives this service, if it is one."""
        folder = os.environ.get(RUNTIME_VARIABLE, "").partition(":")[0]
        return cls(Path(folder) if folder else None)

    def emit(self, record: logging.LogRecord) -> None:
        """Remember one line."""
        text = masked(record.getMessage())[:MAX_CHARACTERS]
        line = Line(record.created, record.levelname, record.name, text)
        grave = record.levelno >= logging.WARNING
        if self._files:
            self._files[grave].add(msgspec.json.encode(line))
        else:
            self._memory[grave].append(line)

    def lines(self) -> list[dict[str, Any]]:
        """All lines of the last day that are remembered, oldest first."""
        return [line.described() for line in self._day()]

    def document(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Lines for the page, oldest first.

        Args:
            query: "level" is the least one, "before" the `at_s` of the first line that the page has.

        Raises:
            ValueError: One of these has another form.
        """
        level, before_s = query.get("level", "DEBUG"), float(query.get("before", "inf"))
        if level not in LEVELS:
            raise ValueError(f"level: expected one of {', '.join(LEVELS)}")
        least = LEVELS[LEVELS.index(level) :]
        found = [line for line in self._day() if line.at_s < before_s and line.level in least]
        shown = found[-MAX_SHOWN:]
        return {"lines": [line.described() for line in shown], "earlier": len(found) - len(shown)}

    def _day(self) -> list[Line]:
        self.acquire()
        try:
            kept = self._read() if self._files else list(chain(*self._memory))
        finally:
            self.release()
        since_s = time.time() - DAY_S
        return sorted((line for line in kept if line.at_s >= since_s), key=lambda line: line.at_s)

    def _read(self) -> list[Line]:
        lines = (_decoded(line) for file in self._files or () for line in file.lines())
        return [line for line in lines if line is not None]


def _decoded(line: bytes) -> Line | None:
    """None for a line that was cut off."""
    try:
        return msgspec.json.decode(line, type=Line)
    except ValueError:
        return None
