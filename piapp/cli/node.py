"""`piapp run` and `piapp demo`: the node itself."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated

import typer

from piapp.cli.options import ConfigOption, LogOption, SetOption, load
from piapp.cli.process import LogLevel, leave, start_logging, stop_on_signals
from piapp.config.load import LoadedConfig
from piapp.service.identity import default_node_id

if TYPE_CHECKING:
    from piapp.operate.upkeep import Upkeep  # brings the whole node along

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
    shortcuts = {"camera.source": source, "mqtt.url": broker, "node.id": node}
    loaded = load(config, set_, shortcuts)
    stop = stop_on_signals()
    start_logging(log_level, node=loaded.config.node.id or default_node_id())
    # Imported here, so that `piapp --help` and `piapp config` answer at once.
    from piapp.node.app import Node, kept_config, make_parts  # noqa: PLC0415

    parts = make_parts(kept_config(loaded.config))
    upkeep = _upkeep(loaded) if loaded.config.preview.enabled else None
    observers, tools = ((upkeep,), upkeep.tools) if upkeep else ((), None)
    running = Node(loaded.config, parts, loaded.file, observers=observers, tools=tools)
    try:
        running.run(stop, duration)
    except BaseException as error:
        if running.hung:
            leave(error)
        raise
    if running.hung:
        leave(None)


def _upkeep(loaded: LoadedConfig) -> Upkeep:
    """What the page can do for this node's upkeep; the log is remembered from now on."""
    from piapp.operate.upkeep import Upkeep  # noqa: PLC0415
    from piapp.service.log_memory import LogMemory  # noqa: PLC0415

    memory = LogMemory()
    logging.getLogger().addHandler(memory)
    return Upkeep(loaded, memory)


@app.command(epilog="Example: piapp demo --loop --open")
def demo(
    loop: Annotated[bool, typer.Option("--loop", help="Play the clip until Ctrl-C.")] = False,
    open_: Annotated[bool, typer.Option("--open", help="Also serve the live page, and open it in a browser.")] = False,
    log_level: LogOption = LogLevel.WARNING,
) -> None:
    """Play the bundled clip through the real pipeline to an embedded broker; print what a subscriber sees."""
    start_logging(log_level)
    from piapp.operate.demo import run_demo  # noqa: PLC0415

    run_demo(stop_on_signals(), loop=loop, page=open_)
