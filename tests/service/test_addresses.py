"""The addresses at which browsers reach this machine."""

from __future__ import annotations

from ipaddress import ip_address

from piapp.service import addresses
from piapp.service.addresses import own_addresses


def test_name_and_address(monkeypatch):
    """The name as mDNS knows it, and the address of the network that leads out."""
    monkeypatch.setattr(addresses.socket, "gethostname", lambda: "pi-hall.fritz.box")
    name, *found = own_addresses()
    assert name == "pi-hall.local"
    assert all(ip_address(address).version == 4 for address in found)


def test_without_a_network(monkeypatch):
    """A Pi that has not joined its network yet has its name alone."""
    monkeypatch.setattr(addresses, "_SOMEWHERE", ("255.255.255.255", 9))  # the kernel lets nobody go there
    assert len(own_addresses()) == 1
