"""The group `piapp config`, and `piapp schema`: what may be configured and what is published."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from piapp.cli.loading import load
from piapp.cli.options import ConfigOption, SetOption
from piapp.config.live import LiveSettings
from piapp.config.load import LoadedConfig, defaults_text, flatten, load_config
from piapp.config.schema import json_schema
from piapp.node.state_folder import settings_file, state_folder
from piapp.service.identity import default_node_id

app = typer.Typer(rich_markup_mode=None)
config_app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Show and check the configuration.")


@app.command("schema", epilog="Example: piapp schema state > state.schema.json")
def schema(
    name: Annotated[
        str, typer.Argument(help="A payload, such as frame, event or request/set; asyncapi for all topics at once.")
    ] = "",
) -> None:
    """Print the JSON Schema of a payload; without NAME those of all payloads, by name."""
    from piapp.mqtt.asyncapi import asyncapi  # noqa: PLC0415 - brings numpy along
    from piapp.mqtt.schema import payload_schema, payloads  # noqa: PLC0415

    if name == "asyncapi":
        found = asyncapi()
    else:
        found = payload_schema(name) if name else {each: payload_schema(each) for each in payloads()}
    typer.echo(msgspec.json.format(msgspec.json.encode(found)).decode())


@config_app.command("show", epilog="Example: piapp config show --set camera.fps=10")
def config_show(config: ConfigOption = None, set_: SetOption = None) -> None:
    """Print the configuration in force, secrets masked, and where each value comes from."""
    loaded = load(config, set_, {})
    node = loaded.config.node.id or default_node_id()
    settings = LiveSettings(loaded.config, settings_file(state_folder(loaded.config.spool), node))
    values = flatten(settings.config)
    lines = [f"{key} = {msgspec.json.encode(value).decode()}" for key, value in values.items()]
    width = max(len(line) for line in lines)
    for key, line in zip(values, lines, strict=True):
        origin = f"kept by {settings.file}" if key in settings.kept else _origin(loaded, key)
        typer.echo(f"{line:<{width}}  # {origin}")


@config_app.command("check", epilog="Example: piapp config check /etc/piapp/piapp.toml")
def config_check(
    file: Annotated[Path | None, typer.Argument(metavar="[F]", help="The file; default as for run.")] = None,
) -> None:
    """Check a configuration file and name everything that is wrong with it."""
    loaded = load_config(file)
    typer.echo(f"{loaded.file or 'built-in defaults'}: OK")


@config_app.command("schema", epilog="Example: piapp config schema > piapp.schema.json")
def config_schema() -> None:
    """Print the JSON Schema of the configuration file."""
    typer.echo(msgspec.json.format(msgspec.json.encode(json_schema())).decode())


@config_app.command("default", epilog="Example: piapp config default > piapp.toml")
def config_default() -> None:
    """Print the shipped configuration file: every key with its default and what it means."""
    typer.echo(defaults_text(), nl=False)


def _origin(loaded: LoadedConfig, key: str) -> str:
    return loaded.origins.get(key) or loaded.origins.get(key.rpartition(".")[0], "default")
