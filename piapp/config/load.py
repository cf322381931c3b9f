"""Loads the configuration: defaults from `piapp.toml`, then a file, the environment and the command line.

Owns reading and layering. `piapp.toml` is the only place that states a default; `piapp.config.sections` states types
and ranges.
"""

from __future__ import annotations

import copy
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from piapp.config.display import without_secrets
from piapp.config.layers import Layers, checked
from piapp.config.sections import Config, Section
from piapp.config.toml_file import read_toml
from piapp.errors import ConfigError

DEFAULT_FILE = Path("/etc/piapp/piapp.toml")


ENV_FILE = "PIAPP_CONFIG"


ENV_PREFIX = "PIAPP_"


# systemd.exec(5), LoadCredential; the name is that of systemd/piapp.service.
CREDENTIALS_FOLDER = "CREDENTIALS_DIRECTORY"


PASSWORD_CREDENTIAL = "mqtt_password"  # noqa: S105 - a file's name


CAMERA_CREDENTIAL = "camera_password"
TOKEN_CREDENTIAL = "preview_token"  # noqa: S105 - likewise


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A valid configuration and where each value came from.

    Attributes:
        origins: Dotted key to its origin, such as `mqtt.url` to `/etc/piapp/piapp.toml`.
        file: The file that was read, None when only the defaults were.
    """

    config: Config
    origins: Mapping[str, str]
    file: Path | None


def defaults_text() -> str:
    """The shipped, documented `piapp.toml`."""
    return resources.files("piapp.config").joinpath("piapp.toml").read_text(encoding="utf-8")


def load_config(
    path: Path | None = None,
    *,
    overrides: Sequence[tuple[str, str]] = (),
    environ: Mapping[str, str] | None = None,
) -> LoadedConfig:
    """Layer defaults, file, environment and command line into one validated configuration.

    Args:
        path: The file to read; None takes `$PIAPP_CONFIG`, else `/etc/piapp/piapp.toml` if that exists.
        overrides: (dotted key, text) pairs of the command line, later ones win; text is TOML, else a plain string.
        environ: The environment; None takes the process's own.

    Raises:
        ConfigError: Naming every problem of every layer at once.
    """
    environ = os.environ if environ is None else environ
    try:
        return _loaded(path, overrides, environ)
    except RecursionError as error:
        raise ConfigError(
            "configuration: tables or lists are nested too deeply to be read; no key needs that"
        ) from error


def _loaded(path: Path | None, overrides: Sequence[tuple[str, str]], environ: Mapping[str, str]) -> LoadedConfig:
    layers = Layers()
    defaults = tomllib.loads(defaults_text())
    layers.add_table(copy.deepcopy(defaults), "default")
    file = _find_file(path, environ)
    if file is not None:
        layers.add_table(read_toml(file), str(file))
    for name in sorted(environ):
        if name.startswith(ENV_PREFIX) and "__" in name:
            key = _env_key(name)
            layers.add_value(key, environ[name], f"environment {name}")
    for key, text in overrides:
        layers.add_value(key, text, "command line")
    _add_credentials(layers, environ)
    return LoadedConfig(checked(layers, defaults), layers.origins, file)


def changed(config: Config, values: Mapping[str, Any], origin: str) -> Config:
    """The configuration with other values for some keys, checked as those of a file are.

    Args:
        config: What it was.
        values: Dotted key to plain value.
        origin: Where the values come from, for messages.

    Raises:
        ConfigError: Naming every problem at once.
    """
    layers = _in_force(config)
    for key, value in values.items():
        layers.add_plain(key, value, origin)
    return checked(layers, {})


def with_zones(config: Config, zones: Any, origin: str) -> Config:
    """The configuration with other zones, checked as those of a file are.

    Args:
        config: What it was.
        zones: A list of tables, as plain values.
        origin: Where they come from, for messages.

    Raises:
        ConfigError: Naming every problem at once.
    """
    layers = _in_force(config)
    layers.add_table({"zones": zones}, origin)
    return checked(layers, {})


def default_config() -> Config:
    """The configuration that the shipped defaults make."""
    return load_config(Path(os.devnull), environ={}).config


def flatten(config: Config) -> dict[str, Any]:
    """Dotted key to plain value, in the order of the file, with secrets masked."""
    flat: dict[str, Any] = {}

    def walk(value: object, prefix: str) -> None:
        if isinstance(value, Section):
            for name in value.__struct_fields__:
                walk(getattr(value, name), f"{prefix}.{name}" if prefix else name)
        else:
            flat[prefix] = without_secrets(msgspec.to_builtins(value))

    walk(config, "")
    return flat


def public_tree(config: Config) -> dict[str, Any]:
    """The configuration as nested plain values, without secrets: fit for `info`.

    Passwords live in files that are only named; the one in the URL of an `rtsp:` camera is masked.
    """
    tree: dict[str, Any] = without_secrets(msgspec.to_builtins(config))
    return tree


def _in_force(config: Config) -> Layers:
    layers = Layers()
    layers.add_table(msgspec.to_builtins(config), "in force")
    return layers


def _add_credentials(layers: Layers, environ: Mapping[str, str]) -> None:
    """Take the secrets that systemd hands over (LoadCredential), where they are needed and no file is named.

    Outside the service the files that it hands over do as well, for whoever may read them.
    """
    folder = Path(environ.get(CREDENTIALS_FOLDER) or DEFAULT_FILE.parent)
    wanted = (
        ("mqtt", "username", "password_file", PASSWORD_CREDENTIAL),
        ("camera", "username", "password_file", CAMERA_CREDENTIAL),
        ("preview", "enabled", "token_file", TOKEN_CREDENTIAL),
    )
    for section, needed_by, key, name in wanted:
        table, file = layers.tree[section], folder / name
        if not isinstance(table, dict) or table.get(key) or not table.get(needed_by):
            continue
        if os.access(file, os.R_OK) and os.path.isfile(file) and file.stat().st_size:  # noqa: PTH113 - never raises
            layers.add_table({section: {key: str(file)}}, "systemd credential")


def _env_key(name: str) -> str:
    """`PIAPP_MQTT__TLS__CA` to `mqtt.tls.ca`; names of libcamera controls keep their case."""
    *tables, key = name.removeprefix(ENV_PREFIX).split("__")
    path = ".".join(tables).lower()
    return f"{path}.{key if path == 'camera.controls' else key.lower()}"


def _find_file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    if path is not None:
        return path
    if environ.get(ENV_FILE):
        return Path(environ[ENV_FILE])
    return DEFAULT_FILE if os.path.exists(DEFAULT_FILE) else None  # noqa: PTH110 - never raises
