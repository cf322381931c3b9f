"""Counts how often a node was started again since the machine booted: one small write a start, none while it runs."""

from __future__ import annotations

import logging
from pathlib import Path

_log = logging.getLogger(__name__)


def count_start(folder: Path | None, node: str, boot: str) -> int | None:
    """Note this start, and return how many came before it since the machine booted, whatever caused them.

    Args:
        folder: Where the file goes.
        node: Each node has its own file.
        boot: The boot's id; starts of another boot do not count.

    Returns:
        None where nothing can be remembered.
    """
    if folder is None:
        return None
    file = folder / f"starts-{node}"
    before = _starts(file, boot)
    try:
        file.touch(mode=0o600)
        file.write_text(f"{boot} {before + 1}\n", encoding="ascii")
    except OSError as error:
        _log.info("%s cannot be written (%s); restarts are not counted", file, error.strerror)
        return None
    return before


def _starts(file: Path, boot: str) -> int:
    """How many starts of this boot the file holds; 0 when it cannot be read."""
    try:
        of_boot, count = file.read_text(encoding="ascii").split()
        return int(count) if of_boot == boot else 0
    except (OSError, ValueError):  # also not ASCII, not two words, not a number
        return 0
