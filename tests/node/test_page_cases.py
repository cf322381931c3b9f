"""Kept alarms as the owner's page shows them."""

from __future__ import annotations

import json
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from piapp.mqtt.payload import EventPayload
from piapp.node.page_cases import LEAST_PERIOD_MS, MAX_LISTED, PageCases
from piapp.offline.cases import Case, CaseFolder
from piapp.offline.recording import Recorded
from piapp.posture.snapshot import MonitorSnapshot
from piapp.testing.landmarker import standing_pose
from piapp.types import PoseResult


def case_of(case_id, minute=0):
    """A fall after two seconds."""
    fall = EventPayload(
        v=1, id=case_id, event_type="fall", t="2026-11-27T08:00:02.000Z", ts_ms=7000, person=3, posture="lying",
        previous=None, score=0.9, zones=("rug",), historical=False, time_synced=True,
        evidence={"drop_m": 1.1, "speed_m_s": 2.0, "probability": 0.95},
    )  # fmt: skip
    return Case(
        id=case_id, kind="alarm", node="hall", t=f"2026-11-27T08:{minute:02}:00.000Z", events=(fall,), start_ms=5000,
        learnt=MonitorSnapshot(), settings={"posture": {"fall_sensitivity": "high"}, "zones": []},
    )  # fmt: skip


def results(seconds, fps=20):
    """Somebody who stands, at times from 0."""
    for number in range(seconds * fps):
        yield Recorded(PoseResult(number * 1000 // fps, 0, (640, 480), (standing_pose(),)), utc_ms=number)


@pytest.fixture
def folder(tmp_path):
    """Two cases."""
    folder = CaseFolder(tmp_path / "cases")
    for minute, case_id in enumerate(("a-1", "a-2")):
        folder.append(case_of(case_id, minute), list(results(4)))
    return folder


def test_the_newest_come_first(folder):
    """With what decided, and what the owner said, which does not move a case."""
    folder.judge("a-1", "no fall")
    found = PageCases(folder).listed({})
    assert [(case["id"], case["verdict"]) for case in found["cases"]] == [("a-2", None), ("a-1", "no fall")]
    assert found["kept"]
    (event,) = found["cases"][0]["events"]
    assert (event["at_ms"], event["evidence"]["probability"], event["zones"]) == (2000, 0.95, ("rug",))
    assert found["cases"][0]["sensitivity"] == "high"


def test_a_film_is_landmarks_in_whole_numbers(folder):
    """Thinned to what an eye sees; nothing else of the recording leaves."""
    film = PageCases(folder).film({"id": "a-2"})
    assert film["size"] == (640, 480)
    times = [frame[0] for frame in film["frames"]]
    assert times[0] == 0
    assert min(np.diff(times)) >= LEAST_PERIOD_MS
    (_, points), shown = film["frames"][0], standing_pose().landmarks[0]
    assert len(points) == 99
    assert points[:3] == [pytest.approx(1000 * shown[k], abs=1) for k in (0, 1, 3)]
    assert json.loads(msgspec.json.encode(film))["frames"][0][1] == points


def test_unknown_landmarks_are_null(tmp_path):
    """JSON has no NaN."""
    folder = CaseFolder(tmp_path)
    recorded = list(results(1))
    landmarks = recorded[0].result.poses[0].landmarks.copy()
    landmarks[5, 3] = np.nan
    pose = replace(recorded[0].result.poses[0], landmarks=landmarks)
    folder.append(case_of("a-1"), [replace(recorded[0], result=replace(recorded[0].result, poses=(pose,)))])
    assert PageCases(folder).film({"id": "a-1"})["frames"][0][1][3 * 5 + 2] is None


@pytest.mark.parametrize("query", [{}, {"id": ""}, {"id": "a-3"}, {"id": "../cases/a-1"}, {"id": "/etc/passwd"}])
def test_what_is_no_case(folder, query):
    """An id names a case or nothing; it is never a path."""
    with pytest.raises(LookupError, match="no case"):
        PageCases(folder).film(query)


def test_a_node_that_keeps_none():
    """It says so."""
    assert PageCases(None).listed({}) == {"kept": False, "cases": []}
    with pytest.raises(LookupError, match="keeps no alarms"):
        PageCases(None).film({"id": "a-1"})


def test_only_so_many_are_listed(tmp_path):
    """The newest."""
    folder = CaseFolder(tmp_path)
    for number in range(MAX_LISTED + 3):
        folder.describe(case_of(f"a-{number:03}", number))
    listed = PageCases(folder).listed({})["cases"]
    assert len(listed) == MAX_LISTED
    assert listed[0]["id"] == f"a-{MAX_LISTED + 2:03}"


@pytest.mark.parametrize("settings", [{"posture": 5}, {"zones": [{"name": 1}]}, {"posture": [], "zones": {}}])
def test_settings_that_no_node_has_do_not_hide_the_alarms(folder, settings):
    """A backup from anywhere may bring such a case; the list would be gone with it."""
    folder.append(msgspec.structs.replace(case_of("a-3", 9), settings=settings), list(results(1)))
    page = PageCases(folder)
    assert [case["id"] for case in page.listed({})["cases"]] == ["a-3", "a-2", "a-1"]
    assert page.film({"id": "a-3"})["zones"] == []


def test_a_recording_without_end_makes_no_endless_film(folder, monkeypatch):
    """Results that follow one another without time passing would be read for ever, and none be shown."""
    monkeypatch.setattr("piapp.node.page_cases.MAX_RESULTS", 5)
    assert len(PageCases(folder).film({"id": "a-2"})["frames"]) == 3
