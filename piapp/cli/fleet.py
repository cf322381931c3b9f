"""`piapp watch` and the group `piapp fleet`: what many nodes do, and many simulated ones."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import msgspec
import typer

from piapp.cli.loading import load
from piapp.cli.options import ConfigOption, SetOption
from piapp.cli.process import EXIT_SOME_FAILED, stop_on_signals, write_line

app = typer.Typer(rich_markup_mode=None)
fleet_app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Simulate many nodes; list those that are there."
)


class Frames(StrEnum):
    """Forms of simulated nodes' frames."""

    JSON = "json"
    MSGPACK = "msgpack"
    OFF = "off"


@app.command("watch", epilog="Example: piapp watch --broker mqtt://broker.lan --node hall")
def watch_nodes(
    broker: Annotated[str | None, typer.Option(metavar="URL", help="Sets mqtt.url.")] = None,
    node: Annotated[
        str | None, typer.Option(metavar="ID", help="Begin with this node alone; in a pipe, hear no other.")
    ] = None,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Watch what a broker's nodes see: who is there, postures, events, a node's skeleton; in a pipe a line each."""
    loaded = load(config, set_, {"mqtt.url": broker})
    from piapp.watch.session import watch  # noqa: PLC0415

    watch(loaded.config.mqtt, node, stop_on_signals(), sys.stdout, sys.stdin)


@fleet_app.command("simulate", epilog="Example: piapp fleet simulate --nodes 1000 --rate 2 --broker mqtt://test.lan")
def fleet_simulate(
    nodes: Annotated[int, typer.Option(min=1, max=9_999, metavar="N", help="How many nodes.")] = 100,
    rate: Annotated[
        float, typer.Option(min=0.01, max=60.0, metavar="R", help="Results a second of each; 15 plays in real time.")
    ] = 1.0,
    frames: Annotated[Frames, typer.Option(help="Form of `frame`; off sends events, state and health only.")] = (
        Frames.JSON
    ),
    duration: Annotated[
        float | None, typer.Option(metavar="S", min=0.0, help="Stop after so many seconds, not on Ctrl-C.")
    ] = None,
    spread: Annotated[float, typer.Option(metavar="S", min=0.0, help="Time over which the nodes start.")] = 10.0,
    broker: Annotated[str | None, typer.Option(metavar="URL", help="Sets mqtt.url.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Run light nodes, with the real client and payloads, against a broker; sum up times, rates and outages."""
    loaded = load(config, set_, {"mqtt.url": broker, "publish.frames": frames.value, "mqtt.client_id": ""})
    from piapp.fleet.simulate import Plan, simulate  # noqa: PLC0415

    plan = Plan(loaded.config, nodes, rate_hz=rate, spread_s=spread, duration_s=duration)
    figures = simulate(plan, stop_on_signals(), write_line)
    typer.echo(msgspec.json.encode(figures.as_dict()).decode() if json_ else "\n".join(figures.lines()))
    if figures.all_online_s is None:
        raise typer.Exit(EXIT_SOME_FAILED)


@fleet_app.command("watch", epilog="Example: piapp fleet watch --broker mqtt://broker.lan")
def fleet_watch(
    broker: Annotated[str | None, typer.Option(metavar="URL", help="Sets mqtt.url.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Print the table once, as when this is no terminal.")] = False,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """List the nodes that a broker knows: status, version, last sign of life, rate, temperature, problems."""
    loaded = load(config, set_, {"mqtt.url": broker})
    from piapp.fleet.watch import watch  # noqa: PLC0415

    watch(loaded.config.mqtt, stop_on_signals(), sys.stdout, once=once)
