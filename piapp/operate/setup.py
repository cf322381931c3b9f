"""`piapp setup`: writes the first configuration from a few answers, and tests the broker with them.

Owns the questions' answers, what is written for them and the test. Asking is `piapp.cli.setup`'s.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from piapp.config.addresses import broker_address
from piapp.config.load import DEFAULT_FILE, PASSWORD_CREDENTIAL, load_config
from piapp.config.toml_file import toml_text
from piapp.errors import PiappError, UsageError
from piapp.operate.check import Finding, check_broker
from piapp.whole_file import write_whole

_BROWSE_TIMEOUT_S = 5.0
_HEAD = """\
# The configuration of this node. Only what differs from the defaults stands here;
# `piapp config default` prints every key with its default and meaning, `piapp check` finds what is wrong.
# After a change: sudo systemctl restart piapp
"""


class SetupError(PiappError, OSError):
    """The configuration cannot be written here."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Answers:
    """What the owner says; empty leaves the default.

    Attributes:
        broker: Address of the broker; a host alone will do.
        username: At the broker.
        password: At the broker.
        node: Id in topics.
        name: What people call it.
        area: The room, for Home Assistant.
        source: The camera.
    """

    broker: str = ""
    username: str = ""
    password: str = ""
    node: str = ""
    name: str = ""
    area: str = ""
    source: str = ""


def broker_url(text: str) -> str:
    """The broker's address with a scheme: whoever types a host means plain MQTT, with port 8883 the encrypted one.

    Raises:
        UsageError: It is no address of a broker.
    """
    url = text if "://" in text else f"{'mqtts' if text.endswith(':8883') else 'mqtt'}://{text}"
    try:
        broker_address(url)
    except ValueError as error:
        raise UsageError(f"broker {text!r}: {error}") from error
    return url


def find_brokers() -> list[str]:
    """Addresses of brokers and Home Assistants that announce themselves in this network; empty without avahi-browse."""
    found: dict[str, None] = {}
    for kind, port in (("_mqtt._tcp", None), ("_secure-mqtt._tcp", None), ("_home-assistant._tcp", "1883")):
        for host, announced in _announced(kind):
            found[broker_url(f"{host}:{port or announced}")] = None
    return list(found)


def _announced(kind: str) -> list[tuple[str, str]]:
    """(Host, port) of each service of a kind, as avahi-browse(1) prints them for programs."""
    if shutil.which("avahi-browse") is None:
        return []
    command = ["avahi-browse", "--terminate", "--resolve", "--parsable", kind]
    try:
        done = subprocess.run(  # noqa: S603 - fixed words
            command, capture_output=True, text=True, timeout=_BROWSE_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return []
    fields = [line.split(";") for line in done.stdout.splitlines() if line.startswith("=")]
    return [(field[6], field[8]) for field in fields if len(field) > 8 and field[6]]  # noqa: PLR2004 - avahi's columns


def configuration(answers: Answers) -> str:
    """The text of piapp.toml."""
    tables: Mapping[str, Mapping[str, str]] = {
        "node": {"id": answers.node, "name": answers.name, "area": answers.area},
        "camera": {"source": answers.source},
        "mqtt": {"url": broker_url(answers.broker) if answers.broker else "", "username": answers.username},
    }
    given = {table: {key: value for key, value in values.items() if value} for table, values in tables.items()}
    return _HEAD + toml_text(given)


def write(answers: Answers, file: Path | None = None) -> Path:
    """Write configuration and password; the configuration only when this version accepts it.

    One that is there is kept beside, with `.before` at its end.

    Raises:
        ConfigError: An answer is not accepted; nothing is changed but the password.
        SetupError: It cannot be written.
    """
    target = (file or DEFAULT_FILE).absolute()
    candidate = target.with_name(f".{target.name}.setup")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if answers.password:
            write_whole(target.parent / PASSWORD_CREDENTIAL, f"{answers.password}\n".encode(), mode=0o600)
        write_whole(candidate, configuration(answers).encode(), mode=0o644)
        load_config(candidate)
        if target.exists():
            target.replace(target.with_name(f"{target.name}.before"))
        candidate.replace(target)
    except OSError as error:
        raise SetupError(f"{error.filename or target}: cannot be written: {error.strerror}; try sudo") from error
    finally:
        with suppress(OSError):
            candidate.unlink()
    return target


def try_broker(file: Path) -> Finding:
    """Connect with what was written, and publish below the node's topics.

    Raises:
        BrokerError: It cannot be reached or refuses.
    """
    folder = os.environ | {"CREDENTIALS_DIRECTORY": str(file.parent)}
    return check_broker(load_config(file, environ=folder).config)
