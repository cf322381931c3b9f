"""Folds repeated warnings of the log into one line and a count."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

FOLD_S = 60.0
MAX_KINDS = 200  # more kinds than the program has messages; when exceeded all are forgotten

# What differs between repeats of one message: ages, counts, ports.
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(slots=True)
class _Kind:
    until_s: float
    folded: int = 0


class FoldRepeats(logging.Filter):
    """Lets a warning or error pass once in `FOLD_S`; the next that passes says how many were held back.

    Messages that differ in numbers only are the same. What is below a warning always passes. Any thread.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._kinds: dict[tuple[str, int, str], _Kind] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Decide about one record."""
        if record.levelno < logging.WARNING or record.exc_info:
            return True
        message = record.getMessage()
        with self._lock:
            folded = self._folded((record.name, record.levelno, _NUMBER.sub("#", message)))
        if folded:
            record.msg, record.args = f"{message} ({folded} more like this in between)", ()
        return folded is not None

    def _folded(self, key: tuple[str, int, str]) -> int | None:
        """How many were held back before this one; None to hold it back as well."""
        now_s = self._clock()
        kind = self._kinds.get(key)
        if kind is not None and now_s < kind.until_s:
            kind.folded += 1
            return None
        if len(self._kinds) >= MAX_KINDS:
            self._kinds.clear()
        self._kinds[key] = _Kind(now_s + FOLD_S)
        return kind.folded if kind is not None else 0
