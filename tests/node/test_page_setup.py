"""Setting the node up in a browser: what is kept, what is never sent back, and what is tried before."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from piapp.config.change_log import ChangeLog
from piapp.config.live import LiveSettings
from piapp.config.load import default_config
from piapp.errors import ConfigError
from piapp.invitation import Invitation
from piapp.mqtt.broker_trial import BrokerTrial
from piapp.mqtt.failures import ConnectionFailedError
from piapp.node import page_setup
from piapp.node.page_setup import PageSetup
from piapp.posture.lying_places import LyingPlace

SENDER = "page 192.168.1.20"
BROKER, USER, PASSWORD = "mqtt://broker.lan", "hall", "correct horse"


class Node:
    """A node's settings and its set-up; `config()` is what its next start finds."""

    def __init__(self, folder, invitation=None):
        self.file = None if folder is None else folder / "settings-hall.json"
        self.settings = LiveSettings(default_config(), self.file, changes=ChangeLog(None))
        monitor = SimpleNamespace(tilt_deg=12.34, lying_places=(LyingPlace(0.5, 0.6, 0.1, 0.2, 3),))
        self.setup = PageSetup(
            self.settings,
            folder=folder,
            node="hall",
            monitor=monitor,
            invitation=invitation,
            connected=lambda: False,
        )

    def do(self, name, **document):
        """What the page asks for."""
        return self.setup.tools.actions[name](json.dumps(document).encode(), SENDER)

    def try_broker(self, **document):
        """The same, on the page's own thread."""
        return self.setup.tools.jobs["setup_try_broker"](json.dumps(document).encode(), SENDER)

    def config(self):
        """After a restart."""
        return LiveSettings(default_config(), self.file).config


@pytest.fixture
def node(tmp_path):
    """With a folder for its state."""
    return Node(tmp_path)


@pytest.fixture
def tried(monkeypatch):
    """What a broker was tried with: address, user name, password."""
    seen = []

    def stand_in(config, _node):
        file = config.mqtt.password_file
        password = Path(file).read_text().strip() if file else ""
        seen.append((config.mqtt.url, config.mqtt.username, password))
        return BrokerTrial("5", tls=False, refused=(), home_assistant="absent")

    monkeypatch.setattr(page_setup, "try_broker", stand_in)
    return seen


def test_a_broker_is_kept_for_the_next_start(node, tmp_path):
    """The password in a file that only the node reads; the answer, the settings and the list of changes have none."""
    answer = node.do("setup_broker", url="broker.lan", username=USER, password=PASSWORD)
    assert answer["broker"] == {
        "url": BROKER, "username": USER, "has_password": True, "connected": False, "undo": True,
    }  # fmt: skip
    mqtt = node.config().mqtt
    assert (mqtt.url, mqtt.username) == (BROKER, USER)
    secret = tmp_path / "mqtt_password-1-hall"
    assert mqtt.password_file == str(secret)
    assert (secret.read_text(), secret.stat().st_mode & 0o777) == (f"{PASSWORD}\n", 0o600)
    changes = json.dumps([change.after for change in node.settings.changes.newest()])
    assert PASSWORD not in json.dumps(answer) + changes + node.file.read_text()
    assert node.settings.config.mqtt.url == "mqtt://localhost"


def test_the_password_goes_with_its_address_and_user_alone(node, tried):
    """Whoever names another broker or user is not sent it; the same one need not be typed again."""
    node.do("setup_broker", url=BROKER, username=USER, password=PASSWORD)
    node.try_broker(url=BROKER, username=USER)
    node.try_broker(url="mqtt://evil.lan", username=USER)
    node.try_broker(url=BROKER, username="other")
    node.try_broker(url=BROKER, username=USER, password="")
    node.do("setup_broker", url="mqtt://evil.lan", username=USER)
    assert [password for *_, password in tried] == [PASSWORD, "", "", ""]
    assert node.config().mqtt.password_file == ""


def test_the_last_change_can_be_undone(node):
    """And done again: each broker has its own password, whatever was typed in between."""
    node.do("setup_broker", url="mqtt://one.lan", username="a", password="first")
    node.do("setup_broker", url="mqtt://two.lan", username="b", password="second")
    for url, password in (("mqtt://one.lan", "first"), ("mqtt://two.lan", "second"), ("mqtt://one.lan", "first")):
        node.do("setup_broker_undo")
        mqtt = node.config().mqtt
        assert (mqtt.url, Path(mqtt.password_file).read_text().strip()) == (url, password)


def test_nothing_to_undo(node):
    """A node whose broker was not changed here."""
    assert not node.setup.document({})["broker"]["undo"]
    with pytest.raises(ConfigError, match="was not changed"):
        node.do("setup_broker_undo")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"url": ""}, "url"),
        ({"url": "ftp://x"}, "scheme"),
        ({"url": "mqtt://"}, "not a broker"),
        ({"url": "mqtt://me:pw@x"}, "user name or password"),
        ({"url": "unix:///run/x"}, "configuration file"),
        ({"url": "mqtt://x", "password": PASSWORD}, "needs a user name"),
        ({"url": "mqtt://x", "username": "a\nb"}, "username"),
        ({"url": "mqtt://x", "username": USER, "password": "a\nb"}, "password"),
    ],
)
def test_what_is_no_broker(node, tmp_path, typed, words):
    """It is refused, and leaves nothing behind."""
    for act in (lambda **document: node.do("setup_broker", **document), node.try_broker):
        with pytest.raises((ConfigError, ValueError), match=words):
            act(**typed)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"url":7}', b'{"url":"x","password_file":"/etc/shadow"}', b"\xff"]
)
def test_bodies_that_are_no_login(node, body):
    """Nobody names a file whose first line is then sent somewhere."""
    for act in (node.setup.keep_broker, node.setup.try_broker):
        with pytest.raises((ValueError, ConfigError)):
            act(body, SENDER)


