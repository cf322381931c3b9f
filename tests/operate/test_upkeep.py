"""Upkeep from the owner's page: each part does what the command of its name does."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path

import pytest

from piapp import __version__
from piapp.config.load import load_config
from piapp.errors import PiappError
from piapp.operate import archive
from piapp.operate import upkeep as module
from piapp.operate.check import Finding
from piapp.operate.upkeep import Upkeep
from piapp.service.log_memory import LogMemory


@pytest.fixture
def upkeep(tmp_path, monkeypatch):
    """Of a node with a kept setting; the doctor is asked elsewhere."""
    (tmp_path / "settings-hall.json").write_text('{"values":{"posture.dwell_s":0.5}}')
    asked = []

    def check(config, *, file, running):
        assert file == Path(os.devnull)
        asked.append((config.node.id, running))
        return iter([Finding("clock", "NOTE", "nobody vouches for it")])

    monkeypatch.setattr("piapp.operate.check.check", check)
    overrides = [("node.id", "hall"), ("spool.dir", str(tmp_path))]
    loaded = load_config(Path(os.devnull), overrides=overrides, environ={})
    made = Upkeep(loaded, LogMemory(), lambda: made.last_health)
    made.asked, made.last_health = asked, None
    return made


def names(download):
    """Of the files in a ZIP."""
    with zipfile.ZipFile(io.BytesIO(download.content)) as opened:
        return set(opened.namelist())


def test_version_and_health(upkeep, monkeypatch):
    """A newer version that is installed is named; the health is the last one."""
    about = upkeep.tools.documents["upkeep"]
    assert (about({})["version"], about({})["newer"], about({})["health"]) == (__version__, None, None)
    upkeep.last_health = {"uptime_s": 5}
    monkeypatch.setattr(module, "newest_version", lambda: "9.9.9")
    assert (about({})["newer"], about({})["health"]) == ("9.9.9", {"uptime_s": 5})


def test_check_knows_that_the_node_runs(upkeep):
    """So it leaves camera and port alone."""
    found = upkeep.tools.jobs["check"](b"{}", "page")
    assert found == {"findings": [{"part": "clock", "verdict": "NOTE", "text": "nobody vouches for it"}]}
    assert upkeep.asked == [("hall", True)]


def test_a_backup_is_that_of_the_command(upkeep):
    """Without a password it has no secrets; with one it has them encrypted; nothing is left on the disk."""
    make = upkeep.tools.jobs["backup"]
    plain, sealed = make(b"{}", "page"), make(json.dumps({"password": "long enough"}).encode(), "page")
    assert (plain.name, plain.media_type) == ("piapp-hall.zip", "application/zip")
    assert {archive.MANIFEST, archive.SETTINGS} <= names(plain)
    assert names(sealed) - names(plain) == {archive.SECRETS}


@pytest.mark.parametrize("body", [b'{"password":"short"}', b'{"password":7}', b'{"out":"/etc/x"}', b"["])
def test_a_backup_that_is_refused(upkeep, body):
    """A password that protects nothing, or another form."""
    with pytest.raises((PiappError, ValueError)):
        upkeep.tools.jobs["backup"](body, "page")


def test_a_support_bundle(upkeep):
    """With what the check found."""
    made = upkeep.tools.jobs["support"](b"{}", "page")
    assert made.name == "piapp-support-hall.zip"
    with zipfile.ZipFile(io.BytesIO(made.content)) as opened:
        assert b"nobody vouches" in opened.read("check.txt")
