"""What a screen is made for, and how words are brought into its cells. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.cells import cell_len, set_cell_size
from rich.text import Text

# Colour and weight only repeat what words and signs say, for terminals without them.
ALARM = "bold reverse red"
HEAD = "bold"
QUIET = "dim"

# Below this width, columns and people beside the picture make room for what counts.
_WIDE = 64

# Rows besides nodes and events: title, heads; rule, keys.
_FRAME_ROWS = 4
_MAX_EVENT_ROWS = 10

_TODAY = timedelta(hours=23)


@dataclass(frozen=True, slots=True)
class Signs:
    """Characters that not every terminal has.

    Attributes:
        box: Corners from the upper left clockwise, then the level and the upright line.
    """

    ellipsis: str
    rule: str
    box: tuple[str, str, str, str, str, str]
    is_ascii: bool


UNICODE = Signs("…", "─", ("┌", "┐", "┘", "└", "─", "│"), is_ascii=False)
ASCII = Signs("~", "-", ("+", "+", "+", "+", "-", "|"), is_ascii=True)


@dataclass(frozen=True, slots=True)
class Page:
    """One screen.

    Attributes:
        url: The broker.
        width: Columns of the terminal.
        height: Its rows.
        now_s: Seconds since the epoch.
        has_keys: Whether keys are heard.
    """

    url: str
    width: int
    height: int
    now_s: float
    signs: Signs = UNICODE
    has_keys: bool = True

    @property
    def is_wide(self) -> bool:
        """Whether there is room beside what counts."""
        return self.width >= _WIDE

    @property
    def event_rows(self) -> int:
        """Rows for what happened last."""
        return max(1, min(self.height // 6, _MAX_EVENT_ROWS))

    @property
    def body_rows(self) -> int:
        """Rows for the nodes in the list, or for a picture."""
        return max(1, self.height - _FRAME_ROWS - self.event_rows)

    def cut(self, text: str, width: int | None = None) -> str:
        """A text in at most so many cells, the page's width by default; an ellipsis says that there was more."""
        room = max(self.width if width is None else width, 0)
        if cell_len(text) <= room:
            return text
        return (set_cell_size(text, max(room - 1, 0)) + self.signs.ellipsis)[:room]

    def cell(self, text: str, width: int | None = None) -> str:
        """A text in exactly so many cells."""
        room = max(self.width if width is None else width, 0)
        return set_cell_size(self.cut(text, room), room)

    def clock(self, at_s: float) -> str:
        """Local time of day; month, day and minute of what is not of today."""
        moment, now = (datetime.fromtimestamp(each).astimezone() for each in (at_s, self.now_s))
        return f"{moment:%H:%M:%S}" if abs(now - moment) < _TODAY else f"{moment:%m-%d %H:%M}"


def rows(lines: Sequence[Text], count: int) -> list[Text]:
    """Exactly so many lines."""
    return [*lines, *(Text() for _ in range(count - len(lines)))][:count]


def number(value: float | None, form: str) -> str:
    """A number in a format, or a dash."""
    return "-" if value is None else format(value, form)
