"""Which brokers need a line of their own in the unit's allow-list."""

from __future__ import annotations

import configparser
import os
from pathlib import Path

import pytest

from piapp.config.load import load_config
from piapp.operate.allow_list import LOCAL_NETWORKS, drop_in, forbidden, main, name_servers, outside, peers

UNIT = Path(__file__).parents[2] / "systemd" / "piapp.service"


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "10.1.2.3", "172.31.0.1", "192.168.1.9", "169.254.3.4", "fe80::1%eth0", "fd00::7"]
)
def test_local_brokers_need_no_line(address: str) -> None:
    """This machine and local networks are allowed by the unit itself."""
    assert drop_in(["broker.lan"], resolve=lambda _host: [address], name_servers=["192.168.1.1"]) == ""


def test_a_local_broker_known_to_a_name_server_elsewhere() -> None:
    """The name server is let through for a name, and not for what needs no look-up."""
    text = drop_in(["broker.lan"], resolve=lambda _host: ["10.0.0.9"], name_servers=["198.51.100.53"])
    assert "IPAddressAllow=198.51.100.53\n" in text
    for host in ("10.0.0.9", "localhost"):
        assert drop_in([host], resolve=lambda _host: ["10.0.0.9"], name_servers=["198.51.100.53"]) == ""


def test_a_broker_elsewhere_is_allowed_by_its_addresses() -> None:
    """All of its public addresses are allowed, and the name server outside that must be asked for them."""
    text = drop_in(
        ["broker.example"],
        resolve=lambda _host: ["203.0.113.7", "2001:db8::7", "192.168.1.9"],
        name_servers=["192.168.1.1", "198.51.100.53"],
    )
    parser = configparser.ConfigParser()
    parser.read_string(text)
    assert parser["Service"]["IPAddressAllow"].split() == ["203.0.113.7", "2001:db8::7", "198.51.100.53"]
    assert "broker.example" in text


def test_a_broker_named_by_address_needs_no_name_server() -> None:
    """Without a name to look up, no resolver is let through."""
    text = drop_in(["203.0.113.7"], resolve=lambda host: [host], name_servers=["198.51.100.53"])
    assert "IPAddressAllow=203.0.113.7\n" in text


def test_the_unit_allows_the_same_networks() -> None:
    """Unit and module agree on what is local."""
    lines = [line.partition("=")[2] for line in UNIT.read_text().splitlines() if line.startswith("IPAddressAllow=")]
    words = " ".join(lines).replace("localhost", "127.0.0.0/8 ::1/128").split()
    assert sorted(words) == sorted(str(network) for network in LOCAL_NETWORKS)


def test_no_name_is_no_drop_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A broker without an address is told, and nothing is allowed."""
    config = tmp_path / "piapp.toml"
    config.write_text('[mqtt]\nurl = "mqtt://no-such-host.invalid"\n')
    assert main([str(config)]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "no-such-host.invalid" in told.err


def test_name_servers_are_read(tmp_path: Path) -> None:
    """resolv.conf's servers, in order; none without the file."""
    file = tmp_path / "resolv.conf"
    file.write_text("# nameserver 9.9.9.9\nsearch lan\nnameserver 192.168.1.1\nnameserver ::1\nnameserver\n")
    assert name_servers(file) == ["192.168.1.1", "::1"]
    assert name_servers(tmp_path / "absent") == []
    assert outside([]) == []


def test_a_camera_elsewhere_is_allowed_too(tmp_path: Path) -> None:
    """Broker and camera, each once, by name; a camera on this board asks for nothing."""
    config = tmp_path / "piapp.toml"
    config.write_text('[mqtt]\nurl = "mqtt://broker.example"\n[camera]\nsource = "RTSP://me:x@cam.example:8554/live"\n')
    hosts = peers(load_config(config, environ={}).config)
    assert hosts == ["broker.example", "cam.example"]
    known = {"broker.example": ["192.168.1.2"], "cam.example": ["203.0.113.9"]}
    text = drop_in(hosts, resolve=known.__getitem__)
    assert "IPAddressAllow=203.0.113.9\n" in text
    assert "cam.example" in text
    config.write_text('[camera]\nsource = "v4l2:/dev/video0"\n')
    assert peers(load_config(config, environ={}).config) == ["localhost"]


def test_a_broker_on_a_socket_of_this_machine_needs_no_address() -> None:
    """A Unix socket is reached without any network."""
    broker = [("mqtt.url", "unix:///run/mosquitto/mqtt.sock")]
    assert peers(load_config(Path(os.devnull), overrides=broker, environ={}).config) == []


def test_what_is_allowed_wins_over_what_is_denied() -> None:
    """As systemd decides: the list of allowed networks first, then that of denied ones, then yes."""
    addresses = ["192.168.1.9", "203.0.113.9", "2001:db8::7", "fe80::1%eth0"]
    denied = forbidden(addresses, allow="192.168.0.0/16 fe80::/10", deny="0.0.0.0/0 ::/0")
    assert denied == ["203.0.113.9", "2001:db8::7"]
    assert forbidden(addresses, allow="", deny="203.0.113.0/24") == ["203.0.113.9"]
    assert forbidden(addresses, allow="", deny="") == []
