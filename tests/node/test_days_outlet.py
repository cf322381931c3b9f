"""The last days as a part of the node: when they are counted and written, and what the page reads."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from piapp.config.load import default_config
from piapp.node.days import DayFolder
from piapp.node.days_outlet import WRITE_PERIOD_S, DaysOutlet, days_outlet, no_days

SITTING = SimpleNamespace(state=SimpleNamespace(persons=(SimpleNamespace(posture="sitting"),)))


class Clock:
    """Local time and a clock that only goes on."""

    def __init__(self, moment):
        self.moment, self.now_s = moment, 100.0

    def later(self, seconds):
        """Let time pass."""
        self.now_s += seconds
        self.moment += timedelta(seconds=seconds)


def outlet_at(path, *moment):
    """An outlet and its clock, at a local time."""
    days, clock = 14, Clock(datetime(*moment))  # noqa: DTZ001 - the node's local time has no zone
    outlet = DaysOutlet(DayFolder(path, days), local_now=lambda: clock.moment, monotonic_s=lambda: clock.now_s)
    return outlet, clock


def watch(outlet, clock, seconds, step_s=0.5):
    """Somebody sits there for so long."""
    for _ in range(round(seconds / step_s)):
        clock.later(step_s)
        outlet.offer(SITTING)


def sitting_s(document):
    """How long somebody sat on a day."""
    return sum(slot["postures"].get("sitting", 0.0) for slot in document["slots"].values())


def test_a_day_is_written_a_few_times(tmp_path):
    """Not with every result; a restart goes on with what was written."""
    outlet, clock = outlet_at(tmp_path, 2026, 11, 27, 8, 0)
    watch(outlet, clock, 60)
    assert not list(tmp_path.iterdir())
    assert sitting_s(outlet.document({})) == pytest.approx(60, abs=1)
    writes = []
    write = DayFolder.write
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DayFolder, "write", lambda *given: writes.append(1) or write(*given))
        watch(outlet, clock, 15 * 3600, step_s=10)
        assert outlet.stop()
    assert len(writes) == 15 * 3600 // WRITE_PERIOD_S + 1
    again, later = outlet_at(tmp_path, 2026, 11, 27, 23, 1)
    watch(again, later, 60)
    assert sitting_s(again.document({})) == pytest.approx(15 * 3600 + 120, rel=0.01)


def test_midnight_begins_another_day(tmp_path):
    """The old one is written; both can be read."""
    outlet, clock = outlet_at(tmp_path, 2026, 11, 27, 23, 59, 50)
    watch(outlet, clock, 20)
    assert [file.name for file in tmp_path.iterdir()] == ["2026-11-27.json"]
    today, before = outlet.document({}), outlet.document({"day": "2026-11-27"})
    assert (today["day"], before["day"]) == ("2026-11-28", "2026-11-27")
    assert sitting_s(today) == pytest.approx(10, abs=1.5)
    assert sitting_s(before) == pytest.approx(10, abs=1.5)
    assert today["days"][:2] == ["2026-11-28", "2026-11-27"]
    assert len(today["days"]) == 14


def test_a_time_without_results_is_not_watched(tmp_path):
    """A pause is a gap, and an unset clock knows no days."""
    outlet, clock = outlet_at(tmp_path, 2026, 11, 27, 8, 0)
    watch(outlet, clock, 10)
    clock.later(3600)
    watch(outlet, clock, 10)
    assert sitting_s(outlet.document({})) == pytest.approx(20, abs=2)
    unset, clock = outlet_at(tmp_path / "unset", 1970, 1, 1)
    watch(unset, clock, 10)
    assert unset.stop()
    assert not (tmp_path / "unset").exists()


@pytest.mark.parametrize("day", ["today", "2026-13-01", "../secret", "", "2026-11-27/../x"])
def test_what_is_no_day(tmp_path, day):
    """Nothing is read for it."""
    outlet, _ = outlet_at(tmp_path, 2026, 11, 27)
    with pytest.raises(LookupError, match="is no day"):
        outlet.document({"day": day})


def test_when_days_are_summed_up():
    """With a page that shows them, a folder, and days that are wanted."""
    config = default_config()
    shown = msgspec.structs.replace(config, preview=msgspec.structs.replace(config.preview, enabled=True))
    off = msgspec.structs.replace(shown, history=msgspec.structs.replace(config.history, days=0))
    folder = Path("/nowhere")
    assert days_outlet(folder, "hall", shown) is not None
    assert days_outlet(folder, "hall", config) is days_outlet(folder, "hall", off) is days_outlet(None, "hall", shown)
    assert no_days({}) == {"days": []}
