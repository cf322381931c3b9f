"""The version of MQTT that a broker is spoken to with, and connections that are needed once."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from piapp.config.load import load_config
from piapp.mqtt.connecting import VersionChoice, connected
from piapp.mqtt.connection_options import ConnectionOptions
from piapp.mqtt.failures import ConnectionFailedError
from tests.mosquitto import free_port

OLD = ConnectionFailedError("protocol_version", "speaks 3.1.1 alone")
WRONG_PASSWORD = ConnectionFailedError("not_authorised", "refuses the password")

CONNACK_VERSION_5 = 5
REFUSED_OLD = b"\x20\x02\x00\x01"  # 3.1.1: unacceptable protocol version
ACCEPTED_OLD = b"\x20\x02\x00\x00"


def options_of(port, protocol="auto"):
    """How to connect to a loopback broker."""
    overrides = [
        ("mqtt.url", f"mqtt://127.0.0.1:{port}"),
        ("mqtt.protocol", f'"{protocol}"'),
        ("mqtt.connect_timeout_s", "5"),
    ]
    return ConnectionOptions(load_config(Path("/dev/null"), overrides=overrides, environ={}).config.mqtt, "me", "gone")


@contextmanager
def old_broker():
    """A broker that turns MQTT 5 away; its port, and the versions it was asked for."""
    asked = []

    def serve():
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                connect = client.recv(1000)
                asked.append(connect[8])  # after the fixed header, its length, and "MQTT"
                client.sendall(REFUSED_OLD if connect[8] == CONNACK_VERSION_5 else ACCEPTED_OLD)
                while client.recv(1000):
                    pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], asked
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_auto_falls_back_and_returns():
    """3.1.1 follows at once where 5 is turned away; when that fails too, 5 is next, after a pause."""
    choice = VersionChoice("auto")
    assert choice.version == "5"
    assert not choice.failed(WRONG_PASSWORD)
    assert choice.version == "5"
    assert choice.failed(OLD)
    assert choice.version == "3.1.1"
    assert not choice.failed(OLD)
    assert choice.version == "5"


@pytest.mark.parametrize("wanted", ["5", "3.1.1"])
def test_a_configured_version_stays(wanted):
    """Nothing else is tried."""
    choice = VersionChoice(wanted)
    assert not choice.failed(OLD)
    assert choice.version == wanted


def test_an_old_broker_is_spoken_to_in_its_version():
    """With "auto" the second attempt succeeds; with 5 there is none."""
    with old_broker() as (port, asked):
        with connected(options_of(port), lambda *_: None) as connection:
            assert connection.version == "3.1.1"
            connection.disconnect()
        assert asked == [5, 4]
        with pytest.raises(ConnectionFailedError), connected(options_of(port, "5"), lambda *_: None):
            pass
        assert asked == [5, 4, 5]


def test_a_broker_of_today_is_spoken_to_with_5(start_mosquitto):
    """And one that is away is not asked twice."""
    broker = start_mosquitto()
    with connected(options_of(broker.port), lambda *_: None) as connection:
        assert connection.version == "5"
        connection.disconnect()
    broker.stop()
    with pytest.raises(ConnectionFailedError, match="refused"), connected(options_of(free_port()), lambda *_: None):
        pass
