"""When the frames of a stream were taken, on this machine's clock. Pure: every instant is passed in.

A network camera stamps its frames by a clock of its own that starts anywhere. The least time that any frame took to get
here is taken for the way of all: a frame that arrives later than that after its stamp has waited, here or on the way.
"""

from __future__ import annotations

NS_PER_S = 1_000_000_000

# How fast the way may seem to grow: clocks of cameras and boards part by less (crystals: 20 to 100 millionths).
DRIFT = 500e-6

# Frames that come late again and again, although each was waited for, are not late: the camera's clock has jumped or
# runs wrong, and its stamps are laid to the present anew.
LATE_NS = NS_PER_S
PATIENCE_NS = 3 * NS_PER_S


class StreamClock:
    """Maps a stream's presentation times to `CLOCK_MONOTONIC`."""

    def __init__(self) -> None:
        self._offset_ns: int | None = None
        self._seen_ns = 0
        self._late_since_ns: int | None = None
        self.age_ns = 0

    def arrived(self, presentation_ns: int, now_ns: int, *, waited: bool) -> int:
        """Take a packet's presentation time and arrival.

        Args:
            presentation_ns: By the camera's clock.
            now_ns: When it was here, `CLOCK_MONOTONIC`.
            waited: Nothing else was there to be read before it: the reader is up to date.

        Returns:
            How long the packet has waited somewhere, in ns.
        """
        delay_ns = now_ns - presentation_ns
        if self._offset_ns is None:
            self._offset_ns = delay_ns
        self._offset_ns = min(delay_ns, self._offset_ns + int((now_ns - self._seen_ns) * DRIFT if self._seen_ns else 0))
        self._seen_ns = now_ns
        if delay_ns - self._offset_ns < LATE_NS or not waited:
            self._late_since_ns = None
        elif self._late_since_ns is None:
            self._late_since_ns = now_ns
        elif now_ns - self._late_since_ns >= PATIENCE_NS:
            self._offset_ns, self._late_since_ns = delay_ns, None
        self.age_ns = delay_ns - self._offset_ns
        return self.age_ns

    def captured_ns(self, presentation_ns: int, now_ns: int) -> int:
        """When a frame was taken, `CLOCK_MONOTONIC`: never in the future."""
        return now_ns if self._offset_ns is None else min(presentation_ns + self._offset_ns, now_ns)
