"""`piapp backup` and `piapp restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from piapp.cli.loading import load, overrides_of
from piapp.cli.options import ConfigOption, SetOption, password_of
from piapp.config.instances import instance_of
from piapp.errors import UsageError
from piapp.node.state_folder import state_folder
from piapp.service.identity import default_node_id

app = typer.Typer(rich_markup_mode=None)

Secrets = Annotated[bool, typer.Option("--secrets", help="With passwords, tokens and keys; asks for a password.")]
PasswordFile = Annotated[
    Path | None, typer.Option("--password-file", metavar="F", help="The password's file, instead of asking for it.")
]


@app.command(epilog="Example: sudo piapp backup hall.zip --secrets")
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup; replaced if it is there.")],
    secrets: Secrets = False,
    password_file: PasswordFile = None,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Write configuration, zones, learnt places and kept cases into one file; secrets only when asked, encrypted."""
    password = _password(secrets=secrets, file=password_file, twice=True)
    loaded = load(config, set_, {})
    from piapp.operate.backup import backup as write_backup  # noqa: PLC0415

    node = loaded.config.node.id or default_node_id()
    made = write_backup(loaded, node, state_folder(loaded.config.spool), file, password=password)
    typer.echo(f"{file}: node {node}, {made.cases} cases, {'with' if password else 'without'} secrets")
    if made.secrets and not password:
        typer.echo(f"left out: {', '.join(made.secrets)}; --secrets puts them in, encrypted")
    if made.masked and not password:
        typer.echo("left out: the login in an address; write it into the configuration again after restoring")
    for name in made.left_out:
        typer.echo(f"left out: {name} is outside the configuration's folder, or may not be read; copy it yourself")


@app.command(epilog="Example: sudo piapp restore hall.zip --secrets --replace")
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")],
    secrets: Secrets = False,
    password_file: PasswordFile = None,
    replace: Annotated[bool, typer.Option("--replace", help="Also where there is a configuration already.")] = False,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Give this board what a backup holds, or nothing when it does not fit; stop the service before."""
    from piapp.operate.check import read_unit  # noqa: PLC0415
    from piapp.operate.restore import restore as read_backup  # noqa: PLC0415

    camera = instance_of(config)
    if (config is None or camera.name) and read_unit(camera.unit).state == "active":
        unit = camera.unit.removesuffix(".service")
        raise UsageError(f"the service runs and would overwrite what is restored; first: sudo systemctl stop {unit}")
    password = _password(secrets=secrets, file=password_file, twice=False)
    done = read_backup(file, config_file=config, password=password, replace=replace, overrides=overrides_of(set_))
    where = f"state in {done.state}" if done.state else "no state, for which this board has no folder"
    typer.echo(f"node {done.node}, {done.cases} cases, {where}")
    if done.node != done.was:
        typer.echo(f'it was called {done.was}; to go on under that name set id = "{done.was}" under [node]')


def _password(*, secrets: bool, file: Path | None, twice: bool) -> str | None:
    if not secrets:
        if file is not None:
            raise UsageError("--password-file needs --secrets")
        return None
    if file is None:
        entered: str = typer.prompt("Password of the backup", hide_input=True, confirmation_prompt=twice)
        return entered
    return password_of(file)
