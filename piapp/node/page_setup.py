"""Setting the node up in a browser: what the set-up page shows, tries and keeps.

Owns the files beside the settings: passwords and the page's token, which are never sent back, and what the walk-through
found. Names, tilt and zones are changed as the other pages change them.
"""

from __future__ import annotations

import logging
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from piapp.config.addresses import broker_address, with_scheme
from piapp.config.live import SETUP_KEYS, LiveSettings
from piapp.config.load import changed
from piapp.config.sections import Config
from piapp.errors import ConfigError
from piapp.invitation import Invitation
from piapp.mqtt.broker_trial import try_broker
from piapp.mqtt.failures import ConnectionFailedError
from piapp.node.page import PageTools
from piapp.node.setup_outlet import EVERY_ADDRESS
from piapp.node.state_folder import secret_file, setup_file
from piapp.posture.monitor import Monitor
from piapp.service.addresses import own_addresses
from piapp.whole_file import write_whole

TOKEN_BYTES = 16

_BROKER_KEYS = ("mqtt.url", "mqtt.username", "mqtt.password_file")
_URL, _USERNAME, _PASSWORD_FILE = _BROKER_KEYS

# A socket on this machine is no broker that somebody names in a browser.
_SCHEMES = ("mqtt", "mqtts", "ws", "wss")

log = logging.getLogger(__name__)

WalkStep = Literal["stand", "sit", "bed", "floor"]


class BrokerLogin(Struct, frozen=True, forbid_unknown_fields=True):
    """A broker as it is typed.

    Attributes:
        url: With scheme.
        username: Empty for none.
        password: None keeps the one that goes with this address and user name.
    """

    url: Annotated[str, Meta(min_length=1, max_length=512)]
    username: Annotated[str, Meta(max_length=1024)] = ""
    password: Annotated[str, Meta(max_length=1024, pattern=r"^[^\x00-\x1f\x7f]*$")] | None = None


class Walk(Struct, frozen=True, forbid_unknown_fields=True):
    """What the walk-through found of one step.

    Attributes:
        recognised: Whether the node recognised what somebody did.
        after_s: How long that took.
        false_fall: Whether a fall was reported, which it was not.
    """

    recognised: bool
    after_s: Annotated[float, Meta(ge=0.0, le=600.0)]
    false_fall: bool = False


class Found(Struct, frozen=True):
    """What the set-up found, and what it replaced.

    Attributes:
        walk: Of each step that was walked through.
        broker_before: Values of the broker's keys before they were changed last.
        done: Whether its owner has gone through to the end.
    """

    walk: dict[str, Walk] = {}
    broker_before: dict[str, str] = {}
    done: bool = False


class WalkDone(Struct, frozen=True, forbid_unknown_fields=True):
    """What the page sends of a walk-through: step to finding."""

    walk: dict[WalkStep, Walk]


