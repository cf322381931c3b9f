"""What is known after messages, and what is worth telling."""

from __future__ import annotations

import json

import pytest

from piapp.watch.model import MAX_OF_NODE, Overview
from tests.watch.messages import NOW_S, event, frame, info, person, state


def hear(watched, *messages, now_s=NOW_S):
    """Take (topic below the base, payload) pairs; what was told, in words."""
    told = [watched.message(f"home/piapp/{topic}", payload, now_s) for topic, payload in messages]
    return [(each.node, each.kind, each.text) for each in told if each]


@pytest.fixture
def watched():
    """Knows nothing yet."""
    return Overview("home/piapp")


def test_topics():
    """Small ones of all nodes, or of one; frames never by themselves."""
    assert set(Overview("piapp").topic_filters) == {
        f"piapp/+/{leaf}" for leaf in ("status", "info", "health", "state", "event", "settings")
    }
    assert all(each.startswith("a/b/hall/") for each in Overview("a/b", "hall").topic_filters)
    assert Overview("a/b").frame_topic("hall") == "a/b/hall/frame"


def test_only_changes_are_told(watched):
    """The same status or the same people again, as a reconnect brings them, are no news."""
    same = [("hall/status", b"online"), ("hall/state", state(person(1)))]
    assert hear(watched, *same) == [("hall", "status", "online"), ("hall", "state", "#1 standing")]
    assert hear(watched, *same) == []
    assert hear(watched, ("hall/status", b"offline")) == [("hall", "status", "offline")]
    assert [each.text for each in watched.latest(None, 9)] == ["offline"]  # the first status is no event


def test_the_fallen_come_first(watched):
    """Then by name."""
    hear(watched, *((f"{name}/status", b"online") for name in ("c", "a", "b")))
    hear(watched, ("c/state", state(person(1, fallen=True, posture="lying"))))
    assert [seen.name for seen in watched.nodes()] == ["c", "a", "b"]
    hear(watched, ("c/state", state(person(1))))
    assert [seen.name for seen in watched.nodes()] == ["a", "b", "c"]


def test_events_are_told_once(watched):
    """One that comes again after a crash of the node has the same id; late ones are marked."""
    first = ("hall/event", event("wave", id="0-1"))
    assert (
        hear(watched, first, first, ("hall/event", event("wave", id="0-2", historical=True)))
        == [("hall", "event", "wave  person 1")] * 2
    )
    assert [each.is_late for each in watched.latest("hall", 9)] == [False, True]


def test_each_node_keeps_its_own(watched):
    """A busy one does not push out another's; memory is bounded."""
    hear(watched, ("quiet/event", event("fall", id="q")))
    hear(watched, *(("busy/event", event("wave", id=str(number))) for number in range(500)))
    assert [each.text for each in watched.latest("quiet", 9)] == ["fall  person 1"]
    assert len(list(watched.latest("busy", 999))) == MAX_OF_NODE
    assert list(watched.latest("unknown", 9)) == []


def test_what_is_unreadable_is_counted(watched):
    """And changes nothing."""
    hear(watched, ("hall/status", b"online"), ("hall/state", state(person(1))))
    watched.look_at("hall")
    bad = [("status", b"?"), ("state", b"{"), ("event", b"[]"), ("settings", b"1"), ("health", b"x"), ("frame", b"x")]
    assert hear(watched, *((f"hall/{leaf}", payload) for leaf, payload in bad)) == []
    assert watched.unreadable == len(bad)
    assert watched.get("hall").state.text() == "#1 standing"


def test_a_node_that_is_forgotten_is_gone(watched):
    """As `piapp forget` empties its topics."""
    hear(watched, ("hall/status", b"offline"), ("hall/state", state(person(1))))
    hear(watched, *((f"hall/{leaf}", b"") for leaf in ("state", "settings", "event", "status", "info")))
    assert watched.nodes() == []
    assert watched.get("hall") is None


def test_frames_of_one(watched):
    """Of the node that is looked at, with their rate and age; a change of mind begins anew."""
    watched.look_at("hall")
    for index in range(10):
        hear(watched, ("hall/frame", frame(0.5)), ("loft/frame", b"never read"), now_s=NOW_S + index / 10)
    feed = watched.feed
    assert feed.frame.poses[0].id == 1
    assert feed.fps(NOW_S + 0.9) == pytest.approx(10.0)
    assert feed.age_s(NOW_S + 5.9) == pytest.approx(5.0)
    assert feed.fps(NOW_S + 5.9) is None
    watched.look_at("hall")
    assert watched.feed is feed
    watched.look_at("loft")
    assert (watched.feed.frame, watched.feed.age_s(NOW_S), watched.feed.fps(NOW_S)) == (None, None, None)
    watched.look_at(None)
    assert watched.feed is None
    assert watched.unreadable == 0


def test_paused_and_without_frames(watched):
    """From `settings` and `info`, whatever shape these have."""
    hear(watched, ("hall/status", b"online"), ("hall/settings", json.dumps({"paused": True}).encode()))
    seen = watched.get("hall")
    assert (seen.status, seen.frames) == ("paused", "")
    hear(watched, ("hall/settings", b""), ("hall/info", info(publish={"frames": "off"})))
    assert (seen.status, seen.frames) == ("online", "off")
    hear(watched, ("hall/info", info(publish=[])))
    assert seen.frames == ""


def test_the_connection(watched):
    """Each change is told once, at every node as well."""
    hear(watched, ("hall/status", b"online"))
    told = [watched.link(up=up, now_s=NOW_S) for up in (True, False, False, True, True)]
    assert [each.text.split()[1] for each in told if each] == ["lost,", "again;"]
    assert [each.node for each in watched.latest("hall", 9)] == ["", ""]
