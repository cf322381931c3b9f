"""What `piapp setup` asks in a terminal."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from piapp.camera.source import parse_source
from piapp.errors import UsageError
from piapp.mqtt.topics import NODE_PATTERN
from piapp.operate.setup import Answers, FoundBroker, broker_url, find_brokers
from piapp.service.identity import default_node_id
from piapp.wording import printable

if TYPE_CHECKING:
    from collections.abc import Callable

_CAMERA = "Camera, such as v4l2:/dev/video0 or rtsp://HOST/PATH"
_AGAIN = "l: another login, b: another broker, s: save it all the same"


class Questions:
    """Asks for what no option has answered.

    Args:
        given: Answered by options.
        present: What the configuration that is there answers; Enter keeps it.
        has_password: Whether a password is there already.
    """

    def __init__(self, given: Answers, present: Answers, has_password: bool) -> None:  # noqa: FBT001 - one of three
        self._given = given
        self._present = present
        self._has_password = has_password

    def ask_all(self) -> Answers:
        """Ask one question after another."""
        given, present = self._given, self._present
        typer.echo("Enter takes what stands in brackets; Ctrl-C ends without changing anything.")
        broker = given.broker or self._broker()
        username, password = self._login(given)
        node = given.node or _text(
            "Short name of this node, for topics, such as hall", present.node or default_node_id(), _checked_node
        )
        name = given.name or _text("Name that people see", present.name or node, _checked)
        area = given.area or _text("Room", present.area, _checked)
        # Where none was found when piapp was installed, the node would wait for a Raspberry Pi's camera.
        source = given.source or present.source or _text(_CAMERA, "picamera2:", _checked_source)
        login = replace(given, broker=broker, username=username, password=password)
        return replace(login, node=node, name=name, area=area, source=source)

    def ask_again(self, answers: Answers, reason: str) -> Answers | None:
        """After the broker has not accepted: other answers, or None to save these all the same."""
        typer.echo(f"the broker did NOT accept: {reason}")
        while (choice := typer.prompt(f"Try again? {_AGAIN}", default="l")) not in {"l", "b", "s"}:
            typer.echo(f"{choice!r}: expected l, b or s")
        if choice == "s":
            return None
        if choice == "b":
            answers = replace(answers, broker=self._broker())
        username, password = self._login(Answers(), answers.username)
        return replace(answers, username=username, password=password)

    def _broker(self) -> str:
        typer.echo("looking for brokers in this network (2 s) ...")
        found = find_brokers()
        for number, broker in enumerate(found, 1):
            typer.echo(f"  {number}: {printable(broker.url)}  {printable(broker.note)}")
        if not found:
            typer.echo("  none announces itself; that of Home Assistant is often homeassistant.local")
        default = self._present.broker or (found[0].url if found else "localhost")
        question = f"Address of the broker{', or its number above' if found else ''}"
        return _text(question, default, lambda text: broker_url(_chosen(text, found)))

    def _login(self, given: Answers, before: str = "") -> tuple[str, str]:
        username = given.username or _text("User name at the broker", before or self._present.username, _checked)
        if not username or given.password:
            return username, given.password
        keep = " (Enter keeps the one that is there)" if self._has_password else ""
        return username, typer.prompt(f"Password{keep}", default="", hide_input=True, show_default=False)


def _chosen(text: str, found: list[FoundBroker]) -> str:
    if text.isdecimal() and 0 < int(text) <= len(found):
        return found[int(text) - 1].url
    return text


def _text(question: str, default: str, checked: Callable[[str], str]) -> str:
    """Ask until the answer is accepted."""
    while True:
        answer: str = typer.prompt(
            f"{question}{'' if default else ' (empty: none)'}", default=default, show_default=bool(default)
        )
        try:
            return checked(answer.strip())
        except UsageError as error:
            typer.echo(f"  {printable(str(error))}")


def _checked(text: str) -> str:
    Answers(name=text)
    return text


def _checked_node(text: str) -> str:
    if not NODE_PATTERN.fullmatch(text):
        raise UsageError(f"{text!r}: expected 1 to 32 of a-z, 0-9 and '-', such as hall")
    return text


def _checked_source(text: str) -> str:
    parse_source(text)
    return _checked(text)
