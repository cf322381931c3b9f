"""What was open when a process ended goes on in the next one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from piapp.config.load import default_config
from piapp.config.sections import ZoneConfig
from piapp.offline.recording import read_recording
from piapp.posture import Monitor
from piapp.posture.snapshot import KEEP_DOWN_S, KEEP_UPRIGHT_S, MonitorSnapshot
from piapp.types import PoseResult, PostureEvent

RECORDINGS = Path(__file__).parents[1] / "recordings"
CONFIG = default_config().posture
ALARM = ("fall", "fallen", "recovered")
GAP_MS = 3000


def held(name, seconds=15.0):
    """A recording whose last result goes on for some time, as somebody does who stays on the floor."""
    results = read_recording(RECORDINGS / f"{name}.npz")
    last = results[-1]
    count = int(seconds * 15)
    return results + [replace(last, ts_ms=last.ts_ms + round((i + 1) * 1000 / 15)) for i in range(count)]


def stored(snapshot):
    """A snapshot as it comes back from a file."""
    return msgspec.json.decode(msgspec.json.encode(snapshot), type=MonitorSnapshot)


def run(monitor, results):
    """All events, and the last state."""
    events: list[PostureEvent] = []
    state = None
    for result in results:
        state, new = monitor.update(result)
        events += new
    return events, state


def alarms(events):
    """The alarm's events: type and person."""
    return [(event.event_type, event.person) for event in events if event.event_type in ALARM]


def interrupted(results, cut, gap_ms=GAP_MS):
    """Events when the process ends after `cut` results and another one begins after a gap, on a line of its own."""
    first = Monitor(CONFIG)
    before, _ = run(first, results[:cut])
    shift_ms = 1_000_000
    restart_ms = results[cut - 1].ts_ms + gap_ms
    second = Monitor(CONFIG)
    snapshot = stored(first.snapshot()).after_gap(gap_ms / 1000).shifted(shift_ms)
    second.restore(snapshot, restart_ms + shift_ms)
    later = [replace(result, ts_ms=result.ts_ms + shift_ms) for result in results if result.ts_ms > restart_ms]
    after, state = run(second, later)
    return before, after, state, shift_ms


@pytest.mark.parametrize("name", ["fall_back_front", "fall_side_corner", "collapse_front"])
def test_an_alarm_goes_on(name):
    """Whenever after the fall it is cut: the same alarm, one fall, and `fallen` at its time or at once."""
    results = held(name)
    whole, _ = run(Monitor(CONFIG), results)
    assert [kind for kind, _ in alarms(whole)] == ["fall", "fallen"]
    fall, fallen = (next(event for event in whole if event.event_type == kind) for kind in ("fall", "fallen"))
    cuts = [i + 1 for i, result in enumerate(results) if fall.ts_ms <= result.ts_ms <= fallen.ts_ms + 1000]
    for cut in cuts[::10]:
        before, after, state, shift_ms = interrupted(results, cut)
        assert alarms(before + after) == alarms(whole)
        assert [person.fallen for person in state.persons] == [True]
        restart_ms = results[cut - 1].ts_ms + GAP_MS
        late = [event for event in after if event.event_type == "fallen"]
        assert all(event.ts_ms - shift_ms <= max(fallen.ts_ms, restart_ms) + 200 for event in late)
        assert all(event.evidence["down_s"] >= CONFIG.fallen_after_s for event in late)


def test_getting_up_ends_it():
    """`recovered` follows for the same person who had fallen before the restart."""
    results = held("fall_recovered_front", 2.0)
    whole, _ = run(Monitor(CONFIG), results)
    fall = next(event for event in whole if event.event_type == "fall")
    cut = next(i for i, result in enumerate(results) if result.ts_ms > fall.ts_ms)
    before, after, state, _ = interrupted(results, cut, gap_ms=500)
    assert alarms(before + after) == alarms(whole)
    assert alarms(whole)[-1][0] == "recovered"
    assert not any(person.fallen for person in state.persons)


