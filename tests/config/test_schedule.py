"""Times of the week."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from piapp.config.load import load_config
from piapp.config.schedule import is_quiet, parse_span, parse_spans
from piapp.errors import ConfigError

MONDAY = datetime(2026, 11, 23)  # noqa: DTZ001 - local time, whatever the zone


def at(day: int, clock: str) -> datetime:
    """A local time of the week that begins on that Monday."""
    hour, minute = clock.split(":")
    return MONDAY + timedelta(days=day, hours=int(hour), minutes=int(minute))


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("08:00-17:00", [(0, "8:00"), (6, "16:59")], [(0, "7:59"), (0, "17:00"), (3, "23:00")]),
        ("22:00-06:30", [(0, "22:00"), (1, "0:00"), (1, "6:29"), (0, "3:00")], [(0, "6:30"), (0, "21:59")]),
        ("mon-fri 8:00-17:00", [(0, "8:00"), (4, "16:00")], [(5, "9:00"), (6, "9:00")]),
        ("sat,sun 10:00-12:00", [(5, "10:00"), (6, "11:59")], [(4, "11:00"), (0, "11:00")]),
        ("fri-mon 23:00-01:00", [(4, "23:30"), (5, "0:30"), (0, "23:30"), (1, "0:30")], [(1, "23:30"), (4, "0:30")]),
        ("20:00-24:00", [(0, "20:00"), (0, "23:59")], [(1, "0:00")]),
        ("SUN 00:00-24:00", [(6, "0:00"), (6, "23:59")], [(5, "23:59"), (0, "0:00")]),
    ],
)
def test_a_time_of_the_week(text, inside, outside):
    """The end is not part of it; over midnight it belongs to the day of its beginning."""
    span = parse_span(text)
    assert [moment for moment in inside if not span.contains(at(*moment))] == []
    assert [moment for moment in outside if span.contains(at(*moment))] == []


def test_any_of_several_times_counts():
    """And none is never."""
    spans = parse_spans("08:00-09:00; mon,tue 12:00-13:00;")
    assert is_quiet(spans, at(0, "12:30"))
    assert not is_quiet(spans, at(0, "10:30"))
    assert not is_quiet(parse_spans(" "), at(0, "10:30"))


@pytest.mark.parametrize("text", ["", "22-06", "25:00-06:00", "08:60-09:00", "24:00-06:00", "noon-13:00"])
def test_what_is_no_time_is_refused(text):
    """With what is expected."""
    with pytest.raises(ValueError, match="expected a time such as"):
        parse_span(text)


def test_a_wrong_day_is_named():
    """With the days that there are."""
    with pytest.raises(ValueError, match="'mo-fri' is no day; expected mon, tue, wed"):
        parse_span("mo-fri 08:00-17:00")


def test_the_configuration_names_key_and_value():
    """As with every other key."""
    with pytest.raises(ConfigError, match=r"schedule\.pause.*'later': expected a time such as"):
        load_config(None, overrides=[("schedule.pause", '"22:00-06:30; later"')], environ={})
