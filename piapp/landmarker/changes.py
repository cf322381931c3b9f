"""Where the picture changed in the last seconds: what tells a person who came to a place from a chair that was there.

Owns small copies of past pictures. No clock: time is passed in.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from piapp.types import FloatArray, ImageArray

# How far back a change counts, and how often a picture is kept.
MEMORY_S = 8
KEEP_EVERY_MS = 1000
# Width of the copies: a forearm of somebody five metres away is then one pixel thick.
WIDTH_PX = 160
# Grey levels of 255 by which the mean of 3 x 3 pixels of a copy must differ: above noise and small changes of light.
LEAST_CHANGE = 12.0

# What moves is what differs from a picture at least so old, in at least so many pixels of the copies; the square around
# it is no smaller than this share of the picture's shorter side. Guesses: a hand alone moves, and the body is found.
MOVED_MS = 200
LEAST_MOVING_PX = 10
LEAST_SIDE = 0.3

_Grey = npt.NDArray[np.int16]
_AROUND = np.array([(x, y) for y in (-1, 0, 1) for x in (-1, 0, 1)])


class RecentPictures:
    """Compares the present picture with those of the last seconds."""

    def __init__(self) -> None:
        self._kept: deque[tuple[int, _Grey]] = deque(maxlen=MEMORY_S)  # full: the oldest is dropped

    def keep(self, image: ImageArray, ts_ms: int) -> None:
        """Keep a small copy if it is time for one.

        Args:
            image: (height, width, 3) uint8; not kept.
            ts_ms: Its time, increasing.
        """
        if not self._kept or ts_ms - self._kept[-1][0] >= KEEP_EVERY_MS:
            self._kept.append((ts_ms, _small(image)))

    def changed_share(self, image: ImageArray, points: FloatArray) -> float:
        """The share of points inside the picture around which it differs from some kept picture; 1 where none is kept.

        Args:
            image: The present picture.
            points: (n, 2) fractions of the picture.
        """
        differs = self._differs(image, points)
        return 1.0 if differs is None else float(differs.any(axis=0).mean())

    def vacated_share(self, image: ImageArray, points: FloatArray) -> float:
        """The share of points around which the picture is again as it was first, and was not in between.

        As where somebody came and is gone; 0 where no picture is kept. Arguments as of `changed_share`.
        """
        differs = self._differs(image, points)
        return 0.0 if differs is None else float((differs.any(axis=0) & ~differs[0]).mean())

    def same_share(self, image: ImageArray, points: FloatArray) -> float:
        """The share of points around which the picture is as it was when one was kept last, at most a second ago.

        0 where no picture is kept. Arguments as of `changed_share`.
        """
        differs = self._differs(image, points)
        return 0.0 if differs is None else float((~differs[-1]).mean())

    def moving(self, image: ImageArray, ts_ms: int) -> tuple[float, float, float] | None:
        """A square around what moves: its middle (x, y) and its side, in pixels of the picture.

        None when nothing moves, or so much that a closer look brings nothing. Arguments as of `keep`.
        """
        now = _small(image)
        before = [picture for at_ms, picture in self._kept if ts_ms - at_ms >= MOVED_MS and picture.shape == now.shape]
        if not before:
            return None
        rows, columns = np.nonzero(np.abs(_blurred(now - before[-1])) >= LEAST_CHANGE)
        if len(rows) < LEAST_MOVING_PX:
            return None
        (left, right), (top, bottom) = (np.percentile(places, (5, 95)) for places in (columns, rows))
        step, shorter = image.shape[1] / now.shape[1], min(image.shape[:2])
        side = max(step * 2.0 * max(right - left, bottom - top), LEAST_SIDE * shorter)
        return (step * (left + right) / 2, step * (top + bottom) / 2, side) if side < shorter else None

    def _differs(self, image: ImageArray, points: FloatArray) -> npt.NDArray[np.bool_] | None:
        """(kept pictures, points inside): whether the present picture differs from each kept one, oldest first."""
        now = _small(image)
        kept = [picture for _, picture in self._kept if picture.shape == now.shape]
        inside = points[((points >= 0) & (points < 1)).all(axis=1)]
        if not kept or not len(inside):
            return None
        size = np.array([now.shape[1], now.shape[0]])
        places = (inside * size).astype(np.intp)[:, np.newaxis] + _AROUND
        x, y = np.clip(places, 0, size - 1).transpose(2, 0, 1)
        changes = np.stack([now[y, x] - picture[y, x] for picture in kept])
        differs: npt.NDArray[np.bool_] = np.abs(changes.mean(axis=2)) >= LEAST_CHANGE
        return differs


def _blurred(grey: _Grey) -> npt.NDArray[np.float64]:
    """The mean of 3 x 3 pixels at each."""
    padded = np.pad(grey, 1, mode="edge")
    mean: npt.NDArray[np.float64] = sliding_window_view(padded, (3, 3)).mean(axis=(2, 3))
    return mean


def _small(image: ImageArray) -> _Grey:
    """Every n-th pixel of the green channel, which carries most of the brightness."""
    step = max(1, image.shape[1] // WIDTH_PX)
    return image[::step, ::step, 1].astype(np.int16)
