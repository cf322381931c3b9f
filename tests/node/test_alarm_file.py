"""What is kept of open alarms, and how times are carried over a restart."""

from __future__ import annotations

import json
import logging
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec.structs import replace as replace_struct

from piapp.config.load import default_config
from piapp.mqtt.clock import TimeLine
from piapp.mqtt.payload import PayloadWriter
from piapp.node.alarm_file import AlarmFile, Clocks, OpenAlarm
from piapp.offline.recording import read_recording
from piapp.posture.monitor import Monitor
from piapp.posture.snapshot import MonitorSnapshot
from piapp.types import PostureEvent

SECOND = 1_000_000_000
BOOT = Clocks("9f2c61aa", lambda: 100 * SECOND, lambda: 1_000_000 * SECOND)
ALARM = OpenAlarm(3, "9f2c61aa-000042", acknowledged=True)
EVENT = PayloadWriter("hall", "9f2c61aa").event(PostureEvent("fall", 5, 3), TimeLine(0, 0), event_id="9f2c61aa-000042")


def written(folder):
    """A file of node "hall"."""
    file = AlarmFile(folder, "hall", BOOT)
    file.write(5, MonitorSnapshot(next_id=4), (ALARM,), "2026-11-22T06:00:00.000Z", (EVENT,))
    return folder / "alarms-hall.json"


def test_what_is_written_is_read(tmp_path):
    """Everything comes back, for this user alone."""
    path = written(tmp_path / "state")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    kept, gap_s = AlarmFile(tmp_path / "state", "hall", BOOT).read()
    assert (kept.ts_ms, kept.monitor.next_id, kept.alarms) == (5, 4, (ALARM,))
    assert (kept.last_fall, kept.unsent) == ("2026-11-22T06:00:00.000Z", (EVENT,))
    assert gap_s == 0.0
    assert AlarmFile(tmp_path / "state", "door", BOOT).read() is None


def test_within_a_boot_the_wall_clock_does_not_count(tmp_path):
    """Whatever it jumps to, the boot's own clock says how long ago it was."""
    written(tmp_path)
    for utc_s in (0, 5_000_000):
        later = replace(BOOT, boottime_ns=lambda: 107 * SECOND, utc_ns=lambda utc_s=utc_s: utc_s * SECOND)
        assert AlarmFile(tmp_path, "hall", later).read()[1] == 7.0


def test_over_a_boot_the_wall_clock_counts(tmp_path):
    """The boot's clock has begun anew. A wall clock that is behind gives 0, never less."""
    written(tmp_path)
    for utc_s, gap_s in ((1_000_030, 30.0), (999_000, 0.0)):
        later = Clocks("00000001", lambda: 2 * SECOND, lambda utc_s=utc_s: utc_s * SECOND)
        assert AlarmFile(tmp_path, "hall", later).read()[1] == gap_s


def test_a_damaged_file_is_left_out(tmp_path, caplog):
    """It is said, and nothing is taken up; the next write mends it."""
    path = written(tmp_path)
    for content in (b"", b"{", b"[1]", path.read_bytes().replace(b'"version":1', b'"version":9'), b"[" * 100_000):
        path.write_bytes(content)
        caplog.clear()
        assert AlarmFile(tmp_path, "hall", BOOT).read() is None
        assert "alarms-hall.json" in caplog.text
    written(tmp_path)
    assert AlarmFile(tmp_path, "hall", BOOT).read() is not None


@pytest.mark.parametrize("damage", ["ts_ms", "utc_ns", "since_ms", "pixels", "last_recovered"])
def test_impossible_values_are_left_out(tmp_path, caplog, damage):
    """A file that can be read and cannot be true ends no start."""
    room = Monitor(default_config().posture)
    for result in read_recording(Path(__file__).parents[1] / "recordings" / "fall_back_front.npz"):
        room.update(result)
    end = replace_struct(EVENT, event_type="recovered")
    AlarmFile(tmp_path, "hall", BOOT).write(5, room.snapshot(), (ALARM,), None, last_recovered=end)
    path = tmp_path / "alarms-hall.json"
    assert AlarmFile(tmp_path, "hall", BOOT).read() is not None
    kept = json.loads(path.read_bytes())
    (person,) = kept["monitor"]["persons"]
    match damage:
        case "ts_ms" | "utc_ns":
            kept[damage] = 10**30
        case "since_ms":
            person["since_ms"] = -(10**30)
        case "pixels":
            person["body"]["pixels"].pop()
        case "last_recovered":
            kept["last_recovered"]["t"] = "2026-13-45"
    path.write_text(json.dumps(kept))
    assert AlarmFile(tmp_path, "hall", BOOT).read() is None
    assert "alarms-hall.json: cannot be read" in caplog.text


def test_a_disk_that_fails_is_reported_once(tmp_path, caplog):
    """Alarms go on in memory."""
    (tmp_path / "state").write_text("a file where a folder should be")
    file = AlarmFile(tmp_path / "state", "hall", BOOT)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            file.write(5, MonitorSnapshot(), (), None)
    assert len(caplog.records) == 1
    assert "a restart would end open alarms" in caplog.text


def test_without_a_folder_nothing_is_kept():
    """As with `spool.dir = "off"`."""
    file = AlarmFile(None, "hall", BOOT)
    file.write(5, MonitorSnapshot(), (ALARM,), None)
    assert file.read() is None
