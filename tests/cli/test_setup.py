"""`piapp setup` at a real pseudo-terminal, with a real broker that wants a login."""

from __future__ import annotations

import json
import tomllib

import pytest

from tests.mosquitto import Subscriber, free_port
from tests.support.pseudo_terminal import PseudoTerminal

ANSWERS = {
    "Short name of this node": "hall",
    "Name that people see": "Diele 🛋 größer",
    "Room": "Küche",
    "Camera": "demo:",
}


@pytest.fixture(scope="module")
def broker(start_mosquitto):
    """A broker with one user."""
    return start_mosquitto(users={"hall": "open sesame"})


@pytest.fixture
def terminal(tmp_path):
    """Setup of a configuration in a folder of its own."""
    with at_terminal(tmp_path) as opened:
        yield opened


def at_terminal(tmp_path, *options):
    """Setup with further options."""
    return PseudoTerminal("setup", "--config", tmp_path / "piapp.toml", *options)


def answer_all(terminal, password="open sesame"):
    """Answer every question but that for the broker, up to its test."""
    terminal.answer("User name", "hall")
    terminal.answer("Password", password)
    for question, text in ANSWERS.items():
        terminal.answer(question, text)


def written(tmp_path):
    """The configuration, and what stands in the password's file."""
    return tomllib.loads((tmp_path / "piapp.toml").read_text()), (tmp_path / "mqtt_password").read_text()


def test_from_questions_to_a_test_alert(terminal, broker, tmp_path):
    """Names of any alphabet; the password is not shown; the last line says that the broker accepted."""
    listener = Subscriber(broker.port, "piapp/hall/event", username="hall", password="open sesame")
    terminal.answer("Address of the broker", f"127.0.0.1:{broker.port}")
    answer_all(terminal)
    assert terminal.end() == 0, terminal.shown
    table, password = written(tmp_path)
    assert table["node"] == {"id": "hall", "name": "Diele 🛋 größer", "area": "Küche"}
    assert table["camera"]["source"] == "demo:"
    assert table["mqtt"]["url"] == f"mqtt://127.0.0.1:{broker.port}"
    assert password == "open sesame\n"
    assert "open sesame" not in terminal.shown
    assert terminal.shown.splitlines()[-1].startswith("the broker accepted: ")
    assert json.loads(listener.wait_for("event", 3)[0].payload)["test"] is True
    listener.close()


def test_a_wrong_login_then_the_right_one(broker, tmp_path):
    """The reason is shown, and nothing is written before the broker has accepted."""
    with at_terminal(tmp_path, "--broker", f"127.0.0.1:{broker.port}") as terminal:
        answer_all(terminal, password="wrong")
        terminal.read_until("did NOT accept")
        assert list(tmp_path.iterdir()) == []
        terminal.answer("Try again?", "l")
        terminal.answer("User name", "")
        terminal.answer("Password", "open sesame")
        assert terminal.end() == 0, terminal.shown
    assert written(tmp_path)[1] == "open sesame\n"


def test_another_broker_then_saved_all_the_same(terminal, tmp_path):
    """For a network that is not there yet; the last line and the exit code say that nobody accepted."""
    terminal.answer("Address of the broker", f"127.0.0.1:{free_port()}")
    answer_all(terminal)
    terminal.answer("Try again?", "x")
    terminal.read_until("expected l, b or s")
    terminal.answer("Try again?", "b")
    terminal.answer("Address of the broker", f"127.0.0.1:{free_port()}")
    terminal.answer("User name", "")
    terminal.answer("Password", "open sesame")
    terminal.answer("Try again?", "s")
    assert terminal.end() == 1, terminal.shown
    assert terminal.shown.splitlines()[-1].startswith("the broker did NOT accept: ")
    assert written(tmp_path)[0]["node"]["id"] == "hall"


@pytest.mark.parametrize("question", ["Password", "Room"])
def test_ctrl_c_leaves_everything_as_it_was(tmp_path, question):
    """At any question, with a configuration that was there."""
    (tmp_path / "piapp.toml").write_text("# mine\n")
    with at_terminal(tmp_path, "--broker", "127.0.0.1:1") as terminal:
        for each, text in {"User name": "hall", "Password": "pw", **ANSWERS}.items():
            if each == question:
                break
            terminal.answer(each, text)
        terminal.read_until(question)
        terminal.press(b"\x03")
        assert terminal.end() == 130, terminal.shown
    assert "interrupted: nothing was changed" in terminal.shown
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("piapp.toml", "# mine\n")]


def test_what_cannot_be_is_asked_again(terminal, tmp_path):
    """An address, an id, bytes that are no text, and what is no camera."""
    terminal.answer("Address of the broker", "http://broker")
    terminal.read_until("expected mqtt://")
    terminal.answer("Address of the broker", f"127.0.0.1:{free_port()}")
    terminal.answer("User name", b"h\xe4ll")
    terminal.read_until("UTF-8")
    terminal.answer("User name", "")
    terminal.answer("Short name of this node", "The Hall")
    terminal.read_until("expected 1 to 32")
    terminal.answer("Short name of this node", "hall")
    terminal.answer("Name that people see", "")
    terminal.answer("Room", "")
    terminal.answer("Camera", "webcam")
    terminal.read_until("is not a source")
    terminal.read_until("Camera")
    terminal.press(b"\x03")
    assert terminal.end() == 130
    assert list(tmp_path.iterdir()) == []


def test_enter_keeps_what_is_there(broker, tmp_path):
    """The second time, every answer is offered; what is not asked for stays, and nothing new is left to try."""
    file, secret = tmp_path / "piapp.toml", tmp_path / "mqtt_password"
    secret.write_text("open sesame\n")
    secret.chmod(0o600)
    file.write_text(
        f'# mine\n[node]\nid = "hall"\narea = "Flur"\n'
        f'[mqtt]\nurl = "mqtt://127.0.0.1:{broker.port}"\nusername = "hall"\n'
        f'password_file = "{secret}"\n[camera]\nsource = "demo:"\nfps = 10.0\n'
    )
    before = tomllib.loads(file.read_text())
    with at_terminal(tmp_path, "--area", "Diele") as terminal:
        for question in (
            "Address of the broker",
            "User name",
            "Password",
            "Short name of this node",
            "Name that people see",
        ):
            terminal.answer(f"{question}", "")
        assert terminal.end() == 0, terminal.shown
    assert "# mine" in file.read_text()
    assert tomllib.loads(file.read_text()) == {**before, "node": {"id": "hall", "name": "hall", "area": "Diele"}}
    assert "test alert" not in terminal.shown
    assert "move it to Diele there" in terminal.shown
