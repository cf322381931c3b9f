"""Options that many commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from piapp.cli.loading import load
from piapp.cli.process import LogLevel, start_logging
from piapp.config.addresses import first_line
from piapp.config.load import LoadedConfig
from piapp.errors import UsageError

ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="F", help="Configuration file instead of /etc/piapp/piapp.toml.")
]


SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set one key, such as camera.fps=10; repeatable."),
]


LogOption = Annotated[LogLevel, typer.Option("--log-level", help="How much to say on standard error.")]


def begin(
    path: Path | None, sets: list[str] | None, shortcuts: dict[str, str | None], log_level: LogLevel
) -> LoadedConfig:
    """Load the configuration, then start to log; what every command that works with one begins with."""
    loaded = load(path, sets, shortcuts)
    start_logging(log_level)
    return loaded


def password_of(file: Path) -> str:
    """The password in the file of `--password-file`.

    Raises:
        UsageError: It cannot be read, or holds none.
    """
    try:
        return first_line(str(file))
    except ValueError as error:
        raise UsageError(f"--password-file {file}: {error}") from error
