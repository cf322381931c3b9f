"""The addresses at which browsers of the local network reach this machine."""

from __future__ import annotations

import socket

# Nothing is sent there: the kernel only says from where it would be. An address for documentation (RFC 5737).
_SOMEWHERE = ("192.0.2.1", 9)


def own_addresses() -> list[str]:
    """The name that the network's devices look up by mDNS, and the IPv4 address, where there is a network."""
    name = socket.gethostname().partition(".")[0]
    addresses = [f"{name}.local"] if name else []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_SOMEWHERE)
        except OSError:
            return addresses
        return [*addresses, probe.getsockname()[0]]
