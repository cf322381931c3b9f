"""What messages contain."""

from __future__ import annotations

import json
import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from piapp.mqtt.clock import TimeLine, WallClock
from piapp.mqtt.payload import FramePayload, PayloadWriter
from piapp.types import Person, Pose, PoseLabel, PoseResult, PostureEvent, State

SECOND = 1_000_000_000
CLOCK = WallClock(lambda: 1_795_327_262_345_000_000, lambda: 123_456_000_000, lambda: True)
NOW_NS = 123_456_000_000
LINE = TimeLine(ts_ms=123_456, captured_ns=NOW_NS)


def writer(**changes) -> PayloadWriter:
    """A writer of node "hall"."""
    return PayloadWriter("hall", "9f2c61aa", clock=CLOCK, **changes)


def landmarks(**cells: float) -> np.ndarray:
    """33 rows of 0.1, 0.2, 0.3, 0.4, 0.5 with cells such as r0c1=7 changed."""
    rows = np.tile(np.array([0.1, 0.2, 0.3, 0.4, 0.5], np.float32), (33, 1))
    for name, value in cells.items():
        row, column = name[1:].split("c")
        rows[int(row), int(column)] = value
    return rows


def result(*poses: Pose, age_ns: int = 41_234_567) -> PoseResult:
    """A frame that was taken `age_ns` ago."""
    return PoseResult(123_414, NOW_NS - age_ns, (640, 480), poses)


def decode(payload: bytes, frame_format: str) -> dict:
    """The message as a subscriber without our types reads it."""
    return json.loads(payload) if frame_format == "json" else msgspec.msgpack.decode(payload)


def test_a_frame_is_written_as_the_contract_says():
    """Golden message, digit by digit."""
    pose = Pose(landmarks(r0c0=0.1234567, r5c1=0.9, r7c2=-0.000004), landmarks())
    payload = writer().frame(result(pose), [PoseLabel(3, "standing")], seq=1234)
    row, first = "[0.1,0.2,0.3,0.4,0.5]", "[0.12346,0.2,0.3,0.4,0.5]"
    sixth, eighth = "[0.1,0.9,0.3,0.4,0.5]", "[0.1,0.2,-0.0,0.4,0.5]"
    rows = [first, *[row] * 4, sixth, row, eighth, *[row] * 25]
    assert payload.decode() == (
        '{"v":1,"node":"hall","boot":"9f2c61aa","seq":1234,"t":"2026-11-22T06:01:02.303Z","ts_ms":123414,'
        '"latency_ms":41.2,"size":[640,480],"poses":[{"id":3,"posture":"standing","score":0.5,'
        f'"bbox":[0.1,0.2,0.02346,0.7],"landmarks":[{",".join(rows)}],'
        f'"world_landmarks":[{",".join([row] * 33)}]}}]}}'
    )


def test_a_state_without_anybody_watching_claims_nobody():
    """Those who are down stay, for their alarm is open; whether the room is occupied is not known."""
    persons = (Person(3, "sitting", 120_456), Person(4, "lying", 123_456, fallen=True))
    last_fall = "2026-11-22T06:00:00.000Z"
    payload = writer().state(
        State(1, persons, ()), LINE, watching=False, paused=True, acknowledged=True, last_fall=last_fall
    )
    message = json.loads(payload)
    assert message["occupied"] is None
    assert [person["id"] for person in message["persons"]] == [4]
    assert (message["count"], message["fallen"], message["posture"]) == (1, True, "lying")
    assert (message["paused"], message["acknowledged"], message["last_fall"]) == (True, True, last_fall)
    assert message["t"] == "2026-11-22T06:01:02.345Z"


def test_a_test_alert_says_so():
    """`test` is there for tests alone, and true."""
    event = PostureEvent("fall", 123_456, evidence={"text": "test"})
    real, test = (writer().event(event, LINE, event_id="9f2c61aa-000001", test=test) for test in (False, True))
    assert "test" not in json.loads(real.encoded(historical=False))
    assert json.loads(test.encoded(historical=True))["test"] is True


def test_an_empty_room_is_a_message_too():
    """Nobody seen: the same message with no poses."""
    message = json.loads(writer().frame(result(), seq=1))
    assert message["poses"] == []
    assert message["size"] == [640, 480]


@pytest.mark.parametrize("frame_format", ["json", "msgpack"])
def test_missing_values_are_null(frame_format):
    """NaN and infinity never reach a subscriber, in either encoding."""
    pose = Pose(landmarks(r4c3=math.nan, r5c0=math.inf), landmarks(r0c4=math.nan))
    message = decode(writer(frame_format=frame_format).frame(result(pose), seq=1), frame_format)
    rows = message["poses"][0]["landmarks"]
    assert rows[4][3] is None
    assert rows[5][0] is None
    assert rows[4][:3] == [0.1, 0.2, 0.3]
    assert message["poses"][0]["world_landmarks"][0][4] is None


def test_world_landmarks_can_be_left_out():
    """The key is absent, not empty."""
    pose = json.loads(writer(world_landmarks=False).frame(result(Pose(landmarks(), landmarks())), seq=1))["poses"][0]
    assert "world_landmarks" not in pose


