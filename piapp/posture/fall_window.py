"""The last five seconds of one person on an even grid of time, for the learnt fall detector.

Owns resampling: a step holds the mean of what was seen in the 130 ms before it, or else what was seen last. Steps that
a slow camera leaves out are filled in between when the person is seen again within half a second. So windows do not
depend on the rate of frames.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from piapp.posture.fall_features import ROW, STEPS, Motion, assemble, measure_row
from piapp.posture.geometry import Array, Body
from piapp.types import FloatArray

STEP_MS = 100
_MEAN_MS = 130
_FILL_MS = 500  # gaps up to this are filled in between
_HOLD_MS = 3000  # gaps up to this hold what was seen last; a longer one begins anew
_LEAST_STEPS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Five seconds of one person.

    Attributes:
        ts_ms: When it ends.
        channels: (CHANNELS, STEPS) float32, what the network reads; see `fall_features`.
        motion: What the body did.
    """

    ts_ms: int
    channels: FloatArray
    motion: Motion


class FallWindow:
    """Collects one person's bodies and gives a window every tenth of a second."""

    __slots__ = ("_count", "_given_ms", "_rows", "_samples", "_seen_ms", "_size", "_step_ms", "_unseen_s")

    def __init__(self) -> None:
        self._samples: deque[tuple[int, Body]] = deque()
        self._size = (1, 1)
        self._rows = np.zeros((STEPS, ROW))
        self._unseen_s = np.zeros(STEPS)
        self._count = 0
        self._step_ms: int | None = None
        self._given_ms: int | None = None
        self._seen_ms: int | None = None

    def push(self, body: Body, size: tuple[int, int], ts_ms: int) -> None:
        """Add a body seen at `ts_ms`, unsmoothed; `size` is the picture's width and height in pixels."""
        if self._seen_ms is not None and ts_ms - self._seen_ms > _HOLD_MS:
            self._begin_anew()
        self._close_steps(ts_ms - 1)
        self._size = size
        self._samples.append((ts_ms, body))
        if self._step_ms is None:
            self._step_ms = (ts_ms - 1) // STEP_MS * STEP_MS
        self._fill_gap(ts_ms)
        self._seen_ms = ts_ms

    def window(self, ts_ms: int) -> Window | None:
        """The window that ends at the last step up to `ts_ms`, once for each step.

        None between steps, in a track's first half second, and when nothing was seen for three seconds.
        """
        self._close_steps(ts_ms)
        if self._step_ms is None or self._step_ms == self._given_ms or self._count < _LEAST_STEPS:
            return None
        self._given_ms = self._step_ms
        padded = np.zeros(STEPS)
        padded[: STEPS - self._count] = 1.0
        return Window(self._step_ms, *assemble(self._rows, self._unseen_s, padded))

    def _begin_anew(self) -> None:
        self._samples.clear()
        self._count = 0
        self._step_ms = self._seen_ms = None

    def _close_steps(self, ts_ms: int) -> None:
        """Write the rows of all steps up to `ts_ms`."""
        if self._step_ms is None or self._seen_ms is None:
            return
        last_ms = min(ts_ms, self._seen_ms + _HOLD_MS)
        while self._step_ms + STEP_MS <= last_ms:
            self._step_ms += STEP_MS
            self._append(self._step_ms)

    def _append(self, step_ms: int) -> None:
        recent = [body for ts_ms, body in self._samples if step_ms - _MEAN_MS < ts_ms <= step_ms]
        self._rows[:-1] = self._rows[1:]
        self._unseen_s[:-1] = self._unseen_s[1:]
        self._unseen_s[-1] = 0.0
        if recent:
            self._rows[-1] = measure_row(_mean(recent), self._size)
        elif self._count:
            self._rows[-1] = self._rows[-2]
            self._unseen_s[-1] = self._unseen_s[-2] + STEP_MS / 1000
        self._count = min(self._count + 1, STEPS)
        if self._count == 1:
            self._rows[:-1] = self._rows[-1]
            self._unseen_s[:] = 0.0
        while self._samples and self._samples[0][0] <= step_ms - _MEAN_MS + STEP_MS:
            self._samples.popleft()

    def _fill_gap(self, ts_ms: int) -> None:
        """Put what lies between two sights into the steps between them."""
        if self._seen_ms is None or not STEP_MS < ts_ms - self._seen_ms <= _FILL_MS:
            return
        held = int(np.count_nonzero(np.cumsum(self._unseen_s[::-1] == 0.0) == 0))
        if not 0 < held < self._count:
            return
        new = measure_row(self._samples[-1][1], self._size)
        share = np.arange(1, held + 1)[:, np.newaxis] / (held + 1)
        old = self._rows[-held - 1].copy()
        self._rows[-held:] = old + share * (new - old)
        self._unseen_s[-held:] = 0.0


def _mean(bodies: list[Body]) -> Body:
    """The mean of one body's sights."""
    if len(bodies) == 1:
        return bodies[0]
    points: Array = bodies[0].points + bodies[1].points
    visibility: Array = bodies[0].visibility + bodies[1].visibility
    for body in bodies[2:]:
        points += body.points
        visibility += body.visibility
    return Body(points / len(bodies), visibility / len(bodies))
