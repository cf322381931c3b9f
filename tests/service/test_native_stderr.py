"""What native libraries write to descriptor 2, in a process of its own: it is redirected for good."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROLOGUE = """
import ctypes, logging, os, sys, time
from piapp.service.native_stderr import catch_native_stderr
catch_native_stderr()
logging.basicConfig(level={level!r}, format="%(levelname)s|%(name)s|%(message)s", stream=sys.stderr)
def native(text):
    os.write(2, text)
def settle():
    deadline = time.monotonic() + 20
    while "END" not in seen and time.monotonic() < deadline:
        time.sleep(0.01)
seen = []
class Watch(logging.Handler):
    def emit(self, record):
        if "END" in record.getMessage():
            seen.append("END")
logging.getLogger().addHandler(Watch())
"""


def run(body, level="DEBUG"):
    """Standard error of a process that runs `body`."""
    code = PROLOGUE.format(level=level) + body + "\nnative(b'E0000 END\\n')\nsettle()\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == ""
    return [line for line in done.stderr.splitlines() if "END" not in line]


LOGGER = "piapp.service.native_stderr"


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("W0000 00:00:1 feedback_manager.cc:121] Feedback manager requires", "DEBUG"),
        ("INFO: Created TensorFlow Lite XNNPACK delegate for CPU.", "DEBUG"),
        ("E0000 00:00:1 calculator_graph.cc:9] it failed", "WARNING"),
        ("F1122 00:00:1 x.cc:1] Check failed: y", "WARNING"),
        ("ERROR: something", "WARNING"),
        ("terminate called after throwing", "WARNING"),
    ],
)
def test_native_lines_join_the_log(line, level):
    """Severe ones as warnings, the rest only for debugging; whole lines, once."""
    assert run(f"native({(line + chr(10)).encode()!r})") == [f"{level}|{LOGGER}|{line}"]


def test_chatter_is_quiet_by_default():
    """At the usual level nothing of it shows."""
    assert run("native(b'W0000 x\\nINFO: y\\n')", level="INFO") == []


def test_our_own_words_go_straight_to_standard_error():
    """The log and sys.stderr are not fed back into the log."""
    lines = run("print('ours', file=sys.stderr)\nlogging.getLogger('a').info('logged')")
    assert lines == ["ours", "INFO|a|logged"]


def test_odd_bytes_and_long_lines():
    """Bytes that are no text are escaped; pieces become one line; empty lines vanish."""
    lines = run(
        "native(b'E0000 \\xff\\n\\n\\nE0000 one ')\nnative(b'line\\n')\nnative(b'E0000 ' + b'x' * 100_000 + b'\\n')"
    )
    assert lines[0] == f"WARNING|{LOGGER}|E0000 \\xff"
    assert lines[1] == f"WARNING|{LOGGER}|E0000 one line"
    assert len(lines[2]) > 100_000


def test_a_crash_is_still_a_crash():
    """The exit code of a native abort is not hidden."""
    code = PROLOGUE.format(level="INFO") + "os.abort()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False)
    assert done.returncode == -6
