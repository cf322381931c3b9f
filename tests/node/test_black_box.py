"""What is kept around an alarm, and that it replays to the same alarm."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from piapp.config.load import default_config
from piapp.fall_model import monitor_of
from piapp.mqtt.clock import TimeLine
from piapp.mqtt.payload import PayloadWriter
from piapp.node.black_box import FIRST_PART_MS, MEMORY_MS, BlackBox
from piapp.offline.case_replay import compare
from piapp.offline.cases import CaseFolder
from piapp.offline.recording import read_recording
from piapp.types import PoseResult, PostureEvent
from tests.mosquitto import wait_until

CONFIG = default_config()
RECORDINGS = Path(__file__).parents[1] / "recordings"
# Falls, of which the last two end with somebody up again.
FALLS = (
    "fall_back_front", "fall_side_corner", "fall_forward_side", "fall_away_front", "fall_back_corner",
    "fall_chair_side_front", "collapse_front", "collapse_corner", "fall_recovered_front", "room_demo",
)  # fmt: skip
BEFORE_S, AFTER_S = 60, 90
STOP_S = 20.0


class Room:
    """The posture logic and a black box, without a node."""

    def __init__(self, path, **bounds):
        self.folder = CaseFolder(path / "cases-hall", **bounds)
        self.monitor = monitor_of(CONFIG)
        self.box = BlackBox(
            self.folder,
            "hall",
            lambda: msgspec.to_builtins(CONFIG.posture),
            self.monitor.snapshot,
            lambda ts_ms: 1_795_327_262_345 + ts_ms,
        )
        self.box.start()
        self.writer = PayloadWriter("hall", "9f2c61aa")
        self.count = 0

    def see(self, results):
        """Process results as the node does."""
        for result in results:
            _, events = self.monitor.update(result)
            self.box.offer(result)
            self.note(events)
        return self

    def note(self, events):
        """Hand events over with ids."""
        self.count += len(events)
        self.box.note(
            [
                self.writer.event(event, TimeLine(0, 0), event_id=f"9f2c61aa-{self.count - index:06d}")
                for index, event in enumerate(events)
            ]
        )

    def stop(self):
        """Write what waits."""
        assert self.box.stop(STOP_S)
        return self.folder.all()


def story(name):
    """A recording after a minute of an empty room, and with its last result held for some time, at 15 a second."""
    results = read_recording(RECORDINGS / f"{name}.npz")
    shift_ms = BEFORE_S * 1000
    empty = [PoseResult(number * 1000 // 15, 0, results[0].size, ()) for number in range(BEFORE_S * 15)]
    there = [replace(result, ts_ms=result.ts_ms + shift_ms) for result in results]
    last = there[-1]
    held = [replace(last, ts_ms=last.ts_ms + (number + 1) * 1000 // 15) for number in range(AFTER_S * 15)]
    return [*empty, *there, *held]


@pytest.mark.parametrize("name", FALLS)
def test_a_kept_alarm_replays_to_the_same(name, tmp_path):
    """Fall, fallen and recovered, with the same settings; in well under 100 kB."""
    (case,) = Room(tmp_path).see(story(name)).stop()
    folder = CaseFolder(tmp_path / "cases-hall")
    kinds = [event.event_type for event in case.events]
    assert kinds[0] == "fall"
    comparison = compare(folder, case, CONFIG)
    assert comparison.same, comparison.line()
    assert folder.recording(case).stat().st_size < 90_000
    results = read_recording(folder.recording(case))
    assert results[0].ts_ms == 0
    fall_ms = case.events[0].ts_ms - case.start_ms
    close = [result for result in results if fall_ms - 7000 <= result.ts_ms <= fall_ms]
    assert len(close) > 100
    assert len(results) < 420


def test_the_first_part_is_on_disk_soon_after_the_fall(tmp_path):
    """A power cut later in the alarm does not take it."""
    room = Room(tmp_path)
    results = story("fall_back_front")
    waiting = iter(results)
    while not room.box.recording:
        result = next(waiting)
        room.see([result])
    room.see([each for each in waiting if each.ts_ms <= result.ts_ms + FIRST_PART_MS + 200])
    wait_until(room.folder.all, "the first part")
    (case,) = room.folder.all()
    assert [event.event_type for event in case.events] == ["fall"]
    assert read_recording(room.folder.recording(case))[-1].ts_ms >= case.events[0].ts_ms - case.start_ms + 2500
    room.stop()


def test_other_events_and_repeats_begin_nothing(tmp_path):
    """Nor does a recovery of somebody whom an earlier run had seen fall."""
    room = Room(tmp_path).see(story("lie_bed_front")[:1500])
    at_ms = 100_000
    room.note([PostureEvent("recovered", at_ms, 1), PostureEvent("fallen", at_ms, 1, evidence={"repeat": 2})])
    assert room.stop() == []


def test_memory_is_bounded(tmp_path):
    """The last minutes alone, and no pictures."""
    room = Room(tmp_path)
    image = read_recording(RECORDINGS / "fall_back_front.npz")[0]
    for at_ms in range(0, 2 * MEMORY_MS, 500):
        room.box.offer(replace(image, ts_ms=at_ms))
    case = room.box.missed(2 * MEMORY_MS)
    assert case.kind == "missed"
    room.stop()
    results = read_recording(room.folder.recording(case))
    assert MEMORY_MS - 1000 <= results[-1].ts_ms <= MEMORY_MS


def test_missed_without_a_memory_keeps_nothing(tmp_path):
    """As right after the start."""
    room = Room(tmp_path)
    assert room.box.missed(0) is None
    assert room.stop() == []


def test_the_folder_is_bounded(tmp_path):
    """The oldest goes; the newest always stays."""
    for number, name in enumerate(FALLS[:3]):
        room = Room(tmp_path, max_cases=2)
        room.count = 100 * number  # ids are used once
        cases = room.see(story(name)).stop()
    assert len(cases) == 2
    assert len(list(room.folder.path.glob("*.npz"))) == 2
    small = Room(tmp_path / "small", max_bytes=1)
    assert len(small.see(story(FALLS[0])).stop()) == 1


def test_a_disk_that_fails_costs_the_case_alone(tmp_path, caplog):
    """It is said, and the node goes on."""
    (tmp_path / "cases-hall").write_text("a file where a folder should be")
    assert Room(tmp_path).see(story("fall_back_front")).stop() == []
    assert "cannot be kept" in caplog.text
