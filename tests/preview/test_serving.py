"""What serves the page comes with the first visitor, and ends with the node whether one came or not."""

from __future__ import annotations

import subprocess
import sys

from tests.mosquitto import DEADLINE_S

# In a process of its own: this one has loaded everything.
UNVISITED = """
import os, sys, urllib.request
from pathlib import Path
from piapp.config.load import load_config
from piapp.preview.server import Preview
from tests.preview.conftest import FakeOwner
keys = [("preview.enabled", "true"), ("preview.port", "0")]
config = load_config(Path(os.devnull), overrides=keys, environ={}).config.preview
preview = Preview(config, FakeOwner(), pictures=False)
preview.start()
heavy = ("uvicorn", "starlette", "h11")
assert not [name for name in heavy if name in sys.modules], "loaded before anybody came"
if sys.argv[1] == "visit":
    assert urllib.request.urlopen(preview.url).status == 200
    assert all(name in sys.modules for name in heavy)
assert preview.stop(20)
preview.raise_if_failed()
"""


def run(how):
    """Start a page in a process of its own, visit it or not, and stop it."""
    return subprocess.run([sys.executable, "-c", UNVISITED, how], capture_output=True, text=True, check=False)


def test_nothing_is_loaded_before_somebody_comes():
    """The first visitor is served all the same."""
    done = run("visit")
    assert done.returncode == 0, done.stderr


def test_a_page_that_nobody_opens_ends_at_once():
    """The thread waits for a visitor, or for the end."""
    done = run("never")
    assert done.returncode == 0, done.stderr


def test_it_can_be_ended_twice(serve):
    """By the node's end, and by whoever has started it."""
    page = serve()
    assert page.preview.stop(DEADLINE_S)
    assert page.preview.stop(DEADLINE_S)
