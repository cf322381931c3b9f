"""Values of [posture] that change while somebody is in view take effect on them."""

from __future__ import annotations

import msgspec
import pytest

from piapp.config.load import default_config
from piapp.config.sections import ZoneConfig
from piapp.posture.monitor import Monitor
from tests.support.stick import LIE_BACK, STAND, film, plunge

CONFIG = default_config().posture
EVERYWHERE = (ZoneConfig(name="room", polygon=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)), ignore=()),)


def events_of(monitor, results):
    """What a monitor reports, by type."""
    return [(event.event_type, event.ts_ms) for result in results for event in monitor.update(result)[1]]


def changed_after(results, seconds, **values):
    """Two monitors on the same results: one keeps its values, the other is handed new ones on the way."""
    kept, tuned = Monitor(CONFIG), Monitor(CONFIG)
    before = [result for result in results if result.ts_ms < results[0].ts_ms + seconds * 1000]
    assert events_of(kept, before) == events_of(tuned, before)
    tuned.use(msgspec.structs.replace(CONFIG, **values))
    rest = results[len(before) :]
    return events_of(kept, rest), events_of(tuned, rest)


@pytest.mark.parametrize(
    ("values", "event"),
    [
        ({"dwell_s": 1.5}, "posture_changed"),
        ({"fallen_after_s": 1.0}, "fallen"),
        ({"inactive_after_s": 2.0}, "inactive"),
    ],
)
def test_a_value_takes_effect_on_who_is_in_view(values, event):
    """The same person, before and after: what happens changes."""
    results = list(film([(2, STAND), (0.5, LIE_BACK, plunge), (8, LIE_BACK)]))
    kept, tuned = changed_after(results, 1.5, **values)
    assert [one for one in kept if one[0] == event] != [one for one in tuned if one[0] == event]


def test_the_time_until_somebody_is_found_lying_takes_effect():
    """Somebody lies down with care, and stays there."""
    results = list(film([(2, STAND), (3, LIE_BACK), (8, LIE_BACK)]))
    kept, tuned = changed_after(results, 1.5, found_lying_s=3.0)
    assert "fallen" not in dict(kept)
    assert "fallen" in dict(tuned)


def test_a_zone_s_dwell_takes_effect():
    """Somebody is in the zone already, but not for long enough."""
    monitor = Monitor(msgspec.structs.replace(CONFIG, zone_dwell_s=600.0), EVERYWHERE)
    results = list(film([(4, STAND)]))
    first = events_of(monitor, results[: len(results) // 2])
    monitor.use(msgspec.structs.replace(CONFIG, zone_dwell_s=0.1))
    second = events_of(monitor, results[len(results) // 2 :])
    assert "zone_entered" not in dict(first)
    assert "zone_entered" in dict(second)


def test_smoothing_takes_effect():
    """A filter that hardly follows keeps somebody who lies down standing for longer."""
    results = list(film([(2, STAND), (0.5, LIE_BACK, plunge), (3, LIE_BACK)]))
    kept, tuned = changed_after(results, 1.5, smooth_cutoff_hz=0.05, smooth_beta=0.0)
    assert kept != tuned
