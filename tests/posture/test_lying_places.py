"""Lying on the floor without a fall that anybody saw, and where lying is usual."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest

from piapp.config.load import default_config
from piapp.posture.falls import Height
from piapp.posture.lying_places import LEARN_LYING_S, MAX_PLACES, FloorLying, LyingPlace, LyingPlaces

CONFIG = msgspec.structs.replace(default_config().posture, found_lying_s=120.0)
SIZE = (640, 480)
HERE, ELSEWHERE = (0.5, 0.8), (0.1, 0.4)
ON_BED, ON_FLOOR = Height(0, 0.7, 0.55), Height(0, 0.2, 0.1)


def lie(lying, seconds, *, height=ON_FLOOR, place=HERE, down=False, ignored=False, start_s=0):
    """Lie for so long, looked at once a second; when it was an alarm, and after how long."""
    alarms = []
    for second in range(start_s, start_s + seconds + 1):
        lying_s = lying.step("lying", height, place, down=down, ignored=ignored, ts_ms=second * 1000)
        if lying_s is not None:
            alarms.append((second, lying_s))
    return alarms


def lying_in(places=()):
    """Somebody in a room with these places."""
    room = LyingPlaces(tuple(places))
    return FloorLying(CONFIG, room), room


def test_who_lies_on_the_floor_for_long_is_an_alarm_once():
    """After the configured time, whether or not the height of the floor is known."""
    for height in (ON_FLOOR, None):
        lying, _ = lying_in()
        assert lie(lying, 600, height=height) == [(120, 120.0)]


@pytest.mark.parametrize(
    "where", [{"height": ON_BED}, {"ignored": True}, {"down": True}], ids=["furniture", "zone", "has fallen"]
)
def test_where_it_is_no_alarm(where):
    """On furniture, in a zone where falls do not count, and after a fall that has its own alarm."""
    lying, _ = lying_in()
    assert lie(lying, 600, **where) == []


def test_zero_turns_it_off_and_a_change_takes_effect():
    """Also for somebody who lies already."""
    lying, _ = lying_in()
    lying.use(msgspec.structs.replace(CONFIG, found_lying_s=0.0))
    assert lie(lying, 300) == []
    lying.use(msgspec.structs.replace(CONFIG, found_lying_s=10.0))
    assert lie(lying, 1, start_s=301) == [(301, 301.0)]


def test_a_place_where_somebody_lay_calmly_and_got_up_is_usual():
    """From the next time on, there and nowhere else."""
    lying, room = lying_in()
    lie(lying, int(LEARN_LYING_S) + 5)
    lying.got_up(200.0, SIZE, 70_000)
    assert len(room.places) == 1
    assert lie(lying, 600, start_s=100) == []
    lying.got_up(200.0, SIZE, 800_000)
    assert lie(lying, 300, start_s=1000, place=ELSEWHERE) != []


def test_what_was_an_alarm_or_a_fall_or_short_teaches_nothing():
    """Else the place of a fall would be silent the next time."""
    for seconds, options in ((600, {}), (600, {"down": True}), (20, {})):
        lying, room = lying_in()
        lie(lying, seconds, **options)
        lying.got_up(200.0, SIZE, (seconds + 1) * 1000)
        assert room.places == ()


def test_places_are_moved_to_where_people_lie_and_bounded():
    """The ones that are used stay."""
    room = LyingPlaces()
    for number in range(30):
        room.learn((0.5 + number % 2 / 100, 0.5), 100.0, SIZE)
    (bed,) = room.places
    assert bed.times == 30
    assert bed.x == pytest.approx(0.505, abs=0.002)
    for number in range(40):
        room.learn((number / 40, 0.95), 30.0, SIZE)
    assert len(room.places) == MAX_PLACES
    assert room.usual((0.5, 0.5))
    assert all(earlier != later for earlier, later in pairwise(room.places))


def test_a_place_is_as_large_as_a_body():
    """In both directions of the picture."""
    room = LyingPlaces()
    room.learn((0.5, 0.5), 100.0, SIZE)
    (place,) = room.places
    assert place == LyingPlace(0.5, 0.5, 80 / 640, round(80 / 480, 4))
    assert place.holds((0.6, 0.5))
    assert not place.holds((0.65, 0.5))


@pytest.mark.parametrize("wrong", [{"reach_x": 0.0}, {"reach_y": -1.0}, {"times": 0}, {"times": 2**63}, {"x": 1e308}])
def test_places_that_nobody_can_have_learnt(wrong):
    """A damaged file, or a backup from anywhere, may hold them; the node would end when somebody lies down."""
    right = {"x": 0.5, "y": 0.5, "reach_x": 0.1, "reach_y": 0.1, "times": 3}
    assert msgspec.convert(right, LyingPlace).times == 3
    with pytest.raises(msgspec.ValidationError, match="no place to lie"):
        msgspec.convert(right | wrong, LyingPlace)
