"""Opening the set-up page: who may, where the code goes, and what is printed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from piapp.config.load import load_config
from piapp.invitation import Invitation
from piapp.operate.setup_page import SetupPageError, close_setup_page, open_setup_page
from tests.e2e.node import piapp


def config(folder, **keys):
    """A node whose state is in this folder."""
    settings = {"node.id": "hall", "spool.dir": str(folder), "preview.port": "8099", **keys}
    return load_config(Path(os.devnull), overrides=list(settings.items()), environ={}).config


def test_the_node_finds_what_was_opened(tmp_path):
    """Each time with another code; the links have it where no server and no log sees it."""
    first, page = open_setup_page(config(tmp_path)), open_setup_page(config(tmp_path))
    invitation = Invitation.open(tmp_path / "invitation-hall.json")
    assert invitation is not None
    assert invitation.code == page.code != first.code
    assert all(link.endswith(f":8099/setup#{page.code}") for link in page.links)


def test_the_code_can_be_taken_back(tmp_path):
    """Once; then nobody is invited."""
    open_setup_page(config(tmp_path))
    assert [close_setup_page(config(tmp_path)) for _ in range(2)] == [True, False]
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_the_node_s_own_user(tmp_path):
    """Root opens it, and the service reads it: the file belongs to whom the folder belongs to."""
    if os.geteuid():
        pytest.skip("NOT TESTED: only root gives files away")
    os.chown(tmp_path, 4321, 4321)
    open_setup_page(config(tmp_path))
    status = (tmp_path / "invitation-hall.json").stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (4321, 4321, 0o600)


def test_nowhere_to_open_it(tmp_path):
    """A node that keeps nothing, and a folder that is not there."""
    with pytest.raises(SetupPageError, match=r"spool\.dir"):
        open_setup_page(config("off"))
    with pytest.raises(SetupPageError, match="cannot be written"):
        open_setup_page(config(tmp_path / "gone"))


def test_the_command(tmp_path):
    """It prints address and code, and takes them back."""
    options = ("--set", f"spool.dir={tmp_path}", "--set", "node.id=hall")
    printed = piapp("setup-page", *options).stdout
    invitation = Invitation.open(tmp_path / "invitation-hall.json")
    assert invitation is not None
    assert f"/setup#{invitation.code}\n" in printed
    assert f"Code: {invitation.code} " in printed
    assert piapp("setup-page", "--close", *options).stdout == "the code was taken back\n"
