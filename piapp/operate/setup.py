"""`piapp setup`: makes or changes the configuration by a few answers, and tests the broker before anything is written.

Owns what answers mean and what is written for them. Asking is `piapp.cli.setup`'s.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path

from piapp.config.addresses import broker_address, with_scheme
from piapp.config.load import CREDENTIALS_FOLDER, DEFAULT_FILE, PASSWORD_CREDENTIAL, load_config
from piapp.config.sections import Config
from piapp.config.toml_edit import with_strings
from piapp.config.toml_file import parse_toml, read_text
from piapp.errors import BrokerError, ConfigError, PiappError, UsageError
from piapp.operate import mdns
from piapp.operate.check import Finding, check_broker
from piapp.whole_file import write_whole

_HEAD = """\
# The configuration of this node. Only what differs from the defaults stands here;
# `piapp config default` prints every key with its default and meaning, `piapp check` finds what is wrong.
# After a change: sudo systemctl restart piapp
"""

_PASSWORD_KEY = "mqtt.password_file"  # noqa: S105 - a key's name

# What brokers announce, and Home Assistant, whose own broker listens at the same host.
_MQTT, _MQTTS, _HOME_ASSISTANT = "_mqtt._tcp", "_secure-mqtt._tcp", "_home-assistant._tcp"
_HOME_ASSISTANT_BROKER_PORT = 1883


class SetupError(PiappError, OSError):
    """The configuration cannot be written here."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Answers:
    """What the owner answers; empty leaves what is there.

    Attributes:
        broker: Address of the broker; a host alone will do.
        username: At the broker.
        password: At the broker.
        node: Id in topics.
        name: What people call it.
        area: The room, for Home Assistant.
        source: The camera.

    Raises:
        UsageError: One holds something that is no text.
    """

    broker: str = ""
    username: str = ""
    password: str = ""
    node: str = ""
    name: str = ""
    area: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name).isprintable():
                raise UsageError(f"{field.name}: holds signs that are no text; is the terminal set to UTF-8 (locale)?")

    def values(self) -> dict[str, str]:
        """The keys of the configuration that are answered."""
        values = {
            "node.id": self.node,
            "node.name": self.name,
            "node.area": self.area,
            "camera.source": self.source,
            "mqtt.url": broker_url(self.broker) if self.broker else "",
            "mqtt.username": self.username,
        }
        return {key: value for key, value in values.items() if value}

    def reach_anew(self, before: Answers) -> bool:
        """Whether alarms take another way than with the answers before, or take one for the first time."""
        old, new = before.values(), self.values()
        ways = ("mqtt.url", "mqtt.username", "node.id")
        return (
            not before.broker or bool(self.password) or any(new.get(key, old.get(key)) != old.get(key) for key in ways)
        )


@dataclass(frozen=True, slots=True)
class FoundBroker:
    """A broker that was found in the local network.

    Attributes:
        note: What is known of it besides, for people.
    """

    url: str
    note: str


@dataclass(frozen=True, slots=True)
class Draft:
    """What would be written.

    Attributes:
        file: The configuration.
        text: Its whole new content.
        password: Empty keeps the one that is there.
    """

    file: Path
    text: str
    password: str

    @property
    def password_file(self) -> Path:
        """Where the password goes; as a service the node gets it from there by systemd."""
        return self.file.parent / PASSWORD_CREDENTIAL


def broker_url(text: str) -> str:
    """The broker's address with a scheme.

    Raises:
        UsageError: It is no address of a broker.
    """
    url = with_scheme(text)
    try:
        broker_address(url)
    except ValueError as error:
        raise UsageError(f"broker {text!r}: {error}") from error
    return url


def find_brokers() -> list[FoundBroker]:
    """Brokers and Home Assistants that announce themselves in this network; takes two seconds."""
    found: dict[str, FoundBroker] = {}
    for service in mdns.browse([_MQTT, _MQTTS, _HOME_ASSISTANT]):
        with suppress(UsageError):  # anybody may announce anything
            broker = _broker_of(service)
            found.setdefault(broker.url, broker)
    return list(found.values())


