"""Whether the node starts with the settings that requests have kept: they must not keep it from starting for ever.

Owns a small file beside theirs that counts starts which came to nothing. It is written only while settings are kept.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

# The first may have been a power cut.
MAX_FAILED_STARTS = 2

_log = logging.getLogger(__name__)


class SettingsTrial:
    """The starts with one file of kept settings.

    Args:
        settings: The file; None keeps nothing, so there is nothing to try.
    """

    def __init__(self, settings: Path | None) -> None:
        self._settings = settings
        self._file = None if settings is None else settings.with_name(f"{settings.name}.trial")

    def begin(self) -> bool:
        """Note a start; False when the last ones failed, and the settings have been set aside."""
        if self._settings is None or self._file is None or not self._settings.exists():
            return True
        failed = self._failed_starts()
        if self.exhausted:
            self._set_aside(self._settings, failed)
            return False
        with suppress(OSError):  # a disk that takes nothing counts nothing
            self._file.write_text(f"{failed + 1}\n", encoding="ascii")
        return True

    @property
    def exhausted(self) -> bool:
        """Whether the last starts failed, so that the next one sets the settings aside."""
        return self._file is not None and self._failed_starts() >= MAX_FAILED_STARTS

    def passed(self) -> None:
        """The node works, or ended for a reason that is not the settings'."""
        if self._file is not None:
            with suppress(OSError):
                self._file.unlink(missing_ok=True)

    def _failed_starts(self) -> int:
        assert self._file is not None
        try:
            return int(self._file.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return 0

    def _set_aside(self, settings: Path, failed: int) -> None:
        aside = settings.with_name(f"{settings.name}.set-aside")
        with suppress(OSError):
            settings.replace(aside)
            _log.error(
                "%d starts in a row failed with the settings that requests had kept; they are set aside in %s, and "
                "what the configuration file says is in force", failed, aside,
            )  # fmt: skip
        self.passed()
