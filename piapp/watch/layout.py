"""Lays out the screen: title, the nodes or one of them, what happened last, keys. Pure."""

from __future__ import annotations

from datetime import datetime

from rich.text import Text

from piapp.watch.keys import Choice
from piapp.watch.listing import list_nodes, name_width
from piapp.watch.model import Happening, Overview
from piapp.watch.one_node import show_node
from piapp.watch.page import ALARM, HEAD, QUIET, Page, rows
from piapp.wording import masked, printable


def screen(watched: Overview, choice: Choice, page: Page) -> list[Text]:
    """The whole screen: at most `page.height` lines of at most `page.width` cells."""
    body = show_node(watched, choice.name, page) if choice.is_open else list_nodes(watched, choice, page)
    happenings = watched.latest(choice.name if choice.is_open else None, page.event_rows)
    events = [_happening(each, page, names=not choice.is_open) for each in happenings]
    lines = [_title(watched, page), *body, _rule("events", page), *rows(events, page.event_rows)]
    lines.append(_keys(watched, page, is_open=choice.is_open))
    for line in lines:
        line.truncate(page.width)
    return lines[: page.height]


def plain_line(happening: Happening) -> str:
    """One line of columns: local time, node, kind, text, marks; for people, `grep` and `awk`."""
    moment = datetime.fromtimestamp(happening.at_s).astimezone()
    node = printable(happening.node) or "-"
    marks = ("  (late)" if happening.is_late else "") + ("  !!" if happening.is_alarm else "")
    return f"{moment:%Y-%m-%d %H:%M:%S}  {node}  {happening.kind}  {happening.text}{marks}"


def _title(watched: Overview, page: Page) -> Text:
    """What must be seen first, in this order: no connection, somebody has fallen, how many nodes there are."""
    url = printable(masked(page.url))
    if not watched.is_linked:
        return Text(page.cell(f"connection lost, trying again: {url}"), ALARM)
    nodes = watched.nodes()
    fallen = ", ".join(printable(seen.name) for seen in nodes if seen.fallen)
    online = sum(seen.view.online is True for seen in nodes)
    time = f" {page.clock(page.now_s)}"
    room = page.width - len(time)
    line = Text()
    if fallen:
        line.append(page.cut(f"!! FALLEN: {fallen}", room), ALARM).append("  ")
    line.append(
        page.cell(f"{len(nodes)} node{'' if len(nodes) == 1 else 's'}, {online} online  {url}", room - line.cell_len),
        HEAD,
    )
    return line.append(time)


def _rule(title: str, page: Page) -> Text:
    rule = page.signs.rule
    return Text(page.cell(f"{rule * 2} {title} {rule * page.width}"[: page.width]), QUIET)


def _happening(happening: Happening, page: Page, *, names: bool) -> Text:
    """When, at which node unless all are of one, what."""
    line = Text(f"{page.clock(happening.at_s)} ")
    if names and happening.node:
        line.append(page.cell(printable(happening.node), name_width(page)) + " ")
    text = f"{'late: ' if happening.is_late else ''}{'!! ' if happening.is_alarm else ''}{happening.text}"
    return line.append(page.cut(text, page.width - line.cell_len), "bold red" if happening.is_alarm else "")


def _keys(watched: Overview, page: Page, *, is_open: bool) -> Text:
    if not page.has_keys:
        text = "Ctrl-C quits"
    elif is_open:
        text = "esc all nodes   up/down other node   q quit"
    else:
        text = "up/down choose   enter look   q quit"
    for count, what in ((watched.unreadable, "unreadable"), (watched.missed, "missed")):
        text += f"   {count} {what}" if count else ""
    return Text(page.cut(text), QUIET)
