"""Listening: to topics that change, over connections that break."""

from __future__ import annotations

import msgspec
import pytest

from piapp.config.load import default_config
from piapp.errors import BrokerError
from piapp.mqtt.subscriber import Subscriber
from tests.mosquitto import Gate, wait_until
from tests.mosquitto import Subscriber as Publisher


class Heard:
    """What a subscriber was told."""

    def __init__(self):
        self.messages = []
        self.links = []

    def message(self, topic, payload):
        """Take a message."""
        self.messages.append((topic, payload))

    def link(self, up):
        """Take a change of the connection."""
        self.links.append(up)


@pytest.fixture
def gate(mosquitto):
    """A network that can break."""
    gate = Gate(mosquitto.port).open()
    yield gate
    gate.close()


@pytest.fixture
def publisher(mosquitto):
    """Somebody who speaks."""
    publisher = Publisher(mosquitto.port, "subscriber/none")
    yield publisher
    publisher.close()


def said(publisher, heard, topic, payload):
    """Publish until it is heard: a subscription may still be on its way."""

    def is_heard():
        publisher.publish(topic, payload)
        return (topic, payload) in heard.messages

    wait_until(is_heard, f"{topic} to be heard")


def test_it_comes_back_by_itself(gate, publisher):
    """It tells of the loss and of the return, and hears what it heard before."""
    heard = Heard()
    with Subscriber(gate.url, ["subscriber/a"], heard.message, on_link=heard.link) as subscriber:
        subscriber.listen("subscriber/b")
        said(publisher, heard, "subscriber/b", b"1")
        gate.cut()
        wait_until(lambda: heard.links[-1] is False, "the loss to be told")
        subscriber.listen("subscriber/c")  # as somebody may who does not know yet
        subscriber.unlisten("subscriber/a")
        gate.open()
        wait_until(lambda: heard.links[-1] is True, "the return to be told")
        for topic in ("subscriber/b", "subscriber/c"):
            said(publisher, heard, topic, b"2")
        assert not any(topic == "subscriber/a" for topic, _ in heard.messages)


def test_what_is_listened_to_can_change(mosquitto, publisher):
    """More while it runs, and less again."""
    heard = Heard()
    with Subscriber(mosquitto.url, ["subscriber/a"], heard.message) as subscriber:
        subscriber.listen("subscriber/b")
        said(publisher, heard, "subscriber/b", b"1")
        subscriber.unlisten("subscriber/b")
        said(publisher, heard, "subscriber/a", b"after")  # the broker keeps the order of one client's wishes
        publisher.publish("subscriber/b", b"unheard")
        said(publisher, heard, "subscriber/a", b"last")
        assert ("subscriber/b", b"unheard") not in heard.messages


def test_nobody_there(gate):
    """Said at once, with the address."""
    gate.cut()
    with pytest.raises(BrokerError, match=f"127.0.0.1:{gate.port}: cannot be reached"):
        Subscriber(gate.url, ["#"], lambda *_: None).__enter__()


def test_a_password_that_cannot_be_read(gate, tmp_path):
    """As root's is for others: the file and the key are named, and nobody is asked."""
    login = msgspec.structs.replace(default_config().mqtt, username="me", password_file=str(tmp_path / "gone"))
    with pytest.raises(BrokerError, match=r"gone cannot be read .*see mqtt\.tls and mqtt\.password_file"):
        Subscriber(gate.url, ["#"], lambda *_: None, login=login)
    assert gate.accepted == 0
