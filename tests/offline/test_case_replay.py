"""What is made of kept alarms, and the commands that make it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import msgspec
import pytest

from piapp.cli.app import run_command
from piapp.config.load import load_config
from piapp.config.sections import ZoneConfig
from piapp.errors import UsageError
from piapp.fall_model import monitor_of
from piapp.mqtt.clock import TimeLine
from piapp.mqtt.payload import PayloadWriter
from piapp.offline.case_replay import compare, export, film, summary, timeline
from piapp.offline.cases import Case, CaseFolder
from piapp.offline.evaluate.labels import read_labels
from piapp.offline.recording import iterate_recording
from piapp.posture.snapshot import MonitorSnapshot

RECORDINGS = Path(__file__).parents[1] / "recordings"


def config(*overrides):
    """The defaults with some keys changed."""
    return load_config(Path("/dev/null"), overrides=overrides, environ={}).config


CONFIG = config(("posture.fallen_after_s", "3"))


def keep(folder: CaseFolder, name: str, number: int, **fields: object) -> Case:
    """Keep a recording as a case, with the events that it makes."""
    writer, monitor = PayloadWriter("hall", "9f2c61aa"), monitor_of(CONFIG)
    recorded = list(iterate_recording(RECORDINGS / f"{name}.npz"))
    events = [event for each in recorded for event in monitor.update(each.result)[1]]
    case_id = f"9f2c61aa-{number:06d}"
    payloads = tuple(
        writer.event(event, TimeLine(0, 0), event_id=case_id)
        for event in events
        if event.event_type in ("fall", "fallen", "recovered")
    )
    head = {"id": case_id, "kind": "alarm", "node": "hall", "t": "2026-11-22T06:01:02.345Z", "events": payloads}
    case = Case(**head | {"start_ms": 0, "learnt": MonitorSnapshot(), "settings": {}} | fields)
    folder.append(case, recorded)
    return case


@pytest.fixture
def folder(tmp_path) -> CaseFolder:
    """Three alarms, of which the owner calls one right and one none, and a fall that was missed."""
    folder = CaseFolder(tmp_path / "cases-hall")
    keep(folder, "fall_back_front", 1, verdict="right")
    keep(folder, "fall_side_corner", 2, verdict="no fall")
    keep(folder, "room_demo", 3)
    keep(folder, "sit_fast_front", 4, kind="missed")
    return folder


def test_the_same_settings_give_the_same_alarms(folder):
    """And others are told apart, by what the owner says."""
    same = [compare(folder, case, CONFIG) for case in folder.all()]
    assert all(comparison.same for comparison in same)
    text = summary(same)
    assert "3 alarms: 3 the same; 0 would not have come" in text
    assert "of 1 that were missed 0 would have come" in text
    polygon = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    everywhere = ZoneConfig(name="all", polygon=polygon, ignore=("fall",))
    other = [compare(folder, case, msgspec.structs.replace(CONFIG, zones=(everywhere,))) for case in folder.all()]
    assert "3 alarms: 0 the same; 3 would not have come" in summary(other)
    assert "of 1 that were 'right' 1 would not have come" in summary(other)
    assert "now: -  differs  (right)" in other[0].line()


def test_a_timeline_tells_what_decided(folder):
    """Seconds from the recording's start, and the evidence."""
    lines = list(timeline(folder.all()[0]))
    assert lines[0] == "9f2c61aa-000001  alarm of node hall, recorded from 2026-11-22T06:01:02.345Z"
    assert lines[1] == "verdict  right"
    assert "fall " in lines[2]
    assert "drop_m" in lines[2]


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_a_film_shows_skeletons(folder, tmp_path, suffix):
    """At its true speed, also where results were left out."""
    case = folder.all()[0]
    seconds = [each.result.ts_ms for each in iterate_recording(folder.recording(case))][-1] / 1000
    path = tmp_path / f"film{suffix}"
    pictures = film(folder, case, CONFIG, path)
    assert pictures == pytest.approx(seconds * 10, abs=2)
    video = cv2.VideoCapture(str(path))
    found = []
    while (read := video.read())[0]:
        found.append(read[1])
    assert len(found) == pictures
    assert max(picture.max() for picture in found) > 200, "somebody was drawn"


def test_a_film_has_a_form_that_players_know(folder, tmp_path):
    """The error names them."""
    with pytest.raises(UsageError, match=r"\.mp4 or \.gif"):
        film(folder, folder.all()[0], CONFIG, tmp_path / "film.avi")


def test_a_pack_is_what_evaluate_reads(folder, tmp_path):
    """What was right is a fall, what was none is not; what nobody judged has no label."""
    out = tmp_path / "pack"
    assert export(folder, folder.all(), out) == 3
    assert sorted(file.suffix for file in out.iterdir()) == [".json", *[".npz"] * 4]
    labels = {each.name: [event.event_type for event in each.events] for each in read_labels(out, tolerance_s=1.0)}
    assert labels == {"9f2c61aa-000001": ["fall"], "9f2c61aa-000002": [], "9f2c61aa-000004": []}
    with pytest.raises(UsageError, match="is there already"):
        export(folder, [], out)


def test_the_commands(folder, tmp_path, capsys):
    """List, show, replay, export and delete, by the node's state folder."""

    def piapp(*arguments: str) -> str:
        node = ("--node", "hall", "--set", f"spool.dir={tmp_path}", "--set", "posture.fallen_after_s=3")
        assert run_command(["cases", *arguments, *node]) == 0
        return capsys.readouterr().out

    assert len(piapp("list").splitlines()) == 4
    assert "no fall" in piapp("list")
    alarms = [case for case in folder.all() if case.kind == "alarm"]
    assert all(f"{case.events[0].t}  fall" in piapp("list") and case.t < case.events[0].t for case in alarms)
    assert "drop_m" in piapp("show", "9f2c61aa-000001", "--film", str(tmp_path / "x.gif"))
    assert (tmp_path / "x.gif").stat().st_size > 1000
    assert "2 alarms: 2 the same" in piapp("replay", "9f2c61aa-000001", "9f2c61aa-000002")
    assert "4 cases, 3 of them with a label" in piapp("export", str(tmp_path / "pack"))
    evaluated = ["evaluate", str(tmp_path / "pack"), "--json", "--set", "posture.fallen_after_s=3"]
    assert run_command(evaluated) == 0
    total = json.loads(capsys.readouterr().out)["total"]["events"]["fall"]
    assert (total["found"], total["false"]) == (1, 1)
    assert piapp("delete", "9f2c61aa-000003") == "9f2c61aa-000003\n"
    assert run_command(["cases", "delete", "--node", "hall", "--set", f"spool.dir={tmp_path}"]) == 2
    assert len(piapp("delete", "--all").splitlines()) == 3
    assert piapp("list") == ""
