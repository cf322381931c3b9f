"""Where and for how long somebody lost is searched for, and who a find can be."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

from piapp.anatomy import Placement
from piapp.landmarker.region import Region
from piapp.landmarker.search import PLACES, Person, Place

REGION = Region(*(np.float32(value) for value in (0.5, 0.25, 0.4, 0.8, 1.0)))


@dataclass
class Read:
    """A reading of somebody of 100 pixels a metre."""

    following: Region = REGION
    x_px: float = 0.0
    deviation: float = 0.1

    def placement(self, ts_ms: int) -> Placement:
        """Where they are."""
        return Placement(ts_ms, (self.x_px, 0.0), 100.0, [0.0] * 33)


def test_a_place_is_a_turned_square_around_the_last_region():
    """Its side in sides of the region, in pixels; a place without the detector is the region, turned."""
    square = Place(3, 1.5).square(REGION, 640, 320)
    assert (square.x, square.y) == (320, 80)
    assert square.width == square.height == pytest.approx(384)
    assert square.rotation == pytest.approx(-math.pi / 2)
    turned = Place(1, None).region(REGION)
    assert turned.rotation == pytest.approx(math.pi / 2)
    assert (turned.x, turned.width) == (REGION.x, REGION.width)


def test_each_place_in_turn_for_a_second():
    """One a frame, from the first again after the last, none after a second; a pose that fits ends it."""
    person = Person.new(Read(), 0)
    tried = [person.next_place(100 + 100 * frame) for frame in range(13)]
    assert tried[:8] == list(PLACES)
    assert tried[8:11] == list(PLACES[:3])
    assert tried[11:] == [None, None]
    assert not person.searchable(1300)
    person.follow(Read(), 1400)
    assert person.next_place(1500) == PLACES[0]


def test_a_pose_no_body_can_have_moves_the_region_and_nothing_else():
    """Tracking goes on with it, and the search around the last plausible pose begins."""
    elsewhere = Region(*(np.float32(value) for value in (0.9, 0.9, 0.1, 0.1, 0.0)))
    for strange, x_px in ((0.5, 0.0), (0.0, 500.0)):
        person = Person.new(Read(), 0)
        person.track(Read(elsewhere, x_px, strange), 66)
        assert (person.region, person.anchor, person.failed_ms) == (elsewhere, REGION, 66)
        assert person.expected(500)
        assert not person.expected(600)
    person.track(Read(elsewhere), 132)
    assert (person.anchor, person.failed_ms) == (elsewhere, None)


def test_a_jump_that_lasts_is_a_move():
    """A plausible body far away is taken when the search is over."""
    person = Person.new(Read(), 0)
    for ts_ms in (100, 600, 1100):
        person.track(Read(x_px=5000.0), ts_ms)
        assert person.failed_ms == 100
    person.track(Read(x_px=5000.0), 1200)
    assert person.failed_ms is None


def test_a_person_is_headed_where_they_moved():
    """At 2 m/s for a second: half a metre ahead fits better than where they were."""
    person = Person.new(Read(), 0)
    for ts_ms in range(50, 1000, 50):
        person.follow(Read(x_px=ts_ms * 0.2), ts_ms)
    assert person.velocity_px_s[0] == pytest.approx(200, rel=0.1)
