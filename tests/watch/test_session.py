"""From a real broker to plain lines; what is listened to for a screen."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from piapp.watch.keys import Choice, Key
from piapp.watch.model import Overview
from piapp.watch.page import ASCII, UNICODE
from piapp.watch.session import Inbox, Session, signs
from tests.e2e.node import PIAPP, clean_environment, piapp
from tests.mosquitto import DEADLINE_S, Subscriber, wait_until
from tests.watch.messages import event, frame, info, person, state


@pytest.fixture
def broker(start_mosquitto):
    """One to be harmed."""
    broker = start_mosquitto()
    yield broker
    broker.stop()


def publish(broker, *messages, retain=False, **login):
    """Send (topic, payload) pairs and wait until the broker has them."""
    publisher = Subscriber(broker.port, "piapp/#", **login)
    for topic, payload in messages:
        publisher.deliver(topic, payload, retain=retain)
    publisher.close()


@contextmanager
def watching(tmp_path, *arguments, **environment):
    """`piapp watch` into a file; gives the process and what it has written so far."""
    path = tmp_path / "lines"
    with path.open("wb") as out:
        process = subprocess.Popen(
            [*PIAPP, "watch", *arguments],
            env=clean_environment(TZ="CET-1", **environment),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
        )
    with process:
        yield process, lambda: path.read_text(encoding="utf-8", errors="replace")
        process.kill()


def test_plain_lines_in_a_pipe(broker, tmp_path):
    """What was retained at once, then a line an event or change; the broker's absence; Ctrl-C ends it with 0."""
    online = ("piapp/hall/status", b"online")
    standing = ("piapp/hall/state", state(person(3)))
    publish(broker, online, standing, retain=True)
    with watching(tmp_path, "--broker", broker.url) as (process, lines):
        wait_until(lambda: "#3 standing" in lines(), "the retained state")
        fall = ("piapp/hall/event", event("fall", id="1", person=3, posture="lying", historical=True))
        publish(broker, online, standing, fall, ("piapp/hall/state", b"{"), ("piapp/hall/frame", frame(0.5)))
        wait_until(lambda: "fall" in lines(), "the event")
        broker.kill()
        wait_until(lambda: "connection lost" in lines(), "the loss")
        broker.start()
        wait_until(lambda: "connected again" in lines(), "the return")
        publish(broker, ("piapp/loft/status", b"offline"))
        wait_until(lambda: "loft" in lines(), "a message after the return")
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S) == 0
        assert process.stderr.read() == b""
    told = [line[21:] for line in lines().splitlines()]
    assert told == [
        "hall  status  online",
        "hall  state  #3 standing",
        "hall  event  fall  person 3  standing -> lying  (late)  !!",
        "-  link  connection lost, trying again  !!",
        "-  link  connected again; what happened meanwhile was not heard",
        "loft  status  offline  !!",
    ]
    assert "2026-11-22 13:00:00  hall  event  fall" in lines()
    assert all(char.isprintable() or char == "\n" for char in lines())


def test_one_node_by_a_configuration_with_a_login(start_mosquitto, tmp_path):
    """`--config` gives address, base topic, user and password; `--node` hears no other node."""
    broker = start_mosquitto(users={"me": "s3cret"})
    (tmp_path / "password").write_text("s3cret\n")
    (tmp_path / "password").chmod(0o600)
    mqtt = {"url": broker.url, "base_topic": "my/home", "username": "me", "password_file": str(tmp_path / "password")}
    lines_of_config = ["[mqtt]", *(f"{key} = {json.dumps(value)}" for key, value in mqtt.items())]
    (tmp_path / "piapp.toml").write_text("\n".join(lines_of_config))
    both = [(f"my/home/{name}/status", b"online") for name in ("loft", "hall")]
    publish(broker, *both, retain=True, username="me", password="s3cret")
    arguments = ("--config", str(tmp_path / "piapp.toml"), "--node", "hall")
    with watching(tmp_path, *arguments, PYTHONIOENCODING="ascii") as (process, lines):
        wait_until(lambda: "hall" in lines(), "the node's status")
        zone = ("my/home/hall/event", event("zone_entered", zones=["Küche"]))
        publish(broker, ("my/home/loft/event", event("wave")), zone, username="me", password="s3cret")
        wait_until(lambda: "zone_entered" in lines(), "the event")
        process.terminate()
        assert process.wait(DEADLINE_S) == 0
    assert "loft" not in lines()
    assert "in K?che" in lines()  # an encoding without a letter does not end it
    broker.stop()


