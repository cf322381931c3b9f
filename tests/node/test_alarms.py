"""Open alarms: acknowledged, repeated, ended, and taken up by the next process."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest

from piapp.config.load import default_config
from piapp.errors import ConfigError
from piapp.mqtt.clock import TimeLine
from piapp.mqtt.payload import PayloadWriter
from piapp.node.alarm_file import MAX_REPEAT_IDS, AlarmFile, Clocks
from piapp.node.alarms import MISSABLE_MS, Alarms
from piapp.offline.recording import read_recording
from piapp.posture.monitor import Monitor
from piapp.types import PoseResult, PostureEvent

CONFIG = default_config().posture
FALL = read_recording(Path(__file__).parents[1] / "recordings" / "fall_back_front.npz")
END_MS = FALL[-1].ts_ms
BOOTTIME_S = 1000.0


@dataclass
class Room:
    """A node's posture logic and alarms, without a node; each `Room` on one folder is another process."""

    folder: Path | None
    repeat_s: float = 0.0
    now_s: float = 0.0
    writer: PayloadWriter = field(default_factory=lambda: PayloadWriter("hall", "9f2c61aa"))
    reported: list = field(default_factory=list)

    def __post_init__(self):
        clocks = Clocks("9f2c61aa", lambda: int((BOOTTIME_S + self.now_s) * 1e9), lambda: 0)
        self.monitor = Monitor(CONFIG)
        self.alarms = Alarms(AlarmFile(self.folder, "hall", clocks), self.monitor, lambda: self.repeat_s)

    def see(self, results, shift_ms=0):
        """Process results; time goes on with them."""
        for result in results:
            self.now_s = (result.ts_ms + shift_ms) / 1000
            self.alarms.before(result, result.ts_ms)
            self.report(self.monitor.update(result)[1], result.ts_ms)
        return self

    def tick(self, now_ms):
        """The clock alone."""
        self.now_s = now_ms / 1000
        self.report(self.alarms.due(now_ms), now_ms)
        return self

    def report(self, events, now_ms):
        """As the node does."""
        payloads = [
            self.writer.event(event, TimeLine(0, 0), event_id=f"9f2c61aa-{len(self.reported) + index:06d}")
            for index, event in enumerate(events)
        ]
        self.alarms.note(payloads, now_ms)
        self.reported += payloads
        self.alarms.sent(payloads, now_ms)

    def kinds(self, *, of=("fall", "fallen", "recovered")):
        """What was reported of alarms."""
        return [payload.event_type for payload in self.reported if payload.event_type in of]


def test_a_fall_opens_an_alarm_and_standing_up_ends_it():
    """With the time of the newest fall, which stays."""
    room = Room(None).see(FALL)
    (alarm,) = room.alarms.open
    fall = next(payload for payload in room.reported if payload.event_type == "fall")
    assert (alarm.person, alarm.event_id, alarm.acknowledged) == (fall.person, fall.id, False)
    assert room.alarms.last_fall == fall.t
    assert room.alarms.unattended
    assert not room.alarms.confirmed, "they have not stayed down yet"
    room.report((PostureEvent("recovered", END_MS, fall.person),), END_MS)
    assert room.alarms.open == ()
    assert room.alarms.last_fall == fall.t
    assert not room.alarms.unattended


def test_fallen_is_repeated_until_somebody_acknowledges():
    """Every `repeat_alarm_s` after `fallen`, numbered, with the whole time on the floor; then never again."""
    room = Room(None, repeat_s=30.0).see(FALL)
    for at_s in range(1, 80):
        room.tick(END_MS + at_s * 1000)
    assert room.kinds() == ["fall", "fallen", "fallen", "fallen"]
    assert room.alarms.confirmed
    first, second = room.reported[-2:]
    assert [first.evidence["repeat"], second.evidence["repeat"]] == [1, 2]
    assert second.evidence["down_s"] - first.evidence["down_s"] == pytest.approx(30.0, abs=1.1)
    assert room.alarms.acknowledge(None, END_MS) == [room.alarms.open[0].event_id]
    assert room.alarms.acknowledged
    for at_s in range(80, 300):
        room.tick(END_MS + at_s * 1000)
    assert len(room.kinds()) == 4


def test_zero_repeats_nothing():
    """Also when it becomes 0 while an alarm is open."""
    room = Room(None, repeat_s=30.0).see(FALL).tick(END_MS + 15_000)
    room.repeat_s = 0.0
    room.tick(END_MS + 100_000)
    assert room.kinds() == ["fall", "fallen"]


