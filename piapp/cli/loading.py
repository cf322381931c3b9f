"""The configuration that the command line's options lead to. Knows nothing of the library that reads the options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from piapp.config.addresses import with_scheme
from piapp.config.load import LoadedConfig, load_config
from piapp.errors import ConfigError, UsageError


def load(path: Path | None, sets: Sequence[str] | None, shortcuts: Mapping[str, str | None]) -> LoadedConfig:
    """Load the configuration with the command line's values on top; of a broker, the host alone will do."""
    overrides = overrides_of(sets)
    for key, value in shortcuts.items():
        if value is not None:
            text = with_scheme(value) if key == "mqtt.url" else value
            overrides.append((key, msgspec.json.encode(text).decode()))
    if path is not None and not path.exists():
        raise ConfigError(f"{path}: there is no such file")
    return load_config(path, overrides=overrides)


def overrides_of(sets: Sequence[str] | None) -> list[tuple[str, str]]:
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
