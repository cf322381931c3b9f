"""A real Home Assistant in a folder of its own, a phone that it can reach, and nothing of the network."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

import pytest

from tests.mosquitto import DEADLINE_S, free_port, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

VERSION = "2026.2.3"
FOLDER = Path(__file__).parents[1] / "deploy" / "homeassistant"
BLUEPRINTS = Path(__file__).parents[2] / "deploy" / "homeassistant"
STREAM_S = 120.0  # longer than the pauses between the stream's signs of life
START_S = 300.0  # the first start prepares what the integrations need
ROOT = Path(os.environ.get("PIAPP_HOMEASSISTANT_ROOT", Path(__file__).parents[2] / ".cache" / "homeassistant-root"))
NOW = "2026-01-01T00:00:00+00:00"

# Imports a blueprint as the user interface does; runs on Home Assistant's own Python, which has a WebSocket client.
IMPORT = """
import asyncio, json, sys, aiohttp

async def main(server, token, url):
    async with aiohttp.ClientSession() as session, session.ws_connect(server) as socket:
        await socket.receive_json()
        await socket.send_json({"type": "auth", "access_token": token})
        await socket.receive_json()
        await socket.send_json({"id": 1, "type": "blueprint/import", "url": url})
        print(json.dumps(await socket.receive_json()))

