"""The Containerfile fits the project; whether the image runs is tried by hand, with podman."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

PROJECT = Path(__file__).parents[2]
TEXT = (PROJECT / "Containerfile").read_text()


def test_what_it_copies_is_there() -> None:
    """Files of the project, and nothing that `.dockerignore` keeps out."""
    copied = [name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", TEXT, re.MULTILINE) for name in line.split()]
    ignored = (PROJECT / ".dockerignore").read_text().splitlines()
    assert {"piapp", "models", "deploy/requirements.txt"} <= set(copied)
    assert [name for name in copied if not (PROJECT / name).exists() or name in ignored] == []


def test_it_leaves_out_what_only_builds() -> None:
    """It uninstalls the locked packages that the release's requirements do not name, and pip."""
    lock = (PROJECT / "deploy" / "requirements.txt").read_text()
    needed = runpy.run_path(str(PROJECT / "deploy" / "python" / "build.py"))["constraints"](lock)
    names = [set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE)) for text in (lock, needed)]
    uninstalled = re.search(r"pip uninstall --yes --quiet (.+) \\", TEXT)[1].split()
    assert set(uninstalled) == (names[0] - names[1]) | {"pip"}


def test_it_runs_as_a_user_without_rights() -> None:
    """The last stage has a user, and the command that README gives asks for no writable root."""
    last = TEXT.rsplit("\nFROM ", 1)[1]
    assert re.search(r"^USER [1-9]\d*$", last, re.MULTILINE)
    assert "podman run --rm --read-only --cap-drop all" in (PROJECT / "README.md").read_text()
