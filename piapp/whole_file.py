"""Replaces a file as a whole. Owns the way to do so, and nothing of what files hold."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(file: Path, content: bytes, *, mode: int, owner: tuple[int, int] | None = None) -> None:
    """Write under another name, then rename: a reader, or the start after a power cut, finds the old file or the new.

    Args:
        file: What to replace; its folder must be there.
        content: What it shall hold.
        mode: Its permissions.
        owner: User and group, where they are not this process's.

    Raises:
        OSError: It cannot be written; the old file is as before, and nothing is left beside it.
    """
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            os.fchmod(descriptor, mode)
            if owner is not None and owner != (os.geteuid(), os.getegid()):
                os.fchown(descriptor, *owner)
            stream.flush()
            os.fsync(descriptor)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
