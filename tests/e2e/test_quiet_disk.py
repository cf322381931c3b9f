"""SD cards wear out by writing: a node that runs and has nothing to tell writes nothing, not even to its log."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.e2e.node import FAKES, NodeProcess
from tests.mosquitto import Mosquitto, Subscriber, wait_until

CALLS = "write,pwrite64,writev,pwritev,fsync,fdatasync,ftruncate,openat,rename,renameat2,unlink,mkdir"

# A call on a file: `write(5</var/lib/x>, ...)`, or one that opens a path for writing or names it otherwise.
_ON_DESCRIPTOR = re.compile(r"(?:write\w*|pwrite\w*|f\w*sync|ftruncate)\(\d+<(/(?!dev/|proc/)[^>]*)>")
_ON_PATH = re.compile(r"(?:openat\(.*(?:O_WRONLY|O_RDWR|O_CREAT)|rename|unlink|mkdir)")

_WRITTEN = re.compile(r"p?write\w*\(\d+<(/(?!dev/|proc/)[^>]*)>.* = (\d+)$")

HEALTH_MESSAGES = 6

# What an alarm may cost a card, with all events around it: 65 to 72 kB were measured with ten events. `pytest -s` shows
# each file's share.
ALARM_BYTES = 90_000

ROOM = str(Path(__file__).with_name("room.py"))


def writes(trace: str) -> list[str]:
    """The lines of a trace that touch a file system."""
    found = []
    for line in trace.splitlines():
        opened = _ON_PATH.search(line)
        if _ON_DESCRIPTOR.search(line) or (opened and '"/dev/' not in line and '"/proc/' not in line):
            found.append(line)
    return found


def bytes_written(trace: str) -> dict[str, int]:
    """How many bytes were written to each file."""
    sizes: Counter[str] = Counter()
    for line in trace.splitlines():
        if match := _WRITTEN.search(line):
            sizes[match[1]] += int(match[2])
    return dict(sizes)


def test_normal_running_writes_nothing(
    strace: str, run_node: Callable[..., NodeProcess], broker: Mosquitto, tmp_path: Path
) -> None:
    """Frames, health and a connection cost no write while nothing happens."""
    subscriber = Subscriber(broker.port)
    node = run_node(
        broker.port, "--set", "health.period_s=1", "--set", f"spool.dir={tmp_path / 'state'}", program=FAKES
    )
    subscriber.wait_for("event")  # somebody has come in, and stays as they are
    subscriber.wait_for("health", 10)  # seconds in which the spool notes that the event has arrived
    output = tmp_path / "trace"
    tracer = subprocess.Popen(
        [strace, "-f", "-y", "-e", f"trace={CALLS}", "-e", "signal=none", "-p", str(node.pid), "-o", output],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        wait_until(output.exists, "strace to attach")
        before = len(subscriber.of("health"))
        subscriber.wait_for("health", before + HEALTH_MESSAGES)
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate()
        subscriber.close()
    assert node.running
    assert writes(output.read_text()) == []


def test_an_alarm_writes_little(strace: str, start_mosquitto: Callable[..., Mosquitto], tmp_path: Path) -> None:
    """From before the fall until its recording is complete: events, what is open, and the recording."""
    broker = start_mosquitto()
    subscriber = Subscriber(broker.port)
    options = ("--set", f"spool.dir={tmp_path / 'state'}", "--set", "posture.fallen_after_s=2")
    node = NodeProcess(tmp_path, broker.port, options, program=(sys.executable, ROOM, "@14.5"))
    output = tmp_path / "trace"
    try:
        subscriber.wait_for("trigger", payload=b"person_entered")
        tracer = subprocess.Popen(
            [strace, "-f", "-y", "-e", f"trace={CALLS}", "-e", "signal=none", "-p", str(node.pid), "-o", output],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        wait_until(output.exists, "strace to attach")
        subscriber.wait_for("trigger", payload=b"recovered")
        wait_until(lambda: node.log.count(" kept in ") >= 2, "the recording")
        tracer.send_signal(signal.SIGINT)
        tracer.communicate()
    finally:
        node.kill()
        subscriber.close()
    log = str(tmp_path / "node-")
    written = {path: count for path, count in bytes_written(output.read_text()).items() if not path.startswith(log)}
    print("one alarm wrote", sum(written.values()), "bytes:", {Path(path).name: n for path, n in written.items()})  # noqa: T201
    assert any("alarms-" in path for path in written), written
    assert sum(written.values()) < ALARM_BYTES, written


def test_the_trace_tells_bytes() -> None:
    """By file, without what failed."""
    lines = [
        '7 write(5</x/y>, "a"..., 10) = 7',
        '8 pwrite64(5</x/y>, "a", 10, 0) = 10',
        "7 write(5</x/z>, 1) = -1 ENOSPC",
    ]
    assert bytes_written("\n".join(lines)) == {"/x/y": 17}


def test_the_trace_would_show_a_write() -> None:
    """The reading of traces finds what it must, and lets pipes and devices be."""
    lines = [
        '7 write(5</var/lib/piapp/events.db-wal>, "x", 1) = 1',
        "7 fdatasync(5</var/lib/piapp/events.db>) = 0",
        '7 openat(AT_FDCWD, "/tmp/x", O_WRONLY|O_CREAT|O_CLOEXEC, 0600) = 9</tmp/x>',
        '7 write(3<pipe:[123]>, "x", 1) = 1',
        '7 write(2</dev/null>, "x", 1) = 1',
        '7 openat(AT_FDCWD, "/proc/stat", O_RDONLY|O_CLOEXEC) = 9</proc/stat>',
    ]
    assert writes("\n".join(lines)) == lines[:3]
