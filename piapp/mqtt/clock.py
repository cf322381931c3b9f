"""From the monotonic clock, which everything inside uses, to the UTC that payloads carry.

The mapping is made anew at each call, so a wall clock that is set while the node runs changes nothing but `t`.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

# systemd-timesyncd touches it at every synchronisation (systemd-timesyncd.service(8)).
TIMESYNC_FLAG = Path("/run/systemd/timesync/synchronized")

# adjtimex(2): the clock is not synchronised.
_TIME_ERROR = 5
# struct timex is 208 bytes on 64-bit Linux and smaller elsewhere; all zero means "only read".
_TIMEX_BYTES = 256


def clock_is_synchronised(flag: Path = TIMESYNC_FLAG) -> bool:
    """Whether the wall clock can be trusted.

    timesyncd's flag says so; without it the kernel is asked, which chrony and ntpd keep informed. False also when
    the kernel may not be asked (a unit's system-call filter): not known to be right is not right.
    """
    if flag.exists():
        return True
    adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
    if adjtimex is None:
        return False
    clock_state: int = adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return 0 <= clock_state < _TIME_ERROR


@dataclass(frozen=True, slots=True)
class WallClock:
    """The wall clock as payloads see it; tests put their own functions in.

    Attributes:
        utc_ns: UTC now, ns since the epoch.
        monotonic_ns: `CLOCK_MONOTONIC` now.
        synchronised: Whether UTC can be trusted now.
    """

    utc_ns: Callable[[], int] = time.time_ns
    monotonic_ns: Callable[[], int] = time.monotonic_ns
    synchronised: Callable[[], bool] = clock_is_synchronised

    def text(self, at_ns: int) -> str:
        """A `CLOCK_MONOTONIC` instant as ISO 8601 in UTC with milliseconds: 2026-11-22T06:01:02.345Z."""
        return utc_text(self.utc_ms(at_ns))

    def utc_ms(self, at_ns: int) -> int:
        """A `CLOCK_MONOTONIC` instant as milliseconds since the epoch."""
        return (self.utc_ns() - self.monotonic_ns() + at_ns) // 1_000_000


def utc_text(utc_ms: int) -> str:
    """Milliseconds since the epoch as payloads write an instant: 2026-11-22T06:01:02.345Z."""
    moment = datetime.fromtimestamp(utc_ms // 1000, UTC).replace(tzinfo=None, microsecond=utc_ms % 1000 * 1000)
    return f"{moment.isoformat(timespec='milliseconds')}Z"


@dataclass(frozen=True, slots=True)
class TimeLine:
    """Where a run's logical time lies on the monotonic clock: one result's `ts_ms` and capture time."""

    ts_ms: int
    captured_ns: int

    def at_ns(self, ts_ms: int) -> int:
        """The `CLOCK_MONOTONIC` ns of a logical time."""
        return self.captured_ns + (ts_ms - self.ts_ms) * 1_000_000
