"""What the installer knows of versions of the program. Reads one small file, writes nothing."""

from __future__ import annotations

import re
import sys
from pathlib import Path

# Beside the folder of each version; `deploy/install.sh` writes it before it switches to the version that it names.
NEWEST_FILE = "newest"

_VERSION = re.compile(r"[\w.+-]{1,64}", re.ASCII)


def newest_version(prefix: Path = Path(sys.prefix)) -> str | None:
    """The newest version that was put on this machine, whether or not it is the one that runs.

    It is not where the service was not restarted since, or where the newer version did not run and was taken back.

    Args:
        prefix: The folder of the version that runs.

    Returns:
        None where the program was not installed by the installer.
    """
    try:
        with (prefix.parent / NEWEST_FILE).open(encoding="ascii") as file:
            line = file.readline(100).strip()
    except (OSError, ValueError):
        return None
    return line if _VERSION.fullmatch(line) else None
