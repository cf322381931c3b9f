"""Shows a report to people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TextIO

from rich.console import Console
from rich.table import Table

from piapp.bench.compare import Change
from piapp.bench.instructions import PARTS
from piapp.bench.protocol import InstructionsFound, Percentiles, StageFound
from piapp.bench.report import Bar, BenchReport, VariantFound
from piapp.bench.statistics import Spread

PIPE_WIDTH = 160

# From here on latencies say more about other programs than about this one (seen on two cores).
BUSY_PERCENT = 10.0


def print_report(report: BenchReport, stream: TextIO) -> None:
    """Print everything that `--json` has, rounded; plain text where the stream is no terminal."""
    # A pipe has no width; what is cut off there would be lost.
    console = Console(file=stream, width=None if stream.isatty() else PIPE_WIDTH, highlight=False)
    console.print(_heading(report))
    console.print(_variants(report.variants))
    console.print(
        "Medians with [dim]least..most[/dim] over the rounds; latencies p50/p95/p99 in ms; own: what of the resident "
        "memory is in no file, so that the kernel cannot take it away."
    )
    if report.update_ms is not None:
        console.print(f"posture update of one person  {_percentiles(report.update_ms)} ms")
        console.print(_encodings(report))
    if report.idle is not None:
        console.print(
            f"at a camera's rate, of one processor: {report.idle.active_percent:.1f} % while somebody is there, "
            f"{report.idle.idle_percent:.1f} % when nobody has been for a while"
        )
    if report.others_percent > BUSY_PERCENT:
        console.print(
            "Others use this machine: latencies include waiting for processors, and rates are lower than it could do; "
            "ratios and processor time hold. Repeat on a quiet machine."
        )
    for one in report.soak:
        console.print(
            f"{one.variant}: RSS {one.warm_mb:.1f} MB when warm, {one.end_mb:.1f} MB after {one.frames} frames, "
            f"growth {one.growth_mb:.1f} MB"
        )
    if report.stages:
        console.print(_stages(report.stages))
    if report.instructions:
        console.print(_instructions(report.instructions))
    console.print(_bars(report.bars))


def share_text(report: BenchReport, version: str) -> str:
    """A few lines of Markdown that an owner can paste into a report; nothing in them tells whose machine it is.

    Args:
        report: What was measured.
        version: Of piapp.
    """
    machine = report.machine
    heading = (
        f"**{machine['board'] or machine['machine']}**, {machine['cores']} cores, {machine['memory_mb']} MB, "
        f"{machine['system']}; piapp {version}; other programs used {report.others_percent:.0f} % of the processors"
    )
    lines = [
        heading,
        "",
        "| variant | frames/s | CPU ms a frame | memory MB | start s |",
        "|---|---|---|---|---|",
    ]
    for found in report.variants:
        numbers = (f"{found.fps.median:.1f}", f"{found.cpu_ms.median:.1f}", f"{found.rss_mb:.0f}")
        lines.append(f"| {found.variant.title} | {' | '.join(numbers)} | {found.startup_s.median:.2f} |")
    return "\n".join(lines)


def print_changes(changes: Iterable[Change], stream: TextIO) -> None:
    """Print what changed since an earlier report."""
    console = Console(file=stream, width=None if stream.isatty() else PIPE_WIDTH, highlight=False)
    table = Table("since the earlier report", "old", "new", "new / old", "")
    for column in table.columns[1:4]:
        column.justify = "right"
    for change in changes:
        table.add_row(
            change.name,
            f"{change.old.median:.2f}",
            f"{change.new.median:.2f}",
            _spread(change.ratio, 2),
            change.verdict,
        )
    console.print(table)


def _heading(report: BenchReport) -> str:
    size = f"{report.frames['width']}x{report.frames['height']}"
    return (
        f"{report.machine['board']}, {report.machine['cores']} cores, {report.machine['system']}; "
        f"{report.rounds} rounds of {report.seconds:g} s on {report.frames['count']} frames of {size} in memory; "
        f"broker {report.broker}; other programs used {report.others_percent:.0f} % of the processors"
    )


def _variants(variants: Iterable[VariantFound]) -> Table:
    numbers = ("frames/s", "x bare", "CPU ms/frame", "latency", "added", "lost", "RSS MB", "own MB", "start s")
    table = Table("variant", *numbers)
    for column in table.columns[1:]:
        column.justify = "right"
    for found in variants:
        table.add_row(
            found.variant.title,
            _spread(found.fps, 1),
            _spread(found.ratio, 2),
            _spread(found.cpu_ms, 1),
            _percentiles(found.latency_ms),
            _percentiles(found.added_ms),
            str(found.lost),
            f"{found.rss_mb:.0f}",
            f"{found.own_mb:.0f}",
            _spread(found.startup_s, 2),
        )
    return table


def _encodings(report: BenchReport) -> Table:
    table = Table("frame message of one person", "payload bytes", "on the wire", "encode us")
    for column in table.columns[1:]:
        column.justify = "right"
    for one in report.encodings:
        table.add_row(one.name, f"{one.payload_bytes:.0f}", f"{one.wire_bytes:.0f}", _percentiles(one.encode_us, 0))
    return table


def _stages(stages: Iterable[StageFound]) -> Table:
    table = Table("stage of a frame, LiteRT on one thread", "CPU ms, mean", "p50/p95/p99", "share")
    for column in table.columns[1:]:
        column.justify = "right"
    for stage in stages:
        table.add_row(stage.name, f"{stage.mean_ms:.2f}", _percentiles(stage.ms), f"{stage.share:.0%}")
    return table


def _instructions(found: Iterable[InstructionsFound]) -> Table:
    table = Table("instructions a frame, LiteRT, without the networks'", "millions", "counted by")
    table.columns[1].justify = "right"
    for one in found:
        table.add_row(PARTS[one.part], f"{one.millions:.2f}", one.counter)
    return table


def _bars(bars: Iterable[Bar]) -> Table:
    table = Table("bar", "found", "wanted", "")
    for row in _bar_rows(bars):
        table.add_row(*row)
    return table


def _bar_rows(bars: Iterable[Bar]) -> Iterator[tuple[str, str, str, str]]:
    for bar in bars:
        wanted = f"{'at least' if bar.least else 'at most'} {bar.limit:g}"
        yield bar.name, f"{bar.value:.2f}", wanted, "[green]met[/green]" if bar.met else "[red]missed[/red]"


def _spread(value: Spread | None, digits: int) -> str:
    if value is None:
        return ""
    return f"{value.median:.{digits}f} [dim]{value.low:.{digits}f}..{value.high:.{digits}f}[/dim]"


def _percentiles(value: Percentiles | None, digits: int = 2) -> str:
    return f"{value.p50:.{digits}f}/{value.p95:.{digits}f}/{value.p99:.{digits}f}" if value else ""
