"""`piapp fleet watch`: a table of the nodes that a broker knows; live on a terminal, else once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from piapp.config.sections import MqttConfig
from piapp.fleet.inventory import Inventory, NodeView
from piapp.mqtt.subscriber import Subscriber
from piapp.wording import printable

# Brokers send what they hold right after a subscription; none says that it was all.
SETTLE_S = 1.5

REFRESH_S = 1.0

# Lines of a terminal that are not a node's: the table's head and frame, and the line below.
_OTHER_LINES = 6

_COLUMNS = ("node", "status", "version", "age", "up", "fps", "temp", "problems")
_STYLES = {"online": "green", "offline": "red", "unknown": "yellow"}

_MINUTE_S, _HOUR_S, _DAY_S = 60.0, 3600.0, 86_400.0


def watch(config: MqttConfig, stop: threading.Event, out: TextIO, *, once: bool) -> None:
    """Show the nodes until `stop` is set; `once`, or where `out` is no terminal, show them once.

    Raises:
        BrokerError: The broker cannot be reached or refuses.
    """
    inventory = Inventory(config.base_topic)
    with Subscriber(config.url, inventory.topic_filters, inventory.message, login=config):
        stop.wait(SETTLE_S)
        if once or not out.isatty():
            out.write("\n".join(plain_lines(inventory.nodes(), time.time())) + "\n")
            return
        console = Console(file=out)
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while not stop.is_set():
                live.update(_table(inventory.nodes(), time.time(), console.height - _OTHER_LINES), refresh=True)
                stop.wait(REFRESH_S)


def plain_lines(nodes: Sequence[NodeView], now_s: float) -> Iterator[str]:
    """A line of columns for each node, and one that sums up; for people and for `awk`."""
    rows = [_COLUMNS, *(_cells(node, now_s) for node in nodes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield _sum(nodes, now_s)


def _table(nodes: Sequence[NodeView], now_s: float, height: int) -> Table:
    """As many nodes as fit, those with problems first."""
    table = Table(*_COLUMNS, caption=_sum(nodes, now_s), caption_justify="left", expand=True)
    first = sorted(nodes, key=lambda node: not node.problems(now_s))[: max(height, 1)]
    for node in first:
        cells = _cells(node, now_s)
        # Text, not markup: a node's words must not paint the table.
        styled = [Text(cells[0]), Text(cells[1], _STYLES[node.status]), *map(Text, cells[2:-1]), Text(cells[-1], "red")]
        table.add_row(*styled)
    return table


def _cells(node: NodeView, now_s: float) -> tuple[str, ...]:
    health = node.health
    return (
        printable(node.name),
        node.status,
        printable(node.version) or "-",
        _span(node.age_s(now_s)),
        _span(health.uptime_s),
        "-" if health.fps_out is None else f"{health.fps_out:.1f}",
        "-" if health.temperature_c is None else f"{health.temperature_c:.0f} C",
        printable("; ".join(node.problems(now_s))),
    )


def _sum(nodes: Sequence[NodeView], now_s: float) -> str:
    status = Counter(node.status for node in nodes)
    versions = Counter(printable(node.version) or "unknown" for node in nodes)
    ill = sum(bool(node.problems(now_s)) for node in nodes)
    versions_text = ", ".join(f"{count} with {version}" for version, count in versions.most_common())
    return f"{len(nodes)} nodes: {status['online']} online, {ill} with problems" + (
        f"; {versions_text}" if versions_text else ""
    )


def _span(seconds: float | None) -> str:
    """A time span in its largest unit."""
    if seconds is None:
        return "-"
    for unit_s, unit in ((_DAY_S, "d"), (_HOUR_S, "h"), (_MINUTE_S, "min")):
        if seconds >= unit_s:
            return f"{seconds / unit_s:.0f} {unit}"
    return f"{seconds:.0f} s"
