"""Ways out of the node: which a configuration asks for, and the log."""

from __future__ import annotations

import logging

from piapp.config.load import default_config
from piapp.mqtt.clock import TimeLine
from piapp.mqtt.payload import PayloadWriter
from piapp.node import outlets
from piapp.types import PostureEvent


def payload_of(event):
    """The message of an event."""
    return PayloadWriter("hall", "0badcafe").event(event, TimeLine(0, 0), event_id="0badcafe-1")


def test_events_in_the_log_carry_journal_fields(caplog):
    """A person's number is a field only where there is one."""
    outlet = outlets.LogOutlet()
    with caplog.at_level(logging.INFO):
        outlet.event(payload_of(PostureEvent("fall", 5, 3, evidence={"drop_m": 0.9})))
        outlet.event(payload_of(PostureEvent("camera_back", 6)))
    fall, back = caplog.records
    assert fall.getMessage() == "event 0badcafe-1 fall person=3 {'drop_m': 0.9}"
    assert fall.fields == {"PIAPP_EVENT": "fall", "PIAPP_EVENT_ID": "0badcafe-1", "PIAPP_PERSON": "3"}
    assert back.fields == {"PIAPP_EVENT": "camera_back", "PIAPP_EVENT_ID": "0badcafe-1"}


def test_no_page_metrics_or_pictures_unless_they_are_asked_for():
    """The shipped configuration has none of them, and loads none of their libraries."""
    config = default_config()
    assert outlets.live_page(config, None) is None
    assert outlets.metrics_endpoint(config, "hall") is None
    assert outlets.picture_feed(config, None, PayloadWriter("hall", "0badcafe")) is None


def test_an_outlet_that_overrides_nothing_does_nothing():
    """So each kind has only what it needs; stopping succeeds."""
    outlet = outlets.Outlet()
    outlet.start()
    outlet.event(payload_of(PostureEvent("camera_back", 6)))
    outlet.health({})
    outlet.tick()
    outlet.raise_if_failed()
    outlet.begin_stop()
    assert outlet.stop()


class Counting(outlets.Outlet):
    """Has something to do with every tick, and with nothing else."""

    def __init__(self):
        self.ticks = 0

    def tick(self):
        """Count."""
        self.ticks += 1


def test_a_group_calls_those_who_have_something_to_do():
    """Whatever the others are, and whichever the method."""
    first, second, health = Counting(), Counting(), outlets.LastHealth()
    group = outlets.OutletGroup(first, None, outlets.Outlet(), health, second)
    group.tick()
    group.offer(None)
    group.frame_sent(None, None)
    group.raise_if_failed()
    group.health({"uptime_s": 5})
    assert (first.ticks, second.ticks, health.report) == (1, 1, {"uptime_s": 5})
    assert len(group.present) == 4
