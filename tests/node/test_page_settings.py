"""The settings as the owner's page shows and changes them."""

from __future__ import annotations

import json

import msgspec
import pytest

from piapp.config.change_log import ChangeLog
from piapp.config.live import LiveSettings
from piapp.config.load import default_config
from piapp.errors import ConfigError
from piapp.mqtt.commands import Commands
from piapp.mqtt.topics import Topics
from piapp.node.control import Control
from piapp.node.page_settings import PageSettings
from tests.footage.page import RATES_FILE, SENSITIVITIES, fall_rates


class Node:
    """Settings with a page and a desk for requests; notes what was announced."""

    def __init__(self, folder):
        file = None if folder is None else folder / "settings.json"
        self.settings = LiveSettings(default_config(), file, changes=ChangeLog(None))
        self.announced = []
        commands = Commands(Topics("piapp", "hall"), lambda _message: True)
        control = Control(commands, self.settings, lambda: self.announced.append(self.settings.values()))
        self.page = PageSettings(self.settings, control)

    def change(self, **values):
        """Change keys, `__` for the dot."""
        body = json.dumps({"values": {key.replace("__", "."): value for key, value in values.items()}}).encode()
        return self.page.change(body, "page 192.0.2.7")

    def keys(self):
        """What the page is told of each key."""
        return {key["key"]: key for key in self.page.document({})["keys"]}


def test_what_a_change_takes():
    """Every live key can change at once; others with a restart, or in the file alone."""
    node = Node(None)
    takes = {name: key["takes"] for name, key in node.keys().items()}
    assert {name for name, how in takes.items() if how == "nothing"} == set(node.settings.values())
    assert (takes["camera.rotation"], takes["publish.image"], takes["mqtt.url"]) == ("restart", "file", "file")
    assert msgspec.json.encode(node.page.document({}))


def test_a_change_is_in_force_and_kept(tmp_path):
    """By the code of `request/set`: announced, kept, and noted with who did it."""
    node = Node(tmp_path)
    answer = node.change(posture__fall_sensitivity="high")
    assert answer == {"values": {"posture.fall_sensitivity": "high"}, "pending": {}}
    assert node.announced[0]["posture.fall_sensitivity"] == "high"
    assert LiveSettings(default_config(), tmp_path / "settings.json").config.posture.fall_sensitivity == "high"
    (change,) = node.page.document({})["changes"]
    assert (change["by"], change["before"]) == ("page 192.0.2.7", {"posture.fall_sensitivity": "normal"})


def test_a_key_that_needs_a_restart_waits(tmp_path):
    """The old value is in force, the new one is pending."""
    node = Node(tmp_path)
    assert node.change(node__name="Hall") == {"values": {"node.name": ""}, "pending": {"node.name": "Hall"}}
    assert node.page.document({})["pending"] == {"node.name": "Hall"}
    assert node.announced == []


def test_a_node_that_keeps_nothing():
    """Live keys change until it restarts; the others cannot."""
    node = Node(None)
    assert not node.page.document({})["kept"]
    node.change(power__idle_fps=2)
    with pytest.raises(ConfigError, match="no folder for its state"):
        node.change(node__name="Hall")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"posture__dwell_s": -1}, "expected a number at least 0"),
        ({"schedule__pause": "at night"}, "expected a time such as"),
        ({"publish__image": "photo"}, "cannot change while the node runs"),
        ({"posture__dwell_s": 1, "node__name": "Hall"}, "node.name: takes a restart"),
        ({}, "length"),
    ],
)
def test_refused_changes(tmp_path, values, words):
    """In the words of the configuration; nothing changes."""
    node = Node(tmp_path)
    before = node.settings.config
    with pytest.raises((ConfigError, ValueError), match=words):
        node.change(**values)
    assert (node.settings.config, len(node.page.document({})["changes"]), node.announced) == (before, 0, [])


def test_no_secret_is_shown():
    """A password in a camera's address is masked, as in `info`."""
    node = Node(None)
    camera = msgspec.structs.replace(node.settings.config.camera, source="rtsp://me:hunter2@cam/1")
    node.settings.config = msgspec.structs.replace(node.settings.config, camera=camera)
    assert b"hunter2" not in msgspec.json.encode(node.page.document({}))


def test_the_rates_are_those_of_the_accuracy_page():
    """`make accuracy` writes both; each value of the sensitivity has its figures."""
    rates = fall_rates(RATES_FILE.parents[2] / "docs" / "accuracy")
    assert json.loads(RATES_FILE.read_text()) == rates
    assert tuple(rates) == SENSITIVITIES
    assert Node(None).page.document({})["rates"] == rates
