"""When `state` is published."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

from piapp.mqtt.clock import TimeLine
from piapp.mqtt.payload import PayloadWriter
from piapp.mqtt.state_topic import StateTopic
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
