"""Files that are replaced as a whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from piapp.whole_file import write_whole


def test_replaces_content_and_mode(tmp_path: Path) -> None:
    """Nothing is left beside it, whoever's umask it is."""
    file = tmp_path / "settings.json"
    file.write_text("old")
    write_whole(file, b"new", mode=0o640)
    assert file.read_bytes() == b"new"
    assert file.stat().st_mode & 0o7777 == 0o640
    assert list(tmp_path.iterdir()) == [file]


def test_a_failure_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full, seen when the data should reach it."""
    file = tmp_path / "settings.json"
    file.write_text("old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(file, b"new", mode=0o600)
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_keeps_the_owner_it_is_told(tmp_path: Path) -> None:
    """The configuration stays root's and the service's group's."""
    file = tmp_path / "piapp.toml"
    write_whole(file, b"", mode=0o640, owner=(os.geteuid(), 12345))
    assert file.stat().st_gid == 12345
