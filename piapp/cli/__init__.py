"""The command line. `main` is its entry point."""

from __future__ import annotations

import sys
from typing import NoReturn

from piapp import __version__


def main() -> NoReturn:
    """Run the command line and exit; the version is printed without loading what runs commands."""
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"piapp {__version__}\n")
        sys.exit(0)
    from piapp.cli.app import main as run  # noqa: PLC0415 - takes longer than to print the version

    run()
