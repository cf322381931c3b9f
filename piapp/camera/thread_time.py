"""How long a thread has slept: waited for others, and not for a processor.

Linux tells how long a thread was ready to run and had no processor. Without that, a reader on a busy board would take
the time that others had for time in which nothing came.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

SCHEDULE_FILE = Path("/proc/thread-self/schedstat")


@dataclass(frozen=True, slots=True)
class ThreadTime:
    """A moment in the life of the calling thread.

    Attributes:
        now_ns: `CLOCK_MONOTONIC`.
        busy_ns: For how long the thread has run, or was ready to run.
    """

    now_ns: int
    busy_ns: int

    @classmethod
    def now(cls) -> Self:
        """This moment of the thread that asks."""
        return cls(time.monotonic_ns(), time.thread_time_ns() + _delayed_ns())

    def slept_ns(self, since: ThreadTime) -> int:
        """For how long the thread has slept since an earlier moment."""
        return (self.now_ns - since.now_ns) - (self.busy_ns - since.busy_ns)


def _delayed_ns() -> int:
    """For how long the calling thread was ready to run and had no processor; 0 where the kernel does not count that."""
    try:
        return int(SCHEDULE_FILE.read_bytes().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
