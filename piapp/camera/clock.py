"""Time lines: from the clock of a source to strictly increasing `ts_ms`, whatever that clock does.

Owns the arithmetic only. It reads no clock and does not wait: every instant is passed in.
"""

from __future__ import annotations

NS_PER_MS = 1_000_000

# A frame reaches us one to three frame periods after its exposure; three seconds allow for one frame a second.
MAX_AGE_NS = 3_000 * NS_PER_MS
# Clocks are read one after another, so a fresh frame may seem to come from the future by a little.
MAX_LEAD_NS = 2 * NS_PER_MS

# Frame period in ms for a file that does not tell a believable one.
DEFAULT_PERIOD_MS = 40.0
MAX_FPS = 1000.0


class LiveClock:
    """Turns the time stamps of a camera into capture times on `CLOCK_MONOTONIC`.

    A stamp is believed when it lies after the last frame and shortly before its arrival, read either as
    `CLOCK_MONOTONIC` or as `CLOCK_BOOTTIME`, whichever puts it nearer to its arrival (libcamera documents the latter,
    drivers give the former). Any other frame counts as captured when it arrived, less what the last believed one
    took to arrive, so that durations stay right.
    """

    def __init__(self) -> None:
        self._delay_ns = 0
        self._last_ns = -1
        self._last_ms = -1

    def stamp(self, sensor_ns: int | None, *, now_ns: int, boottime_ns: int) -> tuple[int, int]:
        """Place the next frame on the time line.

        Args:
            sensor_ns: What the source says, None when it says nothing.
            now_ns: The frame's arrival on `CLOCK_MONOTONIC`.
            boottime_ns: The same instant on `CLOCK_BOOTTIME`.

        Returns:
            (ts_ms, captured_ns); `ts_ms` is larger than that of every frame before.
        """
        ages = [] if sensor_ns is None else [now_ns - sensor_ns, boottime_ns - sensor_ns]
        believable = [max(age, 0) for age in ages if self._is_believable(age, now_ns)]
        if believable:
            self._delay_ns = min(believable)
        captured_ns = now_ns - self._delay_ns
        self._last_ns = max(self._last_ns, captured_ns)
        self._last_ms = max(_to_ms(captured_ns), self._last_ms + 1)
        return self._last_ms, captured_ns

    def _is_believable(self, age_ns: int, now_ns: int) -> bool:
        return -MAX_LEAD_NS <= age_ns <= MAX_AGE_NS and now_ns - max(age_ns, 0) > self._last_ns


class FileClock:
    """Turns the presentation times of a file into a time line that starts at 0 and goes on when the file is repeated.

    Differences equal the file's own to the rounded millisecond. A time that is missing, repeats or runs backwards is
    replaced by one frame period after the last.
    """

    def __init__(self, fps: float) -> None:
        self.period_ms = 1000.0 / fps if 0.0 < fps <= MAX_FPS else DEFAULT_PERIOD_MS
        self._base_ms = 0.0
        self._last_ms: float | None = None
        self._last_ts = -1

    def stamp(self, presentation_ms: float) -> int:
        """The next frame's time in ms from the start of the first round; strictly increasing."""
        time_ms = self._base_ms + presentation_ms
        if self._last_ms is not None and not time_ms > self._last_ms:
            time_ms = self._last_ms + self.period_ms
        self._last_ms = time_ms
        self._last_ts = max(round(time_ms), self._last_ts + 1)
        return self._last_ts

    def repeat(self) -> None:
        """The file starts again: its first frame follows the last by one period."""
        if self._last_ms is not None:
            self._base_ms = self._last_ms + self.period_ms


def _to_ms(time_ns: int) -> int:
    return (time_ns + NS_PER_MS // 2) // NS_PER_MS
