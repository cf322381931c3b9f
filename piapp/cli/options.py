"""Options that many commands share, and the configuration that they lead to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from piapp.cli.process import LogLevel, start_logging
from piapp.config.addresses import first_line
from piapp.config.load import LoadedConfig, load_config
from piapp.errors import ConfigError, UsageError

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


def load(path: Path | None, sets: list[str] | None, shortcuts: dict[str, str | None]) -> LoadedConfig:
    """Load the configuration with the command line's values on top."""
    overrides = overrides_of(sets)
    overrides += [(key, msgspec.json.encode(value).decode()) for key, value in shortcuts.items() if value is not None]
    if path is not None and not path.exists():
        raise ConfigError(f"{path}: there is no such file")
    return load_config(path, overrides=overrides)


def overrides_of(sets: list[str] | None) -> list[tuple[str, str]]:
    """Keys and values of `--set`.

    Raises:
        UsageError: One is not KEY=VALUE.
    """
    overrides = []
    for text in sets or []:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--set {text}: expected KEY=VALUE, such as --set camera.fps=10")
        overrides.append((key.strip(), value.strip()))
    return overrides


def password_of(file: Path) -> str:
    """The password in the file of `--password-file`.

    Raises:
        UsageError: It cannot be read, or holds none.
    """
    try:
        return first_line(str(file))
    except ValueError as error:
        raise UsageError(f"--password-file {file}: {error}") from error
