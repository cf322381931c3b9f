"""`piapp run` and `piapp demo`: the node itself."""

from __future__ import annotations

from typing import Annotated

import typer

from piapp.cli.options import ConfigOption, LogOption, SetOption
from piapp.cli.process import LogLevel, start_logging, stop_on_signals
from piapp.cli.run import RunOptions, run_node

app = typer.Typer(rich_markup_mode=None)


@app.command(epilog="Example: piapp run --source v4l2:/dev/video0 --broker mqtt://broker.lan --node hall")
def run(
    config: ConfigOption = None,
    set_: SetOption = None,
    source: Annotated[str | None, typer.Option(metavar="S", help="Sets camera.source.")] = None,
    broker: Annotated[str | None, typer.Option(metavar="URL", help="Sets mqtt.url.")] = None,
    node: Annotated[str | None, typer.Option(metavar="ID", help="Sets node.id.")] = None,
    duration: Annotated[float | None, typer.Option(metavar="S", min=0.0, help="Stop after so many seconds.")] = None,
    log_level: LogOption = LogLevel.INFO,
) -> None:
    """Run the node: camera, landmarker, posture, MQTT. Ctrl-C or SIGTERM stops it."""
    run_node(RunOptions(config, tuple(set_ or ()), source, broker, node, duration, log_level))


@app.command(epilog="Example: piapp demo --loop --open")
def demo(
    loop: Annotated[bool, typer.Option("--loop", help="Play the clip until Ctrl-C.")] = False,
    open_: Annotated[bool, typer.Option("--open", help="Serve and open the live page, until Ctrl-C.")] = False,
    log_level: LogOption = LogLevel.WARNING,
) -> None:
    """Play the bundled clip through the real pipeline to an embedded broker; print what a subscriber sees."""
    start_logging(log_level)
    from piapp.operate.demo import run_demo  # noqa: PLC0415

    run_demo(stop_on_signals(), loop=loop, page=open_)
