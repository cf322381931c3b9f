"""A node's key, request and snippets, and a real broker with deploy/mosquitto's configuration that they are for."""

from __future__ import annotations

import logging
import shutil
import stat
import subprocess
import threading
import tomllib
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from piapp.cli.app import run_command
from piapp.config.load import load_config
from piapp.errors import ConfigError, UsageError
from piapp.mqtt.device import Device
from piapp.mqtt.discovery import all_topics
from piapp.mqtt.message import Message
from piapp.mqtt.publisher import Publisher
from piapp.mqtt.topics import Topics
from piapp.operate import provision as provisioning
from piapp.operate.provision import ProvisionError, access_rules, provision
from tests.mosquitto import DEADLINE_S, HardenedMosquitto, make_authority, make_certificate, wait_until
from tests.support.publishers import event

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")

TOPICS = Topics("piapp", "hall")
URL = "mqtts://broker.lan:8884"


def openssl(*arguments: str | Path) -> str:
    """Run openssl; what it printed."""
    command = ["openssl", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_files_belong_together_and_to_nobody_else(tmp_path):
    """A key on the curve P-256, a request for it with the node's name, both for their owner alone."""
    made = provision(TOPICS, tmp_path / "new" / "hall", url=URL)
    assert stat.S_IMODE(made.key.parent.stat().st_mode) == 0o700
    for path in (made.key, made.request, made.config, made.rules):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = openssl("req", "-in", made.request, "-noout", "-text", "-verify")
    assert "CN = hall" in text
    assert "DNS:hall" in text
    assert "TLS Web Client Authentication" in text
    public = openssl("pkey", "-in", made.key, "-pubout")
    assert openssl("req", "-in", made.request, "-noout", "-pubkey") == public
    assert "P-256" in openssl("pkey", "-in", made.key, "-noout", "-text")


def test_the_snippet_is_a_configuration(tmp_path):
    """It names the node, the broker, and where the files will be on the node."""
    made = provision(TOPICS, tmp_path, url=URL, on_node=tmp_path)
    for name in ("ca.crt", "hall.crt"):
        (tmp_path / name).touch()
    config = load_config(made.config, environ={}).config
    assert (config.node.id, config.mqtt.url) == ("hall", URL)
    assert (config.mqtt.tls.ca, config.mqtt.tls.key) == (str(tmp_path / "ca.crt"), str(made.key))
    elsewhere = tomllib.loads(provisioning.config_snippet(Topics("home/x", "hall"), URL, provisioning.NODE_FOLDER))
    assert elsewhere["mqtt"]["base_topic"] == "home/x"
    assert elsewhere["mqtt"]["tls"]["cert"] == "/etc/piapp/tls/hall.crt"


@pytest.mark.parametrize("base", ["piapp", "home/my sensors.x"])
def test_the_rules_cover_discovery(base):
    """Every topic that announces the node, in either form."""
    topics = Topics(base, "hall")
    device = Device(topics, "Hall", "", "1", "board")
    filters = [line.split()[-1].split("/") for line in access_rules(topics, "homeassistant").splitlines()[2:]]

    def allowed(topic: str) -> bool:
        levels = topic.split("/")
        return any(
            len(one) == len(levels) and all(a in ("+", b) for a, b in zip(one, levels, strict=True)) for one in filters
        )

    assert all(allowed(topic) for topic in all_topics("homeassistant", device))


def test_nothing_is_overwritten(tmp_path):
    """A key that is replaced by mistake locks its node out."""
    made = provision(TOPICS, tmp_path, url=URL)
    before = made.key.read_bytes()
    made.request.unlink()
    with pytest.raises(UsageError, match=r"hall\.key is there already"):
        provision(TOPICS, tmp_path, url=URL)
    assert made.key.read_bytes() == before


@pytest.mark.parametrize(
    ("url", "words"), [("mqtt://broker.lan", "needs TLS"), ("https://x", "scheme"), ("mqtts://me:pw@x", "password")]
)
def test_a_broker_without_tls_is_refused(tmp_path, url, words):
    """Before anything is made; passwords are not repeated."""
    with pytest.raises(UsageError, match=words) as raised:
        provision(TOPICS, tmp_path / "out", url=url)
    assert "pw" not in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_failures_leave_no_half_key(tmp_path, monkeypatch):
    """Without openssl, or when it fails, there is no key and the words say why."""
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        with pytest.raises(ProvisionError, match="apt-get install openssl"):
            provision(TOPICS, tmp_path / "out", url=URL)
    (tmp_path / "openssl").write_text("#!/bin/sh\necho 'no entropy' >&2\nexit 1\n")
    (tmp_path / "openssl").chmod(0o700)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        with pytest.raises(ProvisionError, match="no entropy"):
            provision(TOPICS, tmp_path / "out", url=URL)
    assert list((tmp_path / "out").iterdir()) == []
    with pytest.raises(ProvisionError, match="openssl"):
        provision(TOPICS, tmp_path / "openssl", url=URL)


def test_the_command(tmp_path, capsys):
    """Names each file and what it is for; a wrong node id is refused."""
    options = ["--out", str(tmp_path), "--broker", URL]
    assert run_command(["provision", "--node", "hall", *options]) == 0
    assert capsys.readouterr().out.count(str(tmp_path)) == 4
    assert run_command(["provision", "--node", "Hall/1", *options]) == ConfigError.exit_code
    assert "node.id = 'Hall/1'" in capsys.readouterr().err


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Signs the broker's and the nodes' certificates."""
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def hardened(start_mosquitto, tmp_path_factory, authority):
    """The broker, with people, and a node that has a password."""
    users = {"homeassistant": "h", "dashboard": "d", "bath": "b"}
    rules = access_rules(TOPICS, "homeassistant")
    broker = HardenedMosquitto(tmp_path_factory.mktemp("hardened"), authority, users, rules)
    yield broker.start()
    broker.stop()


@pytest.fixture
def hall(tmp_path, authority):
    """The configuration of a provisioned and signed node, and its folder."""

    def make(url: str, *settings: tuple[str, str], node: str = "hall") -> Publisher:
        made = provision(Topics("piapp", node), tmp_path / node, url=url, on_node=tmp_path / node)
        signer = ["-CA", authority, "-CAkey", authority.with_suffix(".key"), "-days", "3", "-copy_extensions", "copy"]
        openssl("x509", "-req", "-in", made.request, *signer, "-out", tmp_path / node / f"{node}.crt")
        shutil.copy(authority, tmp_path / node / "ca.crt")
        quick = [("mqtt.reconnect_min_s", "0.05"), ("mqtt.reconnect_max_s", "0.2")]
        config = load_config(made.config, overrides=[*quick, *settings], environ={}).config
        return Publisher(config.mqtt, config.publish, Topics("piapp", config.node.id))

    return make


class Person:
    """Somebody with a password, over TLS; hears everything that the rules let through."""

    def __init__(self, broker: HardenedMosquitto, authority: Path, name: str, password: str) -> None:
        self.heard: list[str] = []
        self.refused: list[str] = []
        self._ready = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.username_pw_set(name, password)
        self._client.tls_set(str(authority))
        self._client.on_connect = lambda *_: self._client.subscribe("#", qos=1)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = lambda _client, _userdata, message: self.heard.append(message.topic)
        self._client.on_publish = lambda _client, _userdata, _mid, code, _properties: (
            self.refused.append(code.getName()) if code.is_failure else None
        )
        self._client.connect("localhost", broker.port)
        self._client.loop_start()
        assert self._ready.wait(DEADLINE_S)

    def publish(self, topic: str) -> None:
        """Send a message and wait for its acknowledgement."""
        self._client.publish(topic, b"x", qos=1).wait_for_publish(DEADLINE_S)

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def person(hardened, authority):
    """Connect people: `person(name, password)`."""
    made: list[Person] = []

    def connect(name: str, password: str) -> Person:
        made.append(Person(hardened, authority, name, password))
        return made[-1]

    yield connect
    for one in made:
        one.close()


def test_a_provisioned_node_says_all_it_has_to(hardened, hall, person, caplog):
    """With its certificate and no password; Home Assistant and the dashboard hear it, and only one of them commands."""
    topics = TOPICS
    assistant, dashboard = person("homeassistant", "h"), person("dashboard", "d")
    requests: list[str] = []
    with caplog.at_level(logging.WARNING, "piapp"), hall(f"mqtts://localhost:{hardened.certificate_port}") as node:
        assert node.wait_connected(DEADLINE_S)
        node.subscribe(topics.requests, lambda incoming: requests.append(incoming.topic))
        for topic in (topics.info, topics.state, topics.health, "homeassistant/device/piapp_hall/config",
                      "homeassistant/sensor/piapp_hall/posture/config"):  # fmt: skip
            node.retain(topic, b"x")
        node.publish_event(event(1))
        node.publish_frame(lambda: b"f")
        node.publish(Message(topics.image, b"jpeg"))
        node.publish(Message(topics.response("ping"), b"pong", qos=1))
        said = {topics.status, topics.info, topics.state, topics.health, topics.event, topics.trigger, topics.frame,
                topics.image, topics.response("ping")}  # fmt: skip
        wait_until(lambda: said <= set(dashboard.heard), "the dashboard to hear all")
        wait_until(lambda: said <= set(assistant.heard), "Home Assistant to hear all")
        wait_until(lambda: len([one for one in assistant.heard if "piapp_hall" in one]) == 2, "discovery")
        wait_until(lambda: assistant.publish(topics.request("ping")) or requests, "a request")
        count = len(requests)
        dashboard.publish(topics.request("restart"))
        assert dashboard.refused == ["Not authorized"]
        assistant.publish(topics.request("pause"))
        wait_until(lambda: len(requests) > count, "the next request")
        assert topics.request("restart") not in requests
        assert node.counts().rejected == 0
    assert not [record for record in caplog.records if "refuses" in record.getMessage()]


def test_a_node_cannot_speak_for_another(hardened, hall, person, caplog):
    """Neither its topics nor its discovery; each is named in the log, and the connection stays."""
    assistant = person("homeassistant", "h")
    with caplog.at_level(logging.WARNING, "piapp"), hall(f"mqtts://localhost:{hardened.certificate_port}") as node:
        assert node.wait_connected(DEADLINE_S)
        others = ("piapp/bath/event", "piapp/bath/status", "homeassistant/device/piapp_bath/config", "other")
        for topic in (*others, "piapp/hall/request/restart"):
            node.publish(Message(topic, b"x", qos=1))
        wait_until(lambda: node.counts().rejected == 5, "all to be refused")
        assert node.state.connects == 1
        node.publish_event(event(2))
        wait_until(lambda: TOPICS.event in assistant.heard, "its own event")
    assert not set(others) & set(assistant.heard)
    for topic in others:
        assert f"refuses {topic}: Not authorized; see its access rules" in caplog.text


def test_a_node_with_a_password_has_the_same_rights(hardened, hall, authority, person, tmp_path):
    """Its user name is its node id."""
    dashboard = person("dashboard", "d")
    (tmp_path / "password").write_text("b")
    settings = [("mqtt.username", "bath"), ("mqtt.password_file", str(tmp_path / "password"))]
    settings += [("mqtt.tls.cert", ""), ("mqtt.tls.key", "")]
    with hall(f"mqtts://localhost:{hardened.port}", *settings, node="bath") as node:
        assert node.wait_connected(DEADLINE_S)
        node.publish_event(event(3))
        wait_until(lambda: "piapp/bath/event" in dashboard.heard, "its event")
        node.publish(Message(TOPICS.event, b"x", qos=1))
        wait_until(lambda: node.counts().rejected == 1, "the other's topic to be refused")
    assert TOPICS.event not in dashboard.heard


def test_a_node_cannot_throw_another_one_out(hardened, hall, person):
    """Whatever client id it asks for, on the nodes' port it has its own; people may connect as often as they like."""
    url = f"mqtts://localhost:{hardened.certificate_port}"
    client_id = ("mqtt.client_id", "the-same")
    people = [person("dashboard", "d") for _ in range(2)]
    with hall(url, client_id) as first, hall(url, client_id, node="bath") as second:
        assert first.wait_connected(DEADLINE_S)
        assert second.wait_connected(DEADLINE_S)
        for node in (first, second):
            node.publish_event(event(4))
        heard = {"piapp/hall/event", "piapp/bath/event"}
        wait_until(lambda: all(heard <= set(one.heard) for one in people), "both events, at both people")
        assert (first.state.connects, second.state.connects) == (1, 1)


def failure_of(node: Publisher):
    """What a node says after its first failed attempt."""
    with node:
        wait_until(lambda: node.state.last_error or node.state.connected, "an attempt")
        assert not node.state.connected
        return node.state.last_error


def test_nobody_without_a_name_gets_in(hardened, hall, tmp_path):
    """No certificate, no password, a wrong one, another authority's certificate: each fails and is named."""
    no_certificate = [("mqtt.tls.cert", ""), ("mqtt.tls.key", "")]
    certificate_url = f"mqtts://localhost:{hardened.certificate_port}"
    password_url = f"mqtts://localhost:{hardened.port}"
    refused = ("not_authorised", "bad_credentials")
    assert failure_of(hall(certificate_url, *no_certificate, node="a")).reason in ("tls", "closed", "closed_early")
    assert failure_of(hall(password_url, *no_certificate, node="b")).reason in refused
    (tmp_path / "password").write_text("wrong")
    wrong = [("mqtt.username", "bath"), ("mqtt.password_file", str(tmp_path / "password"))]
    assert failure_of(hall(password_url, *wrong, *no_certificate, node="c")).reason in refused
    other = make_certificate(make_authority(tmp_path, "stranger"), "strange", "hall")
    strange = [("mqtt.tls.cert", str(other.certificate)), ("mqtt.tls.key", str(other.key))]
    failure = failure_of(hall(certificate_url, *strange, node="d"))
    assert failure.reason in ("tls", "closed", "closed_early")


def test_an_expired_client_certificate_is_refused(hardened, hall, authority):
    """The broker closes; the words point at TLS."""
    old = make_certificate(authority, "old", "hall", expired=True)
    settings = [("mqtt.tls.cert", str(old.certificate)), ("mqtt.tls.key", str(old.key))]
    failure = failure_of(hall(f"mqtts://localhost:{hardened.certificate_port}", *settings))
    assert failure.reason in ("tls", "closed", "closed_early")
