"""Arithmetic with MediaPipe's rounding: float32, one operation after the other.

Tracking feeds back: the last bit of a region decides how pixels are rounded, pixels move landmarks, landmarks make the
next region, and a difference grows threefold a frame. MediaPipe differs from itself by 1 to 8 % of the torso once one
pixel in 256 of the first frame is one grey level brighter (measured). The networks give the same bits in both runtimes,
so the arithmetic between them must too.
"""

from __future__ import annotations

import numpy as np

from piapp.types import FloatArray

# exp(-x) overflows float32 below this; the sigmoid is 0 for all purposes long before.
_LOWEST = np.float32(-87)


def sigmoid(values: FloatArray) -> FloatArray:
    """1 / (1 + exp(-values)); exp is rounded once, as by the C library."""
    exponentials = np.exp(-np.maximum(values, _LOWEST), dtype=np.float64).astype(np.float32)
    result: FloatArray = np.float32(1) / (np.float32(1) + exponentials)
    return result


def running_total(values: FloatArray) -> FloatArray:
    """The sum along the first axis, added up from first to last; `np.sum` adds in another order."""
    total: FloatArray = np.add.accumulate(values)[-1]
    return total
