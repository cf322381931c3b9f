"""A test alert by a node that runs, or in the name of one that does not."""

from __future__ import annotations

import json

import pytest

from piapp.config.load import load_config
from piapp.errors import BrokerError
from piapp.operate import alert
from piapp.operate.alert import send_alert
from tests.mosquitto import Subscriber, free_port
from tests.support.answering_node import answering_node

KINDS = ["fall", "fallen", "recovered"]


def config(port, **keys):
    """A node's configuration."""
    values = {"mqtt.url": f"mqtt://127.0.0.1:{port}", "node.id": "tried", **keys}
    return load_config(overrides=list(values.items())).config


def test_in_the_name_of_a_node_that_does_not_run(mosquitto):
    """As the node itself sends it: on `event` alone, marked, with ids."""
    listener = Subscriber(mosquitto.port, "piapp/tried/#")
    text = send_alert(config(mosquitto.port), running=False)
    events = [json.loads(message.payload) for message in listener.wait_for("event", 3)]
    assert [event["event_type"] for event in events] == KINDS
    assert all(event["test"] and not event["historical"] for event in events)
    assert len({event["id"] for event in events}) == 3
    assert {message.leaf for message in listener.messages if not message.retain} == {"event"}
    listener.close()
    assert "does not run yet" in text


def test_a_node_that_runs_is_asked(mosquitto):
    """It sends the alert itself."""
    with answering_node(mosquitto.url, "tried", {"data": {"test": True}}) as asked:
        assert "has sent" in send_alert(config(mosquitto.port), running=True)
    assert asked == ["test"]


def test_a_node_that_has_just_been_started_is_asked_again(monkeypatch):
    """It says that it is ready before it listens; after three attempts the reason is the caller's."""
    attempts = []

    def ask(*_):
        attempts.append(1)
        if len(attempts) < 3:
            raise BrokerError("no answer")

    monkeypatch.setattr(alert, "ask", ask)
    assert "has sent" in send_alert(config(1), running=True)
    monkeypatch.setattr(alert, "ask", lambda *_: (_ for _ in ()).throw(BrokerError("no answer")))
    with pytest.raises(BrokerError, match="no answer"):
        send_alert(config(1), running=True)


def test_a_broker_that_refuses(start_mosquitto, tmp_path):
    """Its access list may forbid the topic; the message says what to allow."""
    rules = tmp_path / "rules"
    rules.write_text("topic read piapp/#\n")
    rules.chmod(0o600)
    broker = start_mosquitto(lines=[f"acl_file {rules}"])
    with pytest.raises(BrokerError, match="allow this user piapp/tried/#"):
        send_alert(config(broker.port), running=False)


def test_no_broker():
    """Cannot be reached."""
    with pytest.raises(BrokerError):
        send_alert(config(free_port()), running=False)
