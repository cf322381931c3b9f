"""The first configuration: what is written for which answers, and what the broker says to it."""

from __future__ import annotations

import stat
import tomllib

import pytest

from piapp.cli.app import run_command
from piapp.config.load import DEFAULT_FILE
from piapp.errors import UsageError
from piapp.operate import setup
from piapp.operate.mdns import Service
from piapp.operate.setup import Answers, broker_url, draft, find_brokers, has_password, present
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


def test_only_answers_are_written(tmp_path):
    """What was not answered keeps its default, and quotes in a name do no harm."""
    planned = draft(Answers(broker="broker.lan", node="hall", name='The "hall"'), tmp_path / "piapp.toml")
    expected = {"node": {"id": "hall", "name": 'The "hall"'}, "mqtt": {"url": "mqtt://broker.lan"}}
    assert tomllib.loads(planned.text) == expected
    assert tomllib.loads(draft(Answers(), tmp_path / "piapp.toml").text) == {}


def test_what_is_not_answered_stays_as_it_is(tmp_path):
    """The camera that the installer found, comments and zones."""
    file = tmp_path / "piapp.toml"
    file.write_text(
        '# mine\n[camera]\nsource = "v4l2:/dev/video0"\n[mqtt]\nurl = "mqtt://old"\n[[zones]]\nname = "bed"\n'
    )
    planned = draft(Answers(broker="new", node="hall"), file)
    assert tomllib.loads(planned.text) == {
        "camera": {"source": "v4l2:/dev/video0"},
        "mqtt": {"url": "mqtt://new"},
        "zones": [{"name": "bed"}],
        "node": {"id": "hall"},
    }
    assert "# mine" in planned.text
    assert present(file) == Answers(broker="mqtt://old", source="v4l2:/dev/video0")


def test_a_password_that_is_elsewhere_is_named(tmp_path):
    """Systemd hands over the service's own alone."""
    file = tmp_path / "piapp.toml"
    planned = draft(Answers(username="hall", password="pw"), file)
    assert tomllib.loads(planned.text)["mqtt"]["password_file"] == str(tmp_path / "mqtt_password")
    assert "password_file" not in draft(Answers(username="hall", password="pw"), DEFAULT_FILE).text


@pytest.mark.parametrize("answer", ["\udce4", "a\nb", "\x1b[2J"])
def test_what_is_no_text_is_refused(answer):
    """A terminal of another encoding, control characters."""
    with pytest.raises(UsageError, match="UTF-8"):
        Answers(name=answer)


def test_announced_brokers_are_found(monkeypatch):
    """Each once; by its address where the name is unknown here; Home Assistant's own; none that is no address."""
    services = [
        Service("_mqtt._tcp", "mosquitto", "nobody.invalid", "10.0.0.5", 1884),
        Service("_mqtt._tcp", "mosquitto", "nobody.invalid", "10.0.0.5", 1884),
        Service("_secure-mqtt._tcp", "mosquitto", "localhost", "127.0.0.1", 8883),
        Service("_home-assistant._tcp", "Home", "nobody.invalid", "10.0.0.6", 8123),
        Service("_mqtt._tcp", "evil", "user:pw@evil", "", 1883),
    ]
    monkeypatch.setattr(setup.mdns, "browse", lambda _: services)
    assert [broker.url for broker in find_brokers()] == [
        "mqtt://10.0.0.5:1884", "mqtts://localhost:8883", "mqtt://10.0.0.6:1883",
    ]  # fmt: skip


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
    setup.write(draft(Answers(node="hall"), tmp_path / "piapp.toml"))
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
        setup.write(draft(Answers(node="hall"), tmp_path / "file" / "piapp.toml"))


@pytest.mark.parametrize(
    ("answers", "anew"),
    [
        ({"area": "Attic"}, False),
        ({"broker": "broker.lan", "node": "hall"}, False),
        ({"broker": "other.lan"}, True),
        ({"password": "open sesame"}, True),
        ({"node": "attic"}, True),
    ],
)
def test_whether_alarms_take_a_new_way(answers, anew):
    """A test alert may ring somebody's phone, so that it is for what could have changed on its way."""
    before = Answers(broker="mqtt://broker.lan", username="hall", node="hall", area="Hall")
    assert Answers(**answers).reach_anew(before) is anew
    assert Answers(**answers).reach_anew(Answers())


def test_an_empty_password_file_is_no_password(tmp_path):
    """The service comes with one."""
    file = tmp_path / "mqtt_password"
    assert not has_password(tmp_path / "piapp.toml")
    file.touch()
    assert not has_password(tmp_path / "piapp.toml")
    file.write_text("open sesame\n")
    assert has_password(tmp_path / "piapp.toml")
