"""`piapp cases`: kept alarms listed, shown, replayed with other settings, packed and deleted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from piapp.cli.loading import load
from piapp.cli.options import ConfigOption, SetOption
from piapp.config.load import LoadedConfig
from piapp.errors import UsageError
from piapp.extras import extra
from piapp.node.state_folder import state_folder
from piapp.service.identity import default_node_id

if TYPE_CHECKING:
    from piapp.offline.cases import Case, CaseFolder  # bring numpy along

cases_app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Alarms that this node has kept: landmarks around each, and what you say of it.",
)

Node = Annotated[str | None, typer.Option(metavar="ID", help="The node; default: this machine's.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Cases; default: all.")]


@cases_app.command("list", epilog="Example: piapp cases list")
def list_cases(node: Node = None, config: ConfigOption = None, set_: SetOption = None) -> None:
    """List what is kept, oldest first: when, what happened, and what you said of it."""
    _, folder = _open(node, config, set_)
    for case in folder.all():
        kinds = " ".join(dict.fromkeys(event.event_type for event in case.events)) or case.kind
        size_kb = folder.recording(case).stat().st_size / 1000 if folder.recording(case).exists() else 0.0
        typer.echo(f"{case.id:24} {case.happened}  {kinds:22} {case.verdict or '-':8} {size_kb:6.1f} kB")


@cases_app.command("show", epilog="Example: piapp cases show 9f2c61aa-000042 --film fall.mp4")
def show(
    case_id: Annotated[str, typer.Argument(metavar="ID", help="The case, as `piapp cases list` names it.")],
    film: Annotated[Path | None, typer.Option(metavar="F", help="Draw the skeletons as a film (.mp4, .gif).")] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="F", help="Draw postures and events over time (.png, .svg).")
    ] = None,
    node: Node = None,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Show one case: its events and the numbers that decided, as a film, or as a picture over time."""
    loaded, folder = _open(node, config, set_)
    from piapp.offline import case_replay  # noqa: PLC0415 - brings OpenCV along

    case = folder.get(case_id)
    typer.echo("\n".join(case_replay.timeline(case)))
    if film:
        pictures = case_replay.film(folder, case, loaded.config, film)
        typer.echo(f"{film}: {pictures / case_replay.FILM_FPS:.1f} s of skeletons")
    if picture:
        _draw(folder, case, loaded, picture)


@cases_app.command("replay", epilog="Example: piapp cases replay --set posture.fallen_after_s=30")
def replay(ids: Ids = None, node: Node = None, config: ConfigOption = None, set_: SetOption = None) -> None:
    """Replay cases with the settings of now, or others: which alarms would have come?"""
    loaded, folder = _open(node, config, set_)
    from piapp.offline import case_replay  # noqa: PLC0415 - brings OpenCV along

    comparisons = [case_replay.compare(folder, case, loaded.config) for case in _chosen(folder, ids)]
    for comparison in comparisons:
        typer.echo(comparison.line())
    typer.echo(case_replay.summary(comparisons))


@cases_app.command("export", epilog="Example: piapp cases export my-alarms && piapp evaluate my-alarms")
def export(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder.")],
    ids: Ids = None,
    node: Node = None,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Copy cases, landmarks and labels alone, into a folder: for a report, or for `piapp evaluate`."""
    _, folder = _open(node, config, set_)
    from piapp.offline import case_replay  # noqa: PLC0415 - brings OpenCV along

    cases = _chosen(folder, ids)
    labelled = case_replay.export(folder, cases, out)
    typer.echo(f"{out}: {len(cases)} cases, {labelled} of them with a label; no pictures")


@cases_app.command("delete", epilog="Example: piapp cases delete 9f2c61aa-000042")
def delete(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Cases.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Delete all of them.")] = False,
    node: Node = None,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Delete cases."""
    if bool(ids) == all_:
        raise UsageError("cases delete: name cases, or give --all")
    _, folder = _open(node, config, set_)
    for case in _chosen(folder, ids):
        folder.delete(case)
        typer.echo(case.id)


def _open(node: str | None, config: Path | None, sets: list[str] | None) -> tuple[LoadedConfig, CaseFolder]:
    loaded = load(config, sets, {})
    from piapp.offline.cases import case_folder, require_folder  # noqa: PLC0415

    name = node or loaded.config.node.id or default_node_id()
    return loaded, require_folder(case_folder(state_folder(loaded.config.spool), name))


def _chosen(folder: CaseFolder, ids: Sequence[str] | None) -> list[Case]:
    return [folder.get(case_id) for case_id in ids] if ids else folder.all()


def _draw(folder: CaseFolder, case: Case, loaded: LoadedConfig, picture: Path) -> None:
    with extra("plot", "cases show --picture"):
        from piapp.offline import timeline  # noqa: PLC0415
    from piapp.offline.case_replay import replay_case  # noqa: PLC0415
    from piapp.offline.history import collect  # noqa: PLC0415

    timeline.draw_history(picture, collect(replay_case(folder, case, loaded.config)), case.id)
