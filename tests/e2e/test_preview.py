"""The live page of a running node: zones that stay, events as they happen, and what viewers cost."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.node import FAKES, NODE, NodeProcess, piapp
from tests.mosquitto import DEADLINE_S, Mosquitto, Subscriber, free_port, wait_until

ROOM = {"name": "room", "polygon": [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], "ignore": []}

PAGE = ("--set", "preview.enabled=true", "--set", "preview.port=0")

VIEWERS = 10
# Pairs of rounds, with and without viewers; more where a machine that does something else makes them differ.
LEAST_ROUNDS, MOST_ROUNDS = 4, 12
ROUND_S = 2.5

# The rate may fall by so much while ten look and one has stalled.
LEAST_SHARE = 0.95


def url_of(node: NodeProcess) -> tuple[str, int]:
    """Host and port of a node's page, from its log."""
    node.wait_for_log("live page: http://")
    found = re.search(r"live page: http://([\d.]+):(\d+)/", node.log)
    assert found, node.log
    return found[1], int(found[2])


def ask(node: NodeProcess, method: str, path: str, document: Any = None) -> tuple[int, Any]:
    """One request of the page; status and what came."""
    connection = http.client.HTTPConnection(*url_of(node), timeout=DEADLINE_S)
    body = None if document is None else json.dumps(document)
    connection.request(method, path, body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, json.loads(content) if "json" in response.getheader("content-type", "") else content


def zone_names(subscriber: Subscriber) -> list[str]:
    """The zones that the newest `info` tells."""
    info = json.loads(subscriber.wait_for("info")[-1].payload)
    return [zone["name"] for zone in info["config"]["zones"]]


Start = Callable[..., tuple[NodeProcess, Subscriber]]


@pytest.fixture
def start(broker: Mosquitto, subscribe: Callable[..., Subscriber], run_node: Callable[..., NodeProcess]) -> Start:
    """Start a node with a page and fakes; the node, and a subscriber that has heard from it."""

    def begin(*options: str | Path) -> tuple[NodeProcess, Subscriber]:
        subscriber = subscribe(broker)
        node = run_node(broker.port, *PAGE, *map(str, options), program=FAKES)
        subscriber.wait_for("frame", 3)
        return node, subscriber

    return begin


def test_a_zone_is_in_the_configuration_after_a_restart(start: Start, tmp_path: Path) -> None:
    """In force at once and told by `info`; afterwards in the file that was named, whose comments stay."""
    file = tmp_path / "my.toml"
    file.write_text('# mine\n[spool]\ndir = "off" # no state\n')
    node, subscriber = start("--config", file)
    assert ask(node, "PUT", "/zones", {"zones": [ROOM]}) == (200, {"zones": [ROOM], "kept": True})
    wait_until(lambda: zone_names(subscriber) == ["room"], "the zone in info")
    entered = [json.loads(message.payload) for message in subscriber.wait_for("event", 2)]
    assert [event["zones"] for event in entered if event["event_type"] == "zone_entered"] == [["room"]]
    assert ask(node, "PUT", "/zones", {"zones": [ROOM, ROOM]})[0] == 422
    assert node.stop()[0] == 0
    assert file.read_text().startswith('# mine\n[spool]\ndir = "off" # no state\n\n[[zones]]\n')
    shown = piapp("config", "show", "--config", file)
    assert re.search(rf'^zones = \[\{{"name":"room".* # {file}$', shown.stdout, re.MULTILINE), shown.stdout
    node, subscriber = start("--config", file)
    assert ask(node, "GET", "/zones") == (200, {"zones": [ROOM]})
    subscriber.wait_for("event", 2)
    assert ask(node, "PUT", "/zones", {"zones": []}) == (200, {"zones": [], "kept": True})
    left = [json.loads(message.payload)["event_type"] for message in subscriber.wait_for("event", 3)]
    assert left == ["person_entered", "zone_entered", "zone_left"]


def test_a_zone_is_kept_beside_a_configuration_that_is_not_to_be_changed(start: Start, tmp_path: Path) -> None:
    """As on the appliance: in the folder for state, and `config show` tells so."""
    folder = ("--set", f"spool.dir={tmp_path / 'state'}")
    node, _ = start(*folder)
    assert ask(node, "PUT", "/zones", {"zones": [ROOM]}) == (200, {"zones": [ROOM], "kept": True})
    assert node.stop()[0] == 0
    node, subscriber = start(*folder)
    assert ask(node, "GET", "/zones") == (200, {"zones": [ROOM]})
    assert zone_names(subscriber) == ["room"]
    shown = piapp("config", "show", "--set", f"node.id={NODE}", *folder)
    assert re.search(r'^zones = \[\{"name":"room".* # kept by .*/settings-e2e\.json$', shown.stdout, re.MULTILINE)


def test_a_zone_that_nothing_can_keep(start: Start) -> None:
    """It is in force, and the answer says that it will not stay."""
    node, _ = start("--set", "spool.dir=off")
    assert ask(node, "PUT", "/zones", {"zones": [ROOM]}) == (200, {"zones": [ROOM], "kept": False})


def test_an_event_is_on_the_page_as_on_mqtt(start: Start) -> None:
    """The very message, and soon after it."""
    node, subscriber = start("--set", "spool.dir=off")
    viewer = Reader(url_of(node))
    viewer.start()
    ask(node, "PUT", "/zones", {"zones": [ROOM]})
    (message,) = [one for one in subscriber.wait_for("event", 2) if b"zone_entered" in one.payload]
    wait_until(lambda: message.payload in viewer.received, "the event on the page", 1.0)
    viewer.close()


def test_a_port_that_is_taken(broker: Mosquitto, run_node: Callable[..., NodeProcess]) -> None:
    """The node ends and says why; a supervisor tries again."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        node = run_node(broker.port, *PAGE[:2], "--set", f"preview.port={port}", program=FAKES)
        assert node.wait() == 69
    assert f"preview.port = {port}: cannot listen there" in node.log


def test_other_machines_need_a_token(tmp_path: Path) -> None:
    """`config check` says so, before anything is opened to a network; `check` tells who may look."""
    file = tmp_path / "my.toml"
    file.write_text('[preview]\nenabled = true\nbind = "0.0.0.0"\n')
    done = piapp("config", "check", file)
    assert done.returncode == 78
    assert "preview.token_file" in done.stderr
    (tmp_path / "token").write_text("short\n")
    file.write_text(file.read_text() + f'token_file = "{tmp_path}/token"\n')
    done = piapp("config", "check", file)
    assert done.returncode == 78
    assert "at least 16" in done.stderr
    assert "short" not in done.stderr
    (tmp_path / "token").write_text("0123456789abcdef\n")
    assert piapp("config", "check", file).returncode == 0
    port = free_port()
    done = piapp("check", "--config", file, "--set", f"preview.port={port}", "--set", "camera.source=file:/gone.mp4")
    assert re.search(rf"^OK +live page +http://0\.0\.0\.0:{port}/, with the token of ", done.stdout, re.MULTILINE)


class Reader(threading.Thread):
    """A viewer that takes everything, or nothing when it has stalled."""

    def __init__(self, address: tuple[str, int], *, stalled: bool = False) -> None:
        super().__init__(name="viewer", daemon=True)
        self.received = bytearray()
        self._stalled = stalled
        self._socket = socket.socket()
        if stalled:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.connect(address)
        self._socket.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")

    def run(self) -> None:
        """Read until the end."""
        with suppress(ConnectionResetError):  # the node has ended
            while not self._stalled and (data := self._socket.recv(65_536)):
                self.received += data

    def close(self) -> None:
        """Go."""
        if not self._stalled:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self.join(DEADLINE_S)
        self._socket.close()


@pytest.fixture
def crowd() -> Iterator[Callable[..., list[Reader]]]:
    """Start ten viewers and one that has stalled; those that are left go with the test."""
    readers: list[Reader] = []

    def gather(address: tuple[str, int]) -> list[Reader]:
        readers[:] = [Reader(address, stalled=number == VIEWERS) for number in range(VIEWERS + 1)]
        for reader in readers:
            reader.start()
        return readers

    yield gather
    for reader in readers:
        reader.close()


def test_viewers_leave_the_rate_as_it_is(
    broker: Mosquitto,
    subscribe: Callable[..., Subscriber],
    run_node: Callable[..., NodeProcess],
    crowd: Callable[..., list[Reader]],
) -> None:
    """The real pipeline on the bundled clip, with ten viewers and a stalled one in every other round."""
    subscriber = subscribe(broker)
    settings = ("preview.enabled=true", "preview.port=0", "spool.dir=off", "power.max_temp_c=0", "health.period_s=1")
    options = [part for setting in settings for part in ("--set", setting)]
    node = run_node(broker.port, "--source", "demo:?loop=0", *options)
    subscriber.wait_for("frame", 15)
    shares: list[float] = []
    while len(shares) < LEAST_ROUNDS or (statistics.median(shares) < LEAST_SHARE and len(shares) < MOST_ROUNDS):
        alone = _rate(subscriber)
        readers = crowd(url_of(node))
        wait_for_frames(readers)
        watched = _rate(subscriber)
        shares.append(watched / alone)
        shown = [one.received.count(b"event: frame") for one in readers[:VIEWERS]]
        assert min(shown) > watched * ROUND_S / 2, shown
        for reader in readers:
            reader.close()
        readers.clear()
    assert statistics.median(shares) >= LEAST_SHARE, shares
    assert node.stop(signal.SIGTERM)[0] == 0


def wait_for_frames(readers: list[Reader]) -> None:
    """Wait until every viewer but the stalled one has seen something."""
    wait_until(lambda: all(b"event: frame" in one.received for one in readers[:VIEWERS]), "frames for all")


def _rate(subscriber: Subscriber) -> float:
    """Frames a second over a round, by the numbers and times that the node gives them."""
    first = len(subscriber.of("frame"))
    started = time.monotonic()
    wait_until(lambda: time.monotonic() - started > ROUND_S and len(subscriber.of("frame")) > first + 1, "a round")
    frames = [json.loads(message.payload) for message in subscriber.of("frame")[first:]]
    return (frames[-1]["seq"] - frames[0]["seq"]) / ((frames[-1]["ts_ms"] - frames[0]["ts_ms"]) / 1000)


def test_the_node_stops_in_time_with_a_stalled_viewer(start: Start, crowd: Callable[..., list[Reader]]) -> None:
    """Viewers do not hold it up."""
    node, subscriber = start("--set", "spool.dir=off")
    wait_for_frames(crowd(url_of(node)))
    code, took_s = node.stop()
    assert code == 0
    assert took_s < 3.0
    subscriber.wait_for("status", payload=b"offline")
