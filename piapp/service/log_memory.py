"""Keeps the last lines of the log, for the owner's page and for support bundles."""

from __future__ import annotations

import logging
from collections import deque
from datetime import UTC, datetime
from typing import Any

from piapp.wording import masked

MAX_LINES = 500
MAX_CHARACTERS = 500


class LogMemory(logging.Handler):
    """Remembers what was logged since the start, the newest lines of it; any thread."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[tuple[float, str, str, str]] = deque(maxlen=MAX_LINES)  # full: the oldest goes

    def emit(self, record: logging.LogRecord) -> None:
        """Remember one line, without what may be a secret in an address."""
        text = masked(record.getMessage())[:MAX_CHARACTERS]
        self._lines.append((record.created, record.levelname, record.name, text))

    def lines(self) -> list[dict[str, Any]]:
        """All that are remembered, oldest first."""
        return [
            {"t": datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds"), "level": level}
            | {"logger": logger, "text": text}
            for created, level, logger, text in tuple(self._lines)
        ]