def _broker_of(service: mdns.Service) -> FoundBroker:
    scheme = "mqtts" if service.kind == _MQTTS else "mqtt"
    host = service.host if not service.address or _resolves(service.host) else service.address
    if service.kind == _HOME_ASSISTANT:
        url = broker_url(f"{scheme}://{host}:{_HOME_ASSISTANT_BROKER_PORT}")
        return FoundBroker(url, "Home Assistant; its own broker listens here")
    return FoundBroker(broker_url(f"{scheme}://{host}:{service.port}"), service.name)


def _resolves(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return False
    return True


def present(file: Path) -> Answers:
    """What the configuration that is there already answers; without one nothing.

    Raises:
        ConfigError: It cannot be read.
    """
    if not file.exists():
        return Answers()
    tables = parse_toml(read_text(file), str(file))

    def text(table: str, key: str) -> str:
        section = tables.get(table)
        value = section.get(key) if isinstance(section, dict) else None
        return value if isinstance(value, str) else ""

    return Answers(
        broker=text("mqtt", "url"),
        username=text("mqtt", "username"),
        node=text("node", "id"),
        name=text("node", "name"),
        area=text("node", "area"),
        source=text("camera", "source"),
    )


def has_password(file: Path) -> bool:
    """Whether there is a password beside a configuration; the empty file that comes with the service is none."""
    try:
        return (file.parent / PASSWORD_CREDENTIAL).stat().st_size > 0
    except OSError:
        return False


def draft(answers: Answers, file: Path | None = None) -> Draft:
    """What the answers make of the configuration; what they do not answer stays as it is.

    Raises:
        UsageError: The broker's address is none.
        ConfigError: The present configuration cannot be read or changed.
    """
    target = (file or DEFAULT_FILE).absolute()
    before = read_text(target) if target.exists() else _HEAD
    values = answers.values()
    if answers.password:
        # Only the service's own file is handed over by systemd; another place must be named.
        named = "" if target == DEFAULT_FILE else str(target.parent / PASSWORD_CREDENTIAL)
        if named or _names_password_file(before, str(target)):
            values[_PASSWORD_KEY] = named
    return Draft(target, with_strings(before, values, str(target)), answers.password)


def _names_password_file(text: str, origin: str) -> bool:
    section = parse_toml(text, origin).get("mqtt", {})
    return isinstance(section, dict) and "password_file" in section


def try_broker(of: Draft) -> Finding:
    """Connect as the draft says and publish below the node's topics; nothing is written for it.

    Raises:
        ConfigError: This version does not accept the draft.
    """
    with _in_memory(of.text) as candidate, _in_memory(f"{of.password}\n") as password:
        overrides = [(_PASSWORD_KEY, str(password))] if of.password else []
        try:
            config = _loaded(candidate, of.file.parent, overrides)
        except ConfigError as error:
            raise ConfigError(str(error).replace(str(candidate), str(of.file))) from error
        try:
            return check_broker(config)
        except BrokerError as error:
            return Finding("broker", "FAIL", str(error))


def in_force(file: Path) -> Config:
    """The configuration of a file, with the password beside it.

    Raises:
        ConfigError: It is not accepted.
    """
    return _loaded(file, file.parent, [])


def _loaded(file: Path, credentials: Path, overrides: Sequence[tuple[str, str]]) -> Config:
    environment = os.environ | {CREDENTIALS_FOLDER: str(credentials)}
    return load_config(file, environ=environment, overrides=overrides).config


@contextmanager
def _in_memory(text: str) -> Iterator[Path]:
    """A file that is on no disk, and gone with this program whatever ends it."""
    descriptor = os.memfd_create("piapp-setup")
    try:
        os.fchmod(descriptor, 0o600)
        os.write(descriptor, text.encode())
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def write(of: Draft) -> Path:
    """Write configuration and password; the configuration that was there is kept beside, with `.before` at its end.

    Raises:
        SetupError: It cannot be written.
    """
    try:
        of.file.parent.mkdir(parents=True, exist_ok=True)
        with _signals_wait():
            if of.password:
                write_whole(of.password_file, f"{of.password}\n".encode(), mode=0o600)
            if of.file.exists():
                write_whole(of.file.with_name(f"{of.file.name}.before"), of.file.read_bytes(), mode=0o644)
            write_whole(of.file, of.text.encode(), mode=0o644)
    except OSError as error:
        raise SetupError(f"{error.filename or of.file}: cannot be written: {error.strerror}; try sudo") from error
    return of.file


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Ctrl-C and SIGTERM wait until the block is done, so that password and configuration fit each other."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
