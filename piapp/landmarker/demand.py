"""Whether one more landmarker is needed to keep up with the camera. Pure: time and counts are passed in."""

from __future__ import annotations

# Loading a landmarker takes a second on a slow board, and the first frames after it are slower than the others.
PERIOD_S = 3.0
# Of the frames of a period; fewer are dropped when the system is busy for a moment (a guess).
MAX_DROPPED_SHARE = 0.1
LEAST_DROPPED = 3


class Demand:
    """Judges from period to period how many frames no landmarker was free for."""

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._frames = self._dropped = 0

    def exceeds(self, now_s: float, frames: int, dropped: int) -> bool:
        """Whether too many were dropped in the period that ends now; False while it lasts.

        Args:
            now_s: Monotonic.
            frames: How many the camera gave since the start.
            dropped: How many of these no landmarker was free for.
        """
        if self._since_s is not None and now_s - self._since_s < PERIOD_S:
            return False
        came, missed = frames - self._frames, dropped - self._dropped
        judged = self._since_s is not None
        self._since_s, self._frames, self._dropped = now_s, frames, dropped
        return judged and missed >= LEAST_DROPPED and missed > MAX_DROPPED_SHARE * came
