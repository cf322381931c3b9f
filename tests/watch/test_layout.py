"""The screen at any size, and plain lines."""

from __future__ import annotations

import json
import time

import pytest
from rich.cells import cell_len

from piapp.watch.keys import Choice
from piapp.watch.layout import plain_line, screen
from piapp.watch.model import Happening, Overview
from piapp.watch.page import ASCII, UNICODE, Page
from tests.watch.messages import NOW_S, event, frame, info, person, state

SIZES = [(80, 24), (40, 15), (200, 60), (64, 10), (10, 4), (3, 2), (1, 1)]
HEALTH = json.dumps({"t": "2026-11-22T12:00:00Z", "fps_out": 14.93, "temperature_c": 55.2}).encode()
LONG = "a-name-of-thirty-two-characters-"


@pytest.fixture(autouse=True)
def _berlin(monkeypatch):
    """Local time is an hour ahead of UTC."""
    monkeypatch.setenv("TZ", "CET-1")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def page(width=80, height=24, **how):
    """A screen a minute after noon UTC."""
    return Page("mqtt://user:secret@broker.lan", width, height, NOW_S + 60, **how)


def house():
    """Four nodes; in the hall somebody has fallen, at the last somebody is and names are wide."""
    watched = Overview("piapp")
    for name, leaf, payload in (
        ("attic", "status", b"offline"),
        ("attic", "state", state(person(9, posture="sitting"))),
        ("hall", "status", b"online"),
        ("hall", "health", HEALTH),
        ("hall", "info", info(publish={"frames": "json"})),
        ("hall", "state", state(person(2), person(3, posture="lying", fallen=True, zones=["rug"]))),
        ("hall", "event", event("fall", person=3, posture="lying")),
        ("hall", "event", event("wave", historical=True, t="2026-11-20T08:00:00Z")),
        (LONG, "status", b"online"),
        (LONG, "health", b"{"),
        ("居間のカメラ居間のカメラ", "status", b"online"),
        ("居間のカメラ居間のカメラ", "state", state(person(1, zones=["ソファ"], hands_raised=["left"]))),
        ("居間のカメラ居間のカメラ", "event", event("zone_entered", zones=["ソファ" * 30])),
    ):
        watched.message(f"piapp/{name}/{leaf}", payload, NOW_S)
    return watched


def looked_at(watched, payload=None, name="hall", age_s=0.1):
    """The screen of one node after a frame."""
    watched.look_at(name)
    if payload:
        watched.message(f"piapp/{name}/frame", payload, NOW_S + 60 - age_s)
    return Choice(name, is_open=True)


def plain(lines):
    """Without styles, as a terminal without colour shows it."""
    return "\n".join(line.plain for line in lines)


@pytest.mark.parametrize("signs", [UNICODE, ASCII])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_no_line_is_too_long(width, height, signs):
    """Whatever is shown, in cells: wide characters take two."""
    watched = house()
    for choice in (
        Choice(),
        looked_at(watched, frame(0.3, 0.6)),
        looked_at(watched, frame(0.5), "居間のカメラ居間のカメラ"),
        looked_at(watched, None, LONG),
        looked_at(watched, None, "nobody-knows"),
    ):
        for linked in (True, False):
            watched.is_linked = linked
            lines = screen(watched, choice, page(width, height, signs=signs))
            assert len(lines) <= height
            assert max(cell_len(line.plain) for line in lines) <= width
            assert "secret" not in plain(lines)


def test_the_list():
    """The fallen first and marked, then by name; the wide name is cut; status, rate, people, what is wrong."""
    title, heads, *rows = plain(screen(house(), Choice(), page())).splitlines()
    assert title.startswith("!! FALLEN: hall  4 nodes, 3 online  mqtt://***@broker.lan")
    assert title.endswith(" 13:01:00")
    assert heads.split() == ["node", "status", "fps", "people", "who"]
    assert rows[0].split() == [">!!hall", "online", "14.9", "2", "#3", "FALLEN", "lying,", "#2", "standing"]
    assert rows[1].split()[:3] == [LONG[:19] + "…", "online", "-"]
    assert rows[1].endswith("[health unreadable]")
    assert rows[2].split() == ["attic", "OFFLINE", "-", "1", "last", "heard:", "#9", "sitting"]
    assert rows[3].startswith("   居間のカメラ居間の … online")


def test_events_in_local_time():
    """Today's with the second, older ones with their day; alarms and late ones are marked in words."""
    lines = plain(screen(house(), Choice(), page())).splitlines()
    events = lines[lines.index(next(line for line in lines if "─ events ─" in line)) + 1 : -1]
    assert events[0].split() == ["13:00:00", "hall", "!!", "fall", "person", "3", "standing", "->", "lying"]
    assert events[1].split() == ["11-20", "09:00", "hall", "late:", "wave", "person", "1"]
    assert events[2].endswith("…")


def test_one_node_wide():
    """Its line, skeletons with names at their heads, people beside them, its own events."""
    watched = house()
    shown = plain(screen(watched, looked_at(watched, frame(0.3, 0.7)), page()))
    assert "hall  online  14.9 fps" in shown
    assert "55 C" in shown
    assert "!! #3 FALLEN lying" in shown
    assert "since 13:00:00" in shown
    assert "in rug" in shown
    assert "#1 standing" in shown
    assert "#2 standing" in shown
    assert sum(0x2800 <= ord(char) < 0x2900 for char in shown) > 20
    assert "zone_entered" not in shown
    assert "esc all nodes" in shown


