"""`piapp bench`: this pipeline measured beside MediaPipe's own loop."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from piapp import __version__
from piapp.cli.process import inform

app = typer.Typer(rich_markup_mode=None)


@app.command(epilog="Example: piapp bench --rounds 3 --json > bench.json")
def bench(
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    rounds: Annotated[int, typer.Option(min=1, metavar="N", help="How often the variants take turns.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.1, metavar="S", help="How long each is measured in a round.")] = 3.0,
    frames: Annotated[
        int, typer.Option(min=0, metavar="N", help="Also watch memory over so many frames; 20000 takes minutes.")
    ] = 0,
    variant: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Measure only this, such as bare or litert-2; repeatable.")
    ] = None,
    share: Annotated[bool, typer.Option("--share", help="Print a short text to report your board's figures.")] = False,
    stages: Annotated[bool, typer.Option("--stages", help="Also measure each stage of a frame.")] = False,
    instructions: Annotated[
        bool, typer.Option("--instructions", help="Also count a frame's instructions, with perf or valgrind; minutes.")
    ] = False,
    compare: Annotated[
        Path | None, typer.Option(metavar="OLD.json", help="Also tell what changed since an earlier --json.")
    ] = None,
    picture: Annotated[Path | None, typer.Option(metavar="F", help="Draw bars with their spread (.png, .svg).")] = None,
) -> None:
    """Measure this pipeline beside MediaPipe's own loop, in turns on the same frames: speed, latency, memory."""
    from piapp.bench.compare import changes, read_report  # noqa: PLC0415
    from piapp.bench.session import BenchOptions, run_bench  # noqa: PLC0415
    from piapp.bench.table import print_changes, print_report, share_text  # noqa: PLC0415

    # As Ctrl-C does, so that the processes that it has started end with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    earlier = read_report(compare) if compare else None
    report = run_bench(BenchOptions(rounds, seconds, frames, tuple(variant or ()), stages, instructions), inform)
    if share:
        typer.echo(share_text(report, __version__))
    elif json_:
        typer.echo(msgspec.json.encode(report).decode())
    else:
        print_report(report, sys.stdout)
    if earlier is not None:
        print_changes(changes(earlier, report), sys.stderr if json_ or share else sys.stdout)
    if picture:
        from piapp.bench.picture import draw_report  # noqa: PLC0415

        draw_report(picture, report)
