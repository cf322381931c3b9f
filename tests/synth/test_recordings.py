"""The recordings in tests/recordings and their ground truth agree with each other."""

import json
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from piapp.offline.recording import read_recording
from piapp.types import LANDMARK_NAMES, EventType, Posture

RECORDINGS = Path(__file__).resolve().parents[1] / "recordings"
NAMES = sorted(path.stem for path in RECORDINGS.glob("*.json"))
LABELS = {*get_args(Posture), "transition", "absent"}
HALF_FRAME_S = 0.04  # events are exact, labels are sampled at 15 frames a second or more
CLOSE = 0.05  # of the picture's width: MediaPipe puts the hips that near to the joints in the body
# Where landmarks may stray further: hips outside of the picture, or a scene that hides or darkens them.
HARD = {"upper_body_near", "sit_behind_table_front", "fall_behind_sofa_front", "two_crossing_front"}

every_clip = pytest.mark.parametrize("name", NAMES)


@cache
def truth_of(name):
    return json.loads((RECORDINGS / f"{name}.json").read_text())


@cache
def results_of(name):
    return read_recording(RECORDINGS / f"{name}.npz")


def events_of(name, kind):
    truth = truth_of(name)
    return [(person, e) for person in truth["persons"] for e in person["events"] if e["event_type"] == kind]


def test_every_recording_has_ground_truth_and_the_other_way_round():
    """No file stands alone, and both falls and what looks like them are there."""
    assert sorted(path.stem for path in RECORDINGS.glob("*.npz")) == NAMES
    falls = [name for name in NAMES if events_of(name, "fall")]
    assert len(falls) >= 20
    assert len(NAMES) - len(falls) >= 25


def test_the_folder_stays_small():
    """Recordings are cheap to clone."""
    assert sum(path.stat().st_size for path in RECORDINGS.iterdir()) < 6_000_000


@every_clip
def test_a_recording_has_a_result_for_every_labelled_frame(name):
    """Times, sizes and counts of results are those of the clip."""
    truth, results = truth_of(name), results_of(name)
    assert truth["clip"] == name
    assert [result.ts_ms for result in results] == [round(1000 * i / truth["fps"]) for i in range(truth["frames"])]
    assert {result.size for result in results} == {tuple(truth["size"])}
    assert 5 <= truth["frames"] / truth["fps"] <= 26
    for person in truth["persons"]:
        assert len(person["labels"]) == truth["frames"]
        assert set(person["labels"]) <= LABELS


@every_clip
def test_events_lie_inside_the_clip_and_in_order(name):
    """Every event has a known type and a time within the clip; a person enters first."""
    truth = truth_of(name)
    for person in truth["persons"]:
        times = [event["t_s"] for event in person["events"]]
        assert times == sorted(times)
        assert times[0] >= 0
        assert times[-1] <= truth["frames"] / truth["fps"]
        assert {event["event_type"] for event in person["events"]} <= set(get_args(EventType))
        assert person["events"][0]["event_type"] == "person_entered"


@every_clip
def test_a_fall_ends_a_quick_descent_on_the_floor(name):
    """A fall starts from a posture, takes 0.5 to 1.4 s, and leaves the person lying."""
    fps = truth_of(name)["fps"]
    for person, fall in events_of(name, "fall"):
        labels = person["labels"]
        assert 0.5 <= fall["t_s"] - fall["start_s"] <= 1.4
        assert labels[round((fall["start_s"] - HALF_FRAME_S) * fps) - 1] in {"standing", "sitting"}
        assert labels[round((fall["t_s"] + HALF_FRAME_S) * fps) + 1] == "lying"


@every_clip
@pytest.mark.parametrize(
    ("kind", "posture"), [("sit_down", "sitting"), ("lie_down", "lying"), ("stand_up", "standing")]
)
def test_a_change_of_posture_is_an_event_when_the_posture_is_reached(name, kind, posture):
    """The posture's label starts at the event's time."""
    fps = truth_of(name)["fps"]
    for person, event in events_of(name, kind):
        starts = [i / fps for i, label in enumerate(person["labels"]) if label == posture]
        assert min(abs(start - event["t_s"]) for start in starts) <= 1 / fps


@every_clip
def test_repetitions_are_counted_from_one(name):
    """Each kind's counts are 1, 2, 3 and so on."""
    for person in truth_of(name)["persons"]:
        reps = [event for event in person["events"] if event["event_type"] == "repetition"]
        for _, group in groupby(reps, key=lambda event: event["kind"]):
            counts = [event["count"] for event in group]
            assert counts == list(range(1, len(counts) + 1))


@every_clip
def test_landmarks_are_where_the_joints_are(name):
    """In frames with somebody upright, a pose's hips are near the true hips; and somebody is found at all."""
    errors = [error for person in truth_of(name)["persons"] for error in hip_errors(name, person)]
    found = np.isfinite(errors)
    assert found.mean() >= (0.5 if name in HARD else 0.9)
    if name not in HARD:
        assert np.median(np.array(errors)[found]) < CLOSE / 2
        assert np.mean(np.array(errors)[found] < CLOSE) >= 0.9


def hip_errors(name, person):
    """Distance from the true hips to those of the nearest pose, in picture widths; inf where nobody is found."""
    truth, results = truth_of(name), results_of(name)
    left, right = (person["joint_names"].index(f"{side}_hip") for side in ("left", "right"))
    for k, joints in enumerate(person["joints_px"]):
        i = k * person["joint_step"]
        if person["labels"][i] in {"standing", "sitting", "squatting", "unknown"}:
            true = (np.array(joints[left]) + joints[right]) / 2
            yield nearest_hips(results[i], true) / truth["size"][0]


def nearest_hips(result, true):
    """Distance in pixels from `true` to the hips' midpoint of the nearest pose."""
    hips = [LANDMARK_NAMES.index("left_hip"), LANDMARK_NAMES.index("right_hip")]
    middles = [pose.landmarks[hips, :2].mean(axis=0) * result.size for pose in result.poses]
    return min((float(np.linalg.norm(middle - true)) for middle in middles), default=np.inf)
