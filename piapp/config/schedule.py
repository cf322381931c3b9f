"""Times of the week, as `[schedule]` writes them. Pure: the moment is handed in.

Such as "22:00-06:30" (every day), "mon-fri 08:00-17:00" and "sat,sun 10:00-12:00". A time that ends before it begins
goes on after midnight, and belongs to the day on which it began. Several are separated by ";".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60

_FORM = re.compile(r"(?:([a-z,-]+) +)?([0-9]{1,2}):([0-9]{2}) *- *([0-9]{1,2}):([0-9]{2})")
_EXPECTED = 'expected a time such as "22:00-06:30", "mon-fri 08:00-17:00" or "sat,sun 10:00-12:00"'


@dataclass(frozen=True, slots=True)
class Span:
    """A time of some days.

    Attributes:
        days: Numbers of the days on which it begins, Monday 0.
        start_min: Its beginning, minutes from midnight.
        end_min: Its end, which is no longer part of it; not after the beginning when it lies on the next day.
    """

    days: frozenset[int]
    start_min: int
    end_min: int

    def contains(self, moment: datetime) -> bool:
        """Whether a local time lies in it."""
        minute, today = moment.hour * 60 + moment.minute, moment.weekday()
        if self.start_min < self.end_min:
            return today in self.days and self.start_min <= minute < self.end_min
        if minute >= self.start_min:
            return today in self.days
        return minute < self.end_min and (today - 1) % len(DAYS) in self.days


@lru_cache(maxsize=4)  # the node asks several times a second
def parse_spans(text: str) -> tuple[Span, ...]:
    """Read any number of times.

    Raises:
        ValueError: One of them is none; the message names it.
    """
    return tuple(parse_span(part) for part in text.split(";") if part.strip())


def parse_span(text: str) -> Span:
    """Read one time.

    Raises:
        ValueError: It is none; the message says what is expected.
    """
    match = _FORM.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError(f"{text.strip()!r}: {_EXPECTED}")
    days, *numbers = match.groups()
    start_min, end_min = (_minutes(*pair) for pair in (numbers[:2], numbers[2:]))
    if start_min == DAY_MINUTES:
        raise ValueError(f"24:00 can only be an end; {_EXPECTED}")
    return Span(_days(days), start_min, end_min % DAY_MINUTES)


def is_quiet(spans: Iterable[Span], moment: datetime) -> bool:
    """Whether a local time lies in any of the times."""
    return any(span.contains(moment) for span in spans)


def _minutes(hour: str, minute: str) -> int:
    value = int(hour) * 60 + int(minute)
    if int(minute) > 59 or value > DAY_MINUTES:  # noqa: PLR2004 - minutes of an hour
        raise ValueError(f"{hour}:{minute} is no time of day; {_EXPECTED}")
    return value


def _days(text: str | None) -> frozenset[int]:
    if text is None:
        return frozenset(range(len(DAYS)))
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise ValueError(f"{part!r} is no day; expected {', '.join(DAYS)}, or two of them with '-' between")
        start = DAYS.index(first)
        length = (DAYS.index(last) - start) % len(DAYS) if dash else 0
        found |= {(start + step) % len(DAYS) for step in range(length + 1)}
    return frozenset(found)
