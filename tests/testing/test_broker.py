"""The embedded broker."""

from __future__ import annotations

import logging
import socket
import threading

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from piapp.testing.broker import EmbeddedBroker

DEADLINE_S = 30.0


def test_it_relays_and_keeps_retained_messages():
    """A message goes from one client to another, and a retained one to a later client."""
    with EmbeddedBroker() as broker:
        sender = Client(CallbackAPIVersion.VERSION2)
        sender.connect("127.0.0.1", broker.port)
        sender.loop_start()
        sender.publish("piapp/hall/status", b"online", qos=1, retain=True).wait_for_publish(DEADLINE_S)
        got: list[tuple[str, bytes]] = []
        came = threading.Event()
        receiver = Client(CallbackAPIVersion.VERSION2)
        receiver.on_connect = lambda *_: receiver.subscribe("piapp/#", qos=1)
        receiver.on_message = lambda _client, _userdata, one: (got.append((one.topic, one.payload)), came.set())
        receiver.connect("127.0.0.1", broker.port)
        receiver.loop_start()
        assert came.wait(DEADLINE_S)
        came.clear()
        sender.publish("piapp/hall/frame", bytes(100_000))
        assert came.wait(DEADLINE_S)
        assert got == [("piapp/hall/status", b"online"), ("piapp/hall/frame", bytes(100_000))]
        for client in (sender, receiver):
            client.disconnect()
            client.loop_stop()


def test_it_leaves_nothing_behind(caplog):
    """Thread and port are gone, also with a client still there; nothing was logged; a second stop is harmless."""
    with caplog.at_level(logging.INFO), EmbeddedBroker() as broker:
        client = Client(CallbackAPIVersion.VERSION2)
        connected = threading.Event()
        client.on_connect = lambda *_: connected.set()
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        assert connected.wait(DEADLINE_S)
        assert "embedded-broker" in {thread.name for thread in threading.enumerate()}
    broker.stop()
    client.loop_stop()
    assert "embedded-broker" not in {thread.name for thread in threading.enumerate()}
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", broker.port))
    assert not [record for record in caplog.records if record.name.startswith(("amqtt", "transitions"))]


def test_two_at_a_time():
    """Ports are chosen by the system."""
    with EmbeddedBroker() as first, EmbeddedBroker() as second:
        assert first.port != second.port
