from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from piapp.config.sections import PostureConfig
from piapp.types import Pose, PoseResult, PostureEvent
from tests.support import stick
from tests.support.stick import STAND, film

Watch = Callable[..., tuple[list, list[PostureEvent]]]


def _without_legs(result: PoseResult) -> PoseResult:
    for pose in result.poses:
        pose.landmarks[25:, 3] = 0.1
    return result


def _entered(events: list[PostureEvent]) -> list[int]:
    return [event.ts_ms for event in events if event.event_type == "person_entered"]


def test_a_whole_body_is_a_person_soon(watch: Watch, config: PostureConfig) -> None:
    """Once, after the persistence time; before that only the label knows of it."""
    states, events = watch(film([(2, STAND)]))
    (when,) = _entered(events)
    assert config.enter_after_s * 1000 <= when < config.enter_after_s * 1000 + 150
    assert states[0].persons == ()
    assert states[0].labels[0].posture == "standing"


def test_a_flash_is_nobody(watch: Watch) -> None:
    """Seen for less than the persistence time, then gone."""
    results = [*film([(0.25, STAND)]), *(stick.result(0.25 + k / 10, []) for k in range(30))]
    _, events = watch(results)
    assert events == []


def test_half_a_body_that_does_not_move_is_furniture(watch: Watch) -> None:
    """Ten seconds of a still upper body: a coat on a hook, a picture on the wall."""
    _, events = watch(_without_legs(result) for result in film([(10, STAND)]))
    assert events == []


def test_half_a_body_that_moves_is_a_person(watch: Watch) -> None:
    """Somebody behind a table, who sways by more than noise; the posture stays unknown."""
    sway = [(1, replace(STAND, x=0.4)), (1, STAND)] * 2
    states, events = watch(_without_legs(result) for result in film(sway, camera=stick.SIDE))
    assert len(_entered(events)) == 1
    assert states[-1].persons[0].posture == "unknown"


def _noise(seed: int) -> Iterator[PoseResult]:
    rng = np.random.default_rng(seed)
    for frame in range(150):
        pose = stick.FRONT.pose(stick.joints(STAND))
        pose.landmarks[:, :2] += rng.normal(0, 0.004, (33, 2))
        yield stick.result(frame / 15, [_without_legs(stick.result(0, [pose])).poses[0]])


def test_noise_is_not_movement(watch: Watch) -> None:
    """Landmarks that jitter by two or three pixels do not make furniture a person."""
    for seed in range(3):
        _, events = watch(_noise(seed))
        assert events == []


def test_faint_finds_are_nobody(watch: Watch) -> None:
    """A mean presence below the limit never becomes a person."""
    results = []
    for result in film([(5, STAND)]):
        for pose in result.poses:
            pose.landmarks[:, 4] = 0.4
        results.append(result)
    _, events = watch(results)
    assert events == []


def test_a_body_of_impossible_build_is_nobody(watch: Watch) -> None:
    """A trunk of more than a metre is no trunk."""

    def stretched(pose: Pose) -> Pose:
        pose.world_landmarks[:, :3] *= 3
        return pose

    _, events = watch(
        stick.result(result.ts_ms / 1000, [stretched(pose) for pose in result.poses]) for result in film([(3, STAND)])
    )
    assert events == []