class PageSetup:
    """The set-up for the page. `document` and `try_broker` are for any thread, the rest for the main one.

    Args:
        settings: What is in force.
        folder: Where the node keeps things; None where it cannot.
        node: The node's id.
        monitor: Knows the tilt and where people lie.
        invitation: What lets its owner in; None when that is over.
        connected: Whether the broker is connected.
    """

    def __init__(
        self,
        settings: LiveSettings,
        *,
        folder: Path | None,
        node: str,
        monitor: Monitor,
        invitation: Invitation | None,
        connected: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._node = node
        self._monitor = monitor
        self._invitation = invitation
        self._connected = connected
        self._found = _read(setup_file(folder, node))

    @property
    def tools(self) -> PageTools:
        """For the page."""
        return PageTools(
            documents={"setup": self.document},
            jobs={"setup_try_broker": self.try_broker},
            actions={
                "setup_broker": self.keep_broker,
                "setup_broker_undo": self.undo_broker,
                "setup_walk": self.keep_walk,
                "setup_page": self.keep_page,
                "setup_done": self.finish,
            },
        )

    def document(self, _query: object) -> dict[str, Any]:
        """Everything that the page shows, without secrets."""
        config = self._settings.config
        planned = self._planned()
        return {
            "node": self._node,
            "name": planned("node.name"),
            "area": planned("node.area"),
            "broker": {
                "url": planned(_URL),
                "username": planned(_USERNAME),
                "has_password": bool(planned(_PASSWORD_FILE)),
                "connected": self._connected(),
                "undo": bool(self._found.broker_before),
            },
            "camera": {
                "source": config.camera.source.partition(":")[0],
                "rotation": planned("camera.rotation"),
                "tilt_deg": planned("camera.tilt_deg"),
                "learnt_tilt_deg": round(self._monitor.tilt_deg, 1),
            },
            "places": [msgspec.to_builtins(place) for place in self._monitor.lying_places],
            "walk": msgspec.to_builtins(self._found.walk),
            "page": bool(planned("preview.enabled")),
            "done": self._found.done,
            "left_s": round(self._invitation.left_s) if self._invitation and self._invited else None,
            "kept": self._settings.file is not None,
            "pending": [key for key in self._settings.pending if key not in ("preview.token_file", _PASSWORD_FILE)],
        }

    def try_broker(self, body: bytes, _sender: str) -> dict[str, Any]:
        """Connect to a broker as it is typed, and say what is wrong; changes nothing.

        Raises:
            ValueError: The body has another form.
            ConfigError: It is no address of a broker.
        """
        login = _login(body)
        with _for_a_moment(login.password) as file:
            return _tried(self._with_broker(login, file), self._node)

    def keep_broker(self, body: bytes, sender: str) -> dict[str, Any]:
        """Keep a broker for the next start, and the password in a file of its own."""
        login = _login(body)
        before = self._broker_values()
        file = str(self._write_password(login.password, before)) if login.password else None
        config = self._with_broker(login, file)
        values = {_URL: config.mqtt.url, _USERNAME: config.mqtt.username, _PASSWORD_FILE: config.mqtt.password_file}
        self._keep(values, sender)
        self._remember(broker_before=before)
        return self.document({})

    def undo_broker(self, _body: bytes, sender: str) -> dict[str, Any]:
        """Go back to the broker that was configured before the last change, with its password."""
        before = self._found.broker_before
        if not before:
            raise ConfigError("the broker was not changed here")
        now = self._broker_values()
        self._keep(before, sender)
        self._remember(broker_before=now)
        return self.document({})

    def keep_walk(self, body: bytes, sender: str) -> dict[str, Any]:
        """Keep what a walk-through found."""
        walk = msgspec.json.decode(body, type=WalkDone).walk
        for step, result in walk.items():
            log.info("%s: walk-through, %s: %s", sender, step, "recognised" if result.recognised else "NOT recognised")
        self._remember(walk=self._found.walk | dict(walk))
        return {"walk": msgspec.to_builtins(self._found.walk)}

    def keep_page(self, _body: bytes, sender: str) -> dict[str, Any]:
        """Keep the page open to the network after the set-up, for whoever has a link; makes a new link.

        Raises:
            ConfigError: Nobody is invited: a page that is this machine's alone does not open itself to the network.
        """
        if not self._invited:
            raise ConfigError("the page can be opened to the network only while the node is set up: piapp setup-page")
        token = secrets.token_hex(TOKEN_BYTES)
        file = self._secret("preview_token")
        _write_secret(file, token)
        values = {"preview.token_file": str(file), "preview.bind": EVERY_ADDRESS, "preview.enabled": True}
        self._keep(values, sender)
        port = self._settings.config.preview.port
        return {"links": [f"http://{address}:{port}/?token={token}" for address in own_addresses()]}

    def finish(self, _body: bytes, sender: str) -> dict[str, Any]:
        """All is done: nobody is let in by the invitation any more, but who is in may read to the end."""
        log.info("%s: set-up done", sender)
        self._remember(done=True)
        if self._invitation is not None:
            self._invitation.finish()
        return self.document({})

    @property
    def _invited(self) -> bool:
        return self._invitation is not None and not self._invitation.over

    def _planned(self) -> Callable[[str], Any]:
        """What each key will be after the next start."""
        pending, config = self._settings.pending, self._settings.config

        def value(key: str) -> Any:
            section, _, name = key.partition(".")
            return pending.get(key, getattr(getattr(config, section), name))

        return value

    def _broker_values(self) -> dict[str, str]:
        planned = self._planned()
        return {key: planned(key) for key in _BROKER_KEYS}

    def _with_broker(self, login: BrokerLogin, password_file: str | None) -> Config:
        """The configuration with this broker.

        The known password goes with the address and the user name that it was given for: whoever names another broker
        must not be sent it.
        """
        known = self._broker_values()
        same = (login.url, login.username) == (known[_URL], known[_USERNAME])
        if login.password is None and same:
            password_file = known[_PASSWORD_FILE]
        values = {_URL: login.url, _USERNAME: login.username, _PASSWORD_FILE: password_file or ""}
        return changed(self._settings.config, values, "set-up page")

    def _write_password(self, password: str, before: Mapping[str, str]) -> Path:
        """Into the one of two files that is not in use, so that the last change can be undone."""
        one, other = self._secret("mqtt_password-1"), self._secret("mqtt_password-2")
        file = other if before[_PASSWORD_FILE] == str(one) else one
        _write_secret(file, password)
        return file

    def _secret(self, name: str) -> Path:
        file = secret_file(self._folder, self._node, name)
        if file is None:
            raise ConfigError("this node has no folder for its state (spool.dir), so it cannot keep a password")
        return file

    def _keep(self, values: Mapping[str, Any], sender: str) -> None:
        self._settings.change_at_restart(values, by=sender, keys=SETUP_KEYS)

    def _remember(self, **values: Any) -> None:
        self._found = msgspec.structs.replace(self._found, **values)
        file = setup_file(self._folder, self._node)
        if file is None:
            return
        try:
            write_whole(file, msgspec.json.encode(self._found), mode=0o600)
        except OSError as error:
            raise ConfigError(f"cannot be kept: {file} cannot be written: {error.strerror}") from error


def _read(file: Path | None) -> Found:
    """What an earlier start has found; nothing where it cannot be read, which is worth no failed start."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Found) if file and file.exists() else Found()
    except (OSError, ValueError) as error:
        log.warning("%s: cannot be read (%s); what the set-up found is forgotten", file, error)
        return Found()


def _login(body: bytes) -> BrokerLogin:
    """What was typed, with a scheme; a password that goes with no user is a mistake that brokers do not tell."""
    login = msgspec.json.decode(body, type=BrokerLogin)
    try:
        url = with_scheme(login.url.strip())
        broker_address(url)
    except ValueError as error:
        raise ConfigError(f"broker: {error}") from error
    if url.partition("://")[0] not in _SCHEMES:
        raise ConfigError("broker: a socket on this machine is named in the configuration file alone")
    if login.password and not login.username:
        raise ConfigError("broker: a password needs a user name")
    return msgspec.structs.replace(login, url=url)


def _tried(config: Config, node: str) -> dict[str, Any]:
    """What came of trying a broker: `reason` for programs, empty when all is well, and `text` for people."""
    try:
        trial = try_broker(config, node)
    except ConnectionFailedError as failure:
        return {"reason": failure.reason, "text": str(failure)}
    if trial.refused:
        return {"reason": "may_not_publish", "text": f"refused: {', '.join(trial.refused)}"}
    found = {"version": trial.version, "tls": trial.tls, "home_assistant": trial.home_assistant}
    return {"reason": "", "text": "", **found}


@contextmanager
def _for_a_moment(password: str | None) -> Iterator[str | None]:
    """A file with a password that nobody else can read, while it is tried; None without a password."""
    if not password:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="piapp-broker-") as folder:
        file = Path(folder) / "password"
        _write_secret(file, password)
        yield str(file)


def _write_secret(file: Path, secret: str) -> None:
    try:
        write_whole(file, f"{secret}\n".encode(), mode=0o600)
    except OSError as error:
        raise ConfigError(f"cannot be kept: {file} cannot be written: {error.strerror}") from error
