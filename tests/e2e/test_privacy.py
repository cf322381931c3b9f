"""Nothing leaves but to the owner's broker: system calls of whole runs, traced."""

from __future__ import annotations

import json
import os
import re
import subprocess

import pytest

from tests.e2e.conftest import CLIP_FRAMES
from tests.e2e.node import NODE, PIAPP, clean_environment

# How long the long run takes; `make soak` has one.
LONG_S = min(float(os.environ.get("PIAPP_SOAK_S", "0")), 300.0)

TRACED_CALLS = "trace=socket,connect,bind,sendto,sendmsg,sendmmsg"

# A call that strace prints in one piece or in two, with what it returned.
_SOCKET = re.compile(r"socket\((AF_\w+), (\w+)[^)]*\) += (-?\d+)")
_ADDRESS = re.compile(r"sin6?_port=htons\((\d+)\).*?inet_(?:addr|pton)\((?:AF_INET6, )?\"([^\"]+)\"")
_HARMLESS = {"AF_UNIX"}  # the journal; look-ups over it are refused as well


@pytest.fixture
def trace(tmp_path, strace):
    """Run a command of piapp under strace; its result and the trace's lines."""

    def run(*arguments):
        output = tmp_path / "trace"
        command = [strace, "-f", "-e", TRACED_CALLS, "-e", "signal=none", "-o", output, *PIAPP, *arguments]
        done = subprocess.run(
            command, env=clean_environment(), capture_output=True, text=True, timeout=LONG_S + 100, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout, joined(output.read_text().splitlines())

    return run


def joined(lines):
    """Put calls that another thread's line interrupts together again."""
    begun, whole = {}, []
    for line in lines:
        thread, _, call = line.partition(" ")
        call = call.strip()
        if call.endswith("<unfinished ...>"):
            begun[thread] = call.removesuffix("<unfinished ...>")
        elif "resumed>" in call:
            whole.append(begun.pop(thread, "") + call.partition("resumed>")[2])
        else:
            whole.append(call)
    return [*whole, *begun.values()]


def opened(calls):
    """(family, type) of every socket that was really made, but for local ones."""
    found = [match for call in calls if (match := _SOCKET.match(call))]
    return [(match[1], match[2]) for match in found if int(match[3]) >= 0 and match[1] not in _HARMLESS]


def destinations(calls):
    """(address, port) of all connects and sends to an internet address, whether they worked or not."""
    sends = [call for call in calls if call.startswith(("connect", "send"))]
    return {(match[2], int(match[1])) for call in sends if (match := _ADDRESS.search(call))}


def test_a_node_talks_to_its_broker_and_to_nobody_else(trace, mosquitto, subscribe, clip):
    """A whole run makes one internet socket, to the broker; MediaPipe's look-ups are refused and results still come."""
    subscriber = subscribe(mosquitto)
    source = f"file:{clip}?pace=lockstep"
    settings = ["--set", "landmarker.runtime=mediapipe", "--set", "landmarker.workers=1"]
    _, calls = trace(
        "run", "--node", NODE, "--broker", f"mqtt://127.0.0.1:{mosquitto.port}", "--source", source, *settings
    )
    assert opened(calls) == [("AF_INET", "SOCK_STREAM")]
    assert destinations(calls) == {("127.0.0.1", mosquitto.port)}
    subscriber.wait_for("status", payload=b"offline")
    frames = [json.loads(message.payload) for message in subscriber.of("frame")]
    assert len(frames) == CLIP_FRAMES
    assert all(frame["poses"] for frame in frames)


@pytest.mark.skipif(not LONG_S, reason="takes five minutes: `make soak` runs it")
@pytest.mark.timeout(LONG_S * 2 + 120)
def test_minutes_later_it_still_talks_to_nobody_else(trace, mosquitto):
    """What the library may want to report after a while, at a camera's pace, does not leave either."""
    settings = ["--set", "landmarker.runtime=mediapipe", "--source", "demo:?loop=0"]
    broker = f"mqtt://127.0.0.1:{mosquitto.port}"
    _, calls = trace("run", "--node", NODE, "--broker", broker, "--duration", f"{LONG_S:g}", *settings)
    assert opened(calls) == [("AF_INET", "SOCK_STREAM")]
    assert destinations(calls) == {("127.0.0.1", mosquitto.port)}


def test_detect_talks_to_nobody(trace, clip):
    """Files of a home are looked at here; no internet socket is made."""
    traced, calls = trace("detect", str(clip), "--set", "landmarker.runtime=mediapipe")
    assert opened(calls) == []
    assert destinations(calls) == set()
    lines = [json.loads(line) for line in traced.splitlines()]
    assert len(lines) == CLIP_FRAMES
    assert all(line["poses"] for line in lines)


def test_the_trace_would_show_a_leak():
    """The reading of traces finds what it must: whole and interrupted calls, both families, look-ups."""
    calls = joined(
        [
            "7 socket(AF_INET6, SOCK_DGRAM|SOCK_CLOEXEC, IPPROTO_IP) = 5",
            "8 socket(AF_INET, SOCK_DGRAM, IPPROTO_IP <unfinished ...>",
            '7 connect(5, {sa_family=AF_INET6, sin6_port=htons(443), inet_pton(AF_INET6, "::1", &sin6_addr)}, 28) = 0',
            "8 <... socket resumed>) = 6",
            "8 socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) = -1 EAFNOSUPPORT (Address family not supported by protocol)",
            '8 sendto(6, "x", 1, 0, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.0.0.1")}, 16) = 1',
        ]
    )
    assert opened(calls) == [("AF_INET6", "SOCK_DGRAM"), ("AF_INET", "SOCK_DGRAM")]
    assert destinations(calls) == {("::1", 443), ("10.0.0.1", 53)}
