"""`piapp forget` against a real broker."""

from __future__ import annotations

import pytest

from piapp.cli.app import run_command
from piapp.config.load import load_config
from piapp.config.sections import HomeAssistantConfig
from piapp.errors import BrokerError, UsageError
from piapp.mqtt import discovery
from piapp.mqtt.topics import Topics
from piapp.operate.forget import forget
from tests.mosquitto import Subscriber, free_port, wait_until


def config(url: str, *overrides: tuple[str, str]):
    """The defaults with another broker."""
    return load_config(None, overrides=[("mqtt.url", url), *overrides], environ={}).config


def leave(broker, node: str, status: bytes = b"offline") -> dict[str, bytes]:
    """Have a node's messages held by the broker: its own, and both forms of discovery; topics to payloads."""
    topics = Topics("piapp", node)
    device = discovery.Device(topics, node, "", "0.0.9", "board")
    left = {topics.status: status, topics.state: b"{}", topics.info: b"{}", f"{topics.root}/gone/topic": b"x"}
    for form in ("device", "component"):
        left |= discovery.messages(HomeAssistantConfig(discovery=form, prefix="homeassistant"), device)
    left[f"homeassistant/sensor/{device.id}/from_an_older_version/config"] = b'{"o":{"name":"piapp"}}'
    hold(broker, left)
    return left


def hold(broker, messages: dict[str, bytes]) -> None:
    """Publish retained messages and wait until the broker has them."""
    publisher = Subscriber(broker.port, "none")
    for topic, payload in messages.items():
        publisher.deliver(topic, payload)
    publisher.close()


def held(broker, node: str) -> set[str]:
    """What the broker holds whose topic names the node."""
    subscriber = Subscriber(broker.port, "#")
    subscriber.publish(f"marker/{node}", b"")
    subscriber.wait_for(node)
    subscriber.close()
    return {message.topic for message in subscriber.messages if message.retain and node in message.topic}


def test_nothing_stays(mosquitto):
    """All topics of the node, of this version and others, and only those."""
    left = leave(mosquitto, "old-hall")
    hold(mosquitto, {"piapp/old-hall-2/status": b"online", "homeassistant/sensor/piapp_old-hall/x/config": b'{"o":1}'})
    assert forget(config(mosquitto.url), "old-hall") == sorted(left)
    assert held(mosquitto, "old-hall") == {"piapp/old-hall-2/status", "homeassistant/sensor/piapp_old-hall/x/config"}


def test_home_assistant_is_told(mosquitto):
    """Each of its topics gets an empty message, which removes the device there."""
    leave(mosquitto, "told")
    listener = Subscriber(mosquitto.port, "homeassistant/+/piapp_told/#")
    forget(config(mosquitto.url), "told")
    wait_until(lambda: any(message.payload == b"" for message in listener.messages), "an empty message")
    listener.close()


def test_a_node_that_is_online_stays(mosquitto):
    """It would come back by itself; nothing is touched, unless told to."""
    left = leave(mosquitto, "alive", status=b"online")
    listener = Subscriber(mosquitto.port, "piapp/alive/status")
    with pytest.raises(UsageError, match="alive is online"):
        forget(config(mosquitto.url), "alive")
    assert held(mosquitto, "alive") == set(left)
    assert [message.payload for message in listener.messages] == [b"online"]  # nobody hears that it went
    listener.close()
    assert forget(config(mosquitto.url), "alive", force=True) == sorted(left)
    assert held(mosquitto, "alive") == set()


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_node_that_left_nothing(mosquitto, protocol):
    """Nothing to say; the broker is left as it was."""
    assert forget(config(mosquitto.url, ("mqtt.protocol", protocol)), "never-seen") == []
    assert held(mosquitto, "never-seen") == set()


def test_command(mosquitto, capsys):
    """The command prints what it took."""
    left = leave(mosquitto, "by-command")
    assert run_command(["forget", "--node", "by-command", "--broker", mosquitto.url]) == 0
    assert capsys.readouterr().out.split() == sorted(left)


def test_without_a_broker():
    """A broker that is not there is named."""
    url = f"mqtt://127.0.0.1:{free_port()}"
    with pytest.raises(BrokerError, match=url):
        forget(config(url), "hall")


def test_illegal_node(capsys):
    """A wildcard for a name would take everything."""
    assert run_command(["forget", "--node", "+"]) == 78
    assert "node.id" in capsys.readouterr().err
