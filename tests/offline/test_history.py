"""A day summed up: bands, lanes, gaps."""

from __future__ import annotations

from math import isnan

from piapp.offline.history import Band, collect, lanes
from piapp.offline.recording import Recorded
from piapp.offline.replay import Step
from piapp.types import Person, PoseResult, PostureEvent, State


def step(at_s, *persons, events=(), latency_ms=None, utc_ms=None):
    """One result with (id, posture) of who is there."""
    ts_ms = round(at_s * 1000)
    result = PoseResult(ts_ms, ts_ms * 1_000_000, (640, 480), ())
    state = State(ts_ms, tuple(Person(number, posture, 0) for number, posture in persons), ())
    return Step(Recorded(result, latency_ms, utc_ms), state, tuple(PostureEvent(kind, ts_ms) for kind in events))


def bands_of(history):
    """Bands as tuples."""
    return [(band.person, band.posture, band.start_s, band.end_s) for band in history.bands]


def test_a_band_lasts_until_the_posture_changes():
    """Bands of one person touch; whoever has left has none."""
    history = collect(
        [
            step(0.0),
            step(1.0, (1, "standing")),
            step(2.0, (1, "standing"), (2, "sitting")),
            step(3.0, (1, "sitting"), (2, "sitting")),
            step(4.0, (2, "sitting")),
            step(5.0),
        ]
    )
    assert bands_of(history) == [(1, "standing", 1.0, 3.0), (2, "sitting", 2.0, 5.0), (1, "sitting", 3.0, 4.0)]
    assert history.gaps == []


def test_nothing_is_drawn_over_a_gap():
    """While a node is away nobody knows who sits where; its slowest idle rate is no gap."""
    steps = [step(at_s, (1, "sitting")) for at_s in (0.0, 5.0, 10.0, 100.0, 101.0)]
    history = collect(steps)
    assert bands_of(history) == [(1, "sitting", 0.0, 10.0), (1, "sitting", 100.0, 101.0)]
    assert history.gaps == [(10.0, 100.0)]


def test_events_latency_and_time_of_day_are_kept():
    """The start is second 0, by the last result's time of day: clocks are set some time after a start."""
    steps = [step(0.5, utc_ms=3), step(1.0), step(2.0, events=["wave"], latency_ms=30.0, utc_ms=1_002_000)]
    history = collect(steps[1:])
    assert collect(steps).start_utc_ms == history.start_utc_ms
    assert history.events == [(2.0, "wave")]
    assert isnan(history.latency_ms[0])
    assert history.latency_ms[1] == 30.0
    assert list(history.times_s) == [1.0, 2.0]
    assert history.start_utc_ms == 1_000_000


def test_people_who_are_there_together_have_lanes_of_their_own():
    """One after the other share one: a day's many ids need few rows."""
    together = [Band(1, "standing", 0, 10), Band(2, "standing", 5, 15), Band(3, "standing", 10, 20)]
    assert lanes(together) == {1: 0, 2: 1, 3: 0}
    assert lanes([]) == {}
    assert lanes([Band(1, "standing", 0, 1), Band(2, "sitting", 0.5, 2), Band(1, "sitting", 1, 3)]) == {1: 0, 2: 1}
