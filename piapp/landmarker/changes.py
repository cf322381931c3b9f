"""Where the picture changed in the last seconds: what tells a person who came to a place from a chair that was there.

Owns small copies of past pictures. No clock: time is passed in.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from piapp.types import FloatArray, ImageArray

# How far back a change counts, and how often a picture is kept.
MEMORY_S = 8
KEEP_EVERY_MS = 1000
# Width of the copies: a forearm of somebody five metres away is then one pixel thick.
WIDTH_PX = 160
# Grey levels of 255 by which the mean of 3 x 3 pixels of a copy must differ: above noise and small changes of light.
LEAST_CHANGE = 12.0

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
        now = _small(image)
        kept = [picture for _, picture in self._kept if picture.shape == now.shape]
        inside = points[((points >= 0) & (points < 1)).all(axis=1)]
        if not kept or not len(inside):
            return 1.0
        size = np.array([now.shape[1], now.shape[0]])
        places = (inside * size).astype(np.intp)[:, np.newaxis] + _AROUND
        x, y = np.clip(places, 0, size - 1).transpose(2, 0, 1)
        differences = [np.abs((now[y, x] - picture[y, x]).mean(axis=1)) for picture in kept]
        return float(np.mean(np.max(differences, axis=0) >= LEAST_CHANGE))


def _small(image: ImageArray) -> _Grey:
    """Every n-th pixel of the green channel, which carries most of the brightness."""
    step = max(1, image.shape[1] // WIDTH_PX)
    return image[::step, ::step, 1].astype(np.int16)
