"""When nobody is watched: because somebody asked for it, or at the times of `[schedule]`.

Owns the decision, and the file that keeps a pause over a restart where that was asked for. Main thread only.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

from piapp.errors import ConfigError

PausedBy = Literal["request", "schedule"]

_log = logging.getLogger(__name__)


class Pauses:
    """Whether the node is paused, and by what.

    A pause by schedule waits for an alarm that nobody has acknowledged: whoever lies there is watched until somebody
    comes. Resuming by request during a scheduled time holds until that time ends.

    Args:
        file: Is there while a pause shall survive a restart; None where nothing can be kept.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._requested = file is not None and file.is_file()
        self._resumed = False
        self.by: PausedBy | None = "request" if self._requested else None

    def request(self, *, paused: bool, persist: bool = False) -> None:
        """Pause or resume because somebody asked for it.

        Args:
            paused: Whether to pause.
            persist: Whether a pause shall survive a restart.

        Raises:
            ConfigError: It shall survive, and cannot be kept; nothing is changed.
        """
        self._keep(kept=paused and persist)
        self._requested = paused
        self._resumed = not paused

    def update(self, *, scheduled: bool, unattended: bool) -> bool:
        """Decide anew; whether the answer has changed.

        Args:
            scheduled: Whether the schedule says so now.
            unattended: Whether an alarm is open that nobody has acknowledged.
        """
        self._resumed = self._resumed and scheduled
        before = self.by
        if self._requested:
            self.by = "request"
        elif scheduled and not self._resumed and (before is not None or not unattended):
            self.by = "schedule"
        else:
            self.by = None
        return self.by != before

    def _keep(self, *, kept: bool) -> None:
        if self._file is None:
            if kept:
                raise ConfigError("persist: this node has no folder for its state (spool.dir); leave persist out")
            return
        try:
            if kept:
                self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._file.touch(mode=0o600)
            else:
                self._file.unlink(missing_ok=True)
        except OSError as error:
            if kept:
                raise ConfigError(f"cannot be kept: {self._file}: {error.strerror}") from error
            _log.warning("%s cannot be removed (%s): the next start will be paused", self._file, error.strerror)
