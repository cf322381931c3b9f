"""What a pause does to the parts of a node."""

from __future__ import annotations

from datetime import datetime

import pytest

from piapp.config.live import LiveSettings
from piapp.config.load import load_config
from piapp.config.sections import ScheduleConfig
from piapp.errors import ConfigError
from piapp.mqtt.commands import Pause
from piapp.node.control import Control
from piapp.node.pausable_camera import PausableCamera
from piapp.node.pauses import Pauses
from piapp.node.pausing import Pausing
from piapp.testing.camera import FakeCamera


class Watcher:
    """Remembers what it was told."""

    def __init__(self):
        self.unattended = False
        self.history = []

    def pause(self):
        """Nobody watches."""
        self.history.append("pause")

    def resume(self, paused_s):
        """Somebody does."""
        assert paused_s >= 0
        self.history.append("resume")


class Requests:
    """No requests come, and answers are kept."""

    def take(self):
        """None."""


@pytest.fixture
def parts():
    """Everything around a pause, with a clock of its own; attributes say what is so."""

    class Parts:
        watcher = Watcher()
        now = datetime(2026, 11, 23, 12, 0)  # noqa: DTZ001 - local time, whatever the zone
        schedule = ScheduleConfig(enabled=True, pause="22:00-06:00")

        def __init__(self):
            self.published, self.discarded = [], []
            settings = LiveSettings(load_config(None, environ={}).config, None)
            self.control = Control(Requests(), settings, lambda: self.published.append(self.control.state()))
            self.camera = PausableCamera(FakeCamera)
            self.camera.open()
            self.pausing = Pausing(
                pauses=Pauses(None),
                camera=self.camera,
                control=self.control,
                watcher=self.watcher,
                schedule=lambda: self.schedule,
                discard=lambda: self.discarded.append(self.control.paused_by),
                local_now=lambda: self.now,
            )

    return Parts()


def test_quiet_times_pause_and_resume(parts):
    """Each part is told once; a frame from before is dropped before frames are processed again."""
    parts.pausing.tick()
    assert parts.watcher.history == []
    parts.now = parts.now.replace(hour=23)
    for _ in range(3):
        parts.pausing.tick()
    assert parts.watcher.history == ["pause"]
    assert not parts.control.watching.is_set()
    assert parts.camera.status().renews
    parts.now = parts.now.replace(hour=7)
    parts.pausing.tick()
    assert parts.watcher.history == ["pause", "resume"]
    assert parts.control.watching.is_set()
    assert parts.discarded == ["schedule"]
    assert [(each["paused"], each["paused_by"]) for each in parts.published] == [(True, "schedule"), (False, None)]


def test_a_schedule_that_is_off_or_a_clock_that_was_not_set_pauses_nothing(parts):
    """A board without a battery may start in the past."""
    parts.now = datetime(1970, 1, 1, 23, 0)  # noqa: DTZ001
    parts.pausing.tick()
    parts.now = parts.now.replace(year=2026)
    parts.schedule = ScheduleConfig(enabled=False, pause="22:00-06:00")
    parts.pausing.tick()
    assert parts.watcher.history == []


def test_an_open_alarm_is_watched_on(parts):
    """Until somebody has acknowledged it."""
    parts.now = parts.now.replace(hour=23)
    parts.watcher.unattended = True
    parts.pausing.tick()
    assert parts.control.paused_by is None
    parts.watcher.unattended = False
    parts.pausing.tick()
    assert parts.control.paused_by == "schedule"


def test_what_paused_it_may_change_while_it_is_paused(parts):
    """Nothing is closed or opened for that; it is told."""
    parts.now = parts.now.replace(hour=23)
    parts.pausing.tick()
    assert parts.control.actions["pause"](Pause()) == {"paused": True}
    assert parts.control.paused_by == "request"
    assert parts.watcher.history == ["pause"]


def test_a_pause_that_cannot_be_kept_is_no_pause(parts):
    """The answer is an error, and nothing has changed."""
    with pytest.raises(ConfigError, match=r"spool\.dir"):
        parts.control.actions["pause"](Pause(persist=True))
    parts.pausing.tick()
    assert parts.control.paused_by is None
