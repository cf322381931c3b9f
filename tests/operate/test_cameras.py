"""A further camera of a board: its configuration, and what is refused before anything is changed."""

from __future__ import annotations

import os

import pytest

from piapp.config.load import load_config
from piapp.errors import ConfigError, UsageError
from piapp.operate import cameras, service

FIRST = """\
[node]
id = "hall"
[camera]
source = "picamera2:"
[mqtt]
url = "mqtt://broker.lan"
username = "board"
client_id = "mine"
[mqtt.tls]
verify_x509_strict = false
[preview]
enabled = true
port = 9000
[posture]
fall_sensitivity = "high"
"""


@pytest.fixture
def folder(tmp_path):
    """A board with one camera."""
    (tmp_path / "piapp.toml").write_text(FIRST)
    return tmp_path


@pytest.fixture
def done(monkeypatch):
    """What the service's steps were asked for, instead of doing it."""
    steps = []
    monkeypatch.setattr(service, "require_root", lambda: None)
    for function in ("add_camera", "remove_camera"):
        monkeypatch.setattr(service, function, lambda name, **how: steps.append((name, how)))
    return steps


def test_it_shares_the_account_and_nothing_else(folder, done):
    """Broker, login and page are the first camera's; id, client, camera, port and state are its own."""
    settings = {"camera.source": "v4l2:/dev/video2", "node.name": 'The "small" room'}
    file = cameras.add("bedroom", settings, folder=folder)
    config = load_config(file, environ={}).config
    assert (config.mqtt.url, config.mqtt.username, config.mqtt.tls.verify_x509_strict) == (
        "mqtt://broker.lan",
        "board",
        False,
    )
    assert (config.node.id, config.node.name, config.mqtt.client_id) == ("hall-bedroom", 'The "small" room', "")
    assert (config.camera.source, config.spool.dir) == ("v4l2:/dev/video2", "/var/lib/piapp/bedroom")
    assert (config.preview.enabled, config.preview.port) == (True, 9001)
    assert config.posture.fall_sensitivity == "normal"
    assert done == [("bedroom", {"start": True, "dry_run": False})]
    assert file.stat().st_mode & 0o777 == 0o644


def test_a_third_camera_takes_the_next_port(folder, done):
    """No two pages of a board listen at one port."""
    ports = []
    for number, name in enumerate(("bedroom", "kitchen")):
        file = cameras.add(name, {"camera.source": f"v4l2:/dev/video{number}"}, folder=folder)
        ports.append(load_config(file, environ={}).config.preview.port)
    assert ports == [9001, 9002]
    assert [name for name, _ in done] == ["bedroom", "kitchen"]


def test_a_long_id_stays_an_id(folder, done):
    """The longest node id and the longest name still make one that topics allow."""
    (folder / "piapp.toml").write_text(FIRST.replace("hall", "h" * 32))
    file = cameras.add("a" * 16, {"camera.source": "demo:"}, folder=folder)
    assert len(load_config(file, environ={}).config.node.id) == 32
    assert done


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("Bed Room", "demo:", "expected 1 to 16"),
        ("tls", "demo:", "expected 1 to 16"),
        ("bedroom", "picamera2:0", "the camera of piapp.service already"),
        ("kitchen", "demo:", "is there already"),
    ],
)
def test_what_cannot_work_is_refused(folder, done, name, source, message):
    """With the way out, and nothing is written."""
    (folder / "kitchen").mkdir()
    (folder / "kitchen" / "piapp.toml").write_text('[node]\nid = "kitchen"\n[camera]\nsource = "v4l2:/dev/video0"\n')
    before = sorted(folder.rglob("*"))
    with pytest.raises(UsageError, match=message):
        cameras.add(name, {"camera.source": source}, folder=folder)
    assert sorted(folder.rglob("*")) == before
    assert done == []


def test_a_setting_that_is_not_accepted_leaves_nothing_behind(folder, done):
    """As with the first camera's file, every key is checked before the service is told."""
    with pytest.raises(ConfigError, match=r"camera\.fps"):
        cameras.add("bedroom", {"camera.source": "demo:", "camera.fps": "fast"}, folder=folder)
    assert not (folder / "bedroom").exists()
    assert done == []


def test_there_must_be_a_first_camera(tmp_path, done):
    """Whose broker and login the further one takes."""
    with pytest.raises(UsageError, match="install the first camera"):
        cameras.add("bedroom", {"camera.source": "demo:"}, folder=tmp_path)
    assert done == []


def test_a_dry_run_writes_nothing(folder, done, capsys):
    """It prints the configuration."""
    cameras.add("bedroom", {"camera.source": "demo:"}, dry_run=True, folder=folder)
    assert 'url = "mqtt://broker.lan"' in capsys.readouterr().out
    assert not (folder / "bedroom").exists()
    assert done == [("bedroom", {"start": True, "dry_run": True})]


def test_only_a_camera_that_is_there_is_dropped(folder, done):
    """The first camera is the installer's."""
    cameras.add("bedroom", {"camera.source": "demo:"}, folder=folder)
    cameras.drop("bedroom", purge=True, folder=folder)
    assert done[-1] == ("bedroom", {"purge": True, "dry_run": False})
    for name in ("hall", "", "..", "piapp"):
        with pytest.raises(UsageError, match="further cameras of this board: bedroom"):
            cameras.drop(name, folder=folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="for who is not root")
def test_it_needs_root(folder):
    """Before anything is written."""
    with pytest.raises(UsageError, match="sudo"):
        cameras.add("bedroom", {"camera.source": "demo:"}, folder=folder)
    assert not (folder / "bedroom").exists()