def test_only_what_is_open_can_be_acknowledged():
    """By the id of the event that opened it, or all at once; the error names what there is."""
    room = Room(None)
    with pytest.raises(ConfigError, match="no alarm is open"):
        room.alarms.acknowledge(None, 0)
    room.see(FALL)
    opened = room.alarms.open[0].event_id
    with pytest.raises(ConfigError, match=f"'other'.*open: {opened}"):
        room.alarms.acknowledge("other", END_MS)
    assert not room.alarms.acknowledged
    room.alarms.acknowledge(opened, END_MS)
    assert room.alarms.acknowledged


def test_an_alarm_is_acknowledged_by_any_of_its_events():
    """By the id of its `fall`, of `fallen`, or of a repeat; never by that of another event."""
    room = Room(None, repeat_s=30.0).see(FALL).tick(END_MS + 15_000).tick(END_MS + 50_000)
    fall, fallen, repeat = (payload.id for payload in room.reported if payload.event_type in ("fall", "fallen"))
    for event_id in (fall, fallen, repeat):
        assert room.alarms.acknowledge(event_id, END_MS) == [fall]
    other = next(payload.id for payload in room.reported if payload.event_type == "person_entered")
    with pytest.raises(ConfigError, match="belongs to no alarm"):
        room.alarms.acknowledge(other, END_MS)


def test_somebody_found_lying_is_acknowledged_by_the_event_that_says_so():
    """There is no `fall`: `fallen` opens the alarm."""
    room = Room(None)
    room.report((PostureEvent("fallen", 1000, 4, evidence={"found_lying": 1}),), 1000)
    assert room.alarms.acknowledge(room.reported[0].id, 1000) == [room.reported[0].id]
    assert (room.alarms.confirmed, room.alarms.acknowledged) == (True, True)


def test_the_first_event_and_the_newest_can_be_named_however_long_an_alarm_lasts():
    """What is kept of an alarm that goes on for days stays small."""
    room = Room(None)
    for number in range(3 * MAX_REPEAT_IDS):
        room.report((PostureEvent("fallen", number, 4),), number)
    (alarm,) = room.alarms.open
    assert len(alarm.fallen_ids) == MAX_REPEAT_IDS + 1
    for payload in (room.reported[0], room.reported[-1]):
        assert room.alarms.acknowledge(payload.id, 1) == [room.reported[0].id]


def test_an_acknowledged_fall_still_sends_fallen_once():
    """Somebody takes care before `fallen_after_s`: the fact is reported, and nobody is called again."""
    room = Room(None, repeat_s=30.0).see(FALL)
    room.alarms.acknowledge(None, END_MS)
    assert (room.alarms.acknowledged, room.alarms.confirmed) == (True, False)
    for at_s in range(1, 120):
        room.tick(END_MS + at_s * 1000)
    assert room.kinds() == ["fall", "fallen"]
    assert (room.alarms.acknowledged, room.alarms.confirmed) == (True, True)


def test_the_next_process_takes_an_alarm_up(tmp_path):
    """Acknowledged or not, with `fallen` at its time, and no second `fall`."""
    first = Room(tmp_path).see(FALL)
    first.alarms.acknowledge(None, END_MS)
    second = Room(tmp_path, now_s=first.now_s + 3.0)
    second.alarms.restore(50_000)
    assert second.alarms.open == first.alarms.open
    assert second.alarms.acknowledged
    assert second.alarms.last_fall == first.alarms.last_fall
    assert [person.fallen for person in second.monitor.state.persons] == [True]
    second.report(second.alarms.due(50_000), 50_000)
    assert second.kinds() == []
    second.report(second.alarms.due(60_000), 60_000)
    assert second.kinds() == ["fallen"]
    assert CONFIG.fallen_after_s <= second.reported[-1].evidence["down_s"] < CONFIG.fallen_after_s + 10


def test_the_first_result_says_what_the_time_line_is(tmp_path):
    """A file's own line begins at 0: durations stay right."""
    Room(tmp_path).see(FALL)
    second = Room(tmp_path, now_s=END_MS / 1000 + 1.0)
    second.alarms.restore(50_000)
    empty = PoseResult(0, 0, FALL[0].size, ())
    second.alarms.before(empty, 50_500)
    second.report(second.monitor.update(empty)[1], 0)
    assert second.kinds() == []
    late = PoseResult(12_000, 0, FALL[0].size, ())
    second.alarms.before(late, 62_500)
    second.report(second.monitor.update(late)[1], 12_000)
    assert second.kinds() == ["fallen"]
    assert CONFIG.fallen_after_s < second.reported[-1].evidence["down_s"] < CONFIG.fallen_after_s + 10


