"""UTC for payloads."""

from __future__ import annotations

import re

from piapp.mqtt.clock import TimeLine, WallClock, clock_is_synchronised

SECOND = 1_000_000_000


def wall_clock(utc_ns: int, monotonic_ns: int) -> WallClock:
    """A clock that stands still."""
    return WallClock(lambda: utc_ns, lambda: monotonic_ns, lambda: True)


def test_an_instant_of_the_past_is_placed_by_its_age():
    """Half a second before now in monotonic time is half a second before now in UTC."""
    clock = wall_clock(1_795_327_262_845_000_000, 100 * SECOND)
    assert clock.text(100 * SECOND - SECOND // 2) == "2026-11-22T06:01:02.345Z"


def test_whole_seconds_keep_their_milliseconds():
    """The form never changes."""
    assert wall_clock(1_795_327_262 * SECOND, 0).text(0) == "2026-11-22T06:01:02.000Z"


def test_a_set_wall_clock_moves_t_at_once():
    """The mapping is not remembered."""
    utc_ns = 0
    clock = WallClock(lambda: utc_ns, lambda: 5 * SECOND, lambda: False)
    assert clock.text(5 * SECOND) == "1970-01-01T00:00:00.000Z"
    utc_ns = 1_795_327_262 * SECOND
    assert clock.text(5 * SECOND) == "2026-11-22T06:01:02.000Z"


def test_the_real_clock_says_now():
    """Without anything handed in, the machine's clocks are used."""
    clock = WallClock()
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", clock.text(clock.monotonic_ns()))


def test_timesyncds_flag_means_synchronised(tmp_path):
    """The flag file is believed; without it the kernel is asked and answers something."""
    flag = tmp_path / "synchronized"
    assert clock_is_synchronised(flag) in (True, False)
    flag.touch()
    assert clock_is_synchronised(flag) is True


def test_logical_times_lie_around_the_result():
    """A time before the result's is as much earlier on the monotonic clock."""
    line = TimeLine(ts_ms=2_000, captured_ns=50 * SECOND)
    assert line.at_ns(2_000) == 50 * SECOND
    assert line.at_ns(1_500) == 50 * SECOND - SECOND // 2
