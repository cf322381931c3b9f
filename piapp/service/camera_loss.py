"""Remembers from run to run that the camera was lost: the program ends with that, and a later run has it back."""

from __future__ import annotations

import logging
from pathlib import Path

_log = logging.getLogger(__name__)


class CameraLoss:
    """Whether the camera counts as lost, in a small file; without a folder, or with a broken disk, in memory alone.

    Args:
        folder: Where the file goes; None remembers nothing beyond this run.
        node: Each node has its own file.
    """

    def __init__(self, folder: Path | None, node: str) -> None:
        self._file = None if folder is None else folder / f"camera-lost-{node}"
        self._lost = self._file is not None and self._file.is_file()

    def begin(self) -> bool:
        """The camera is lost; False when that was so already, so that a camera that stays away is reported once."""
        already, self._lost = self._lost, True
        if self._file is not None and not already:
            try:
                self._file.touch(mode=0o600)
            except OSError as error:
                _log.warning("%s cannot be written (%s); camera_back will not follow", self._file, error.strerror)
        return not already

    def end(self) -> bool:
        """The camera gives frames; True when it was lost before."""
        was_lost, self._lost = self._lost, False
        if self._file is not None and was_lost:
            try:
                self._file.unlink(missing_ok=True)
            except OSError as error:
                _log.warning("%s cannot be removed (%s); camera_back will come again", self._file, error.strerror)
        return was_lost
