"""Trying a broker out, at real ones: what is wrong is named, and Home Assistant is found where it can be."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from piapp.config.load import load_config
from piapp.config.sections import Config
from piapp.mqtt.broker_trial import try_broker
from piapp.mqtt.failures import ConnectionFailedError
from tests.mosquitto import Mosquitto, Subscriber, free_port

NODE = "trial"


def config(**settings: str) -> Config:
    """The defaults with some keys changed; `__` stands for the dot."""
    overrides = [(key.replace("__", "."), value) for key, value in settings.items()]
    return load_config(Path(os.devnull), overrides=overrides, environ={}).config


def test_a_broker_without_home_assistant(mosquitto: Mosquitto) -> None:
    """It tells that nobody listens for discovery; nothing is left at it."""
    trial = try_broker(config(mqtt__url=mosquitto.url), NODE)
    assert (trial.version, trial.tls, trial.refused, trial.home_assistant) == ("5", False, (), "absent")
    late = Subscriber(mosquitto.port, f"piapp/{NODE}/#")
    late.close()
    assert late.messages == []


def test_home_assistant_says_that_it_is_there(mosquitto: Mosquitto) -> None:
    """Its status, where it retains that."""
    home = Subscriber(mosquitto.port, "x")
    for status in ("offline", "online"):
        home.deliver("homeassistant/status", status.encode())
        assert try_broker(config(mqtt__url=mosquitto.url), NODE).home_assistant == status
    home.deliver("homeassistant/status", b"")
    home.close()


def test_home_assistant_only_listens(mosquitto: Mosquitto) -> None:
    """By default it retains nothing: its subscription to discovery gives it away."""
    home = Subscriber(mosquitto.port, "homeassistant/+/+/config")
    assert try_broker(config(mqtt__url=mosquitto.url), NODE).home_assistant == "listening"
    home.close()


def test_somebody_who_listens_to_everything(mosquitto: Mosquitto) -> None:
    """Then the broker's answers say nothing of Home Assistant."""
    everything = Subscriber(mosquitto.port, "#")
    assert try_broker(config(mqtt__url=mosquitto.url), NODE).home_assistant == "unknown"
    everything.close()


def test_a_version_that_tells_nothing(mosquitto: Mosquitto) -> None:
    """MQTT 3.1.1 has no reason codes."""
    trial = try_broker(config(mqtt__url=mosquitto.url, mqtt__protocol='"3.1.1"'), NODE)
    assert (trial.version, trial.home_assistant) == ("3.1.1", "unknown")


def test_the_access_rules_that_come_with_piapp_allow_it(
    start_mosquitto: Callable[..., Mosquitto], tmp_path: Path
) -> None:
    """A node with these rules is not told that it may not publish."""
    rules = tmp_path / "acl"
    rules.write_bytes((Path(__file__).parents[2] / "deploy" / "mosquitto" / "piapp.acl").read_bytes())
    rules.chmod(0o600)
    broker = start_mosquitto(users={NODE: "right"}, lines=[f"acl_file {rules}"])
    (tmp_path / "password").write_text("right\n")
    login = {"mqtt__username": NODE, "mqtt__password_file": str(tmp_path / "password")}
    assert try_broker(config(mqtt__url=broker.url, **login), NODE).refused == ()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mqtt://no-such-host.invalid", "name_not_found"),
        ("mqtt://127.0.0.1:{free}", "refused"),
        ("mqtts://127.0.0.1:{broker}", "closed"),
    ],
)
def test_what_is_wrong_is_named(mosquitto: Mosquitto, url: str, reason: str) -> None:
    """Name, port, and TLS where there is none: mosquitto hangs up without a word."""
    address = url.format(free=free_port(), broker=mosquitto.port)
    with pytest.raises(ConnectionFailedError) as failed:
        try_broker(config(mqtt__url=address), NODE)
    assert failed.value.reason == reason


def test_logins_and_topics_that_are_refused(start_mosquitto: Callable[..., Mosquitto], tmp_path: Path) -> None:
    """A wrong password, and a user who may not publish."""
    rules = tmp_path / "acl"
    rules.write_text("topic readwrite elsewhere/#\n")
    rules.chmod(0o600)
    broker = start_mosquitto(users={NODE: "right"}, lines=[f"acl_file {rules}"])
    secret = tmp_path / "password"
    login = {"mqtt__url": broker.url, "mqtt__username": NODE, "mqtt__password_file": str(secret)}
    secret.write_text("wrong\n")
    with pytest.raises(ConnectionFailedError) as failed:
        try_broker(config(**login), NODE)
    assert failed.value.reason in ("bad_credentials", "not_authorised")
    secret.write_text("right\n")
    assert [topic.partition(" ")[0] for topic in try_broker(config(**login), NODE).refused] == [
        f"piapp/{NODE}/response/check"
    ]
