"""What goes into a backup and what does not."""

from __future__ import annotations

import stat
import zipfile
from dataclasses import replace

import msgspec
import pytest

from piapp.cli.app import run_command
from piapp.operate import backup as backup_module
from piapp.operate.archive import Archive, BackupError
from piapp.operate.backup import backup
from piapp.operate.restore import read
from piapp.operate.sealing import PasswordError
from tests.support.boards import NODE, Board


def test_it_holds_what_makes_the_node_and_no_secret(tmp_path):
    """Configuration, certificate, settings, learnt places, cases; the password is named and stays where it is."""
    board, out = Board(tmp_path), tmp_path / "hall.zip"
    made = backup(board.fill(), NODE, board.state, out)
    with zipfile.ZipFile(out) as archive:
        assert set(archive.namelist()) == {
            "backup.json", "piapp.toml", "files/tls/ca.crt", "settings.json", "learnt.json",
            "cases/9f2c61aa-000001.json", "cases/9f2c61aa-000001.npz",
        }  # fmt: skip
        assert archive.read("piapp.toml") == board.config_file.read_bytes()
        assert not [name for name in archive.namelist() if b"open sesame" in archive.read(name)]
    assert (made.cases, made.secrets, made.left_out, made.masked) == (1, ("mqtt_password",), (), False)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_secrets_are_encrypted(tmp_path):
    """With a password they are in it, and nobody who has the file alone can read them."""
    board, out = Board(tmp_path), tmp_path / "hall.zip"
    backup(board.fill(), NODE, board.state, out, password="correct horse")
    assert b"open sesame" not in out.read_bytes()
    with Archive(out) as archive:
        assert archive.manifest.secrets
        assert "secrets.sealed" in archive


def test_a_login_in_an_address_is_a_secret(tmp_path):
    """The readable configuration does not have it; everything else in the text stays."""
    board, out = Board(tmp_path), tmp_path / "hall.zip"
    loaded = board.fill('[camera]\nsource = "rtsp://admin:hunter2@camera.lan/stream"  # the hall\n')
    assert backup(loaded, NODE, board.state, out).masked
    with zipfile.ZipFile(out) as archive:
        text = archive.read("piapp.toml").decode()
    assert "hunter2" not in text
    assert "camera.lan/stream" in text
    assert "# the hall" in text


def test_a_failed_backup_leaves_the_one_before(tmp_path):
    """The file is replaced only by a whole one, and nothing is left beside it."""
    board, out = Board(tmp_path), tmp_path / "out" / "hall.zip"
    loaded = board.fill()
    out.parent.mkdir()
    out.write_bytes(b"the one before")
    with pytest.raises(PasswordError, match="fewer than 8"):
        backup(loaded, NODE, board.state, out, password="short")
    assert [file.read_bytes() for file in out.parent.iterdir()] == [b"the one before"]
    with pytest.raises(BackupError, match="No such file"):
        backup(loaded, NODE, board.state, tmp_path / "gone" / "hall.zip")


def test_the_commands(tmp_path, capsys):
    """From one board to another: what is left out is named, and the restored configuration is in force."""
    old, new, out = Board(tmp_path / "old"), Board(tmp_path / "new"), tmp_path / "hall.zip"
    old.fill()
    password = tmp_path / "password"
    password.write_text("correct horse\n")
    password.chmod(0o600)
    new.config_file.parent.mkdir(parents=True)

    def piapp(command: str, board: Board, *options: str) -> str:
        folders = ["--config", str(board.config_file), "--set", f"spool.dir={board.state}"]
        assert run_command([command, str(out), *folders, *options]) == 0
        return capsys.readouterr().out

    secrets = ["--secrets", "--password-file", str(password)]
    assert "left out: mqtt_password" in piapp("backup", old)
    assert piapp("backup", old, *secrets) == f"{out}: node hall, 1 cases, with secrets\n"
    assert "node hall, 1 cases, state in" in piapp("restore", new, *secrets)
    assert (new.config_file.parent / "mqtt_password").read_text() == "open sesame\n"


def test_a_service_backs_up_what_systemd_hands_it(tmp_path, monkeypatch):
    """The files that root alone may read are not opened: their contents come as credentials, empty ones stay out."""
    board, out, folder = Board(tmp_path / "board"), tmp_path / "hall.zip", tmp_path / "credentials"
    folder.mkdir()
    for name, content in (("mqtt_password", "from systemd\n"), ("camera_password", ""), ("preview_token", "")):
        (folder / name).write_text(content)
        (tmp_path / "board" / "etc").mkdir(parents=True, exist_ok=True)
        (tmp_path / "board" / "etc" / name).write_text("not readable")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    loaded = board.fill()
    config = msgspec.structs.replace(loaded.config.mqtt, password_file=str(folder / "mqtt_password"))
    loaded = replace(loaded, config=msgspec.structs.replace(loaded.config, mqtt=config))
    made = backup(loaded, NODE, board.state, out, password="correct horse")
    assert (made.secrets, made.left_out) == (("mqtt_password",), ())
    with Archive(out) as archive:
        assert read(archive, "correct horse").files["mqtt_password"] == b"from systemd\n"


def test_what_may_not_be_read_is_left_out(tmp_path, monkeypatch):
    """And named, so that its owner can copy it."""
    board, out = Board(tmp_path), tmp_path / "hall.zip"
    loaded = board.fill()
    secret = board.config_file.parent / "mqtt_password"
    monkeypatch.setattr(backup_module.os, "access", lambda file, _mode: file != secret)
    made = backup(loaded, NODE, board.state, out, password="correct horse")
    assert (made.secrets, made.left_out) == ((), (str(secret),))
