"""A node starts from its options alone, and keeps out of memory what it does not need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from piapp.cli.app import ENTRIES
from piapp.cli.process import LogLevel
from piapp.cli.run import OPTIONS, RunOptions, read_options

# What reads command lines, writes tables, draws, serves the page, makes bundles, is of other runtimes or commands.
NOT_IN_A_NODE = {
    "typer", "click", "rich", "pydantic", "matplotlib", "starlette", "uvicorn", "websockets", "amqtt", "mediapipe",
    "flatbuffers", "picamera2", "PIL", "mkdocs", "pytest",
    "piapp.cli.app", "piapp.cli.node", "piapp.bench", "piapp.watch", "piapp.fleet", "piapp.operate", "piapp.preview",
    "piapp.offline.evaluate", "piapp.offline.replay", "piapp.landmarker.bundle", "piapp.landmarker.mediapipe",
}  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ([], RunOptions()),
        (["--config", "/a.toml", "--node=hall"], RunOptions(config=Path("/a.toml"), node="hall")),
        (["--set", "camera.fps=10", "--set=a.b=c=d"], RunOptions(sets=("camera.fps=10", "a.b=c=d"))),
        (["--source", "a", "--source", "b", "--broker", "c"], RunOptions(source="b", broker="c")),
        (["--duration", "1.5", "--log-level", "debug"], RunOptions(duration_s=1.5, log_level=LogLevel.DEBUG)),
        (["--source="], RunOptions(source="")),
    ],
)
def test_options_that_are_plainly_right(arguments, options):
    """The last of several counts, but for those that may come more than once."""
    assert read_options(arguments) == options


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["-h"],
        ["--node"],
        ["--node", "--set"],
        ["hall"],
        ["--colour", "red"],
        ["--duration", "long"],
        ["--duration", "-1"],
        ["--duration=-1"],
        ["--duration=nan"],
        ["--log-level", "loud"],
    ],
)
def test_options_that_need_a_message(arguments):
    """They are left to the command's own reader, which has help and messages."""
    assert read_options(arguments) is None


def test_both_readers_know_the_same_options():
    """And all of them have a value."""
    command = ENTRIES["run"].load("run")
    known = {option for parameter in command.params for option in parameter.opts}
    assert known - {"--help", "-h"} == set(OPTIONS)
    assert not any(parameter.is_flag for parameter in command.params)


def test_both_ways_to_start_end_alike(tmp_path):
    """A configuration that cannot be used ends with 78 and its message, and a missing value with 2 and the usage."""
    for arguments, code, text in (
        (["--set", "camera.fps=fast"], 78, "camera.fps"),
        (["--config", str(tmp_path / "gone.toml")], 78, "there is no such file"),
        (["--node"], 2, "--node"),
    ):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "piapp", "run", *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == code
        assert text in done.stderr


LISTING = """
import atexit, sys
from pathlib import Path
from piapp.cli import main
listing, *sys.argv = sys.argv[1:]
atexit.register(lambda: Path(listing).write_text("\\n".join(sys.modules)))
main()
"""


def test_what_a_running_node_does_not_import(mosquitto, tmp_path):
    """With LiteRT, the page off: at its end Python has loaded none of the others."""
    listing = tmp_path / "modules"
    options = ["--set", "landmarker.runtime=litert", "--source", "demo:?pace=lockstep", "--broker", mosquitto.url]
    done = subprocess.run(
        [sys.executable, "-P", "-c", LISTING, listing, "piapp", "run", "--node", "lean", "--duration", "3", *options],
        env=os.environ | {"PIAPP_CONFIG": os.devnull},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    loaded = set(listing.read_text().split())
    assert {"piapp.node.app", "piapp.landmarker.litert.network", "ai_edge_litert.interpreter"} <= loaded
    assert "person_entered" in done.stderr
    assert loaded & NOT_IN_A_NODE == set()
