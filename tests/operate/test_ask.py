"""Asking a node at a real broker, with the node's own code for requests at the other end."""

from __future__ import annotations

import pytest

from piapp.cli.app import run_command
from piapp.config.load import load_config
from piapp.errors import BrokerError
from piapp.mqtt.topics import Topics
from piapp.operate.ask import RequestError, ask
from tests.mosquitto import free_port
from tests.support.answering_node import answering_node


def config(url):
    """The defaults with another broker."""
    return load_config(None, overrides=[("mqtt.url", url)], environ={}).config


def test_the_answer_comes_back(mosquitto):
    """Its data; other people's answers are not taken for it."""
    with answering_node(mosquitto.url, "ask-ok", {"data": {"test": True}}) as asked:
        topics = Topics("piapp", "ask-ok")
        assert ask(config(mosquitto.url).mqtt, topics, "test") == {"test": True}
        assert ask(config(mosquitto.url).mqtt, topics, "ping") == {"test": True}
    assert asked == ["test", "ping"]


def test_a_refusal_is_the_nodes_own_words(mosquitto):
    """The command ends with them and exit code 1."""
    with (
        answering_node(mosquitto.url, "ask-no", {"error": "no alarm is open"}),
        pytest.raises(RequestError, match="ask-no: no alarm is open") as raised,
    ):
        ask(config(mosquitto.url).mqtt, Topics("piapp", "ask-no"), "acknowledge")
    assert raised.value.exit_code == 1


def test_nobody_there_is_said(mosquitto):
    """With what to look at."""
    with pytest.raises(BrokerError, match=r"ask-away: no answer within 0\.2 s; is it online"):
        ask(config(mosquitto.url).mqtt, Topics("piapp", "ask-away"), "test", timeout_s=0.2)
    with pytest.raises(BrokerError, match="cannot be reached"):
        ask(config(f"mqtt://127.0.0.1:{free_port()}").mqtt, Topics("piapp", "x"), "test")


def test_the_command_asks_for_a_test(mosquitto, capsys):
    """`piapp test-alert` names the node and what it has sent."""
    with answering_node(mosquitto.url, "ask-cli", {"data": {"test": True}}) as asked:
        assert run_command(["test-alert", "--node", "ask-cli", "--broker", mosquitto.url]) == 0
    assert asked == ["test"]
    assert capsys.readouterr().out == "ask-cli: sent fall, fallen and recovered, marked as a test\n"
