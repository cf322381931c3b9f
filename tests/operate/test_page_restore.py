"""Sending a backup to a node's page: what it would change is said, and nothing changes before it is confirmed."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from pathlib import Path

import msgspec
import pytest

from piapp.config.load import load_config
from piapp.node.alarm_file import KeptAlarms, OpenAlarm
from piapp.operate.archive import BackupError
from piapp.operate.backup import backup
from piapp.operate.page_restore import PageRestore
from tests.support.boards import NODE, Board


@pytest.fixture
def board(tmp_path):
    """The board whose page it is."""
    return Board(tmp_path / "board")


@pytest.fixture
def page(board):
    """Its page."""
    return PageRestore(board.fill())


@pytest.fixture
def send(board, page, tmp_path):
    """Send another board's backup, changed by a function."""

    def sending(change=None, extra="[camera]\nfps = 10\n", password=None):
        other, file = Board(Path(tempfile.mkdtemp(dir=tmp_path))), board.state / ".upload-x"
        backup(other.fill(extra), NODE, other.state, file, password=password)
        if change is not None:
            change(file)
        return page.take(file, "page 192.168.1.20")

    return sending


def everything(board):
    """Names and contents of what the node would start with."""
    files = (path for path in board.root.rglob("*") if path.is_file() and not path.name.startswith("restore-"))
    return {str(path): path.read_bytes() for path in files}


def test_it_says_what_it_will_change_and_changes_nothing(board, send):
    """Each setting with both values, what stays because only the file can change it, and how many alarms."""
    before = everything(board)
    made = send(extra='[camera]\nfps = 10\n[publish]\nimage = "photo"\n')
    assert {(change.key, change.before, change.after) for change in made.changes} == {("camera.fps", 15.0, 10.0)}
    assert {"publish.image"} <= set(made.stays)
    assert (made.node, made.secrets, made.learnt, made.cases, made.known) == (NODE, False, True, 0, 1)
    assert everything(board) == before


def test_the_newest_backup_is_the_one_that_is_confirmed(send, page):
    """Two owners at once: whoever confirms a backup that another has replaced is told, and nothing happens."""
    first = send()
    second = send(extra="[camera]\nfps = 5\n")
    with pytest.raises(BackupError, match="somebody has sent another backup"):
        page.confirm(json.dumps({"sha256": first.sha256}).encode(), "page")
    assert page.confirm(json.dumps({"sha256": second.sha256}).encode(), "page") == {"restart": True}


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"sha256":"x"}', b"[" * 100_000, b'{"sha256":"' + b"0" * 64 + b'","x":1}']
)
def test_a_confirmation_of_another_form_is_refused(page, send, body):
    """As all that a page may send is."""
    send()
    with pytest.raises((ValueError, RecursionError)):
        page.confirm(body, "page")


def add(name, content):
    """A change of a backup: one more entry."""

    def change(file):
        with zipfile.ZipFile(file, "a") as opened:
            opened.writestr(name, content)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file.write_bytes(b"PK"), "is no backup"),
        (lambda file: file.write_bytes(file.read_bytes()[:99]), "is no backup"),
        (add("../../etc/passwd", "x"), "does not belong into a backup"),
        (add("files/../x", "x"), "does not belong into a backup"),
        (add("cases/a.json", "5"), "nothing was restored"),
        (add("learnt.json2", "x"), "does not belong"),
    ],
)
def test_what_is_no_backup_is_refused(board, send, page, change, message):
    """Before anything is kept; the message has no path of the node's."""
    with pytest.raises(BackupError, match=message) as caught:
        send(change)
    assert str(board.root) not in str(caught.value)
    assert not list(board.state.glob("restore-*"))


def test_a_bomb_is_refused(send, monkeypatch):
    """What would take more than a backup may, by what its entries say, is not read."""
    monkeypatch.setattr("piapp.operate.page_restore.MAX_CONTENT_BYTES", 1000)
    with pytest.raises(BackupError, match="would take more than 1000 bytes"):
        send()


def test_not_while_an_alarm_is_open(board, send, page):
    """The state that a restore replaces has the alarm in it."""
    made = send()
    file = board.state / f"alarms-{NODE}.json"
    kept = msgspec.json.decode(file.read_bytes(), type=KeptAlarms)
    file.write_bytes(msgspec.json.encode(msgspec.structs.replace(kept, alarms=(OpenAlarm(1, "9f2c61aa-000001"),))))
    with pytest.raises(BackupError, match="an alarm is open"):
        page.confirm(json.dumps({"sha256": made.sha256}).encode(), "page")


def test_a_node_without_a_folder_restores_nothing():
    """And takes no file."""
    page = PageRestore(load_config(Path(os.devnull), overrides=[("spool.dir", "off")], environ={}))
    assert page.tools.uploads["restore"].folder is None
    assert page.document({}) == {"possible": False, "max_bytes": 64_000_000, "done": None}
    with pytest.raises(BackupError, match="no folder"):
        page.undo(b"{}", "page")
