"""The configuration that the command line's options lead to. Knows nothing of the library that reads the options."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from piapp.config.addresses import with_scheme
from piapp.config.load import DEFAULT_FILE, PASSWORD_CREDENTIAL, LoadedConfig, load_config
from piapp.config.sections import MqttConfig
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
    loaded = load_config(path, overrides=overrides)
    _hint_at_sudo(loaded.config.mqtt)
    return loaded


def _hint_at_sudo(mqtt: MqttConfig) -> None:
    """Say why the broker will turn this user away, where the service's password is there and only root may read it."""
    file = DEFAULT_FILE.parent / PASSWORD_CREDENTIAL
    if not mqtt.username or mqtt.password_file or not file.is_file() or not file.stat().st_size:
        return
    if not os.access(file, os.R_OK):
        sys.stderr.write(f"piapp: {file} is for root alone, and {mqtt.username} needs it at the broker: try sudo\n")


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