def test_styles_stay_where_they_belong():
    """What is beside the picture's quiet frame is not quiet."""
    watched = house()
    line = screen(watched, looked_at(watched, frame(0.5)), page())[2]
    at = line.plain.index("!! #3 FALLEN")
    styles = [str(span.style) for span in line.spans if span.start <= at < span.end]
    assert (str(line.style), styles) == ("", ["bold reverse red"])
    assert line.plain.startswith("┌")


def test_the_fallen_are_marked_at_the_skeleton():
    """In words at the head."""
    watched = house()
    watched.message("piapp/hall/state", state(person(1, fallen=True)), NOW_S)
    assert "!! #1 FALLEN" in plain(screen(watched, looked_at(watched, frame(0.5)), page(width=60)))


@pytest.mark.parametrize(("width", "height"), [(40, 15), (80, 24), (200, 60)])
def test_ascii_is_ascii(width, height):
    """Names aside, not a character beyond it."""
    watched = house()
    watched.message("piapp/居間のカメラ居間のカメラ/status", b"", NOW_S)
    watched.happenings.clear()
    for choice in (Choice(), looked_at(watched, frame(0.5))):
        shown = plain(screen(watched, choice, page(width, height, signs=ASCII)))
        assert shown.isascii()
        assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("name", "leaf", "payload", "words"),
    [
        ("hall", "info", info(publish={"frames": "off"}), 'publish.frames = "off"'),
        ("hall", "settings", b'{"paused":true}', "the node is paused"),
        ("hall", "status", b"offline", "the node is offline"),
        ("hall", "frame", frame(), "nobody in view"),
        ("hall", "frame", b"{", "waiting for a frame"),
        ("new", "frame", b"{", "not heard of yet"),
    ],
)
def test_why_there_is_no_skeleton(name, leaf, payload, words):
    """In words, in the picture's place."""
    watched = house()
    choice = looked_at(watched, name=name)
    watched.message(f"piapp/{name}/{leaf}", payload, NOW_S + 60)
    assert words in " ".join(plain(screen(watched, choice, page(width=120))).replace("│", " ").split())


def test_old_frames():
    """An old one says so, a very old one is drawn no more."""
    watched = house()
    shown = plain(screen(watched, looked_at(watched, frame(0.5), age_s=12), page()))
    assert "frame 12 s old" in shown
    assert "#1 standing" in shown
    watched = house()
    shown = plain(screen(watched, looked_at(watched, frame(0.5), age_s=50), page()))
    assert "waiting for a frame" in shown
    assert "#1 standing" not in shown


def test_without_a_connection():
    """The first line says so, and no skeleton pretends to be live."""
    watched = house()
    choice = looked_at(watched, frame(0.5))
    watched.link(up=False, now_s=NOW_S)
    lines = plain(screen(watched, choice, page())).splitlines()
    assert lines[0].startswith("connection lost, trying again: mqtt://")
    assert "no connection" in "\n".join(lines)


def test_hundreds_of_nodes_scroll():
    """The cursor is always on the screen, and how many there are is said."""
    watched = Overview("piapp")
    names = [f"n-{number:03}" for number in range(300)]
    for name in names:
        watched.message(f"piapp/{name}/status", b"online", NOW_S)
    for name in (names[0], names[7], names[150], names[-1]):
        shown = plain(screen(watched, Choice(name), page())).splitlines()
        assert sum(line.startswith(("   n-", ">  n-")) for line in shown) == page().body_rows
        assert any(line.startswith(f">  {name} ") for line in shown)
        assert shown[1].endswith(f"{page().body_rows} of 300")


def test_nothing_known():
    """Says so; without a keyboard there is no cursor and no word of keys."""
    watched = Overview("piapp")
    assert "no node has spoken yet" in plain(screen(watched, Choice(), page()))
    watched.message("piapp/hall/status", b"online", NOW_S)
    watched.unreadable, watched.missed = 3, 4
    shown = plain(screen(watched, Choice(), page(has_keys=False)))
    assert "Ctrl-C quits   3 unreadable   4 missed" in shown
    assert ">" not in shown
    assert "enter" not in shown


def test_nobody_can_write_to_the_terminal():
    """Names, postures, zones and events with control characters come out harmless."""
    watched = Overview("piapp")
    evil = "\x1b[2J\x07\u202e"
    watched.message(f"piapp/{evil}/status", b"online", NOW_S)
    watched.message(f"piapp/{evil}/state", state(person(1, posture=evil, zones=[evil], hands_raised=[evil])), NOW_S)
    told = watched.message(f"piapp/{evil}/event", event(evil, posture=evil), NOW_S)
    choice = looked_at(watched, frame(0.5, posture=evil), name=evil)
    for text in (
        plain(screen(watched, choice, page())),
        plain(screen(watched, Choice(), page())),
        plain_line(told),
    ):
        assert "[2J" in text
        assert not set(text) & {"\x1b", "\x07", "\u202e"}


def test_plain_lines():
    """Columns: local time, node, kind, words, marks."""
    fall = Happening(NOW_S, "hall", "event", "fall  person 3", is_alarm=True, is_late=True)
    assert plain_line(fall) == "2026-11-22 13:00:00  hall  event  fall  person 3  (late)  !!"
    assert plain_line(Happening(NOW_S, "", "link", "again")) == "2026-11-22 13:00:00  -  link  again"
