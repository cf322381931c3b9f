"""Start and memory of a node on the processors of Raspberry Pis, emulated: `make measure-arm64` prints the table.

A real node plays the bundled clip to a real broker. Emulation makes every instruction many times dearer and adds the
emulator's own memory, so the figures are upper bounds of memory and say nothing of a board's speed; the last column,
the same on this machine, shows by how much.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tests.e2e.arm64.emulated import Emulated, missing
from tests.mosquitto import Mosquitto, Subscriber

# Processor as qemu names it, its boards, and the runtime that the installer chooses there.
CLASSES = (
    ("cortex-a53", "Pi 3, Zero 2 W", "litert"),
    ("cortex-a72", "Pi 4", "litert"),
    ("cortex-a76", "Pi 5", "litert"),
    ("cortex-a76", "Pi 5", "mediapipe"),
)

# Memory is steady after the model's second use; emulated frames take a second or more.
FRAMES = 20

DEADLINE_S = 1200.0


class Measured(msgspec.Struct, frozen=True):
    """What one node took.

    Attributes:
        first_s: From its start to the first frame message with somebody in it, by the clock.
        first_cpu_s: The same in processor time.
        rss_mb: Resident memory after `FRAMES` such frames, the emulator's included.
    """

    first_s: float
    first_cpu_s: float
    rss_mb: float


def main() -> None:
    """Measure all, and print the table."""
    if reason := missing():
        sys.exit(f"cannot emulate on this machine: {reason}")
    emulated = Emulated()
    _show("| processor (emulated) | boards | runtime | start to first result, clock and CPU | memory |")
    _show("|---|---|---|---|---|")
    for processor, boards, runtime in CLASSES:
        _show(f"| {processor} | {boards} | {runtime} | {_cells(_measure(emulated.command(processor), runtime))} |")
    for runtime in ("litert", "mediapipe"):
        found = _measure(([sys.executable, "-P"], dict(os.environ)), runtime)
        _show(f"| this machine, not emulated | | {runtime} | {_cells(found)} |")


def _show(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _cells(found: Measured) -> str:
    return f"{found.first_s:.1f} s, {found.first_cpu_s:.1f} s | {found.rss_mb:.0f} MB"


def _measure(python: tuple[list[str], dict[str, str]], runtime: str) -> Measured:
    command, environment = python
    with tempfile.TemporaryDirectory() as folder:
        broker = Mosquitto(Path(folder)).start()
        frames = Subscriber(broker.port, "piapp/measured/frame")
        settings = {
            "node.id": "measured",
            "mqtt.url": f"mqtt://127.0.0.1:{broker.port}",
            "camera.source": "demo:?loop=0",
            "landmarker.runtime": runtime,
            "landmarker.workers": "1",
            "spool.dir": folder,
            "landmarker.max_result_age_s": "600",
        }
        options = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        started_s = time.monotonic()
        with _running([*command, "-m", "piapp", "run", *options], environment, Path(folder) / "log") as node:
            _wait_for(frames, 1, node)
            first_s, first_cpu_s = time.monotonic() - started_s, _cpu_s(node.pid)
            _wait_for(frames, FRAMES, node)
            found = Measured(first_s, first_cpu_s, _rss_mb(node.pid))
        frames.close()
        broker.stop()
    return found


@contextlib.contextmanager
def _running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as file:
        node = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
        try:
            yield node
        finally:
            if node.poll() is not None:
                sys.stderr.write(log.read_text(errors="replace"))
            node.kill()
            node.wait()


def _wait_for(frames: Subscriber, count: int, node: subprocess.Popen[bytes]) -> None:
    until_s = time.monotonic() + DEADLINE_S
    while sum(b'"landmarks"' in message.payload for message in list(frames.messages)) < count:
        if node.poll() is not None or time.monotonic() > until_s:
            sys.exit(f"the node gave no {count} frames with somebody in them")
        time.sleep(0.02)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


if __name__ == "__main__":
    main()
