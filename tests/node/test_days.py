"""Summaries of days: what is counted, what is kept, and for how long."""

from __future__ import annotations

import json
from datetime import date, datetime

import pytest

from piapp.mqtt.payload import EventPayload
from piapp.node.days import MAX_EVENTS, Day, DayFolder


def at(*parts):
    """A local time."""
    return datetime(*parts)  # noqa: DTZ001 - the node's local time has no zone


def event(kind, number=1, **more):
    """An event of somebody."""
    return EventPayload(
        v=1, id=f"a-{number}", event_type=kind, t="2026-11-27T08:00:00.000Z", ts_ms=number, person=3, posture="lying",
        previous=None, score=1.0, zones=(), historical=False, time_synced=True, evidence=more,
    )  # fmt: skip


def test_time_is_counted_by_ten_minutes():
    """Each person's posture, how long anybody watched, and the most who were there at once."""
    day = Day(day="2026-11-27")
    day.add(at(2026, 11, 27, 0, 9, 59), 1.0, ["standing"])
    day.add(at(2026, 11, 27, 0, 10), 1.5, ["standing", "lying"])
    day.add(at(2026, 11, 27, 0, 11), 1.0, [])
    day.add(at(2026, 11, 27, 23, 59), 1.0, ["lying"])
    first, second, last = (day.slots[number] for number in (0, 1, 143))
    assert (first.watched_s, first.people, first.postures) == (1.0, 1, {"standing": 1.0})
    assert (second.watched_s, second.people, second.postures) == (2.5, 2, {"standing": 1.5, "lying": 1.5})
    assert last.postures == {"lying": 1.0}


def test_events_that_matter_are_kept():
    """Neither every change of posture nor repeats of an alarm; of too many only the count."""
    day = Day(day="2026-11-27")
    for kind in ("person_entered", "posture_changed", "fall", "hand_raised"):
        day.note(event(kind))
    day.note(event("fallen", down_s=10.0))
    day.note(event("fallen", repeat=1))
    assert [kept.type for kept in day.events] == ["person_entered", "fall", "fallen"]
    for number in range(MAX_EVENTS):
        day.note(event("zone_entered", number))
    assert (len(day.events), day.dropped) == (MAX_EVENTS, 3)


def test_days_are_kept_for_a_while(tmp_path):
    """As many as configured; each is a small file for this user alone, without any landmark."""
    folder = DayFolder(tmp_path / "days", 3)
    for number in range(1, 7):
        day = Day(day=f"2026-11-0{number}")
        for minute in range(0, 1440, 10):
            day.add(at(2026, 11, number, minute // 60, minute % 60), 600.0, ["standing", "sitting", "lying"])
        for count in range(MAX_EVENTS):
            day.note(event("zone_entered", count))
        folder.write(day)
    files = sorted(folder.path.iterdir())
    assert [file.name for file in files] == ["2026-11-04.json", "2026-11-05.json", "2026-11-06.json"]
    assert all(file.stat().st_size < 45_000 for file in files)
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in files)
    kept = folder.read(date(2026, 11, 6))
    assert (kept.slots[0].postures["lying"], len(kept.events)) == (600.0, MAX_EVENTS)
    assert set(json.loads(files[0].read_bytes())) == {"day", "slots", "events", "version"} | {"dropped"}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"day":"2026-11-27","slots":{"x":{}}}', b"\xff"])
def test_a_damaged_day_is_empty(tmp_path, content, caplog):
    """With a warning; it is written anew."""
    folder = DayFolder(tmp_path, 3)
    (tmp_path / "2026-11-27.json").write_bytes(content)
    assert folder.read(date(2026, 11, 27)).slots == {}
    assert "is left out" in caplog.text


def test_a_full_disk_costs_the_summary_alone(tmp_path, caplog):
    """A warning, and the node goes on."""
    (tmp_path / "days").write_text("in the way")
    DayFolder(tmp_path / "days", 3).write(Day(day="2026-11-27"))
    assert "cannot be written" in caplog.text
