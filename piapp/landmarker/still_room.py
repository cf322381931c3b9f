"""Whether anything moved since the last inference: in an empty room where nothing does, none is needed.

Owns one small picture. No clock: time is passed in.
"""

from __future__ import annotations

import threading

import numpy as np

from piapp.types import FloatArray, ImageArray

# Even where nothing moves an inference is made so often: whoever lies still and was not found may be found yet.
RECHECK_MS = 30_000
# Width in pixels to which a picture is thinned; cells of `_CELL` x `_CELL` of these are averaged. At 640 pixels a cell
# is 16 pixels wide: half the height of the smallest body that is judged.
WIDTH_PX, _CELL = 160, 4
# Grey levels of 255 by which a cell must differ, and how often the usual difference of all cells that must be: noise of
# a camera at night is 10 levels a pixel, a quarter of that a cell.
LEAST_CHANGE, LEAST_RATIO = 4.0, 6.0
_DEVIATIONS = 1.4826  # standard deviations in a median of absolute values, for normal noise


class StillRoom:
    """Compares pictures with the one of the last inference; from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: FloatArray | None = None
        self._last_ms = 0

    def unchanged(self, image: ImageArray, ts_ms: int) -> bool:
        """Whether no inference is needed; when one is, this picture is the one to compare with from now on.

        Args:
            image: (height, width, 3) uint8; not kept.
            ts_ms: Its time, increasing.
        """
        now = _cells(image)
        with self._lock:
            last = self._last
            recent = last is not None and now.shape == last.shape and ts_ms - self._last_ms < RECHECK_MS
            still = last is not None and recent and not _differ(now, last)
            if not still:
                self._last, self._last_ms = now, ts_ms
        return still


def _differ(now: FloatArray, then: FloatArray) -> bool:
    """Whether some cell changed more than all do, as by noise, or by the light of day."""
    change = now - then
    change -= np.median(change)
    away = np.abs(change)
    noise = _DEVIATIONS * float(np.median(away))
    return bool(away.max() > max(LEAST_CHANGE, LEAST_RATIO * noise))


def _cells(image: ImageArray) -> FloatArray:
    """Means of the green channel, which carries most of the brightness, over cells of the thinned picture."""
    step = max(1, image.shape[1] // WIDTH_PX)
    thin = image[::step, ::step, 1]
    rows, columns = (max(1, side // _CELL) for side in thin.shape)
    thin = thin[: rows * _CELL, : columns * _CELL]
    height, width = thin.shape[0] // rows, thin.shape[1] // columns
    cells: FloatArray = thin.reshape(rows, height, columns, width).mean(axis=(1, 3), dtype=np.float32)
    return cells
