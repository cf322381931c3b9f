"""A node under a service manager: what it says by sd_notify, when, and when it falls silent."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.node import FAKES, PIAPP, NodeProcess
from tests.mosquitto import Mosquitto, wait_until

WATCHDOG_S = 2.0

# SIGTERM must be obeyed within this.
STOP_LIMIT_S = 3.0

# Of the bundled clip.
CLIP_FPS = 15.0

# Of a run without a network: that it runs, where state goes, which model, that there is no broker, and why.
QUIET_LINES = 8


class Manager:
    """The end of NOTIFY_SOCKET that systemd would hold."""

    def __init__(self, path: Path) -> None:
        self.heard: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._listen, name="manager", daemon=True)
        self._thread.start()

    def count(self, state: str) -> int:
        """How often a line came."""
        return self.heard.count(state)

    def wait_for(self, state: str, count: int = 1) -> None:
        """Wait until a line has come so often."""
        wait_until(lambda: self.count(state) >= count, f"{state!r} {count} times; heard {self.heard[-20:]}")

    def close(self) -> None:
        """End the thread."""
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while datagram := self._socket.recv(65536):
            self.heard += datagram.decode().splitlines()


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broker: Mosquitto) -> Iterator[Manager]:
    """A manager that nodes started by this test speak to; the broker, which runs already, would speak to it as well."""
    assert broker.port
    pytest.importorskip("systemd.daemon", reason="systemd-python is not installed; `make test` installs it")
    manager = Manager(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", str(int(WATCHDOG_S * 1e6)))
    yield manager
    manager.close()


@pytest.fixture
def node(manager: Manager, run_node: Callable[..., NodeProcess], broker: Mosquitto) -> NodeProcess:
    """A node on fakes that is ready."""
    node = run_node(broker.port, program=FAKES)
    manager.wait_for("READY=1")
    return node


def test_ready_comes_after_the_model_and_a_result(manager: Manager, node: NodeProcess) -> None:
    """What is said first is what it waits for; READY comes once."""
    manager.wait_for("WATCHDOG=1", 2)
    assert manager.heard.index("STATUS=loading the model") < manager.heard.index("READY=1")
    assert manager.count("READY=1") == 1
    assert node.running


@pytest.mark.parametrize("hang", ["camera freeze", "landmarker hang"])
def test_watchdog_starves_without_results(manager: Manager, node: NodeProcess, hang: str) -> None:
    """Without results the pings end, though the program runs on; systemd would strike after WatchdogSec."""
    manager.wait_for("WATCHDOG=1", 3)
    node.switch(hang)
    silent = threading.Event()
    last = -1
    while last != manager.count("WATCHDOG=1"):  # pings of results in flight may still come
        last = manager.count("WATCHDOG=1")
        silent.wait(WATCHDOG_S)
    assert node.running
    node.switch({"camera freeze": "camera thaw", "landmarker hang": "landmarker resume"}[hang])
    manager.wait_for("WATCHDOG=1", last + 2)


def test_status_line_sums_up(manager: Manager, node: NodeProcess) -> None:
    """Every few seconds the status line tells rate, latency and people."""

    def line() -> list[str]:
        return [text for text in manager.heard if text.endswith(" ms, 1 person")]

    wait_until(line, "a status line")
    assert line()[0].startswith("STATUS=")
    assert " frames/s, " in line()[0]
    assert node.running


def test_stop_is_announced(manager: Manager, node: NodeProcess) -> None:
    """The manager hears that the node stops because it was asked to."""
    assert node.stop()[0] == 0
    manager.wait_for("STOPPING=1")


def test_the_reason_of_an_end_is_the_status(manager: Manager, node: NodeProcess) -> None:
    """`systemctl status` of a node that is down tells why."""
    node.switch("camera unplug")
    assert node.wait() == 69
    wait_until(lambda: any("unplugged" in text for text in manager.heard), "the reason")


def test_a_wrong_configuration_is_the_status(
    manager: Manager, run_node: Callable[..., NodeProcess], broker: Mosquitto
) -> None:
    """All problems are in the one status line."""
    node = run_node(broker.port, "--set", "camera.fps=-1", "--set", "landmarker.num_poses=99")
    assert node.wait() == 78
    wait_until(lambda: any("num_poses" in text and "camera.fps" in text for text in manager.heard), "the reason")


@pytest.fixture
def no_network() -> tuple[str, ...]:
    """What a program runs under that has no network at all, not even a loopback that is up."""
    command = ("unshare", "--net") if os.geteuid() == 0 else ("unshare", "--net", "--map-root-user")
    if shutil.which("unshare") is None or subprocess.run([*command, "true"], check=False).returncode:
        pytest.skip("NOT TESTED: a node without any network; this machine permits no network namespaces")
    return command


@pytest.mark.parametrize("runtime", ["litert", "mediapipe"])
def test_without_any_network_it_sees_as_ever(
    manager: Manager, run_node: Callable[..., NodeProcess], no_network: tuple[str, ...], runtime: str
) -> None:
    """Frames are processed, the watchdog fed, events found; it goes on trying to connect, and its log stays short."""
    busy = ("--set", "mqtt.reconnect_min_s=0.05", "--set", "mqtt.reconnect_max_s=0.1", "--set", "power.idle_fps=0")
    source = ("--source", "demo:?loop=0", "--set", f"landmarker.runtime={runtime}")
    nowhere = ("--broker", "mqtt://broker.nowhere")  # the last one counts
    node = run_node(1, *nowhere, *busy, *source, program=(*no_network, *PIAPP))
    manager.wait_for("READY=1")
    pings = manager.count("WATCHDOG=1")
    # What else this machine does can only make a status line worse.
    wait_until(lambda: max(rates(manager), default=0.0) > 0.5 * CLIP_FPS, "the clip's rate in a status line", 60.0)
    assert manager.count("WATCHDOG=1") >= pings + 4
    node.wait_for_log("person_entered")
    code, took_s = node.stop()
    assert (code, took_s < STOP_LIMIT_S) == (0, True), node.log
    lines = [line for line in node.log.splitlines() if " event " not in line]
    assert [line for line in lines if "broker.nowhere" in line and "trying again" in line], node.log
    assert len(lines) <= QUIET_LINES, node.log


def rates(manager: Manager) -> list[float]:
    """Frames a second of each status line so far."""
    return [float(text.split()[0].removeprefix("STATUS=")) for text in manager.heard if " frames/s, " in text]
