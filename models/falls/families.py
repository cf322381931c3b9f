"""Which channels of a window belong together, for augmentation in training."""

from __future__ import annotations

import numpy as np

from piapp.posture.fall_features import CHANNELS, ROW

_WORLD = 8  # after seven heights and one sideways place in the picture
_ROW_COLUMNS = ROW - 10
_GROWTH = _WORLD + _ROW_COLUMNS
_SPEEDS = CHANNELS - 9
_SIDEWAYS_SPEED = _SPEEDS + 7
# Columns of the row from `SHOULDERS_M` on: 15 of the world, 3 cosines and aspect, 4 edges, size, 3 visibilities.
_CORNERS = _WORLD + 18

FAMILIES: list[list[int]] = [
    list(range(8)),
    list(range(_WORLD, _WORLD + 5)),
    list(range(_WORLD + 5, _WORLD + 14)),
    [_WORLD + 14],
    list(range(_WORLD + 15, _WORLD + 18)),
    list(range(_CORNERS, _CORNERS + 4)),
    [_CORNERS + 4, _GROWTH],
    list(range(_CORNERS + 5, _CORNERS + 8)),
    list(range(_SPEEDS, CHANNELS)),
]
MIRRORED = np.ones(CHANNELS, np.float32)
MIRRORED[[7, _SIDEWAYS_SPEED]] = -1.0
_ORDER = np.arange(CHANNELS)
_ORDER[[_CORNERS, _CORNERS + 2]] = _ORDER[[_CORNERS + 2, _CORNERS]]
EDGES: list[int] = _ORDER.tolist()
