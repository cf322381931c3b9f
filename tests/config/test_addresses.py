"""Addresses of brokers."""

from __future__ import annotations

import pytest

from piapp.config.addresses import BrokerAddress, broker_address


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://b", BrokerAddress("b", 1883, tls=False)),
        ("mqtts://b:9", BrokerAddress("b", 9, tls=True)),
        ("ws://b", BrokerAddress("b", 80, tls=False, transport="websockets", path="/mqtt")),
        ("wss://b/x/y", BrokerAddress("b", 443, tls=True, transport="websockets", path="/x/y")),
        ("unix:///run/m.sock", BrokerAddress("/run/m.sock", 1883, tls=False, transport="unix")),
    ],
)
def test_addresses(url, address):
    """Each form with its defaults."""
    assert broker_address(url) == address


@pytest.mark.parametrize(
    "url", ["unix://host/x", "unix://", "ws://", "mqtt://b/x", "http://b", "ws://u:p@b", "ws://b?x"]
)
def test_what_is_no_address(url):
    """Refused with the forms that there are, and without a password."""
    with pytest.raises(ValueError, match=r"expected mqtt://|user name or password") as caught:
        broker_address(url)
    assert "u:p" not in str(caught.value)
