"""Remembers who changed which setting, when and from what, so that it can be undone. Main thread, but for `newest`."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from piapp.whole_file import write_whole

MAX_CHANGES = 50

# Zones with thousands of corners would push out everything else.
MAX_CHANGE_BYTES = 8_192

_log = logging.getLogger(__name__)


class SettingsChange(Struct, frozen=True, kw_only=True):
    """One change.

    Attributes:
        t: When, UTC.
        by: Who asked for it, such as "mqtt" or "page 192.168.1.20".
        before: Dotted key to what it was.
        after: Dotted key to what it became.
    """

    t: str
    by: str
    before: dict[str, Any]
    after: dict[str, Any]


class ChangeLog:
    """The last changes of settings, in memory and in a file.

    Args:
        file: Where they outlive the process; None for nowhere.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._changes = self._read()

    def newest(self) -> tuple[SettingsChange, ...]:
        """All that are known, newest first; any thread."""
        return self._changes[::-1]

    def add(self, by: str, before: dict[str, Any], after: dict[str, Any], *, write: bool) -> None:
        """Note a change; one that changes nothing is none.

        Args:
            by: Who asked for it.
            before: Dotted key to what it was.
            after: Dotted key to what it became.
            write: Whether to write the file, too. A change that is lost with a restart may wait for the next that is
                not: automations change settings often, and each write wears the card.
        """
        changed = {key: value for key, value in after.items() if before.get(key) != value}
        change = SettingsChange(
            t=datetime.now(UTC).isoformat(timespec="seconds"),
            by=by,
            before={key: before.get(key) for key in changed},
            after=changed,
        )
        if not changed or len(msgspec.json.encode(change)) > MAX_CHANGE_BYTES:
            return
        self._changes = (*self._changes, change)[-MAX_CHANGES:]
        if write:
            self._write()

    def _write(self) -> None:
        if self._file is None:
            return
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(self._file, msgspec.json.encode(self._changes), mode=0o600)
        except OSError as error:
            _log.warning("%s cannot be written (%s): who changed settings is forgotten", self._file, error.strerror)

    def _read(self) -> tuple[SettingsChange, ...]:
        try:
            if self._file is None or not self._file.exists():
                return ()
            return msgspec.json.decode(self._file.read_bytes(), type=tuple[SettingsChange, ...])[-MAX_CHANGES:]
        except (OSError, ValueError, RecursionError) as error:
            _log.warning("%s: cannot be read (%s); who changed settings before is forgotten", self._file, error)
            return ()
