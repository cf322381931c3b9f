"""When `state` is published."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from piapp.mqtt.clock import TimeLine, WallClock
from piapp.mqtt.payload import PayloadWriter
from piapp.mqtt.state_topic import PostureStarts, StateTopic
from piapp.mqtt.topics import Topics
from piapp.types import Person, State

SOMEBODY = Person(1, "standing", 0)


def test_only_what_changes_is_published():
    """Somebody's posture, or a circumstance, but not how long somebody has been still."""
    published = []
    publisher = SimpleNamespace(
        topics=Topics("piapp", "hall"), retain=lambda topic, payload: published.append((topic, json.loads(payload)))
    )
    topic = StateTopic(publisher, PayloadWriter("hall", "0badcafe"))

    def update(person, **circumstances):
        topic.update(State(0, (person,), ()), TimeLine(0, 0), **circumstances)
        return len(published)

    assert update(SOMEBODY, paused=False) == 1
    assert update(replace(SOMEBODY, still_s=9.0), paused=False) == 1
    assert update(replace(SOMEBODY, posture="sitting"), paused=False) == 2
    assert update(replace(SOMEBODY, posture="sitting"), paused=True) == 3
    topic.expire()
    assert update(replace(SOMEBODY, posture="sitting"), paused=True) == 4
    assert published[-1][0] == "piapp/hall/state"
    assert (published[-1][1]["posture"], published[-1][1]["paused"]) == ("sitting", True)


class Clocks:
    """A wall clock that tests set."""

    def __init__(self):
        self.utc_ns, self.monotonic_ns = 1_795_327_262 * 10**9, 5 * 10**9
        self.wall = WallClock(lambda: self.utc_ns, lambda: self.monotonic_ns, lambda: True)


@pytest.mark.parametrize("line", [TimeLine(9_000, 9_180_000_000), TimeLine(100, 9_000_000_000)], ids=["late", "anew"])
def test_the_start_of_a_posture_stays_put(line):
    """Though a busy machine takes a picture late, or a pause begins another time line."""
    published, clocks = [], Clocks()
    publisher = SimpleNamespace(
        topics=Topics("piapp", "hall"), retain=lambda _, payload: published.append(json.loads(payload)["persons"][0])
    )
    topic = StateTopic(publisher, PayloadWriter("hall", "0badcafe", clock=clocks.wall))
    person = Person(1, "standing", 4_000)
    topic.update(State(5_000, (person,), ()), TimeLine(5_000, 5_000_000_000))
    topic.update(State(line.ts_ms, (replace(person, hands_raised=("left",)),), ()), line)
    topic.update(State(line.ts_ms, (replace(person, posture="sitting", since_ms=line.ts_ms),), ()), line)
    standing, raised, sitting = (each["since"] for each in published)
    assert standing == raised == "2026-11-22T06:01:01.000Z"
    assert sitting > standing


def test_a_clock_that_is_set_moves_the_start_of_a_posture():
    """A board without a battery learns the time late; small differences between the clocks change nothing."""
    clocks = Clocks()
    starts = PostureStarts(clocks.wall)
    starts.update((SOMEBODY,), TimeLine(0, 5_000_000_000))
    first = starts.texts()
    clocks.utc_ns += 900_000_000
    assert starts.texts() == first == {1: "2026-11-22T06:01:02.000Z"}
    clocks.utc_ns += 3600 * 10**9
    assert starts.texts() == {1: "2026-11-22T07:01:02.900Z"}
    starts.update((), TimeLine(0, 0))
    assert starts.texts() == {}
