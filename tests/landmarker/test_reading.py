"""Where a reading is, and whether two readings show one body."""

from __future__ import annotations

import numpy as np
import pytest

from piapp.landmarker.reading import Reading, placement_of, readings_agree
from piapp.landmarker.region import Region

REGION = Region(*(np.float32(value) for value in (0.5, 0.25, 0.4, 0.8, 1.0)))


def reading(shift: float = 0.0) -> Reading:
    """All landmarks at places of their own, shifted by a share of the picture's width."""
    points = np.random.default_rng(1).random((33, 5)).astype(np.float32)
    points[:, 0] += np.float32(shift)
    return Reading(points, points[:, :3] / 2, None, REGION)


def test_two_readings_of_one_body():
    """Shifted by a fifth of the region they are not the same."""
    assert readings_agree(reading(), reading(0.01))
    assert not readings_agree(reading(), reading(0.08))


def test_where_a_reading_is():
    """In pixels of its picture."""
    found = reading()
    torso = found.points[[11, 12, 23, 24], :2].mean(axis=0)
    assert placement_of(found, 7, (640, 320)).centre_px == pytest.approx((torso[0] * 640, torso[1] * 320))