def test_a_dumb_terminal_gets_plain_lines(broker):
    """TERM=dumb cannot move a cursor."""
    publish(broker, ("piapp/hall/status", b"online"), retain=True)
    leader, follower = pty.openpty()
    command = [*PIAPP, "watch", "--broker", broker.url]
    with subprocess.Popen(command, env=clean_environment(TERM="dumb"), stdin=follower, stdout=follower) as process:
        os.close(follower)
        seen = b""
        while b"online" not in seen:
            seen += os.read(leader, 4096)
        assert b"\x1b" not in seen
        process.send_signal(signal.SIGINT)
        with suppress(OSError):
            while os.read(leader, 4096):
                pass
        assert process.wait(DEADLINE_S) == 0
    os.close(leader)


def test_what_cannot_be():
    """A name that is no id, with 2; no broker, with 69 and its address."""
    done = piapp("watch", "--node", "Hall/#")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--node 'Hall/#': expected 1 to 32 of a-z, 0-9 and '-'" in done.stderr
    done = piapp("watch", "--broker", "mqtt://127.0.0.1:9")
    assert done.returncode == 69
    assert "127.0.0.1:9: cannot be reached" in done.stderr


@pytest.mark.parametrize(
    ("encoding", "environment", "expected"),
    [
        ("utf-8", {}, UNICODE),
        ("UTF8", {"TERM": "xterm", "LC_ALL": "de_DE.UTF-8"}, UNICODE),
        ("utf-8", {"LC_ALL": "C.utf8"}, UNICODE),
        ("utf-8", {"LC_ALL": "C"}, ASCII),
        ("utf-8", {"TERM": "linux"}, ASCII),
        ("iso8859-1", {}, ASCII),
    ],
)
def test_which_signs_a_terminal_has(encoding, environment, expected):
    """Braille only where it can be shown."""
    assert signs(encoding, environment) is expected


class FakeSubscriber:
    """Remembers what it was to listen to."""

    def __init__(self):
        self.topics = []

    def listen(self, topic):
        """Add."""
        self.topics.append(topic)

    def unlisten(self, topic):
        """Take away."""
        self.topics.remove(topic)


class FakeTerminal:
    """Presses keys as a script says, and notes what was listened to and shown after each."""

    size = (80, 24)
    has_keys = True

    def __init__(self, subscriber, script):
        self._subscriber = subscriber
        self._script = list(script)
        self.listened = []
        self.shown = []

    def paint(self, lines):
        """Take a screen."""
        self.shown.append("\n".join(line.plain for line in lines))

    def keys(self, _timeout_s):
        """The next key, or none where the script says None; the last quits."""
        self.listened.append(list(self._subscriber.topics))
        keys = [self._script.pop(0)] if self._script else [Key.QUIT]
        return [key for key in keys if key]


def run(inbox, choice, *script):
    """A session with scripted keys."""
    subscriber = FakeSubscriber()
    terminal = FakeTerminal(subscriber, script)
    session = Session("mqtt://x", Overview("piapp"), inbox, subscriber, choice)
    session.run(terminal, threading.Event(), UNICODE)
    return terminal


def test_frames_of_the_chosen_node_only():
    """Nothing in the list, one topic in each node's view, nothing again after escape."""
    inbox = Inbox()
    for name in ("attic", "hall"):
        inbox.message(f"piapp/{name}/status", b"online")
        inbox.message(f"piapp/{name}/info", info(publish={"frames": "json"}))
    terminal = run(inbox, Choice(), Key.ENTER, Key.DOWN, Key.DOWN, Key.ESCAPE)
    attic, hall = ["piapp/attic/frame"], ["piapp/hall/frame"]
    assert terminal.listened == [[], attic, hall, hall, []]
    assert "waiting for a frame" in terminal.shown[1]
    assert terminal.shown[2].splitlines()[1].startswith("hall ")


def test_a_screen_without_news_is_left_alone():
    """No work and no bytes while nothing happens, but for the clock."""
    inbox = Inbox()
    inbox.message("piapp/hall/status", b"online")
    started = time.monotonic()
    shown = run(inbox, Choice(), *[None] * 50).shown
    assert 1 <= len(shown) <= 2 + time.monotonic() - started


def test_a_flood_is_dropped_and_counted(monkeypatch):
    """Memory is bounded; the screen says how many were missed."""
    monkeypatch.setattr("piapp.watch.session.MAX_WAITING", 2)
    inbox = Inbox()
    for _ in range(5):
        inbox.message("piapp/hall/status", b"online")
    assert "3 missed" in run(inbox, Choice()).shown[-1]
