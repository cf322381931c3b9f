"""The first configuration: what is written for which answers, and what the broker says to it."""

from __future__ import annotations

import stat
import tomllib

import pytest

from piapp.cli.app import run_command
from piapp.errors import UsageError
from piapp.operate import setup
from piapp.operate.setup import Answers, broker_url, configuration, find_brokers
from tests.mosquitto import free_port


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("broker.lan", "mqtt://broker.lan"),
        ("10.0.0.5:1884", "mqtt://10.0.0.5:1884"),
        ("broker.lan:8883", "mqtts://broker.lan:8883"),
        ("wss://broker.lan/mqtt", "wss://broker.lan/mqtt"),
    ],
)
def test_a_broker_without_a_scheme_is_understood(typed, url):
    """People type hosts."""
    assert broker_url(typed) == url


@pytest.mark.parametrize("typed", ["", "user:pw@broker.lan", "http://broker.lan", "broker.lan:port"])
def test_what_is_no_broker_is_refused(typed):
    """With the form that is expected."""
    with pytest.raises(UsageError, match="broker"):
        broker_url(typed)


def test_only_answers_are_written():
    """What was not answered keeps its default, and quotes in a name do no harm."""
    text = configuration(Answers(broker="broker.lan", node="hall", name='The "hall"'))
    assert tomllib.loads(text) == {"node": {"id": "hall", "name": 'The "hall"'}, "mqtt": {"url": "mqtt://broker.lan"}}
    assert tomllib.loads(configuration(Answers())) == {}


def test_announced_brokers_are_found(tmp_path, monkeypatch):
    """Each once, as avahi-browse prints them; without that command there are none."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_brokers() == []
    browse = tmp_path / "avahi-browse"
    browse.write_text(
        '#!/bin/sh\necho "+;eth0;IPv4;m;_mqtt._tcp;local"\n'
        'for last; do :; done\n[ "$last" = _mqtt._tcp ] || exit 0\n'
        'echo "=;eth0;IPv4;mosquitto;_mqtt._tcp;local;broker.local;10.0.0.5;1883;"\n'
        'echo "=;eth0;IPv6;mosquitto;_mqtt._tcp;local;broker.local;fe80::1;1883;"\n'
    )
    browse.chmod(0o755)
    assert find_brokers() == ["mqtt://broker.local:1883"]


def options(tmp_path, port):
    """The command's options that ask nothing."""
    password = tmp_path / "pw"
    password.write_text("open sesame\n")
    password.chmod(0o600)
    login = ["--username", "hall", "--password-file", str(password)]
    return [
        "--config",
        str(tmp_path / "piapp.toml"),
        "--broker",
        f"127.0.0.1:{port}",
        *login,
        "--node",
        "hall",
        "--yes",
    ]


def test_the_last_line_says_that_the_broker_accepted(mosquitto, tmp_path, capsys):
    """Configuration and password are written, and the broker was asked with them."""
    assert run_command(["setup", *options(tmp_path, mosquitto.port)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("the broker accepted: mqtt://127.0.0.1:")
    written = tomllib.loads((tmp_path / "piapp.toml").read_text())
    assert written["mqtt"]["username"] == "hall"
    secret = tmp_path / "mqtt_password"
    assert (secret.read_text(), stat.S_IMODE(secret.stat().st_mode)) == ("open sesame\n", 0o600)


def test_the_last_line_says_that_it_did_not(tmp_path, capsys):
    """Nobody listens: the configuration is written all the same, and the exit code says so."""
    assert run_command(["setup", *options(tmp_path, free_port())]) == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("the broker did NOT accept")


def test_what_was_there_is_kept_beside(tmp_path):
    """Whoever sets up again by mistake has lost nothing."""
    (tmp_path / "piapp.toml").write_text("# mine\n")
    setup.write(Answers(node="hall"), tmp_path / "piapp.toml")
    assert (tmp_path / "piapp.toml.before").read_text() == "# mine\n"
    assert "hall" in (tmp_path / "piapp.toml").read_text()


def test_a_dry_run_changes_nothing(tmp_path, capsys):
    """It says what it would write, and never that it did."""
    arguments = options(tmp_path, 1883)
    before = sorted(tmp_path.iterdir())
    assert run_command(["setup", *arguments, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert sorted(tmp_path.iterdir()) == before
    assert "would write" in said
    assert said.splitlines()[-1] == "nothing was changed, and the broker was not asked"
    assert "open sesame" not in said


def test_a_wrong_answer_is_not_put_in_force(tmp_path, capsys):
    """What was there stays."""
    (tmp_path / "piapp.toml").write_text("# mine\n")
    arguments = options(tmp_path, 1883)
    assert run_command(["setup", *arguments[:-1], "--node", "Not An Id", "--yes"]) == 78
    assert (tmp_path / "piapp.toml").read_text() == "# mine\n"
    assert "node.id" in capsys.readouterr().err
    assert not (tmp_path / ".piapp.toml.setup").exists()


def test_without_a_terminal_it_asks_nothing(tmp_path, capsys):
    """Questions need somebody to answer."""
    assert run_command(["setup", "--config", str(tmp_path / "piapp.toml")]) == 2
    assert "needs a terminal" in capsys.readouterr().err


def test_a_place_that_cannot_be_written(tmp_path):
    """One line with the way out."""
    (tmp_path / "file").touch()
    with pytest.raises(setup.SetupError, match="try sudo"):
        setup.write(Answers(node="hall"), tmp_path / "file" / "piapp.toml")
