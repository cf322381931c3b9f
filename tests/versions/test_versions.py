"""The state folder of each released version is read by this one, as docs/versions.md promises."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from tests.versions.state import HERE, read

VERSIONS = sorted(path.name.removesuffix(".tar.gz") for path in HERE.glob("*.tar.gz"))


def test_there_is_something_to_read() -> None:
    """The versions whose folders are kept here, each with what it made of its own."""
    assert VERSIONS
    assert sorted(path.stem for path in HERE.glob("*.json")) == VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
def test_this_version_reads_it(tmp_path: Path, version: str) -> None:
    """Each event that waited for the broker comes with its id, and settings, zones and cases are as they were."""
    folder, scratch = tmp_path / "node", tmp_path / "scratch"
    scratch.mkdir()
    with tarfile.open(HERE / f"{version}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    expected = json.loads((HERE / f"{version}.json").read_text())
    assert [kind for _, kind in expected["events"]].count("fall") == 1
    made = read(folder, scratch)
    # Events of the new run may have joined them.
    made["events"] = [event for event in made["events"] if event in expected["events"]]
    assert made == expected
