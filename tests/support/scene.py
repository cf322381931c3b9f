"""Where the clip of `tests/e2e/room.py` is: it begins when the camera is opened, and goes on while the node is dead."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.mosquitto import wait_until

ROOM = Path(__file__).parents[1] / "e2e" / "room.py"

# Seconds of the clip: somebody stands, falls, lies, and stands again.
FALL_S, UP_S = 17.4, 23.1


class Scene:
    """The clip before one node, however often that is killed and however long a busy machine takes to start it.

    Args:
        folder: Where the beginning is noted.
        begin_s: The second of the clip at which the camera is opened for the first time.
    """

    def __init__(self, folder: Path, begin_s: float) -> None:
        self._file = folder / "scene"
        self.program = (sys.executable, str(ROOM), f"@{begin_s}:{self._file}")

    def wait_for(self, at_s: float) -> None:
        """Wait until the clip is at that second."""
        wait_until(self._file.exists, "the camera to be opened")
        time.sleep(max(0.0, at_s - (time.monotonic_ns() - int(self._file.read_text())) / 1e9))
