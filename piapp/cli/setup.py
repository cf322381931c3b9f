"""`piapp setup`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from piapp.cli.options import password_of
from piapp.cli.process import EXIT_SOME_FAILED
from piapp.errors import BrokerError, UsageError
from piapp.service.identity import default_node_id

if TYPE_CHECKING:
    from piapp.operate.setup import Answers

app = typer.Typer(rich_markup_mode=None)


@app.command(
    epilog="Example: sudo piapp setup --broker broker.lan --username hall --password-file pw --node hall --yes"
)
def setup(
    broker: Annotated[str | None, typer.Option(metavar="URL", help="The broker; a host alone will do.")] = None,
    username: Annotated[str | None, typer.Option(metavar="NAME", help="At the broker.")] = None,
    password_file: Annotated[Path | None, typer.Option(metavar="F", help="Its first line is the password.")] = None,
    node: Annotated[str | None, typer.Option(metavar="ID", help="In topics: a-z, 0-9 and '-'.")] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="What people call the node.")] = None,
    area: Annotated[str | None, typer.Option(metavar="ROOM", help="The room, for Home Assistant.")] = None,
    source: Annotated[str | None, typer.Option(metavar="S", help="The camera, such as v4l2:/dev/video0.")] = None,
    config: Annotated[Path | None, typer.Option(metavar="F", help="Instead of /etc/piapp/piapp.toml.")] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Ask nothing; keep a configuration that is there as .before.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be written; change nothing.")] = False,
) -> None:
    """Ask for broker, login and name, write the configuration, and say whether the broker accepted."""
    from piapp.config.load import DEFAULT_FILE  # noqa: PLC0415
    from piapp.operate import setup as operate  # noqa: PLC0415

    file = config or DEFAULT_FILE
    answers = operate.Answers(
        broker or "",
        username or "",
        password_of(password_file) if password_file else "",
        node or "",
        name or "",
        area or "",
        source or "",
    )
    if not yes:
        answers = _ask(answers, file)
    text = operate.configuration(answers)
    if dry_run:
        password = f" and the password into {file.parent / 'mqtt_password'}" if answers.password else ""
        typer.echo(f"would write {file}{password}:\n{text}nothing was changed, and the broker was not asked")
        return
    typer.echo(f"written: {operate.write(answers, file)}; in force after: sudo systemctl restart piapp")
    try:
        finding = operate.try_broker(file)
    except BrokerError as error:
        typer.echo(f"the broker did NOT accept: {error}")
        raise typer.Exit(EXIT_SOME_FAILED) from error
    if finding.verdict == "FAIL":
        typer.echo(f"the broker did NOT accept: {finding.text}")
        raise typer.Exit(EXIT_SOME_FAILED)
    typer.echo(f"the broker accepted: {finding.text}")


def _ask(given: Answers, file: Path) -> Answers:
    from piapp.operate import setup as operate  # noqa: PLC0415

    if not sys.stdin.isatty():
        raise UsageError("setup asks questions and needs a terminal; without one give options and --yes")
    if file.exists() and not typer.confirm(f"{file} is there; replace it, and keep it as {file.name}.before?"):
        raise typer.Abort
    found = [] if given.broker else operate.find_brokers()
    for number, url in enumerate(found, 1):
        typer.echo(f"{number}: {url}")
    broker = given.broker or _broker(found)
    username = given.username or typer.prompt("User name at the broker (empty: none)", default="", show_default=False)
    password = given.password
    if username and not password:
        password = typer.prompt("Password", hide_input=True)
    return operate.Answers(
        broker, username, password,
        given.node or typer.prompt("Id of this node in topics", default=default_node_id()),
        given.name or typer.prompt("Name that people see (empty: the id)", default="", show_default=False),
        given.area or typer.prompt("Room (empty: none)", default="", show_default=False),
        given.source,
    )  # fmt: skip


def _broker(found: list[str]) -> str:
    from piapp.operate.setup import broker_url  # noqa: PLC0415

    question = "Broker (a number from above, or its address)" if found else "Address of the MQTT broker"
    answer: str = typer.prompt(question, default=found[0] if found else "localhost")
    chosen = found[int(answer) - 1] if answer.isdecimal() and 0 < int(answer) <= len(found) else answer
    return broker_url(chosen)
