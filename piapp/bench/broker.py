"""A real broker in a process of its own, so that its processor time is nobody's who is measured.

Run as a module it is the embedded broker: tells its port on standard output, and ends with standard input.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from piapp.errors import BrokerError
from piapp.extras import DISTRIBUTION

START_S = 15.0


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker that listens on loopback.

    Attributes:
        name: What it is, for people.
        protocol: What `mqtt.protocol` should be.
    """

    name: str
    url: str
    protocol: str


@contextmanager
def running_broker() -> Iterator[Broker]:
    """Run mosquitto where it is installed, else the embedded broker of `piapp demo`, which takes more of a core.

    Raises:
        BrokerError: It does not start.
    """
    # Debian puts it where only root's PATH leads.
    path = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    port = _free_port() if path else 0
    command = [path, "-p", str(port)] if path else [sys.executable, "-m", "piapp.bench.broker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:  # noqa: S603 - fixed words
        try:
            yield _mosquitto(process, port) if path else _embedded(process)
        finally:
            process.terminate()


def _mosquitto(process: subprocess.Popen[bytes], port: int) -> Broker:
    until_s = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < until_s:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
        except OSError:
            time.sleep(0.02)
        else:
            return Broker("mosquitto", f"mqtt://127.0.0.1:{port}", "auto")
    raise BrokerError(f"mosquitto did not open port {port} within {START_S:g} s; try `mosquitto -p {port}` by hand")


def _embedded(process: subprocess.Popen[bytes]) -> Broker:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise BrokerError(
            f"the embedded broker did not start; install mosquitto, or {DISTRIBUTION}[demo], which brings amqtt"
        )
    return Broker("embedded amqtt", f"mqtt://127.0.0.1:{int(line)}", "3.1.1")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _serve_embedded() -> None:
    from piapp.testing.broker import EmbeddedBroker  # noqa: PLC0415 - needs the demo extra

    with EmbeddedBroker() as broker:
        sys.stdout.write(f"{broker.port}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    _serve_embedded()
