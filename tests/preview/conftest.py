"""A live page on a free port, with a stand-in for the node's main loop, and a plain client for it."""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import numpy as np
import pytest

from piapp.config.load import default_config, load_config, with_zones
from piapp.config.sections import PreviewConfig
from piapp.errors import ConfigError
from piapp.invitation import Invitation
from piapp.preview.owner import Download, Upload
from piapp.preview.server import Preview
from piapp.testing.landmarker import standing_pose
from piapp.types import Person, PoseLabel, PoseResult, State
from tests.mosquitto import DEADLINE_S, wait_until

TOKEN = "correct-horse-battery"


@dataclass
class Answer:
    """What the server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class EventStream:
    """A viewer over a raw socket.

    Args:
        port: The page's.
        receive_buffer: Bytes that the kernel takes in for it; None for its usual.
    """

    def __init__(self, port: int, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(DEADLINE_S)
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(f"GET /stream HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        self._lines = self.socket.makefile("rb")
        self.status = int(self._lines.readline().split()[1])

    def next(self, kind: str) -> Any:
        """The data of the next event of a kind; others are passed over."""
        for line in self._lines:
            if line.rstrip() == f"event: {kind}".encode():
                return json.loads(self._lines.readline().removeprefix(b"data: "))
        raise AssertionError(f"the stream ended without {kind}")

    def ends(self) -> bool:
        """Whether the server ends the stream."""
        with suppress(ConnectionResetError):
            while self._lines.readline():
                pass
        return True

    def close(self) -> None:
        """Go."""
        self._lines.close()
        self.socket.close()


class FakeOwner:
    """A node that keeps zones, and answers with what it was asked."""

    def __init__(self) -> None:
        self.known: dict[str, Any] = {"node": "hall", "zones": []}
        self.done: list[tuple[str, bytes, str]] = []
        self.documents: dict[str, Callable[[Mapping[str, str]], Any]] = {"echo": dict, "missing": self._missing}
        self.jobs = {"file": lambda body, _sender: Download("x.zip", "application/zip", body)}
        self.uploads: dict[str, Upload] = {}
        self.actions: dict[str, Callable[[bytes, str], Any]] = {"note": self._note, "refused": self._refuse}

    def status(self) -> dict[str, Any]:
        """What it knows."""
        return self.known

    def change_zones(self, zones: Any, by: str) -> bool:
        """Keep zones, checked as a node's are."""
        with_zones(default_config(), zones, "request")
        self.known["zones"] = zones
        return True

    def _note(self, body: bytes, sender: str) -> dict[str, Any]:
        self.done.append((threading.current_thread().name, body, sender))
        return {"noted": json.loads(body)}

    def _refuse(self, _body: bytes, _sender: str) -> None:
        raise ConfigError("camera.fps: is not to be")

    def _missing(self, _query: Mapping[str, str]) -> None:
        raise LookupError("there is no such case")


@dataclass
class Page:
    """A live page and the node behind it; `expected` is what may have ended its thread."""

    preview: Preview
    config: PreviewConfig
    owner: FakeOwner
    streams: list[EventStream] = field(default_factory=list)
    expected: tuple[type[BaseException], ...] = ()

    @property
    def port(self) -> int:
        """Where it listens."""
        port = urlsplit(self.preview.url).port
        assert port
        return port

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        """One request; `__` in a header's name stands for a hyphen."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        connection.request(method, path, body, {name.replace("__", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        connection.close()
        return answer

    def put_zones(self, zones: Any, **headers: str) -> Answer:
        """Send zones as the page does."""
        headers = {"Content__Type": "application/json"} | headers
        return self.ask("/zones", "PUT", json.dumps({"zones": zones}).encode(), **headers)

    def put_consent(self, shown: Any, **headers: str) -> Answer:
        """Agree to the camera's picture, or not any more."""
        headers = {"Content__Type": "application/json"} | headers
        return self.ask("/consent", "PUT", json.dumps({"shown": shown}).encode(), **headers)

    def picture(self, query: str) -> Answer:
        """Ask for a picture while the camera gives frames."""
        answers: list[Answer] = []
        asker = threading.Thread(target=lambda: answers.append(self.ask(f"/picture{query}")))
        asker.start()
        for ts_ms in count(1):
            self.preview.offer(result(ts_ms, image=True), state(ts_ms))
            asker.join(0.02)
            if answers:
                return answers[0]
        raise AssertionError

    def post(self, name: str, document: Any, **headers: str) -> Answer:
        """Have the node do something, as the page does."""
        headers = {"Content__Type": "application/json"} | headers
        return self.ask(f"/api/{name}", "POST", json.dumps(document).encode(), **headers)

    def view(self, **options: Any) -> EventStream:
        """Look on."""
        self.streams.append(EventStream(self.port, **options))
        return self.streams[-1]

    def wait_for_viewers(self, count: int) -> None:
        """Wait until so many look."""
        wait_until(lambda: self.preview.viewers.count == count, f"{count} viewers")


def result(ts_ms: int, *, image: bool = False) -> PoseResult:
    """Somebody who stands, in a picture of one colour."""
    picture = np.full((480, 1280, 3), (200, 30, 40), np.uint8) if image else None
    return PoseResult(ts_ms, 0, (1280, 480), (standing_pose(),), image=picture)


def state(ts_ms: int, *, fallen: bool = False) -> State:
    """That person."""
    person = Person(7, "standing", 0, fallen=fallen, place=(0.5, 0.9))
    return State(ts_ms, (person,), (PoseLabel(7, "standing"),))


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Start pages that end with the test: `serve(pictures=..., token=..., every_frame=..., **[preview] keys)`."""
    pages: list[Page] = []
    stop = threading.Event()
    loops: list[threading.Thread] = []

    def start(
        *,
        pictures: bool = False,
        token: str = "",
        every_frame: bool = False,
        invitation: Invitation | None = None,
        **keys: Any,
    ) -> Page:
        if token:
            (tmp_path / "token").write_text(f"{token}\n")
            (tmp_path / "token").chmod(0o600)
            keys["token_file"] = json.dumps(str(tmp_path / "token"))
        settings = {"enabled": "true", "port": "0"} | {key: str(value) for key, value in keys.items()}
        overrides = [(f"preview.{key}", value) for key, value in settings.items()]
        config = load_config(Path(os.devnull), overrides=overrides, environ={}).config.preview
        if every_frame:  # faster than anybody may configure
            config = msgspec.structs.replace(config, max_fps=1e9)
        owner = FakeOwner()
        preview = Preview(config, owner, pictures=pictures, invitation=invitation)
        preview.start()
        pages.append(Page(preview, config, owner))

        def tick() -> None:
            while not stop.wait(0.01):
                preview.tick()

        loops.append(threading.Thread(target=tick, name="main-loop"))
        loops[-1].start()
        return pages[-1]

    yield start
    stop.set()
    for loop in loops:
        loop.join()
    for page in pages:
        assert page.preview.stop(DEADLINE_S)
        with suppress(*page.expected):
            page.preview.raise_if_failed()
        for stream in page.streams:
            stream.close()
