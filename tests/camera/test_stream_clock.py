"""When frames of a stream were taken, whatever network, decoder and camera do."""

from __future__ import annotations

import itertools
import random

import pytest

from piapp.camera.stream_clock import StreamClock

MS = 1_000_000
S = 1000 * MS
WAY_NS = 5 * MS


def test_a_stall_and_its_backlog_keep_the_camera_s_times():
    """Four seconds of network loss: what comes at once afterwards was taken in its own time."""
    clock = StreamClock()
    start = 100 * S
    for number in range(150):
        clock.arrived(number * S // 15, start + number * S // 15 + WAY_NS, waited=True)
    end = start + 14 * S
    taken = []
    for number in range(150, 210):
        presentation = number * S // 15
        age = clock.arrived(presentation, end, waited=number == 150)
        assert age == pytest.approx(end - WAY_NS - start - presentation, abs=5 * MS)
        taken.append(clock.captured_ns(presentation, end))
    steps = [later - earlier for earlier, later in itertools.pairwise(taken)]
    assert all(step == pytest.approx(S / 15, abs=2 * MS) for step in steps)


def test_jitter_is_no_age_for_long():
    """The least delay counts: capture times are evener than arrivals."""
    clock, chance = StreamClock(), random.Random(1)
    errors = []
    for number in range(600):
        arrived = number * S // 15 + WAY_NS + int(chance.expovariate(1 / 20) * MS)
        clock.arrived(number * S // 15, arrived, waited=True)
        errors.append(clock.captured_ns(number * S // 15, arrived) - number * S // 15 - WAY_NS)
    assert max(errors[100:]) < 20 * MS


@pytest.mark.parametrize("drift", [-100e-6, 100e-6])
def test_clocks_that_part_are_followed(drift):
    """A tenth of a second in a quarter of an hour is nobody's age."""
    clock = StreamClock()
    ages = [clock.arrived(int(second * S * (1 + drift)), second * S + WAY_NS, waited=True) for second in range(1, 3600)]
    assert max(ages) < 2 * MS


@pytest.mark.parametrize("jump_s", [-1000, -3, 3, 1000])
def test_a_camera_s_clock_that_jumps_is_laid_to_the_present(jump_s):
    """Within seconds, and what is behind it goes on evenly."""
    clock = StreamClock()
    for number in range(150):
        clock.arrived(number * S // 15, number * S // 15 + WAY_NS, waited=True)
    for number in range(150, 300):
        age = clock.arrived(number * S // 15 + jump_s * S, number * S // 15 + WAY_NS, waited=True)
    assert age < MS
    assert clock.captured_ns(jump_s * S + 20 * S, 20 * S + WAY_NS) == pytest.approx(20 * S + WAY_NS, abs=MS)


def test_a_reader_that_falls_behind_knows_it():
    """Frames that were there before they were read have an age, and it is not explained away."""
    clock = StreamClock()
    for number in range(600):
        age = clock.arrived(number * S // 30, WAY_NS + number * S // 15, waited=False)
    assert age > 15 * S


def test_never_in_the_future():
    """Whatever a stamp says, and before the first one."""
    clock = StreamClock()
    assert clock.captured_ns(10**15, 5) == 5
    clock.arrived(0, 100, waited=True)
    assert clock.captured_ns(10**15, 200) == 200
