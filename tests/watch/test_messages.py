"""Reading what nodes say, whatever they are."""

from __future__ import annotations

import json

import msgspec
import numpy as np
import pytest

from piapp.testing.landmarker import standing_pose
from piapp.watch.messages import EventMessage, StateMessage, UnreadableError, read, read_frame, seconds
from tests.watch.messages import NOW_S, T, event, frame, person, state


@pytest.mark.parametrize("form", ["json", "msgpack"])
def test_a_frame_in_either_form(form):
    """Size, ids, postures and points are those of the node."""
    seen = read_frame(frame(0.3, 0.7, form=form, posture="sitting"))
    assert seen.size == (640, 480)
    assert [(pose.id, pose.posture) for pose in seen.poses] == [(1, "sitting"), (2, "sitting")]
    np.testing.assert_allclose(seen.poses[0].points, standing_pose(0.3).landmarks[:, [0, 1, 3]], atol=1e-5)


def test_landmarks_without_a_value():
    """Null in JSON, NaN and rows that end early: not known, not an error."""
    message = json.loads(frame(0.5))
    message["poses"][0]["landmarks"][0] = [None, 0.5, 0.0, None, None]
    message["poses"][0]["landmarks"][1] = [0.1, 0.2]
    points = read_frame(json.dumps(message).encode()).poses[0].points
    np.testing.assert_array_equal(points[:2], np.array([[np.nan, 0.5, np.nan], [0.1, 0.2, np.nan]], np.float32))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff\xfe",
        b'{"t":"\xb0"}',
        b"{",
        b"[]",
        b"[" * 100_000,
        b"\x91" * 100_000,
        b'{"size":[640,480],"poses":[{"landmarks":[[0.5,0.5]]}]}',
        b'{"size":[0,480],"poses":[]}',
        b'{"size":[640,480],"poses":[{"landmarks":"x"}]}',
        msgspec.msgpack.encode({"poses": []}),
    ],
)
def test_what_is_no_frame(payload):
    """One error, whatever is wrong."""
    with pytest.raises(UnreadableError):
        read_frame(payload)


def test_people_in_words():
    """The fallen first and in capitals; a posture of a later version is a word as well."""
    message = read(state(person(3, posture="dancing"), person(4, posture="lying", fallen=True)), StateMessage)
    assert message.text() == "#4 FALLEN lying, #3 dancing"
    assert message.fallen
    assert read(state(), StateMessage).text() == "nobody"


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (event("fall", posture="lying"), "fall  person 1  standing -> lying"),
        (event("hand_raised"), "hand_raised  person 1"),
        (event("camera_lost", person=None, posture=None, previous=None), "camera_lost"),
        (event("repetition", evidence={"kind": "squat", "count": 5}), "repetition  person 1  squat 5"),
        (event("zone_entered", zones=["sofa", "bed"]), "zone_entered  person 1  in sofa, bed"),
        (event("\x1b[2Jx"), "?[2Jx  person 1"),
        (b'{"event_type":"later"}', "later"),
    ],
)
def test_events_in_words(payload, words):
    """What counts, in one line that cannot steer a terminal."""
    assert read(payload, EventMessage).text() == words


def test_times():
    """ISO 8601, or none."""
    assert seconds(T) == NOW_S
    for text in ("", "yesterday", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "99999-01-01"):
        assert seconds(text) is None or abs(seconds(text)) < 1e12


def test_a_test_alert_is_shown_as_one_and_alarms_nobody():
    """Somebody tries the alerts out."""
    real, test = (read(b'{"event_type":"fall"%s}' % more, EventMessage) for more in (b"", b',"test":true'))
    assert (real.text(), real.is_alarm) == ("fall", True)
    assert (test.text(), test.is_alarm) == ("fall  (test)", False)
