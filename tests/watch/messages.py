"""Messages as nodes send them, for tests of `piapp watch`."""

from __future__ import annotations

import json

from piapp.mqtt.payload import PayloadWriter
from piapp.testing.landmarker import standing_pose
from piapp.types import PoseLabel, PoseResult

T = "2026-11-22T12:00:00.000Z"
NOW_S = 1_795_348_800.0  # the same
PERSON = {"posture": "standing", "since": T, "fallen": False, "hands_raised": [], "still_s": 0.0, "zones": []}


def person(number, **fields):
    """Somebody in `state`."""
    return PERSON | {"id": number} | fields


def state(*persons):
    """`state`."""
    return json.dumps({"v": 1, "t": T, "persons": list(persons)}).encode()


def event(kind, **fields):
    """`event`."""
    whole = {"v": 1, "event_type": kind, "t": T, "person": 1, "posture": "standing", "previous": "standing"}
    return json.dumps(whole | fields).encode()


def info(**config):
    """`info` with parts of its configuration."""
    return json.dumps({"t": T, "versions": {"piapp": "1.2.3"}, "config": config}).encode()


def frame(*places, form="json", size=(640, 480), posture="standing"):
    """`frame` with people at these places, 0 (left) to 1 (right); their ids count from 1."""
    result = PoseResult(1, 0, size, tuple(standing_pose(x) for x in places))
    labels = [PoseLabel(index + 1, posture) for index in range(len(places))]
    return PayloadWriter("hall", "0", frame_format=form).frame(result, labels, seq=1)
