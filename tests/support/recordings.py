"""Results as recordings hold them."""

from __future__ import annotations

from piapp.offline.recording import Recorded
from piapp.testing.landmarker import standing_pose
from piapp.types import PoseResult


def some(count=5, *, until_error=None):
    """Results, a tenth of a second apart, and then perhaps an error."""
    for number in range(count):
        yield Recorded(PoseResult(number * 100, number * 100_000_000, (640, 480), (standing_pose(),)))
    if until_error:
        raise until_error
