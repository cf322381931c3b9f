"""An even grid of time from results of any rate."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pytest

from piapp.posture.fall_window import STEP_MS, FallWindow, Window
from piapp.posture.geometry import read_body
from piapp.types import PoseResult
from tests.support import stick

FALL = [(2.0, stick.STAND), (0.8, stick.LIE_BACK, stick.plunge), (2.0, stick.LIE_BACK)]


def windows(results: Iterable[PoseResult]) -> list[Window]:
    """All windows; a result without poses is one in which the person is not seen."""
    window, found = FallWindow(), []
    for result in results:
        for pose in result.poses:
            body = read_body(pose, result.size)
            assert body is not None
            window.push(body, result.size, result.ts_ms)
        if (one := window.window(result.ts_ms)) is not None:
            found.append(one)
    return found


def without(results: Iterable[PoseResult], start_s: float, end_s: float) -> list[PoseResult]:
    """The same results, with nobody seen between two times."""
    return [stick.result(r.ts_ms / 1000, [] if start_s <= r.ts_ms / 1000 < end_s else r.poses) for r in results]


def test_windows_come_every_tenth_of_a_second():
    """At thirty results a second there is a window with every third; none in the first half second."""
    found = windows(stick.film([(2.0, stick.STAND)], fps=30))
    assert found[0].ts_ms >= 400
    assert [b.ts_ms - a.ts_ms for a, b in pairwise(found)] == [STEP_MS] * (len(found) - 1)


@pytest.mark.parametrize("fps", [25.0, 20.0, 15.0, 10.0])
def test_the_rate_of_results_does_not_matter(fps: float):
    """A fall at any rate gives nearly the window that it gives at thirty results a second."""
    reference = {window.ts_ms: window for window in windows(stick.film(FALL, camera=stick.SIDE, fps=30))}
    found = windows(stick.film(FALL, camera=stick.SIDE, fps=fps))
    at_ms = 4000
    one = next(window for window in found if window.ts_ms == at_ms)
    assert one.motion.drop_m == pytest.approx(reference[at_ms].motion.drop_m, abs=0.05)
    assert one.motion.speed_m_s == pytest.approx(reference[at_ms].motion.speed_m_s, abs=0.35)
    assert np.abs(one.channels - reference[at_ms].channels).mean() < 0.05


def test_a_short_gap_is_filled_in_between():
    """Not seen for 0.3 s during a fall: the speed afterwards is that of the fall, not that of a jump."""
    whole = list(stick.film(FALL, camera=stick.SIDE, fps=20))
    fall, gap = windows(whole)[-1], windows(without(whole, 2.3, 2.6))[-1]
    assert gap.motion.speed_m_s == pytest.approx(fall.motion.speed_m_s, abs=0.6)
    assert gap.channels[-11].max() == 0.0  # at no step is anybody unseen


def test_who_is_lost_is_held_and_counted_as_unseen():
    """While nobody is seen the last body stays and the time since grows."""
    found = windows(without(stick.film([(4.0, stick.STAND)], fps=20), 2.0, 9.0))
    unseen = found[-1].channels[-11]
    assert unseen[-1] == pytest.approx((found[-1].ts_ms / 1000 - 1.95) / 3, abs=0.05)
    assert found[-1].channels[0, -1] == found[-1].channels[0, -15]


def test_windows_end_when_nobody_was_seen_for_three_seconds():
    """A window of held bodies alone says nothing."""
    found = windows(without(stick.film([(8.0, stick.STAND)], fps=10), 2.0, 9.0))
    assert found[-1].ts_ms <= 5000


def test_a_long_gap_begins_anew():
    """Somebody who lies after four seconds unseen has not fallen: what was before is forgotten."""
    steps = [(2.0, stick.STAND), (0.5, stick.LIE_BACK), (6.0, stick.LIE_BACK)]
    found = windows(without(stick.film(steps, camera=stick.SIDE, fps=10), 1.9, 6.5))
    assert found[-1].motion.drop_m < 0.1


def test_the_time_before_a_track_is_marked():
    """A young window repeats its first body and says which steps are not there."""
    found = windows(stick.film([(1.0, stick.SIT)], fps=10, start=stick.SIT))
    padded = found[-1].channels[-10]
    assert padded[0] == 1.0
    assert padded[-1] == 0.0
    assert found[-1].motion.drop_m < 0.05
