"""A file without a name, from which LiteRT maps a model instead of keeping its bytes in memory."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import IO

# On a disk where `/tmp` may be memory. What was read of a file on a disk the kernel can take away and read again.
FOLDER = Path("/var/tmp")  # noqa: S108 - the file has no name there

_CHUNK = 1 << 18


class UnnamedFile(os.PathLike[str]):
    """A copy of a stream on the disk; gone with this object, or with the process, however that ends.

    Raises:
        OSError: The folder takes no such file.
    """

    def __init__(self, stream: IO[bytes], folder: Path = FOLDER) -> None:
        self._descriptor = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        with os.fdopen(self._descriptor, "wb", closefd=False) as file:
            shutil.copyfileobj(stream, file, _CHUNK)

    def read(self) -> bytes:
        """All of it."""
        return Path(self).read_bytes()

    def __fspath__(self) -> str:
        """What this process can open it by."""
        return f"/proc/self/fd/{self._descriptor}"

    def __del__(self) -> None:
        """Give the disk's room back; who has mapped the file keeps what is mapped."""
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)
