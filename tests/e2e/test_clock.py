"""A wall clock that jumps by years while a node runs changes `t` and nothing else.

A Pi has no clock that survives a power cut: it starts in the past and jumps when the network comes. libfaketime gives
the node a clock of its own to be set; monotonic clocks are left alone, as the kernel leaves them.
"""

from __future__ import annotations

import json
import re
import subprocess
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from tests.e2e.node import PIAPP, clean_environment
from tests.mosquitto import wait_until

RUNTIMES = ("litert", "mediapipe")

YEARS_S = 10 * 365 * 86_400

# How far `t` may be off: what lies between a frame's capture and its reading, on a machine that does something else.
SLACK_S = 60.0

# A broker that hears nothing for one and a half of these closes the connection.
KEEPALIVE_S = 2

QUICK = ("--set", f"mqtt.keepalive_s={KEEPALIVE_S}", "--set", "health.period_s=1", "--set", "power.idle_fps=0")

# A wait of the kernel until a time of the wall clock; relative ones, by whatever clock, are not moved by setting it.
_WAIT_FOR_WALL_CLOCK = re.compile(
    r"futex\(.*FUTEX_CLOCK_REALTIME, [^,]+, \{tv_sec|clock_nanosleep\(CLOCK_REALTIME, TIMER_ABSTIME"
)


def library() -> Path | None:
    """Libfaketime for programs with threads."""
    return next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


class Clock:
    """The wall clock of programs that start with `prefix`; `set` puts it ahead by so many seconds."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.ahead_s = 0
        self.set(0)
        self.prefix = (
            "env", f"LD_PRELOAD={library()}", f"FAKETIME_TIMESTAMP_FILE={self._file}", "FAKETIME_NO_CACHE=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1", "NO_FAKE_STAT=1",
        )  # fmt: skip

    def set(self, ahead_s: int) -> None:
        """Jump; from now on all readings differ so much from the truth."""
        self.ahead_s = ahead_s
        new = self._file.with_suffix(".new")
        new.write_text(f"{ahead_s:+d}")
        new.rename(self._file)

    def shows(self, payload: bytes) -> bool:
        """Whether a message's `t` is of the clock as it is set."""
        at = datetime.fromisoformat(json.loads(payload)["t"])
        return abs((at - datetime.now(UTC)).total_seconds() - self.ahead_s) < SLACK_S


@pytest.fixture
def clock(tmp_path):
    """A clock that a test may set."""
    if library() is None:
        pytest.skip("NOT TESTED: clock jumps; libfaketime is not installed (apt install faketime)")
    return Clock(tmp_path)


def decoded(messages):
    """The payloads of JSON messages."""
    return [json.loads(message.payload) for message in messages]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_jumps_change_nothing_but_t(clock, runtime, broker, subscribe, run_node):
    """Ten years ahead, twenty back, and right again: frames, events and the connection go on, and `t` follows."""
    subscriber = subscribe(broker)
    source = ("--source", "demo:?loop=0", "--set", f"landmarker.runtime={runtime}")
    node = run_node(broker.port, *QUICK, *source, program=(*clock.prefix, *PIAPP))
    subscriber.wait_for("event")
    for ahead_s in (YEARS_S, -YEARS_S, 0):
        clock.set(ahead_s)
        for leaf in ("frame", "event", "health"):
            wait_until(lambda leaf=leaf: clock.shows(subscriber.of(leaf)[-1].payload), f"a {leaf} at {ahead_s:+d} s")
    assert node.running, node.log
    times = [frame["ts_ms"] for frame in decoded(subscriber.of("frame"))]
    assert all(before < after < before + SLACK_S * 1000 for before, after in pairwise(times))
    reports = decoded(subscriber.of("health"))
    assert reports[-1]["uptime_s"] - reports[0]["uptime_s"] < len(reports) * SLACK_S
    assert reports[-1]["mqtt_reconnects"] == 0
    assert all(report["fps_out"] > 0 for report in reports)
    assert not any(event["historical"] for event in decoded(subscriber.of("event")))
    assert [message.payload for message in subscriber.of("status")] == [b"online"]
    code, _ = node.stop()
    assert code == 0, node.log
    subscriber.wait_for("status", payload=b"offline")
    assert_complete(subscriber)


def assert_complete(subscriber) -> None:
    """Sequence numbers rise by one, but for frames that the node itself counted as dropped on their way."""
    numbers = [frame["seq"] for frame in decoded(subscriber.of("frame"))]
    assert numbers == sorted(set(numbers))
    dropped = decoded(subscriber.of("health"))[-1]["messages_dropped"]["frames"]
    assert numbers[-1] - numbers[0] + 1 - len(numbers) <= dropped
    ids = [event["id"] for event in decoded(subscriber.of("event"))]
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_nothing_waits_for_the_wall_clock(runtime, tmp_path, strace):
    """A clock that is set during a wait would end it at once, or after years; no system call of a run names one."""
    trace = tmp_path / "trace"
    calls = ["-f", "-e", "trace=futex,clock_nanosleep", "-e", "signal=none", "-o", trace]
    source = ["--source", "demo:?loop=0", "--set", f"landmarker.runtime={runtime}"]
    node = [*PIAPP, "run", "--node", "e2e", "--broker", "mqtt://127.0.0.1:1", *source, "--duration", "2"]
    done = subprocess.run(
        [strace, *calls, *node], env=clean_environment(), capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = trace.read_text().splitlines()
    assert any("FUTEX_WAIT" in line and "tv_sec" in line for line in lines)
    assert waits_for_wall_clock(lines) == []


def waits_for_wall_clock(lines):
    """The lines of a trace that wait until a time of the wall clock."""
    return [line for line in lines if _WAIT_FOR_WALL_CLOCK.search(line)]


def test_the_trace_would_show_such_a_wait():
    """The reading of traces finds what it must, and lets relative waits and endless ones be."""
    lines = [
        "7 futex(0x7f0, FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME, 0, {tv_sec=1795346397, tv_nsec=0} <unfinished",
        "7 clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, {tv_sec=1795346397, tv_nsec=0}, NULL) = 0",
        "7 futex(0x7f0, FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME, 0, NULL, FUTEX_BITSET_MATCH_ANY) = 0",
        "7 futex(0x7f0, FUTEX_WAIT_BITSET_PRIVATE, 0, {tv_sec=11917, tv_nsec=0}, FUTEX_BITSET_MATCH_ANY) = 0",
        "7 clock_nanosleep(CLOCK_REALTIME, 0, {tv_sec=1, tv_nsec=0}, NULL) = 0",
    ]
    assert waits_for_wall_clock(lines) == lines[:2]
