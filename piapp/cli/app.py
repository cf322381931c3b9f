"""The command line's root: which commands there are and where, how errors become exit codes.

Data goes to standard output, everything else to standard error. A command's module is imported when the command is
asked for, so that the help and the version come at once.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.main import get_group

from piapp import __version__
from piapp.cli.process import exit_code


@dataclass(frozen=True, slots=True)
class Entry:
    """A command or a group of commands.

    Attributes:
        module: Where it is, below `piapp.cli`.
        summary: What the root's help says: the first sentence of its own help.
        group: The name of the module's `Typer` that is the whole group; empty for a command of the module's `app`.
    """

    module: str
    summary: str
    group: str = ""

    def load(self, name: str) -> Any:
        """The command, made by typer."""
        module = import_module(f"piapp.cli.{self.module}")
        if self.group:
            group = get_group(getattr(module, self.group))
            group.name = name
            return group
        return get_group(module.app).commands[name]


ENTRIES: Mapping[str, Entry] = {
    "run": Entry("node", "Run the node: camera, landmarker, posture, MQTT. Ctrl-C or SIGTERM stops it."),
    "demo": Entry(
        "node", "Play the bundled clip through the real pipeline to an embedded broker; print what a subscriber sees."
    ),
    "detect": Entry("offline", "Find poses in pictures (IMAGE mode) and videos (VIDEO mode); one JSON line a frame."),
    "evaluate": Entry(
        "offline",
        "Compare with labelled clips: events and postures, or with --manifest the falls of many clips with intervals.",
    ),
    "record": Entry(
        "offline", "Record landmarks, no pictures, of a camera, a file or a distant node, until Ctrl-C or for a time."
    ),
    "replay": Entry(
        "offline", "Run the posture logic over recordings, as it is configured now; one JSON line an event."
    ),
    "plot": Entry("offline", "Draw a recording over time: everybody's postures, events, results a second, latency."),
    "bench": Entry(
        "bench",
        "Measure this pipeline beside MediaPipe's own loop, in turns on the same frames: speed, latency, memory.",
    ),
    "provision": Entry(
        "operate",
        "Make a node's private key, certificate request, configuration snippet and access rules (deploy/mosquitto).",
    ),
    "watch": Entry(
        "fleet",
        "Watch what a broker's nodes see: who is there, postures, events, a node's skeleton; in a pipe a line each.",
    ),
    "check": Entry(
        "operate",
        "Check camera, model, broker, clock, temperature, disk, service, egress, OpenCV; exit 1 if one fails.",
    ),
    "test-alert": Entry(
        "operate",
        "Have a running node send a fall, marked as a test, the way a real one goes: to see that somebody would come.",
    ),
    "forget": Entry("operate", "Take what a node has left at the broker, and with it its device in Home Assistant."),
    "cases": Entry(
        "cases",
        "Alarms that this node has kept: landmarks around each, and what you say of it.",
        "cases_app",
    ),
    "setup": Entry(
        "setup",
        "Ask for broker, login and name, test them, write the configuration, send a test alert and help to aim.",
    ),
    "setup-page": Entry(
        "setup_page",
        "Open the page on which the node is set up in a browser: print its address, and a code for one browser.",
    ),
    "backup": Entry(
        "backup",
        "Write configuration, zones, learnt places and kept cases into one file; secrets only when asked, encrypted.",
    ),
    "restore": Entry(
        "backup", "Give this board what a backup holds, or nothing when it does not fit; stop the service before."
    ),
    "schema": Entry("config", "Print the JSON Schema of a payload; without NAME those of all payloads, by name."),
    "service": Entry("operate", "Run this piapp as a service at boot.", "service_app"),
    "config": Entry("config", "Show and check the configuration.", "config_app"),
    "model": Entry("model", "List, verify and fetch model bundles.", "model_app"),
    "fleet": Entry("fleet", "Simulate many nodes; list those that are there.", "fleet_app"),
}


class Commands(Mapping[str, Any]):
    """The commands by name; a command is loaded when it is looked up."""

    def __getitem__(self, name: str) -> Any:
        """Load a command."""
        return ENTRIES[name].load(name)

    def __iter__(self) -> Iterator[str]:
        """Give the names, loading nothing."""
        return iter(ENTRIES)

    def __len__(self) -> int:
        """How many there are."""
        return len(ENTRIES)


class Root(TyperGroup):
    """The root command; its help is written from `ENTRIES` alone."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = Commands()  # type: ignore[assignment]

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's interface
        """The names in the order of the help."""
        return list(ENTRIES)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - typer's interface
        """Write a line for each command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in ENTRIES.items()])


# Without rich, whose import would take longer than all the rest of the help.
app = typer.Typer(
    cls=Root,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A posture sensor: camera frames through MediaPipe's Pose Landmarker, landmarks and events over MQTT.",
)


def main() -> NoReturn:
    """Run the command line and exit."""
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: list[str]) -> int:
    """Run one command and return its exit code; every error is written to standard error."""
    return exit_code(partial(app, arguments, prog_name="piapp", standalone_mode=True))


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer's callback
    if wanted:
        typer.echo(f"piapp {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that come before a command."""
