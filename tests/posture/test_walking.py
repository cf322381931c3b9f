from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from piapp.types import PoseResult
from tests.support import stick
from tests.support.stick import SIT, STAND, film

Watch = Callable[..., tuple[list, list]]

LEGS = slice(25, 33)


def _across(stance: stick.Stance, seconds: float = 4) -> list[PoseResult]:
    """Through the picture in front of a camera at the side, without moving a limb."""
    start, end = replace(stance, x=-0.9), replace(stance, x=0.9)
    return list(film([(seconds, end)], start=start, camera=stick.SIDE))


def _legs_unseen(results: Iterable[PoseResult]) -> Iterator[PoseResult]:
    for result in results:
        for pose in result.poses:
            pose.landmarks[LEGS, 3] = 0.2
            pose.world_landmarks[LEGS, 3] = 0.2
        yield result


def test_who_walks_stands_though_the_legs_are_unseen(watch: Watch) -> None:
    """A trunk that is carried through the room has somebody on their feet under it."""
    states, _ = watch(_legs_unseen(_across(STAND)))
    assert states[len(states) // 2].persons[0].posture == "standing"


def test_legs_guessed_outside_of_the_picture_do_not_make_a_walker_sit(watch: Watch) -> None:
    """The landmarker folds legs below the edge, and is sure enough of them."""
    results = _across(SIT)
    for result in results:
        result.poses[0].landmarks[:, 1] += 1.01 - result.poses[0].landmarks[25:27, 1].min()
    states, _ = watch(results)
    assert states[len(states) // 2].persons[0].posture == "standing"


def test_a_wheelchair_is_no_walker(watch: Watch) -> None:
    """Somebody who is moved about with bent legs in view goes on sitting."""
    states, _ = watch(_across(SIT))
    assert {state.persons[0].posture for state in states if state.persons} == {"sitting"}


def test_nobody_who_stays_is_taken_for_a_walker(watch: Watch) -> None:
    """Somebody who is seen in full at first, and then stays with unseen legs."""
    results = list(film([(4, STAND)], camera=stick.SIDE))
    states, _ = watch([*results[:15], *_legs_unseen(results[15:])])
    assert {state.persons[0].posture for state in states[30:]} == {"unknown"}
