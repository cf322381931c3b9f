"""A backup comes back whole, on another board too, or not at all."""

from __future__ import annotations

import stat

import pytest

from piapp.config.live import LiveSettings
from piapp.errors import ConfigError, UsageError
from piapp.node.alarm_file import learnt
from piapp.node.state_folder import settings_file
from piapp.operate.backup import backup
from piapp.operate.restore import restore
from piapp.operate.sealing import PasswordError
from tests.support.boards import LEARNT, NODE, Board

PASSWORD = "correct horse"


@pytest.fixture
def board(tmp_path):
    """The board whose node is backed up."""
    return Board(tmp_path / "old")


@pytest.fixture
def kept(board, tmp_path):
    """Its backup, with secrets."""
    out = tmp_path / "hall.zip"
    backup(board.fill(), NODE, board.state, out, password=PASSWORD)
    return out


def restore_to(board, path, **options):
    """Restore into a board's folders."""
    return restore(path, config_file=board.config_file, overrides=board.overrides, **options)


def everything(board):
    """The names and contents of a board's files."""
    return {str(path.relative_to(board.root)): path.read_bytes() for path in board.root.rglob("*") if path.is_file()}


def test_another_board_becomes_the_node(board, kept, tmp_path):
    """Configuration, zones, secrets, settings, learnt places and cases are as they were."""
    new = Board(tmp_path / "new")
    done = restore_to(new, kept, password=PASSWORD)
    assert (done.node, done.was, done.cases, done.state) == (NODE, NODE, 1, new.state)
    assert new.config_file.read_bytes() == board.config_file.read_bytes()
    assert new.cases.all() == board.cases.all()
    case = new.cases.all()[0]
    assert new.cases.recording(case).read_bytes() == board.cases.recording(case).read_bytes()
    assert learnt(new.state, NODE) == LEARNT
    settings = LiveSettings(new.load().config, settings_file(new.state, NODE))
    assert settings.config.posture.fallen_after_s == 7
    assert [zone.name for zone in settings.config.zones] == ["Bed"]
    secret = new.config_file.parent / "mqtt_password"
    assert (secret.read_text(), stat.S_IMODE(secret.stat().st_mode)) == ("open sesame\n", 0o600)


def test_a_configuration_that_is_there_is_not_lost(board, kept):
    """It stays unless it is to be replaced, and then it is kept beside."""
    before = everything(board)
    with pytest.raises(UsageError, match="--replace"):
        restore_to(board, kept, password=PASSWORD)
    assert everything(board) == before
    restore_to(board, kept, password=PASSWORD, replace=True)
    old = board.config_file.with_name("piapp.toml.before")
    assert old.read_bytes() == before["etc/piapp.toml"]


def test_what_is_not_accepted_changes_nothing(board, kept, tmp_path):
    """Without its secrets this configuration names a file that is not there: the message says what to do."""
    new = Board(tmp_path / "new")
    (board.config_file.parent / "mqtt_password").unlink()
    with pytest.raises(ConfigError, match="--secrets restores secrets"):
        restore_to(new, kept)
    assert not new.config_file.exists()
    assert not new.state.exists()


def test_a_wrong_password_changes_nothing(kept, tmp_path):
    """Nothing is written before everything is read."""
    new = Board(tmp_path / "new")
    with pytest.raises(PasswordError, match="the password is wrong"):
        restore_to(new, kept, password="battery staple")
    assert not new.root.exists()


def test_files_are_not_written_through_a_link(kept, tmp_path):
    """Somebody who may write into the configuration's folder does not get to write elsewhere."""
    new, elsewhere = Board(tmp_path / "new"), tmp_path / "elsewhere"
    elsewhere.mkdir()
    new.config_file.parent.mkdir(parents=True)
    (new.config_file.parent / "tls").symlink_to(elsewhere)
    with pytest.raises(ValueError, match="is a link"):
        restore_to(new, kept, password=PASSWORD)
    assert not list(elsewhere.iterdir())
