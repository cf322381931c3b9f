"""What the live page shows of the node, and what it changes."""

from __future__ import annotations

from threading import Event
from types import SimpleNamespace

import pytest

from piapp.config.live import LiveSettings
from piapp.config.load import default_config
from piapp.errors import ConfigError
from piapp.node.page import Page, PageTools

SOFA = {"name": "sofa", "polygon": [[0, 0], [1, 0], [1, 1]], "ignore": ["fall"]}


def page_of(settings, announced):
    """A page of a node that is paused, with two people."""
    return Page(
        settings,
        node="hall",
        control=SimpleNamespace(watching=Event(), paused_by="request"),
        heat=SimpleNamespace(temperature_c=51.5),
        people=lambda: 2,
        alarms=tuple,
        tools=PageTools,
        announce=lambda: announced.append(settings.config.zones),
    )


def test_zones_that_are_drawn_are_shown_and_announced():
    """In force before anybody is told; without a folder they are not kept."""
    announced = []
    settings = LiveSettings(default_config(), None)
    page = page_of(settings, announced)
    assert not page.change_zones([SOFA], "page")
    assert [zone.name for zone in announced[0]] == ["sofa"]
    status = page.status()
    assert [zone["name"] for zone in status["zones"]] == ["sofa"]
    assert (status["node"], status["name"], status["people"]) == ("hall", "hall", 2)
    assert (status["paused"], status["temperature_c"], status["zones_kept"]) == (True, 51.5, False)


def test_zones_that_are_none_change_nothing():
    """And nothing is announced."""
    announced = []
    settings = LiveSettings(default_config(), None)
    with pytest.raises(ConfigError):
        page_of(settings, announced).change_zones([{"name": ""}], "page")
    assert (settings.config.zones, announced) == ((), [])
