"""What is known of nodes, whatever they say, and what is wrong with them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from piapp.fleet import inventory as inventory_module
from piapp.fleet.inventory import Inventory

NOW_S = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC).timestamp()
HEALTH = {
    "t": "2026-11-22T11:59:50.000Z", "uptime_s": 60.0, "fps_out": 14.9, "temperature_c": 55.0, "restarts": 2
}  # fmt: skip
INFO = {"t": "2026-11-22T11:59:00.000Z", "versions": {"piapp": "1.2.3"}, "config": {"health": {"period_s": 30.0}}}


def node_of(health=None, status=b"online", info=None):
    """The view of one node after its messages."""
    inventory = Inventory("home/piapp")
    inventory.message("home/piapp/hall/status", status)
    inventory.message("home/piapp/hall/info", json.dumps(INFO | (info or {})).encode())
    inventory.message("home/piapp/hall/health", json.dumps(HEALTH | (health or {})).encode())
    (node,) = inventory.nodes()
    return node


def test_a_healthy_node():
    """Version from info, the newest sign of life, no problem."""
    node = node_of()
    assert (node.name, node.status, node.version) == ("hall", "online", "1.2.3")
    assert node.age_s(NOW_S) == 10.0
    assert node.problems(NOW_S) == []


@pytest.mark.parametrize(
    ("health", "problem"),
    [
        ({"t": "2026-11-22T11:58:20.000Z"}, "silent"),
        ({"spool_problem": "disk is full"}, "spool: disk is full"),
        ({"messages_dropped": {"events": 3}}, "3 events lost"),
        ({"restarts": 3}, "3 restarts"),
        ({"spool_depth": 7}, "7 events wait"),
        ({"throttled_now": ["under_voltage"]}, "under_voltage"),
        ({"temperature_c": 81.0}, "hot"),
    ],
)
def test_problems_of_a_node_that_is_online(health, problem):
    """Each alone."""
    # Its start is as old as its newest health, so that only health tells how long it is silent.
    assert node_of(health, info={"t": "2026-11-22T11:00:00.000Z"}).problems(NOW_S) == [problem]


def test_a_node_that_is_offline_is_not_also_silent_or_hot():
    """What it said last is no news."""
    node = node_of({"t": "2026-11-20T00:00:00.000Z", "temperature_c": 99.0, "spool_depth": 2}, b"offline")
    assert node.problems(NOW_S) == ["offline"]


@pytest.mark.parametrize("payload", [b'{"t":"\xb0"}', b"\xff", b"[]", b"{", b'{"fps_out":"fast"}', b"[" * 100_000])
def test_what_is_unreadable_is_said(payload):
    """The last readable message stays; the next readable one ends the complaint."""
    inventory = Inventory("piapp")
    for leaf, words in (("status", b"online"), ("health", json.dumps(HEALTH).encode()), ("health", payload)):
        inventory.message(f"piapp/hall/{leaf}", words)
    (node,) = inventory.nodes()
    assert node.problems(NOW_S) == ["health unreadable"]
    assert node.health.fps_out == HEALTH["fps_out"]
    inventory.message("piapp/hall/health", json.dumps(HEALTH).encode())
    assert node.problems(NOW_S) == []


@pytest.mark.parametrize("text", ["", "yesterday", "9999999-01-01", "0001-01-01T00:00:00Z"])
def test_an_unreadable_time_is_no_age(text):
    """It does not end the program."""
    node = node_of({"t": text}, info={"t": text})
    age_s = node.age_s(NOW_S)
    assert age_s is None or age_s > 0


def test_a_node_that_is_forgotten_is_gone():
    """An empty status takes it back, and what is emptied after that brings nobody back."""
    inventory = Inventory("piapp")
    inventory.message("piapp/hall/status", b"offline")
    for leaf in ("status", "info", "health"):
        inventory.message(f"piapp/hall/{leaf}", b"")
    assert inventory.nodes() == []


def test_memory_is_bounded(monkeypatch):
    """Whatever others put on the broker; nodes that are known are still heard."""
    monkeypatch.setattr(inventory_module, "MAX_NODES", 2)
    inventory = Inventory("piapp")
    for name in ("a", "b", "c"):
        inventory.message(f"piapp/{name}/status", b"online")
    inventory.message("piapp/a/status", b"offline")
    assert [(node.name, node.status) for node in inventory.nodes()] == [("a", "offline"), ("b", "online")]
