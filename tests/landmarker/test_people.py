"""Who a find is, who is lost and searched for, and what is given away of whom; no network, no picture of a person."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from piapp.config.load import default_config
from piapp.landmarker.people import Find, People, Picture, overlaps, pose_of, shown
from piapp.landmarker.reading import Reading
from piapp.testing.landmarker import standing_pose
from piapp.types import Pose

CONFIG = default_config().landmarker
SIZE = (640, 480)
FRAME_MS = 66
BLACK, WHITE = (np.full((SIZE[1], SIZE[0], 3), level, np.uint8) for level in (0, 255))


def picture(number: int, image: np.ndarray = BLACK) -> Picture:
    """A frame of a video."""
    return Picture(image, FRAME_MS * number + 1)


def shaped(scale: float = 1.0, right: float = 0.0) -> Pose:
    """Somebody who stands; bones of this share of their lengths, so far to the right in shares of the picture."""
    pose = standing_pose()
    landmarks, world = pose.landmarks.copy(), pose.world_landmarks.copy()
    landmarks[:, 0] += np.float32(right)
    world[:, :3] *= np.float32(scale)
    return replace(pose, landmarks=landmarks, world_landmarks=world)


def find(pose: Pose, person: object = None) -> Find:
    """A find that shows this pose."""
    return Find(Reading.of(pose, SIZE), pose.found, person, pose)


def people_with_somebody() -> People:
    """After a frame with somebody in the middle."""
    people = People(CONFIG)
    first = people.named([find(shaped())], picture(0))
    people.end_frame(first, picture(0))
    assert len(people.present) == 1
    return people


def lose(people: People, number: int) -> None:
    """Nobody is found in this frame."""
    people.lose(people.missing([]), picture(number).ts_ms)
    people.end_frame([], picture(number))


def test_somebody_lost_is_named_again():
    """A find where they were is the same person; one elsewhere is somebody new when the picture changed there."""
    for right, same in ((0.02, True), (0.45, False)):
        people = people_with_somebody()
        (person,) = people.present
        lose(people, 1)
        (named,) = people.named([find(shaped(right=right))], picture(2, WHITE))
        assert (named.person is person) == same


@pytest.mark.parametrize(
    ("scale", "right", "image", "left_out"),
    [(1.0, 0.45, BLACK, True), (0.6, 0.02, BLACK, True), (0.6, 5.0, WHITE, True), (0.6, 0.02, WHITE, False)],
)
def test_furniture_just_after_a_loss_is_nobody(scale, right, image, left_out):
    """What did not change, or has bones no body has; the place may speak for the latter."""
    people = people_with_somebody()
    lose(people, 1)
    named = people.named([find(shaped(scale, right))], picture(2, image))
    assert (named == []) == left_out
    assert all(each.found == "reacquired" for each in named)


def test_nobody_new_is_believed_in_an_unchanged_place_after_a_loss():
    """For three seconds after somebody who moved was lost; who never moved leaves no such doubt."""
    for moved, frames, believed in ((True, 40, False), (True, 50, True), (False, 40, True)):
        people = people_with_somebody()
        follow(people, 1, shaped(), WHITE if moved else BLACK)
        lose(people, 2)
        for number in range(3, frames, 4):
            lose(people, number)
        assert (people.named([find(shaped(right=0.45))], picture(frames)) != []) == believed


def test_what_is_nothing_like_a_body_is_nobody():
    """Unless somebody is known to be there; without a search it passes."""
    for reacquire in (True, False):
        people = People(msgspec.structs.replace(CONFIG, reacquire=reacquire))
        assert (people.named([find(shaped(0.4))], picture(0)) == []) == reacquire

    people = people_with_somebody()
    (person,) = people.present
    (named,) = people.named([find(shaped(0.4), person)], picture(1))
    assert named.person is person
    assert person.failed_ms == picture(1).ts_ms


def test_who_is_searched_for():
    """Somebody lost, for a second; somebody seen only while no body can have their pose."""
    people = people_with_somebody()
    (person,) = people.present
    assert people.wanted([find(shaped(), person)], 100) is None
    person.fail(100)
    assert people.wanted([find(shaped(), person)], 100) is person
    lose(people, 2)
    assert people.wanted([], 1100) is person
    people.lose([], 1200)
    assert people.wanted([], 1200) is None


def test_a_find_has_to_be_confirmed():
    """As a body that can be the person, is nobody else and lies where the picture changed."""
    people = people_with_somebody()
    (person,) = people.present
    lose(people, 1)
    here, far, crumpled = (find(shaped(*shape)).reading for shape in ((1.0, 0.01), (1.0, 5.0), (0.6, 0.01)))
    now = picture(2, WHITE)
    assert people.confirmed(person, here, [], now)
    assert not people.confirmed(person, far, [], now)
    assert not people.confirmed(person, crumpled, [], now)
    assert not people.confirmed(person, here, [find(shaped())], now)
    assert not people.confirmed(person, here, [], picture(2, BLACK))


def test_somebody_brought_back_replaces_what_was_taken_for_them():
    """And is lost no more."""
    people = people_with_somebody()
    (person,) = people.present
    finds = [find(shaped(0.6), person)]
    person.fail(60)
    people.bring_back(find(shaped(right=0.01), person), finds, picture(1))
    assert len(finds) == 1
    assert person.failed_ms is None
    assert people.wanted(finds, picture(1).ts_ms) is None


def follow(people: People, number: int, pose: Pose, image: np.ndarray = BLACK) -> Find:
    """The only person is seen like this in a frame."""
    (now,) = people.named([find(pose, people.present[0])], picture(number, image))
    people.end_frame([now], picture(number, image))
    return now


def test_impossible_poses_where_nothing_ever_moved_are_empty():
    """A chair: followed and not shown, until something moves there."""
    people = people_with_somebody()
    assert not follow(people, 1, shaped()).empty
    assert follow(people, 2, shaped(0.6)).empty
    assert not follow(people, 3, shaped()).empty
    assert not follow(people, 4, shaped(), WHITE).empty
    assert not follow(people, 5, shaped(0.6)).empty


def test_one_frame_of_impossible_bones_does_not_count_where_poses_are_not_smoothed():
    """From the second frame on a chair is not shown, and at first not at all."""
    people = People(CONFIG, smoothed=False)
    first = people.named([find(shaped())], picture(0))
    people.end_frame(first, picture(0))
    shown_then = [
        not follow(people, number, shaped(scale)).empty for number, scale in enumerate((0.6, 1.0, 0.6, 0.6), 1)
    ]
    assert shown_then == [True, True, True, False]

    people = People(CONFIG, smoothed=False)
    people.end_frame([], picture(0))
    chair = people.named([find(shaped(0.6))], picture(1))
    people.end_frame(chair, picture(1))
    assert [each.empty for each in chair] == [True]


def test_a_place_that_somebody_left_is_empty():
    """When the picture is again as before they came, until a possible pose is seen."""
    people = people_with_somebody()
    follow(people, 1, shaped(), WHITE)
    assert not follow(people, 20, shaped(0.6), WHITE).empty
    assert follow(people, 21, shaped(0.6)).empty
    assert not follow(people, 22, shaped()).empty


def with_square(right: int) -> np.ndarray:
    """A black picture with a white square so far to the right."""
    image = BLACK.copy()
    image[180:260, right : right + 60] = 255
    return image


def test_where_to_look_for_somebody_who_moves():
    """Around what changed, twice a second, while nobody sure is in view; never in a still picture."""
    people = People(CONFIG)
    people.end_frame([], picture(0, with_square(100)))
    square = people.elsewhere([], picture(8, with_square(110)))
    assert square is not None
    assert abs(float(square.x) - 135) < 45
    assert abs(float(square.y) - 220) < 10
    assert people.elsewhere([], picture(9, with_square(120))) is None
    assert people.elsewhere([], picture(17, with_square(100))) is None
    (person,) = people_with_somebody().present
    assert people.elsewhere([find(shaped(), person)], picture(26, with_square(120))) is None  # who lies there all day
    assert people.elsewhere([find(shaped(0.7), person)], picture(26, with_square(120))) is not None
    person.came = True
    assert people.elsewhere([find(shaped(0.7), person)], picture(35, with_square(100))) is None


def test_somebody_who_moves_takes_the_place_of_a_chair():
    """A body where the picture changed does; another chair does not."""
    for scale, image, taken in ((1.0, WHITE, True), (0.6, WHITE, False), (1.0, BLACK, False)):
        people = people_with_somebody()
        chair = find(shaped(), people.present[0])
        finds, came = [chair], find(shaped(scale, 0.3))
        people.put_instead(came, finds, picture(1, image))
        assert finds == ([came] if taken else [chair])


def test_what_is_given_away():
    """A pose a body can have; for a moment the last such one, where the trunk is now; after that what there is."""
    people = people_with_somebody()
    (person,) = people.present
    possible, impossible, far = (find(shaped(*shape), person) for shape in ((), (0.6, 0.05), (0.6, 5.0)))

    def given(each: Find, ts_ms: int) -> Pose:
        return shown(each, pose_of(each), Picture(BLACK, ts_ms))

    assert given(impossible, 1) is impossible.pose
    assert given(possible, 100) is possible.pose
    held = given(impossible, 850)
    assert held.found == "held"
    np.testing.assert_allclose(held.landmarks, shaped(right=0.05).landmarks, atol=1e-6)
    np.testing.assert_array_equal(given(far, 850).landmarks, shaped().landmarks)
    assert given(impossible, 851) is impossible.pose


@pytest.mark.parametrize(
    ("speed_px_s", "came", "image", "held"),
    [(0.0, True, BLACK, 15), (0.0, False, BLACK, 0), (0.0, True, WHITE, 0), (90.0, True, BLACK, 0)],
)
def test_somebody_lost_where_nothing_changes_is_still_there(speed_px_s, came, image, held):
    """For a second, unless they were moving, never came, or the picture changes; then not again."""
    people = people_with_somebody()
    now = follow(people, 1, shaped())
    (person,) = people.present
    shown(now, pose_of(now), picture(1))
    person.came, person.velocity_px_s = came, (speed_px_s, 0.0)
    given = []
    for number in range(2, 20):
        people.lose(people.missing([]), picture(number).ts_ms)
        people.end_frame([], picture(number, image if number == 2 else BLACK))
        given += people.with_still(())
    assert [pose.found for pose in given] == ["held"] * held
    for pose in given:
        np.testing.assert_array_equal(pose.landmarks, shaped().landmarks)


def test_nobody_is_held_beside_as_many_as_are_wanted():
    """With one person to follow the one who is seen comes first, and somebody found there is not shown twice."""
    for poses, right, count in ((1, 0.5, 1), (2, 0.5, 2), (2, 0.01, 1)):
        people = People(msgspec.structs.replace(CONFIG, num_poses=poses))
        people.end_frame(people.named([find(shaped())], picture(0)), picture(0))
        now = follow(people, 1, shaped())
        shown(now, pose_of(now), picture(1))
        people.present[0].came = True
        people.lose(people.present, picture(2).ts_ms)
        other = find(shaped(right=right))
        people.end_frame([other], picture(2))
        assert len(people.with_still([pose_of(other)])) == count


def test_a_pose_says_how_it_was_found():
    """The landmarker's own object where it says so already; made of the reading where there is none."""
    there = find(shaped())
    assert pose_of(there) is there.pose
    there.found = "reacquired"
    assert pose_of(there).found == "reacquired"
    there.pose = None
    assert pose_of(there).world_landmarks.shape == (33, 5)


def test_regions_of_finds_overlap():
    """More than the share asked for."""
    region = Reading.of(shaped(right=0.05), SIZE).following
    assert overlaps(region, [find(shaped())], 0.5)
    assert not overlaps(region, [find(shaped(right=0.5))], 0.5)
    assert not overlaps(region, [], 0.0)
