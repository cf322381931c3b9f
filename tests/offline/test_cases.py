"""The folder of kept alarms."""

from __future__ import annotations

import stat

import msgspec
import pytest

from piapp.config.load import default_config
from piapp.errors import MediaError
from piapp.mqtt.clock import TimeLine
from piapp.mqtt.payload import PayloadWriter
from piapp.offline.cases import Case, CaseError, CaseFolder, case_folder, require_folder
from piapp.offline.recording import Recorded, iterate_recording
from piapp.posture.snapshot import MonitorSnapshot
from piapp.types import PoseResult, PostureEvent


def case(number: int, kind: str = "alarm", **fields: object) -> Case:
    """A case with one event."""
    case_id = f"9f2c61aa-{number:06d}"
    event = PayloadWriter("hall", "9f2c61aa").event(PostureEvent("fall", 5000, 1), TimeLine(0, 0), event_id=case_id)
    settings = {"posture": msgspec.to_builtins(default_config().posture)}
    head = {"id": case_id, "kind": kind, "node": "hall", "t": "2026-11-22T06:01:02.345Z", "events": (event,)}
    return Case(
        **head | {"start_ms": 1000, "learnt": MonitorSnapshot(tilt_samples_deg=(12.5,)), "settings": settings} | fields
    )


def some(*times_ms: int) -> list[Recorded]:
    """Results of an empty room."""
    return [Recorded(PoseResult(ts_ms, 0, (640, 480), ())) for ts_ms in times_ms]


def test_a_case_comes_back(tmp_path):
    """Its description, for this user alone, and its recording, which may grow."""
    folder = CaseFolder(tmp_path / "cases-hall")
    assert folder.all() == []
    folder.append(case(1), some(0, 100))
    folder.append(case(1, verdict="right"), some(200))
    assert folder.all() == [case(1, verdict="right")]
    assert [each.result.ts_ms for each in iterate_recording(folder.recording(case(1)))] == [0, 100, 200]
    assert stat.S_IMODE((folder.path / "9f2c61aa-000001.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


def test_the_owner_judges_the_newest_alarm_or_a_named_one(tmp_path):
    """What was missed is no alarm."""
    folder = CaseFolder(tmp_path)
    for number, kind in ((1, "alarm"), (2, "alarm"), (3, "missed")):
        folder.append(case(number, kind), some(0))
    assert folder.judge(None, "no fall").id == "9f2c61aa-000002"
    assert folder.judge("9f2c61aa-000001", "right").id == "9f2c61aa-000001"
    assert {each.id: each.verdict for each in folder.all()} == {
        "9f2c61aa-000001": "right", "9f2c61aa-000002": "no fall", "9f2c61aa-000003": None,
    }  # fmt: skip
    with pytest.raises(CaseError, match=r"no case '\.\./x' is kept"):
        folder.judge("../x", "right")
    with pytest.raises(CaseError, match="no alarm is kept"):
        CaseFolder(tmp_path / "none").judge(None, "right")


def test_a_case_is_found_by_any_of_its_events(tmp_path):
    """Whoever was called by `fallen` knows that event's id alone."""
    folder = CaseFolder(tmp_path)
    fall, fallen = case(1), case(2)
    folder.append(msgspec.structs.replace(fall, events=(*fall.events, *fallen.events)), some(0))
    assert folder.judge("9f2c61aa-000002", "right").id == "9f2c61aa-000001"


def test_what_is_said_while_the_recording_goes_on_stays(tmp_path):
    """An alarm can be judged at once; its later parts come from who knows nothing of that."""
    folder = CaseFolder(tmp_path)
    folder.append(case(1), some(0))
    folder.judge(None, "no fall")
    folder.append(case(1), some(100))
    assert folder.get(None).verdict == "no fall"


def test_what_cannot_be_read_is_left_out(tmp_path, caplog):
    """One damaged description costs one case."""
    folder = CaseFolder(tmp_path)
    folder.append(case(1), some(0))
    for name, content in (("a", b""), ("b", b"{}"), ("c", b"[" * 100_000)):
        (tmp_path / f"{name}.json").write_bytes(content)
    assert [each.id for each in folder.all()] == ["9f2c61aa-000001"]
    assert caplog.text.count("is left out") == 3


def test_deleting_leaves_nothing(tmp_path):
    """Neither recording nor description."""
    folder = CaseFolder(tmp_path)
    folder.append(case(1), some(0))
    folder.delete(case(1))
    assert list(tmp_path.iterdir()) == []


def test_a_machine_without_a_folder_says_so(tmp_path):
    """With the way out."""
    assert case_folder(tmp_path, "hall").path == tmp_path / "cases-hall"
    assert case_folder(None, "hall") is None
    with pytest.raises(MediaError, match=r"--set spool\.dir"):
        require_folder(None)