def test_a_pose_without_label_is_unknown():
    """Fewer labels than poses leave the others without id."""
    poses = (Pose(landmarks(), landmarks()), Pose(landmarks(), landmarks()))
    message = json.loads(writer().frame(result(*poses), [PoseLabel(7, "lying")], seq=1))
    assert [(pose["id"], pose["posture"]) for pose in message["poses"]] == [(7, "lying"), (None, "unknown")]


@given(
    count=st.integers(0, 4),
    rows=hnp.arrays(np.float32, (33, 5), elements=st.floats(-10, 10, width=32) | st.just(math.nan)),
)
def test_every_frame_has_33_rows_in_both_encodings(count, rows):
    """Both encodings carry the same structure and the landmarker's numbers to five decimals."""
    rows = np.hstack((rows[:, :3], np.clip(rows[:, 3:], 0.0, 1.0)))  # visibility and presence
    frame = result(*[Pose(rows, rows)] * count)
    in_json = msgspec.json.decode(writer().frame(frame, seq=1), type=FramePayload)
    in_msgpack = msgspec.msgpack.decode(writer(frame_format="msgpack").frame(frame, seq=1), type=FramePayload)
    assert len(in_json.poses) == len(in_msgpack.poses) == count
    for pose, packed in zip(in_json.poses, in_msgpack.poses, strict=True):
        for name in ("landmarks", "world_landmarks"):
            plain, compact = (np.array(getattr(one, name), np.float64) for one in (pose, packed))
            assert plain.shape == compact.shape == (33, 5)
            np.testing.assert_allclose(plain, rows, atol=0.5000001e-5)
            np.testing.assert_allclose(compact, plain, atol=1e-6)


def test_msgpack_is_much_smaller():
    """The reason to choose it."""
    rng = np.random.default_rng(1)
    pose = Pose(rng.random((33, 5), np.float32), rng.random((33, 5), np.float32))
    sizes = {name: len(writer(frame_format=name).frame(result(pose), seq=1)) for name in ("json", "msgpack")}
    assert sizes["msgpack"] < 0.7 * sizes["json"]


def test_a_state_tells_who_is_there():
    """Golden message of two persons; the longest-present one gives the posture."""
    persons = (
        Person(3, "sitting", 120_456, hands_raised=("right",), still_s=12.04, zones=("sofa",)),
        Person(4, "lying", 123_456, fallen=True),
    )
    payload = writer().state(State(123_456, persons, ()), LINE)
    assert json.loads(payload) == {
        "v": 1, "boot": "9f2c61aa", "t": "2026-11-22T06:01:02.345Z", "occupied": True, "count": 2, "posture": "sitting",
        "fallen": True, "alarm": False, "acknowledged": False, "paused": False, "last_fall": None,
        "last_recovered": None,
        "persons": [
            {"id": 3, "posture": "sitting", "since": "2026-11-22T06:00:59.345Z", "fallen": False,
             "hands_raised": ["right"], "still_s": 12.0, "zones": ["sofa"]},
            {"id": 4, "posture": "lying", "since": "2026-11-22T06:01:02.345Z", "fallen": True,
             "hands_raised": [], "still_s": 0.0, "zones": []},
        ],
    }  # fmt: skip


@pytest.mark.parametrize(("evidence", "seen_up"), [({"down_s": 60.0}, True), ({"nobody_seen": 1}, False)])
def test_a_state_tells_how_the_newest_alarm_ended(evidence, seen_up):
    """By the event's id, so that whoever missed the event knows of it."""
    ended = writer().event(PostureEvent("recovered", 123_456, 4, evidence=evidence), LINE, event_id="9f2c61aa-000042")
    message = json.loads(writer().state(State(1, (), ()), LINE, last_recovered=ended))
    assert message["last_recovered"] == {"id": "9f2c61aa-000042", "t": "2026-11-22T06:01:02.345Z", "seen_up": seen_up}


def test_an_empty_room_has_the_posture_none():
    """Nobody there."""
    state = json.loads(writer().state(State(123_456, (), ()), LINE))
    assert (state["occupied"], state["count"], state["posture"], state["fallen"]) == (False, 0, "none", False)


@pytest.mark.parametrize("historical", [False, True])
def test_an_event_carries_its_evidence(historical):
    """Golden message, live and late: nothing but the flag differs."""
    event = PostureEvent("fall", 123_356, 3, "lying", "standing", 0.93, (), {"descent_s": 0.7, "from": "standing"})
    message = writer().event(event, LINE, event_id="9f2c61aa-000042")
    assert json.loads(message.encoded(historical=historical)) == {
        "v": 1, "id": "9f2c61aa-000042", "event_type": "fall", "t": "2026-11-22T06:01:02.245Z", "ts_ms": 123_356,
        "person": 3, "posture": "lying", "previous": "standing", "score": 0.93, "zones": [],
        "historical": historical, "time_synced": True, "evidence": {"descent_s": 0.7, "from": "standing"},
    }  # fmt: skip


def test_info_holds_what_it_is_given():
    """Head and parts are there."""
    payload = writer().info(
        versions={"piapp": "1"}, model={"sha256": "ab"}, hardware={"board": "Pi 5"}, config={"a": 1}
    )
    assert json.loads(payload) == {
        "v": 1, "node": "hall", "boot": "9f2c61aa", "t": "2026-11-22T06:01:02.345Z", "versions": {"piapp": "1"},
        "model": {"sha256": "ab"}, "hardware": {"board": "Pi 5"}, "config": {"a": 1},
    }  # fmt: skip
