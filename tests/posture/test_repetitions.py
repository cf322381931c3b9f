import csv
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from piapp.posture.features import TRUNK_M, Features, measure
from piapp.posture.geometry import read_body
from piapp.posture.repetitions import push_up_depth, squat_depth
from piapp.types import Pose, PostureEvent
from tests.support import stick
from tests.support.media import MEDIA
from tests.support.stick import HALF_SQUAT, JACK, PLANK, PLANK_LOW, SIT, SQUAT, STAND, WAVE_OUT, film

Watch = Callable[..., tuple[list, list[PostureEvent]]]
SAMPLES = MEDIA / "expected" / "mlkit_fitness_pose_samples.csv"


def _counted(events: list[PostureEvent]) -> list[tuple[str, int]]:
    return [
        (str(event.evidence["kind"]), int(event.evidence["count"]))
        for event in events
        if event.event_type == "repetition"
    ]


@pytest.mark.parametrize("fps", [30, 10, 5])
@pytest.mark.parametrize("view", stick.VIEWS)
@pytest.mark.parametrize("exercise", [("squat", SQUAT, 0.7), ("jumping_jack", JACK, 0.5)], ids=["squat", "jack"])
def test_repetitions_are_counted(exercise: tuple[str, stick.Stance, float], view: str, fps: int, watch: Watch) -> None:
    """Each once, when it is whole."""
    kind, stance, half_s = exercise
    steps = [(1.5, STAND), *[(half_s, stance), (0.1, stance), (half_s, STAND), (0.2, STAND)] * 4]
    _, events = watch(film(steps, camera=stick.VIEWS[view], fps=fps))
    assert _counted(events) == [(kind, count) for count in (1, 2, 3, 4)]


@pytest.mark.parametrize("fps", [30, 10])
@pytest.mark.parametrize("view", ["side", "front"])
def test_push_ups_are_counted_and_are_not_lying_down(view: str, fps: int, watch: Watch) -> None:
    """Once stretched arms hold the body; whoever is low between does not lie, and has not fallen."""
    steps = [(1, PLANK), *[(0.7, PLANK_LOW), (0.2, PLANK_LOW), (0.7, PLANK), (0.2, PLANK)] * 3]
    states, events = watch(film(steps, camera=stick.VIEWS[view], fps=fps, start=PLANK))
    assert _counted(events) == [("push_up", 1), ("push_up", 2), ("push_up", 3)]
    assert {person.posture for state in states for person in state.persons} == {"bending"}
    assert not {"lie_down", "fall"} & {event.event_type for event in events}


@pytest.mark.parametrize(
    "steps",
    [
        [(1.5, STAND), *[(0.6, HALF_SQUAT), (0.6, STAND)] * 3],
        [(1.5, STAND), *[(0.9, SIT), (1.5, SIT), (0.9, STAND), (0.5, STAND)] * 2],
        [(1.5, STAND), *[(0.5, WAVE_OUT), (0.5, STAND)] * 3],
        [(1.5, STAND), (0.7, SQUAT), (12, SQUAT), (0.7, STAND), (1, STAND)],
        [(1.5, STAND), (0.7, SQUAT), (2, SQUAT)],
    ],
    ids=["half squats", "sitting down and standing up", "one arm", "a long squat", "never up again"],
)
def test_what_is_not_counted(steps: list, watch: Watch) -> None:
    """Half ones, and what only looks alike."""
    _, events = watch(film(steps, camera=stick.SIDE))
    assert _counted(events) == []


def test_counting_begins_anew_after_a_pause(watch: Watch) -> None:
    """The count is of one go."""
    go = [(0.7, SQUAT), (0.7, STAND), (0.2, STAND)] * 2
    _, events = watch(film([(1.5, STAND), *go, (12, STAND), *go]))
    assert _counted(events) == [("squat", 1), ("squat", 2), ("squat", 1), ("squat", 2)]


@pytest.mark.media
@pytest.mark.skipif(not SAMPLES.exists(), reason=f"needs {SAMPLES}")
def test_labelled_poses_are_up_or_down() -> None:
    """Of 812 labelled squats and push-ups at least 95 % fall on the right side of the middle."""
    right = [
        ((squat_depth if label.startswith("squats") else push_up_depth)(features) > 0.5) == label.endswith("down")
        for label, features in _samples()
    ]
    assert len(right) == 812
    assert np.mean(right) >= 0.95


def _samples() -> Iterator[tuple[str, Features]]:
    """Label and features of each row, whose landmarks are x, y, z in pixels."""
    with SAMPLES.open(newline="") as file:
        for _, label, *numbers in csv.reader(file):
            points = np.array(numbers, float).reshape(33, 3)
            trunk = points[[11, 12]].mean(axis=0) - points[[23, 24]].mean(axis=0)
            landmarks, world = np.ones((33, 5), np.float32), np.ones((33, 5), np.float32)
            landmarks[:, :2] = points[:, :2] / 1000
            world[:, :3] = (points - points[[23, 24]].mean(axis=0)) * TRUNK_M / np.linalg.norm(trunk)
            body = read_body(Pose(landmarks, world), (1000, 1000))
            assert body is not None
            yield label, measure(body, 0.0)