def test_how_the_newest_alarm_ended_is_known_and_kept(tmp_path):
    """A fall that never was an alarm changes nothing, nor does a restart; it may be repeated for an hour."""
    room = Room(tmp_path).see(FALL)
    person = room.alarms.open[0].person
    room.report((PostureEvent("recovered", END_MS, person),), END_MS)
    assert room.alarms.last_recovered is None
    room.report((PostureEvent("fall", END_MS, 7), PostureEvent("fallen", END_MS, 7)), END_MS)
    room.report((PostureEvent("fall", END_MS, 8),), END_MS)
    room.report((PostureEvent("recovered", END_MS, 7),), END_MS)
    ended = room.reported[-1]
    assert room.alarms.last_recovered == ended
    ended_ms = round(datetime.fromisoformat(ended.t).timestamp() * 1000)
    assert room.alarms.missable(ended_ms) is None, "somebody is down"
    room.report((PostureEvent("recovered", END_MS, 8),), END_MS)
    again = Room(tmp_path, now_s=room.now_s)
    again.alarms.restore(END_MS)
    for alarms in (room.alarms, again.alarms):
        assert alarms.last_recovered == ended
        assert alarms.missable(ended_ms + MISSABLE_MS) == ended
        assert alarms.missable(ended_ms + MISSABLE_MS + 1) is None
        assert alarms.missable(ended_ms - MISSABLE_MS - 1) is None


def test_what_may_not_have_been_sent_is_sent_again(tmp_path):
    """Killed between keeping and sending: the event comes with the id that it was given."""
    room = Room(tmp_path).see(FALL)
    event = room.writer.event(PostureEvent("fallen", END_MS, 1), TimeLine(0, 0), event_id="9f2c61aa-000099")
    room.alarms.note([event], END_MS)
    second = Room(tmp_path, now_s=room.now_s + 1)
    second.alarms.restore(0)
    assert [payload.id for payload in second.alarms.take_unsent()] == ["9f2c61aa-000099"]
    assert second.alarms.take_unsent() == ()
    room.alarms.sent([event], END_MS)
    third = Room(tmp_path, now_s=room.now_s + 1)
    third.alarms.restore(0)
    assert third.alarms.take_unsent() == ()


def test_an_alarm_that_is_too_old_ends_with_an_event(tmp_path):
    """After more than a day without the sensor nobody is claimed to lie there, and it is said."""
    first = Room(tmp_path).see(FALL)
    second = Room(tmp_path, now_s=first.now_s + 90_000.0)
    second.alarms.restore(0)
    assert second.monitor.state.persons == ()
    second.tick(0)
    assert second.kinds() == ["recovered"]
    assert second.reported[-1].evidence["nobody_seen"] == 1
    assert second.alarms.open == ()
    third = Room(tmp_path, now_s=first.now_s + 90_001.0)
    third.alarms.restore(0)
    assert third.tick(0).kinds() == []


def test_a_pause_is_no_time_in_which_nobody_was_seen():
    """An open alarm outlasts a pause that is longer than `fallen_gap_s`, for nobody looked."""
    room = Room(None).see(FALL).tick(END_MS + 11_000)
    room.alarms.pause(END_MS)
    later_ms = END_MS + 3_600_000
    room.alarms.resume(3600.0, later_ms)
    room.see([PoseResult(later_ms, 0, FALL[0].size, ()), PoseResult(later_ms + 5000, 0, FALL[0].size, ())])
    assert room.kinds() == ["fall", "fallen"]
    assert room.alarms.open


def test_other_events_write_nothing(tmp_path):
    """A wave or a raised hand leaves nothing to restore."""
    room = Room(tmp_path).see(FALL)
    before = (tmp_path / "alarms-hall.json").stat().st_mtime_ns
    room.report((PostureEvent("wave", END_MS, 1), PostureEvent("posture_changed", END_MS, 1)), END_MS)
    room.tick(END_MS + 1)
    assert (tmp_path / "alarms-hall.json").stat().st_mtime_ns == before