def test_nobody_seen_ends_it_after_the_stated_time():
    """Not before `fallen_gap_s` of watching, and with the evidence that nobody was seen."""
    results = read_recording(RECORDINGS / "fall_back_front.npz")
    monitor = Monitor(CONFIG)
    run(monitor, results)
    restart_ms = results[-1].ts_ms + GAP_MS
    second = Monitor(CONFIG)
    second.restore(stored(monitor.snapshot()), restart_ms)
    empty = PoseResult(restart_ms, 0, (640, 480), ())
    gap_ms = round(CONFIG.fallen_gap_s * 1000)
    events, state = run(second, [replace(empty, ts_ms=restart_ms + at) for at in range(0, gap_ms - 5000, 1000)])
    assert [kind for kind, _ in alarms(events)] == ["fallen"]
    assert state.persons[0].fallen
    events, state = run(second, [replace(empty, ts_ms=restart_ms + gap_ms + at) for at in (-1000, 0, 1000)])
    kinds = [event.event_type for event in events if event.event_type != "zone_left"]
    assert kinds == ["recovered", "person_left"]
    assert events[0].evidence["nobody_seen"] == 1
    assert events[0].evidence["unseen_s"] >= CONFIG.fallen_gap_s
    assert state.persons == ()


def test_fallen_is_due_without_results():
    """A node that has no frame yet reports it all the same, once."""
    monitor = Monitor(CONFIG)
    events, _ = run(monitor, read_recording(RECORDINGS / "fall_back_front.npz"))
    fall = next(event for event in events if event.event_type == "fall")
    second = Monitor(CONFIG)
    second.restore(monitor.snapshot(), fall.ts_ms + 5000)
    assert second.overdue(fall.ts_ms + 5000) == ()
    (fallen,) = second.overdue(fall.ts_ms + 12_000)
    assert (fallen.event_type, fallen.person, fallen.ts_ms) == ("fallen", fall.person, fall.ts_ms + 12_000)
    assert second.overdue(fall.ts_ms + 13_000) == ()
    assert [person.id for person in second.state.persons] == [fall.person]


def test_upright_people_are_taken_up_after_a_short_gap_alone():
    """No second `person_entered` after a quick restart; after long nobody is claimed to be there."""
    results = held("room_demo", 0.0)
    cut = 200
    first = Monitor(CONFIG)
    run(first, results[:cut])
    assert len(first.snapshot().persons) == 1
    assert first.snapshot().after_gap(KEEP_UPRIGHT_S + 1).persons == ()
    _, after, _, _ = interrupted(results, cut, gap_ms=500)
    assert "person_entered" not in [event.event_type for event in after]
    second = Monitor(CONFIG)
    second.restore(first.snapshot().after_gap(KEEP_UPRIGHT_S + 1), 0)
    assert second.state.persons == ()


def test_an_alarm_is_bounded_in_age():
    """A day later it is not taken up."""
    monitor = Monitor(CONFIG)
    run(monitor, held("fall_back_front", 0.0))
    assert len(monitor.snapshot().after_gap(KEEP_DOWN_S - 1).persons) == 1
    assert monitor.snapshot().after_gap(KEEP_DOWN_S + 1).persons == ()


def test_ids_are_not_used_again():
    """Whoever comes after a restart gets an id that nobody had, also when nobody is taken up."""
    results = held("room_demo", 0.0)
    first = Monitor(CONFIG)
    run(first, results)
    used = {label.id for result in results[-1:] for label in first.update(result)[0].labels}
    second = Monitor(CONFIG)
    second.restore(first.snapshot().after_gap(KEEP_DOWN_S + 1), 0)
    events, _ = run(second, results)
    entered = [event.person for event in events if event.event_type == "person_entered"]
    assert entered
    assert not used & set(entered)


def test_settled_posture_zones_and_tilt_go_on():
    """Lying after sitting is still `lie_down`, the zone is left at last, and the tilt need not be learnt again."""
    zone = ZoneConfig(name="room", polygon=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)), ignore=())
    results = read_recording(RECORDINGS / "lie_down_floor_corner.npz")
    whole, _ = run(Monitor(CONFIG, (zone,)), results)
    settled = next(event for event in whole if event.event_type == "lie_down")
    cut = next(i for i, result in enumerate(results) if result.ts_ms > settled.ts_ms) - 8
    first = Monitor(CONFIG, (zone,))
    run(first, results[:cut])
    snapshot = stored(first.snapshot())
    assert snapshot.tilt_samples_deg
    assert snapshot.persons[0].zones == ("room",)
    second = Monitor(CONFIG, (zone,))
    second.restore(snapshot, results[cut].ts_ms)
    events, _ = run(second, results[cut:])
    assert "lie_down" in [event.event_type for event in events]
    assert second.snapshot().tilt_samples_deg[: len(snapshot.tilt_samples_deg)] == snapshot.tilt_samples_deg
    end_ms = results[-1].ts_ms
    events, _ = run(second, [PoseResult(end_ms + at, 0, (640, 480), ()) for at in range(1000, 60_000, 1000)])
    assert [event.event_type for event in events] == ["zone_left", "person_left"]
