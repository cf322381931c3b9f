"""`piapp setup`: its options and the order of its steps."""

from __future__ import annotations

import os
import select
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from piapp.cli.options import password_of
from piapp.cli.process import EXIT_SOME_FAILED
from piapp.errors import PiappError, UsageError

if TYPE_CHECKING:
    from piapp.config.sections import Config
    from piapp.operate.check import Finding
    from piapp.operate.setup import Draft

app = typer.Typer(rich_markup_mode=None)

# What a shell returns for a command that Ctrl-C ended.
_EXIT_INTERRUPTED = 130


@app.command(
    epilog="Example: sudo piapp setup --broker broker.lan --username hall --password-file pw --node hall --yes"
)
def setup(
    broker: Annotated[str | None, typer.Option(metavar="URL", help="The broker; a host alone will do.")] = None,
    username: Annotated[str | None, typer.Option(metavar="NAME", help="At the broker.")] = None,
    password_file: Annotated[Path | None, typer.Option(metavar="F", help="Its first line is the password.")] = None,
    node: Annotated[str | None, typer.Option(metavar="ID", help="In topics: a-z, 0-9 and '-'.")] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="What people call the node.")] = None,
    area: Annotated[
        str | None, typer.Option(metavar="ROOM", help="The room; Home Assistant takes it when it first sees the node.")
    ] = None,
    source: Annotated[str | None, typer.Option(metavar="S", help="The camera, such as v4l2:/dev/video0.")] = None,
    config: Annotated[Path | None, typer.Option(metavar="F", help="Instead of /etc/piapp/piapp.toml.")] = None,
    alert: Annotated[
        bool | None,
        typer.Option(
            "--test-alert/--no-test-alert",
            help="Send an alert, marked as a test, at the end, or none; by default where broker, login or id are new.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; what has no option stays as it is.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be written; change nothing.")] = False,
) -> None:
    """Ask for broker, login and name, test them, write the configuration, send a test alert and help to aim."""
    from piapp.cli.setup_questions import Questions  # noqa: PLC0415
    from piapp.config.load import DEFAULT_FILE  # noqa: PLC0415
    from piapp.operate import setup as operate  # noqa: PLC0415

    file = config or DEFAULT_FILE
    password = password_of(password_file) if password_file else ""
    answers = operate.Answers(broker or "", username or "", password, node or "", name or "", area or "", source or "")
    if not yes and not sys.stdin.isatty():
        raise UsageError("setup asks questions and needs a terminal; without one give options and --yes")
    before = operate.present(file)
    questions = None if yes else Questions(answers, before, operate.has_password(file))
    with _on_ctrl_c("nothing was changed"):
        if questions:
            answers = questions.ask_all()
        planned = operate.draft(answers, file)
        if dry_run:
            _show(planned)
            return
        finding = operate.try_broker(planned)
        while questions and finding.failed and (other := questions.ask_again(answers, finding.text)):
            answers = other
            planned = operate.draft(answers, file)
            finding = operate.try_broker(planned)
        operate.write(planned)
    typer.echo(f"written: {planned.file}")
    with _on_ctrl_c(f"{planned.file} is written; {_verdict(finding)}"):
        _begin(planned, finding, alert=answers.reach_anew(before) if alert is None else alert, aim=not yes)
    if before.area and answers.area not in ("", before.area):
        typer.echo(f"Home Assistant keeps the room that a device has; move it to {answers.area} there")
    typer.echo(_verdict(finding))
    if finding.failed:
        raise typer.Exit(EXIT_SOME_FAILED)


def _verdict(finding: Finding) -> str:
    return f"the broker {'did NOT accept' if finding.failed else 'accepted'}: {finding.text}"


@contextmanager
def _on_ctrl_c(text: str) -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, typer.Abort) as error:
        typer.echo(f"\ninterrupted: {text}")
        raise typer.Exit(_EXIT_INTERRUPTED) from error


def _show(planned: Draft) -> None:
    password = f" and the password into {planned.password_file}" if planned.password else ""
    typer.echo(
        f"would write {planned.file}{password}:\n{planned.text}nothing was changed, and the broker was not asked"
    )


def _begin(planned: Draft, finding: Finding, *, alert: bool, aim: bool) -> None:
    """What follows once the configuration is written: the service, a test alert, the aim."""
    from piapp.operate.setup import in_force  # noqa: PLC0415

    running = _restart(planned.file)
    config = in_force(planned.file)
    if alert and not finding.failed:
        _send_alert(config, running=running)
    if aim and running and not finding.failed:
        _aim(config)
    typer.echo(_page(config))


def _restart(file: Path) -> bool:
    """Whether the service runs with what was written; says what to do where there is none or it may not be touched."""
    from piapp.config.load import DEFAULT_FILE  # noqa: PLC0415
    from piapp.operate.check import read_unit  # noqa: PLC0415
    from piapp.operate.service import restart  # noqa: PLC0415

    if file != DEFAULT_FILE or not read_unit().installed:
        option = "" if file == DEFAULT_FILE else f" --config {file}"
        typer.echo(f"the service is not installed for {file}; start the node with: piapp run{option}")
        return False
    if os.geteuid() != 0:
        typer.echo("in force after: sudo systemctl restart piapp")
        return False
    try:
        restart()
    except PiappError as error:
        typer.echo(f"the service does not run: {error}")
        return False
    return True


def _send_alert(config: Config, *, running: bool) -> None:
    from piapp.operate.alert import send_alert  # noqa: PLC0415

    try:
        typer.echo(send_alert(config, running=running))
    except PiappError as error:
        typer.echo(f"test alert: NOT sent: {error}")


def _aim(config: Config) -> None:
    from piapp.operate.aim import aims  # noqa: PLC0415

    if not typer.confirm("Aim the camera? Somebody should stand where people will be; Enter ends it", default=True):
        return
    try:
        aims(config, typer.echo, _enter_within)
    except PiappError as error:
        typer.echo(f"no numbers: {error}")


def _enter_within(seconds: float) -> bool:
    """Whether Enter was pressed within so many seconds."""
    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(ready and sys.stdin.readline() is not None)


def _page(config: Config) -> str:
    if not config.preview.enabled:
        return 'to aim on a page: enabled = true under [preview], as README says under "The first hour"'
    everywhere = config.preview.bind in {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound to
    host = socket.gethostname() if everywhere else config.preview.bind
    return f"to aim on a page: http://{host}:{config.preview.port}/"
