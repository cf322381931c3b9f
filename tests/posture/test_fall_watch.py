"""The network and the rules together: who decides what."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from piapp.config.load import default_config
from piapp.posture.fall_watch import LEAST_WHEN_LEAVING, LEAST_WHEN_LOST, FallWatch
from piapp.posture.fall_window import STEP_MS
from piapp.posture.features import measure
from piapp.posture.geometry import read_body
from tests.support.stick import LIE_BACK, STAND, film, plunge

CONFIG = default_config().posture
FALL = list(film([(2, STAND), (0.5, LIE_BACK, plunge), (3, LIE_BACK)]))


class SureNet:
    """A network that is as sure as it is told to be."""

    def __init__(self, probability):
        self.answer = probability
        self.asked = 0

    def probability(self, channels):
        """The answer, whatever is seen."""
        assert channels.dtype == np.float32
        self.asked += 1
        return self.answer


def falls(watch, results, lost_after=None, size=None):
    """What is found, with the time; from result `lost_after` on nobody is seen. A small `size` cuts bodies off."""
    found = []
    for number, result in enumerate(results):
        if lost_after is not None and number >= lost_after:
            fall = watch.miss(result.ts_ms)
        else:
            body = read_body(result.poses[0], result.size)
            features = measure(body, 0.0)
            posture = "lying" if features.trunk_deg > 60 else "standing"
            fall = watch.see(body, size or result.size, features, posture, result.ts_ms)
        if fall is not None:
            found.append((result.ts_ms, fall))
    return found


def on_the_way_down():
    """The number of the result at which the body of `FALL` is half-way down."""
    heights = [measure(read_body(one.poses[0], one.size), 0.0).shoulders_m for one in FALL]
    return next(number for number, height in enumerate(heights) if height < 0.55)


def test_without_a_network_the_rules_decide():
    """As they did before there was one."""
    ((_, fall),) = falls(FallWatch(CONFIG, None), FALL)
    assert fall.numbers["lost"] == 0
    assert fall.numbers["drop_m"] > 0.45


def test_the_network_decides_about_what_is_seen():
    """Rules alone find nothing when it is sure that nobody falls, and its numbers are the evidence."""
    assert falls(FallWatch(CONFIG, SureNet(0.01)), FALL) == []
    ((_, fall),) = falls(FallWatch(CONFIG, SureNet(0.99)), FALL)
    assert fall.score == pytest.approx(0.99)
    assert set(fall.numbers) == {"drop_m", "speed_m_s", "shoulders_m", "hips_m", "probability", "sure_s", "lost"}


def test_the_network_is_asked_only_where_its_answer_decides():
    """About nobody who stands, and about each window of somebody who came down at most once."""
    upright, fallen = SureNet(0.99), SureNet(0.01)
    falls(FallWatch(CONFIG, upright), list(film([(4, STAND)])))
    assert upright.asked == 0
    falls(FallWatch(CONFIG, fallen), FALL)
    assert 3 <= fallen.asked <= (FALL[-1].ts_ms - FALL[0].ts_ms) / STEP_MS


def test_rules_that_agree_make_it_easier():
    """A network that would not have been sure enough by itself is believed."""
    assert len(falls(FallWatch(CONFIG, SureNet(0.6)), FALL)) == 1


@pytest.mark.parametrize(("probability", "count"), [(LEAST_WHEN_LOST + 0.01, 1), (LEAST_WHEN_LOST - 0.01, 0)])
def test_who_is_lost_on_the_way_down(probability, count):
    """The rules decide, unless the network thought a fall unlikely; it is not sure enough itself."""
    unsure = msgspec.structs.replace(CONFIG, fall_sensitivity="low")
    found = falls(FallWatch(unsure, SureNet(probability)), FALL, on_the_way_down())
    assert len(found) == count
    assert all(fall.numbers["lost"] == 1 for _, fall in found)


@pytest.mark.parametrize(("probability", "count"), [(LEAST_WHEN_LEAVING + 0.01, 1), (LEAST_WHEN_LEAVING - 0.01, 0)])
def test_who_is_lost_at_an_edge(probability, count):
    """The network must be all but certain: most people who are lost while they are cut off have left the picture."""
    narrow = (FALL[0].size[0] // 2, FALL[0].size[1])
    assert len(falls(FallWatch(CONFIG, SureNet(probability)), FALL, on_the_way_down(), narrow)) == count


def test_sensitivity_takes_effect_at_once():
    """Another threshold holds from the next window on."""
    watch = FallWatch(msgspec.structs.replace(CONFIG, fall_sensitivity="low"), SureNet(0.7))
    watch.use(msgspec.structs.replace(CONFIG, fall_sensitivity="high"))
    assert len(falls(watch, FALL)) == 1
