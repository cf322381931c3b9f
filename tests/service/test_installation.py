"""The newest version on the machine, as the installer notes it."""

from __future__ import annotations

import pytest

from piapp.service.installation import NEWEST_FILE, newest_version


@pytest.fixture
def prefix(tmp_path):
    """The folder of the version that runs."""
    (tmp_path / "0.1.0").mkdir()
    return tmp_path / "0.1.0"


def test_the_installers_note_is_read(prefix):
    """It lies beside the folders of all versions."""
    (prefix.parent / NEWEST_FILE).write_text("0.2.0\n")
    assert newest_version(prefix) == "0.2.0"


def test_a_checkout_knows_of_none(prefix):
    """Nor does the environment that runs this test."""
    assert newest_version(prefix) is None
    assert newest_version() is None


@pytest.mark.parametrize("content", [b"", b"\n0.2.0\n", b"\xff", b"0" * 1000, b"0.2 {{ evil }}\n"])
def test_a_damaged_note_is_none(prefix, content):
    """What cannot be a version is not published."""
    (prefix.parent / NEWEST_FILE).write_bytes(content)
    assert newest_version(prefix) is None


def test_a_folder_in_its_place_is_none(prefix):
    """Reading fails, and costs nothing."""
    (prefix.parent / NEWEST_FILE).mkdir()
    assert newest_version(prefix) is None
