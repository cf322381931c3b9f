"""What systemd is told, over a real notification socket where systemd-python is there."""

from __future__ import annotations

import io
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from piapp.service.systemd import JournalHandler, Supervisor, journal_handler, notifier, watchdog_s

SYSTEMD_PYTHON = "systemd-python is not installed; `make test` installs it"


class Manager:
    """Hears what a service says."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def __call__(self, state: str) -> None:
        """Hear one state."""
        self.heard.append(state)

    def count(self, state: str) -> int:
        """How often a state was said."""
        return sum(state in line for words in self.heard for line in words.splitlines())


@pytest.fixture
def manager() -> Manager:
    return Manager()


def supervisor(manager: Manager, now: list[float], watchdog: float | None = 20.0) -> Supervisor:
    return Supervisor(manager, watchdog, clock=lambda: now[0])


def test_ready_follows_the_first_result(manager: Manager) -> None:
    """Nothing but a result makes the service ready, and it is said once."""
    node = supervisor(manager, [0.0])
    node.set_status("loading the model")
    node.alive()
    assert not manager.count("READY=1")
    node.result(10.0, 0)
    node.result(10.0, 0)
    assert manager.count("READY=1") == 1


def test_watchdog_is_fed_by_results_only(manager: Manager) -> None:
    """Each quarter of WatchdogSec one result pings; time that passes without results does not."""
    now = [0.0]
    node = supervisor(manager, now, watchdog=20.0)
    for now[0] in (0.0, 1.0, 4.9, 5.0, 9.0, 10.5):
        node.result(10.0, 1)
    assert manager.count("WATCHDOG=1") == 3
    now[0] = 500.0
    assert manager.count("WATCHDOG=1") == 3


def test_nobody_watching_hears_no_ping(manager: Manager) -> None:
    """Without WatchdogSec no ping is sent."""
    node = supervisor(manager, [0.0], watchdog=None)
    node.result(10.0, 1)
    assert not manager.count("WATCHDOG=1")


@pytest.mark.parametrize(("people", "words"), [(0, "nobody"), (1, "1 person"), (3, "3 people")])
def test_status_line_sums_up_the_last_seconds(manager: Manager, people: int, words: str) -> None:
    """The status line tells rate, mean latency and people."""
    now = [100.0]
    node = supervisor(manager, now)
    for number in range(51):
        now[0] = 100.0 + number / 10
        node.result(40.0, people)
    assert manager.heard[-1] == f"STATUS=10.2 frames/s, 40 ms, {words}"


def test_without_a_manager_everything_is_silent() -> None:
    """Outside a service nothing is sent and nothing fails."""
    node = Supervisor(notifier({}), watchdog_s({}))
    node.set_status("x")
    node.result(1.0, 1)
    node.stopping()


def test_without_systemd_python_it_runs(tmp_path: Path) -> None:
    """A service on a machine without systemd-python, and with nobody at the socket, logs to standard error."""
    code = (
        "import sys; sys.modules['systemd'] = None\n"
        "from piapp.service.systemd import Supervisor, journal_handler\n"
        "Supervisor.of_this_process().result(1.0, 0)\n"
        "assert journal_handler({}) is None\n"
    )
    environ = os.environ | {"NOTIFY_SOCKET": str(tmp_path / "socket"), "WATCHDOG_USEC": "1000000"}
    subprocess.run([sys.executable, "-c", code], env=environ, check=True)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "20000000"}, 20.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getpid())}, 20.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_watchdog_period_is_for_this_process(environ: dict[str, str], expected: float | None) -> None:
    """The variable counts only when it is a time and meant for this process."""
    assert watchdog_s(environ) == expected


def test_a_real_socket_hears_ready(tmp_path: Path) -> None:
    """systemd-python sends what systemd understands."""
    pytest.importorskip("systemd.daemon", reason=SYSTEMD_PYTHON)
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.settimeout(30)
        code = "from piapp.service.systemd import Supervisor; Supervisor.of_this_process().result(5.0, 1)"
        environ = os.environ | {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "20000000"}
        subprocess.run([sys.executable, "-c", code], env=environ, check=True)
        assert listener.recv(4096).splitlines() == [b"READY=1", b"STATUS=running"]
        assert listener.recv(4096) == b"WATCHDOG=1"


@pytest.mark.parametrize("name", ["{folder}/notify", "@piapp-test-{process}"], ids=["path", "abstract"])
def test_without_systemd_python_it_is_heard_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Who came by pip has no systemd-python: readiness and watchdog must not depend on it."""
    monkeypatch.setitem(sys.modules, "systemd", None)
    address = name.format(folder=tmp_path, process=os.getpid())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        listener.settimeout(30)
        notify = notifier({"NOTIFY_SOCKET": address})
        notify("READY=1")
        assert listener.recv(4096) == b"READY=1"
    notify("WATCHDOG=1")  # nobody listens any more, and nothing fails


def test_log_goes_to_the_journal_only_when_standard_error_does(tmp_path: Path) -> None:
    """JOURNAL_STREAM must name the stream itself: a shell in a service may have redirected it."""
    pytest.importorskip("systemd.journal", reason=SYSTEMD_PYTHON)
    with (tmp_path / "stream").open("w") as stream:
        status = os.fstat(stream.fileno())
        same = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert journal_handler({}, stream=stream, environ=same) is not None
        assert journal_handler({}, stream=stream, environ={"JOURNAL_STREAM": "8:1"}) is None
        assert journal_handler({}, stream=stream, environ={}) is None
    assert journal_handler({}, stream=io.StringIO(), environ=same) is None


def test_records_become_entries_with_fields() -> None:
    """An entry carries the message, the node, a syslog priority and the record's own fields."""
    entries: list[tuple[str, dict[str, Any]]] = []
    handler = JournalHandler(lambda message, **fields: entries.append((message, fields)), {"PIAPP_NODE": "hall"})
    log = logging.Logger("piapp.node.app")  # noqa: LOG001 - a logger that nobody else has
    log.addHandler(handler)
    log.info("event %s", "fall", extra={"fields": {"PIAPP_EVENT": "fall", "PIAPP_PERSON": "3"}})
    log.error("lost")
    (message, fields), (_, error) = entries
    assert message == "event fall"
    assert fields["PIAPP_EVENT"] == "fall"
    assert fields["PIAPP_PERSON"] == "3"
    assert fields["PIAPP_NODE"] == "hall"
    assert (fields["PRIORITY"], error["PRIORITY"]) == ("6", "3")
    assert "PIAPP_EVENT" not in error
