"""The command line. `main` is its entry point."""

from __future__ import annotations

import sys
from functools import partial
from typing import NoReturn

from piapp import __version__


def main() -> NoReturn:
    """Run the command line and exit; the version and a node need nothing of what runs the other commands."""
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"piapp {__version__}\n")
        sys.exit(0)
    if sys.argv[1:2] == ["run"]:
        _run_node_if_plain(sys.argv[2:])
    from piapp.cli.app import main as run  # noqa: PLC0415 - takes longer than to print the version

    run()


def _run_node_if_plain(arguments: list[str]) -> None:
    """Run a node and exit; returns when the options need a message, which the command's own reader writes."""
    from piapp.cli.process import exit_code  # noqa: PLC0415 - as above
    from piapp.cli.run import read_options, run_node  # noqa: PLC0415 - as above

    options = read_options(arguments)
    if options is not None:
        sys.exit(exit_code(partial(run_node, options)))
