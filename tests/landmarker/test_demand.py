"""When one more landmarker is needed."""

from __future__ import annotations

import pytest

from piapp.landmarker.demand import PERIOD_S, Demand


@pytest.mark.parametrize(
    ("frames", "dropped", "needed"),
    [
        (45, 0, False),  # all were processed
        (45, 4, False),  # the system was busy for a moment
        (45, 5, True),
        (45, 30, True),  # a board that needs three landmarkers
        (4, 2, False),  # too few to tell
        (0, 0, False),  # no frame came
    ],
)
def test_too_many_frames_without_a_free_landmarker(frames, dropped, needed):
    """A tenth of a period's frames, and at least three."""
    demand = Demand()
    assert not demand.exceeds(10.0, 100, 50), "what was before the first period counts for nothing"
    assert not demand.exceeds(10.0 + PERIOD_S / 2, 100 + frames, 50 + dropped), "a period is not over"
    assert demand.exceeds(10.0 + PERIOD_S, 100 + frames, 50 + dropped) == needed
    assert not demand.exceeds(10.0 + 2 * PERIOD_S, 200 + frames, 50 + dropped), "the next period is judged by itself"
