"""The openHAB files: that they fit each other, what a node says, and what it understands."""

from __future__ import annotations

import re

import pytest

from piapp.config.live import LiveSettings
from piapp.config.load import default_config
from piapp.mqtt.clock import TimeLine, WallClock
from piapp.mqtt.commands import Commands
from piapp.mqtt.incoming import Incoming
from piapp.mqtt.payload import PayloadWriter
from piapp.mqtt.topics import Topics
from piapp.node.control import Control
from piapp.service.health import Counters, Health
from piapp.types import Person, PostureEvent, State
from tests.support.openhab import FOLDER, channels, json_path

TOPICS = Topics("piapp", "hall")

# https://www.openhab.org/addons/bindings/mqtt.generic/
TYPES = {"string", "number", "switch", "trigger"}
KEYS = {"stateTopic", "commandTopic", "transformationPattern", "formatBeforePublish", "on", "off", "min", "max", "unit"}


def said() -> dict[str, bytes]:
    """What a node says on its topics."""
    writer = PayloadWriter("hall", "9f2c61aa", clock=WallClock(lambda: 0, lambda: 0, lambda: True))
    counters = Counters(
        frames_in=0, frames_dropped={}, frames_published=0, messages_dropped={}, queue_depth=0,
        spool_depth=0, spool_problem="", mqtt_reconnects=0,
    )  # fmt: skip
    control = Control(Commands(TOPICS, lambda _: None), LiveSettings(default_config(), None), lambda: None)
    return {
        TOPICS.state: writer.state(State(0, (Person(1, "sitting", 0),), ()), TimeLine(0, 0)),
        TOPICS.health: writer.document(**Health().report(counters)),
        TOPICS.settings: writer.document(**control.state()),
    }


def test_every_channel_is_read():
    """Each line between the braces is a channel of a known type with known settings."""
    text = (FOLDER / "piapp.things").read_text()
    assert len(channels()) == text.count("Type ") == 15
    for kind, settings in channels().values():
        assert kind in TYPES
        assert set(settings) <= KEYS


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("posture", "sitting"), ("occupancy", True), ("fallen", False), ("people", 1), ("pause", False),
        ("alarm", False), ("cared_for", False),
        ("idle_fps", default_config().power.idle_fps), ("fps", 0.0),
    ],
)  # fmt: skip
def test_channel_shows(name, expected):
    """What the transformation finds in a real message."""
    _, settings = channels()[name]
    assert json_path(settings["transformationPattern"], said()[settings["stateTopic"]]) == expected


def test_topics_are_ours():
    """States come from topics of the node; whatever is transformed is there."""
    plain = {TOPICS.event, TOPICS.trigger}
    for _, settings in channels().values():
        topic = settings.get("stateTopic")
        if "transformationPattern" in settings:
            json_path(settings["transformationPattern"], said()[topic])
        else:
            assert topic is None or topic in plain


@pytest.mark.parametrize(
    ("name", "value"),
    [("pause", "true"), ("pause", "false"), ("idle_fps", "7.5"), ("restart", ""), ("acknowledge", ""), ("test", "")],
)
def test_commands_are_understood(name, value):
    """What a channel sends is a valid request."""
    _, settings = channels()[name]
    payload = settings["formatBeforePublish"].replace("%s", value).encode()
    answers = []
    commands = Commands(TOPICS, answers.append)
    commands.receive(Incoming(settings["commandTopic"], payload, retain=False))
    assert commands.take(), answers


def test_items_are_linked_to_channels():
    """Each item's channel is one of the thing; every channel but the trigger has an item."""
    linked = set(re.findall(r'channel="mqtt:topic:home:hall:(\w+)"', (FOLDER / "piapp.items").read_text()))
    assert linked == set(channels()) - {"trigger"}


def test_rules_name_items_that_exist():
    """Each Item of the rules is one of the items' file, and the event's text is looked for as a node writes it."""
    rules = (FOLDER / "piapp.rules").read_text()
    named = set(re.findall(r"\bHall_\w+", rules))
    assert named <= set(re.findall(r"\bHall_\w+", (FOLDER / "piapp.items").read_text()))
    writer = PayloadWriter("hall", "9f2c61aa", clock=WallClock(lambda: 0, lambda: 0, lambda: True))
    payload = writer.event(PostureEvent("fallen", 0), TimeLine(0, 0), event_id="b-1", test=True)
    message = payload.encoded(historical=False).decode()
    for text in re.findall(r"contains\('([^']+)'\)", rules):
        assert text in message
