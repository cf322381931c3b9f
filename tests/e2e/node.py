"""A node in a process of its own: started as a user or systemd would, watched, signalled, killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.mosquitto import DEADLINE_S, wait_until

PIAPP = (sys.executable, "-P", "-m", "piapp")  # -P: whatever the working directory holds
FAKES = (sys.executable, str(Path(__file__).with_name("fakes.py")))

NODE = "e2e"


def clean_environment(**more: str) -> dict[str, str]:
    """This process's environment without this machine's configuration of piapp."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIAPP_")}
    return kept | {"PIAPP_CONFIG": os.devnull} | more


def piapp(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of piapp to its end."""
    return subprocess.run(
        [*PIAPP, *map(str, arguments)],
        env=clean_environment(**environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE_S,
        check=False,
    )


class NodeProcess:
    """`piapp run` against a broker's port, with its standard error in a file.

    Args:
        folder: Where the log goes.
        port: The broker's.
        options: Further arguments of `piapp run`.
        program: What to run; `FAKES` has a camera and landmarker that obey `switch`.
    """

    def __init__(self, folder: Path, port: int, options: Sequence[str], program: Sequence[str] = PIAPP) -> None:
        self._log = folder / f"node-{time.monotonic_ns()}.log"
        broker = f"mqtt://127.0.0.1:{port}"
        command = [*program, "run", "--node", NODE, "--broker", broker, *options]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, env=clean_environment(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log
            )

    @property
    def log(self) -> str:
        """Its standard error so far."""
        return self._log.read_text(errors="replace")

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def wait_for_log(self, text: str) -> None:
        """Wait until the log holds a text."""
        wait_until(lambda: text in self.log or not self.running, f"{text!r} in the log")
        assert text in self.log, self.log

    def switch(self, command: str) -> None:
        """Throw a switch of the fakes, such as "camera freeze"; returns when it is thrown."""
        assert self._process.stdin
        self._process.stdin.write(f"{command}\n".encode())
        self._process.stdin.flush()
        self.wait_for_log(f"switched {command}")

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for its end; the exit code."""
        return self._process.wait(DEADLINE_S)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Ask it to end; the exit code, and how many seconds it took."""
        started = time.monotonic()
        self.send(number)
        return self.wait(), time.monotonic() - started

    def kill(self) -> None:
        """End it, in whatever state."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
