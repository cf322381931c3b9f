"""One node alone: how it does, its picture's skeletons, who is there. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from piapp.watch.block_skeleton import NOBODY, Figure, draw, fit
from piapp.watch.listing import problems, shout
from piapp.watch.messages import PersonMessage, SeenPose, seconds
from piapp.watch.model import STALE_S, Overview, PoseFeed, Seen
from piapp.watch.page import ALARM, HEAD, QUIET, Page, number, rows
from piapp.wording import printable

# An older frame is drawn no more: where people were then misleads.
GONE_S = 30.0

# For the people beside the picture: "!! #3 FALLEN squatting" and a gap.
_SIDE_WIDTH = 27
_GAP = "  "

# Of a frame that has not come.
_USUAL_SIZE = (4, 3)

# Of figures in turn; the label at the head tells them apart without colour.
_FIGURE_STYLES = ("cyan", "yellow", "green", "magenta")


def show_node(watched: Overview, name: str, page: Page) -> list[Text]:
    """The node's line, its picture, and who is there: beside it, or above it where that is too narrow."""
    seen = watched.get(name)
    feed = watched.feed if watched.feed and watched.feed.name == name else PoseFeed(name)
    why = _why_empty(watched, seen, feed, page)
    if page.is_wide:
        picture = _picture(feed, seen, why, page.width - _SIDE_WIDTH, page.body_rows, page)
        body = list(_beside(picture, list(_people(seen, page)), page.body_rows))
    else:
        people = list(_people(seen, page))[: max(page.body_rows // 6, 1)]
        body = [*people, *_picture(feed, seen, why, page.width, page.body_rows - len(people), page)]
    return [_node_line(name, seen, feed, page), *rows(body, page.body_rows)]


def _node_line(name: str, seen: Seen | None, feed: PoseFeed, page: Page) -> Text:
    if seen is None:
        return Text(page.cell(f"{printable(name)}  not heard of yet"), "reverse")
    health = seen.view.health
    live = feed.fps(page.now_s)
    latency_ms = feed.frame.latency_ms if feed.frame else None
    age_s = feed.age_s(page.now_s)
    parts = [printable(name), shout(seen.status)]
    if age_s is not None and age_s > STALE_S:
        parts.append(f"frame {age_s:.0f} s old")
    parts.append(f"{number(health.fps_out if live is None else live, '.1f')} fps")
    parts.append(f"{number(latency_ms, '.0f')} ms")
    if health.temperature_c is not None:
        parts.append(f"{health.temperature_c:.0f} C")
    return Text(page.cell(_GAP.join([*parts, *problems(seen, page)])), "reverse")


def _people(seen: Seen | None, page: Page) -> Iterator[Text]:
    """Who is there, the fallen first, each with what else is known."""
    if seen is None or seen.state is None:
        yield Text(page.cut("no word of people yet"), QUIET)
        return
    if not seen.view.online:
        yield Text("last heard:", QUIET)
    if not seen.state.persons:
        yield Text("nobody")
    for person in sorted(seen.state.persons, key=lambda person: not person.fallen):
        line = Text(("!! " if person.fallen else "") + person.text(), ALARM if person.fallen else HEAD)
        details = [printable(detail) for detail in _details(person, page)]
        if page.is_wide:
            yield from (line, *(Text(page.cut(f"   {detail}")) for detail in details))
        else:
            yield Text.assemble(line, _GAP, ", ".join(details))


def _details(person: PersonMessage, page: Page) -> Iterator[str]:
    since_s = seconds(person.since)
    if since_s is not None:
        yield f"since {page.clock(since_s)}"
    if person.hands_raised:
        yield f"{' and '.join(person.hands_raised)} hand up"
    if person.zones:
        yield f"in {', '.join(person.zones)}"


def _beside(left: Sequence[Text], right: Sequence[Text], count: int) -> Iterator[Text]:
    width = max((line.cell_len for line in left), default=0)
    for a, b in zip(rows(left, count), rows(right, count), strict=True):
        yield Text.assemble(a, " " * (width - a.cell_len) + _GAP, b)


def _why_empty(watched: Overview, seen: Seen | None, feed: PoseFeed, page: Page) -> str:
    """Why there is nothing to draw; empty when there is."""
    age_s = feed.age_s(page.now_s)
    if not watched.is_linked:
        return "no connection"
    if seen is not None and seen.view.online is False:
        return "the node is offline"
    if seen is not None and seen.is_paused:
        return "the node is paused"
    if seen is not None and seen.frames == "off":
        return 'no skeleton: the node has publish.frames = "off"'
    if feed.frame is None or age_s is None or age_s > GONE_S:
        return "waiting for a frame"
    return "" if feed.frame.poses else "nobody in view"


def _picture(feed: PoseFeed, seen: Seen | None, why_empty: str, width: int, height: int, page: Page) -> list[Text]:  # noqa: PLR0917 - a size is two numbers
    """A frame as large as fits, in the picture's shape, with skeletons or why there are none."""
    size = feed.frame.size if feed.frame else _USUAL_SIZE
    columns, count = fit(size, width - 2, height - 2)
    if columns > width - 2 or count > height - 2:
        return []
    inside = _words(why_empty, columns, count, page) if why_empty else _figures(feed, seen, columns, count, page)
    upper_left, upper_right, lower_right, lower_left, level, upright = page.signs.box
    return [
        Text(upper_left + level * columns + upper_right, QUIET),
        *(Text.assemble((upright, QUIET), line, (upright, QUIET)) for line in inside),
        Text(lower_left + level * columns + lower_right, QUIET),
    ]


def _words(words: str, columns: int, count: int, page: Page) -> list[Text]:
    """Words in the middle, in as many lines as they need."""
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        lines = [*lines[:-1], longer] if len(longer) <= columns else [*lines, word]
    above = [""] * max((count - len(lines)) // 2, 0)
    shown = [*above, *(page.cut(line, columns).center(columns) for line in lines), *[""] * count]
    return [Text(line.ljust(columns)) for line in shown[:count]]


def _figures(feed: PoseFeed, seen: Seen | None, columns: int, count: int, page: Page) -> list[Text]:
    poses = feed.frame.poses if feed.frame else ()
    persons = seen.state.persons if seen is not None and seen.state is not None else []
    fallen = {person.id for person in persons if person.fallen}
    figures = [Figure(pose.points, _label(pose, is_fallen=pose.id in fallen)) for pose in poses]
    styles = {index: _style(pose, index, is_fallen=pose.id in fallen) for index, pose in enumerate(poses)}
    styles[NOBODY] = ""
    drawn = draw(figures, columns, count, ascii_only=page.signs.is_ascii)
    return [Text.assemble(*((run.text, styles[run.owner]) for run in runs)) for runs in drawn]


def _label(pose: SeenPose, *, is_fallen: bool) -> str:
    who = "" if pose.id is None else f"#{pose.id} "
    return f"!! {who}FALLEN" if is_fallen else f"{who}{pose.posture}"


def _style(pose: SeenPose, index: int, *, is_fallen: bool) -> str:
    if is_fallen:
        return "bold red"
    return _FIGURE_STYLES[(index if pose.id is None else pose.id) % len(_FIGURE_STYLES)]