asyncio.run(main(*sys.argv[1:]))
"""


def installed_root() -> Path:
    """Where `setup.sh` has installed it; without it the test is skipped."""
    if not list(ROOT.glob(".complete-*")):
        pytest.skip("Home Assistant is not installed; `make test-homeassistant` runs these tests")
    return ROOT


class Phone:
    """The push service of the Home Assistant app; keeps what a phone would show."""

    def __init__(self) -> None:
        self.pushed: list[dict] = []
        phone = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                phone.pushed.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(201)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/push"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def entry(self) -> dict:
        """Its registration in Home Assistant."""
        app = {"push_token": "t", "push_url": self.url}
        about = {"app_id": "a", "app_name": "a", "app_version": "1", "manufacturer": "m", "model": "m", "os_name": "o"}
        own = {"device_id": "p", "device_name": "Phone", "os_version": "1", "supports_encryption": False}
        return entry("mobile_app", about | own | {"app_data": app, "user_id": "u", "webhook_id": "w"})

    def wait_pushed(self, count: int) -> dict:
        """Wait for the message of that number, counted from 0."""
        wait_until(lambda: len(self.pushed) > count, f"message {count} on the phone")
        return self.pushed[count]

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


def entry(domain: str, data: dict, minor_version: int = 1) -> dict:
    """A configuration entry as Home Assistant stores it."""
    preferences = {"pref_disable_new_entities": False, "pref_disable_polling": False}
    dates = {"created_at": NOW, "modified_at": NOW}
    nothing = {"disabled_by": None, "discovery_keys": {}, "options": {}, "subentries": [], "unique_id": None}
    names = {"domain": domain, "entry_id": domain, "title": domain, "source": "user"}
    return {"data": data, "version": 1, "minor_version": minor_version, **names, **nothing, **dates, **preferences}


class Assistant:
    """Home Assistant as `setup.sh` has installed it, on a broker of its own.

    Args:
        root: What `setup.sh` has made.
        folder: For its configuration; empty.
        broker_port: Where MQTT is.
        phone: The phone that it knows.
        login: User name and password for the broker.
    """

    def __init__(
        self,
        root: Path,
        folder: Path,
        broker_port: int,
        phone: Phone | None = None,
        login: tuple[str, str] | None = None,
    ) -> None:
        self._root, self._folder = root, folder
        self._process: subprocess.Popen | None = None
        self._token = ""
        self._refresh_token = ""
        self.port = free_port()
        shutil.copytree(BLUEPRINTS, folder / "blueprints" / "automation" / "piapp")
        (folder / ".storage").mkdir()
        options = dict(zip(("username", "password"), login, strict=True)) if login else {}
        mqtt = entry("mqtt", {"broker": "127.0.0.1", "port": broker_port} | options, minor_version=2)
        self._store("core.config_entries", 5, {"entries": [mqtt, *([phone.entry()] if phone else [])]})

    @property
    def log(self) -> str:
        """What it has logged since it was started with its configuration."""
        return (self._folder / "log").read_text(errors="replace")

    def start(self, configuration: str) -> None:
        """Start it with a `configuration.yaml`, and wait until it answers."""
        text = configuration.replace("PORT", str(self.port))
        (self._folder / "configuration.yaml").write_text(text)
        (self._folder / "log").unlink(missing_ok=True)
        self.go_on()

    def go_on(self) -> None:
        """Start it again as it was, and wait until it answers; its log goes on."""
        with (self._folder / "log").open("ab") as log:
            command = [FOLDER / "hass.sh", self._root, self._folder]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(self._answers, "Home Assistant to answer", START_S)
        wait_until(lambda: self.get("config")["state"] == "RUNNING", "Home Assistant to run", START_S)

    def stop(self) -> None:
        """End it, which writes its registries."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_S)
            self._process = None

    def registry(self, kind: str) -> dict:
        """What it has stored of entities or devices; while it is stopped."""
        return json.loads(self._registry_file(kind).read_text())["data"]

    def enable(self, *entities: str) -> None:
        """Enable entities that are disabled until somebody wants them; while it is stopped."""
        path = self._registry_file("entity")
        stored = json.loads(path.read_text())
        known = {one["entity_id"]: one for one in stored["data"]["entities"]}
        for entity in entities:
            known[entity]["disabled_by"] = None
        path.write_text(json.dumps(stored))

    def get(self, path: str) -> Any:
        """Ask its REST interface."""
        return json.loads(self._ask(f"api/{path}", headers=self._authorised()))

    def rendered(self, template: str) -> str:
        """Have it fill in a template."""
        headers = self._authorised() | {"Content-Type": "application/json"}
        return self._ask("api/template", json.dumps({"template": template}).encode(), headers).decode()

    def end_onboarding(self) -> None:
        """Answer no more questions of its first start, which its user interface asks before anything else."""
        self.stop()
        self._store("onboarding", 1, {"done": ["user", "core_config", "analytics", "integration"]}, version=4)
        self.go_on()

    def sign_in(self, context: BrowserContext) -> None:
        """Have a browser open its user interface as the first user."""
        url = f"http://127.0.0.1:{self.port}"
        login = {"hassUrl": url, "clientId": f"{url}/", "expires": 2**42, "expires_in": 1800, "token_type": "Bearer"}
        tokens = login | {"access_token": self._token, "refresh_token": self._refresh_token}
        context.add_init_script(f"localStorage.hassTokens = {json.dumps(json.dumps(tokens))}")

    def call(self, action: str, **data: object) -> None:
        """Have it carry out an action, as its user interface would."""
        path = f"api/services/{action.replace('.', '/')}"
        self._ask(path, json.dumps(data).encode(), self._authorised() | {"Content-Type": "application/json"})

    def fire(self, event_type: str, **data: object) -> None:
        """Put an event on its bus."""
        headers = self._authorised() | {"Content-Type": "application/json"}
        self._ask(f"api/events/{event_type}", json.dumps(data).encode(), headers)

    def entity(self, name: str) -> dict | None:
        """State and attributes of an entity; None when there is none of that name."""
        try:
            return self.get(f"states/{name}")
        except HTTPError as error:
            if error.code != HTTPStatus.NOT_FOUND:
                raise
            return None

    def state(self, name: str) -> str:
        """The state of an entity; "missing" when there is none of that name."""
        found = self.entity(name)
        return found["state"] if found else "missing"

    def wait_for(self, name: str, state: str, deadline_s: float = DEADLINE_S) -> None:
        """Wait until an entity has a state."""
        wait_until(lambda: self.state(name) == state, f"{name} to be {state}, not {self.state(name)}", deadline_s)

    def picture(self, entity: str) -> bytes:
        """The picture that an entity shows; empty before the first."""
        with suppress(HTTPError):
            return self._ask(f"api/image_proxy/{entity}", headers=self._authorised())
        return b""

    def watch(self, *entities: str) -> Watch:
        """Begin to note every change of some entities."""
        url = f"http://127.0.0.1:{self.port}/api/stream?restrict=state_changed"
        return Watch(Request(url, headers=self._authorised()), entities)

    def imported_blueprint(self, url: str) -> dict:
        """What it finds where a blueprint is to be imported from."""
        server = f"http://127.0.0.1:{self.port}/api/websocket"
        command = ["chroot", self._root, "/opt/homeassistant/bin/python", "-c", IMPORT, server, self._token, url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def logbook(self, since: datetime) -> list[dict]:
        """The rows that its logbook shows."""
        end = quote(datetime.now(UTC).isoformat())
        return self.get(f"logbook/{quote(since.isoformat())}?end_time={end}")

    def _answers(self) -> bool:
        assert self._process
        assert self._process.poll() is None, self.log
        with suppress(URLError, ConnectionError, TimeoutError):
            if self._refresh_token:
                self._renew()
            else:
                self._log_in()
            return True
        return False

    def _log_in(self) -> None:
        """Make the first user, as somebody who has just installed it does."""
        client = f"http://127.0.0.1:{self.port}/"
        user = {"client_id": client, "name": "A", "username": "a", "password": "a", "language": "en"}
        headers = {"Content-Type": "application/json"}
        code = json.loads(self._ask("api/onboarding/users", json.dumps(user).encode(), headers))["auth_code"]
        tokens = self._tokens(grant_type="authorization_code", code=code, client_id=client)
        self._refresh_token = tokens["refresh_token"]

    def _renew(self) -> None:
        client = f"http://127.0.0.1:{self.port}/"
        self._tokens(grant_type="refresh_token", refresh_token=self._refresh_token, client_id=client)

    def _tokens(self, **form: str) -> dict:
        tokens = json.loads(self._ask("auth/token", urlencode(form).encode()))
        self._token = tokens["access_token"]
        return tokens

    def _authorised(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    def _ask(self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> bytes:
        request = Request(f"http://127.0.0.1:{self.port}/{path}", data=body, headers=headers or {})
        with urlopen(request, timeout=DEADLINE_S) as answer:
            return answer.read()

    def _registry_file(self, kind: str) -> Path:
        return self._folder / ".storage" / f"core.{kind}_registry"

    def _store(self, key: str, minor_version: int, data: dict, version: int = 1) -> None:
        tree = {"version": version, "minor_version": minor_version, "key": key, "data": data}
        (self._folder / ".storage" / key).write_text(json.dumps(tree))


@dataclass(frozen=True, slots=True)
class Change:
    """An entity as it became.

    Attributes:
        at_s: When, seconds since the epoch.
    """

    at_s: float
    entity: str
    state: str
    attributes: dict[str, Any]


class Watch:
    """Every change of some entities, as Home Assistant's own event stream has them.

    Attributes:
        changes: In order.
    """

    def __init__(self, request: Request, entities: tuple[str, ...]) -> None:
        self.changes: list[Change] = []
        self._entities = entities
        self._stream = urlopen(request, timeout=STREAM_S)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def of(self, entity: str) -> list[Change]:
        """The changes of one of them."""
        return [change for change in list(self.changes) if change.entity == entity]

    def close(self) -> None:
        """Note no more."""
        self._stream.fp.raw._sock.shutdown(socket.SHUT_RDWR)  # noqa: SLF001 - nothing else ends a read that waits
        self._thread.join(DEADLINE_S)
        self._stream.close()

    def _read(self) -> None:
        for line in self._stream:
            if line.startswith(b"data: {"):
                self._note(json.loads(line.removeprefix(b"data: "))["data"])

    def _note(self, data: dict[str, Any]) -> None:
        new = data.get("new_state")
        if new and new["entity_id"] in self._entities:
            at_s = datetime.fromisoformat(new["last_updated"]).timestamp()
            self.changes.append(Change(at_s, new["entity_id"], new["state"], new["attributes"]))


def pause_s(seconds: float) -> None:
    """Let time pass in which nothing must happen; there is no condition to wait for."""
    time.sleep(seconds)
