"""The list of nodes: as many as fit around the cursor. Pure."""

from __future__ import annotations

from rich.text import Text

from piapp.watch.keys import Choice
from piapp.watch.model import Overview, Seen
from piapp.watch.page import ALARM, HEAD, Page, number, rows
from piapp.wording import printable

_STATUS_STYLES = {"online": "green", "offline": "bold red", "paused": "yellow", "unknown": "yellow"}
_STATUS_WIDTH = 8


def name_width(page: Page) -> int:
    """Columns for a node's name."""
    return 20 if page.is_wide else 10


def list_nodes(watched: Overview, choice: Choice, page: Page) -> list[Text]:
    """Heads, then a row a node: where somebody has fallen first, then by name."""
    nodes = watched.nodes()
    cursor = choice.at([seen.name for seen in nodes])
    first = max(0, min(cursor - page.body_rows // 2, len(nodes) - page.body_rows))
    shown = nodes[first : first + page.body_rows]
    lines = [_row(seen, page, is_cursor=page.has_keys and seen is nodes[cursor]) for seen in shown]
    if not nodes:
        lines = [Text(page.cut("   no node has spoken yet"))]
    return [_heads(page, len(nodes), len(shown)), *rows(lines, page.body_rows)]


def _heads(page: Page, count: int, shown: int) -> Text:
    more = f"  {shown} of {count}" if shown < count else ""
    wide = "  fps people " if page.is_wide else ""
    heads = f"   {page.cell('node', name_width(page))} {'status':{_STATUS_WIDTH}} {wide} who"
    return Text(page.cell(heads, page.width - len(more)) + more, HEAD)


def _row(seen: Seen, page: Page, *, is_cursor: bool) -> Text:
    """Cursor, mark, name, status; how fast and how many where there is room; who is there and what is wrong."""
    line = Text(">" if is_cursor else " ", HEAD)
    line.append("!!" if seen.fallen else "  ", ALARM if seen.fallen else "")
    line.append(page.cell(printable(seen.name), name_width(page)), "reverse" if is_cursor else "")
    line.append(f" {shout(seen.status):{_STATUS_WIDTH}} ", _STATUS_STYLES[seen.status])
    if page.is_wide:
        people = "-" if seen.state is None else len(seen.state.persons)
        line.append(f"{number(seen.view.health.fps_out, '5.1f'):>5} {people:>6} ")
    line.append(page.cut(f" {_who(seen, page)}", page.width - line.cell_len), "bold red" if seen.fallen else "")
    return line


def _who(seen: Seen, page: Page) -> str:
    """Who is there and what is wrong with the node; of one that is away, who was."""
    parts = []
    if seen.state is not None and (seen.state.persons or seen.view.online):
        parts.append(("" if seen.view.online else "last heard: ") + seen.state.text())
    return "   ".join([*parts, *(f"[{problem}]" for problem in problems(seen, page))])


def problems(seen: Seen, page: Page) -> list[str]:
    """What is wrong with a node besides its status."""
    return [printable(each) for each in seen.view.problems(page.now_s) if each != seen.view.status]


def shout(status: str) -> str:
    """A status; the bad one so that it is seen without colour."""
    return status.upper() if status == "offline" else status