def test_what_came_of_trying(node, monkeypatch):
    """A reason for programs, and the adapter's own words."""

    def fail(_config, _node):
        raise ConnectionFailedError("name_not_found", "broker x: no address")

    def refuse(_config, _node):
        return BrokerTrial(
            "5", tls=True, refused=("piapp/hall/response/check (Not authorized)",), home_assistant="unknown"
        )

    monkeypatch.setattr(page_setup, "try_broker", fail)
    assert node.try_broker(url="x") == {"reason": "name_not_found", "text": "broker x: no address"}
    monkeypatch.setattr(page_setup, "try_broker", refuse)
    assert node.try_broker(url="x")["reason"] == "may_not_publish"
    assert node.settings.pending == {}


def test_the_walk_through_is_remembered(node, tmp_path):
    """Of the steps that were walked, also after a restart; what is no step is refused."""
    stand = {"recognised": True, "after_s": 2.5, "false_fall": False}
    node.do("setup_walk", walk={"stand": stand})
    node.do("setup_walk", walk={"bed": stand | {"recognised": False}})
    assert Node(tmp_path).setup.document({})["walk"] == {"stand": stand, "bed": stand | {"recognised": False}}
    for walk in ({"dance": stand}, {"stand": {"recognised": "yes", "after_s": 1}}, {"stand": stand | {"after_s": -1}}):
        with pytest.raises(ValueError, match="walk"):
            node.do("setup_walk", walk=walk)


@pytest.fixture
def invitation(tmp_path):
    """One that is open."""
    file = tmp_path / "invitation-hall.json"
    Invitation.issue(file)
    return Invitation.open(file)


def test_no_page_opens_itself_to_the_network(node):
    """Who sees the page on this machine alone cannot make it everybody's; it takes an invitation."""
    with pytest.raises(ConfigError, match="setup-page"):
        node.do("setup_page")
    assert not node.config().preview.enabled


def test_when_the_hour_is_over_the_page_is_like_any_other(tmp_path, invitation):
    """It counts no minutes, and opens nothing."""
    node = Node(tmp_path, invitation)
    assert node.setup.document({})["left_s"] > 3500
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Invitation, "left_s", 0.0)
        assert node.setup.document({})["left_s"] is None
        with pytest.raises(ConfigError, match="setup-page"):
            node.do("setup_page")


def test_a_page_for_later(tmp_path, invitation):
    """A new secret link each time; the next start serves the network, for whoever has it."""
    node = Node(tmp_path, invitation)
    links = node.do("setup_page")["links"]
    page = node.config().preview
    token = (tmp_path / "preview_token-hall").read_text().strip()
    assert (page.enabled, page.bind, page.token_file) == (True, "0.0.0.0", str(tmp_path / "preview_token-hall"))
    assert len(token) >= 32
    assert links[0].endswith(f":8088/?token={token}")
    assert node.do("setup_page")["links"] != links
    assert token not in json.dumps(node.setup.document({}))


def test_done_ends_the_invitation(tmp_path, invitation):
    """For good, and it is remembered."""
    assert Node(tmp_path, invitation).do("setup_done")["done"]
    assert Invitation.open(tmp_path / "invitation-hall.json") is None
    document = Node(tmp_path).setup.document({})
    assert (document["left_s"], document["done"]) == (None, True)


def test_what_the_page_shows(node):
    """The tilt and the places that were learnt, and what waits for a restart without the names of secrets' files."""
    node.do("setup_broker", url=BROKER, username=USER, password=PASSWORD)
    document = node.setup.document({})
    assert document["camera"]["learnt_tilt_deg"] == 12.3
    assert document["places"] == [{"x": 0.5, "y": 0.6, "reach_x": 0.1, "reach_y": 0.2, "times": 3}]
    assert document["pending"] == ["mqtt.username", "mqtt.url"]


def test_a_node_that_keeps_nothing(invitation):
    """Without a folder for its state nothing is kept, and the page says so."""
    node = Node(None, invitation)
    assert not node.setup.document({})["kept"]
    for name in ("setup_broker", "setup_page"):
        with pytest.raises(ConfigError, match=r"spool\.dir"):
            node.do(name, **({"url": BROKER} if name == "setup_broker" else {}))


def test_a_file_that_is_damaged_is_forgotten(tmp_path, caplog):
    """What the set-up had found is worth no failed start."""
    (tmp_path / "setup-hall.json").write_text("{")
    assert Node(tmp_path).setup.document({})["walk"] == {}
    assert "forgotten" in caplog.text
