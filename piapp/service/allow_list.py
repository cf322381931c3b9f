"""Writes the unit's explicit line for a broker outside local networks.

`systemd/piapp.service` lets the node reach this machine and local networks only. The installer runs this module and
puts what it prints beside the unit, so that every address that is allowed besides stands in one file, to be read.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from piapp.config.addresses import broker_address
from piapp.config.load import load_config

# As in systemd/piapp.service.
LOCAL_NETWORKS = tuple(
    ipaddress.ip_network(text)
    for text in (
        "127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fe80::/10",
        "fc00::/7",
    )
)  # fmt: skip

RESOLVER_FILE = Path("/etc/resolv.conf")


def outside(addresses: Iterable[str]) -> list[str]:
    """Those addresses that no local network holds, each once, in order."""
    found = {text: ipaddress.ip_address(text.partition("%")[0]) for text in addresses}
    return [text for text, address in found.items() if not any(address in network for network in LOCAL_NETWORKS)]


def drop_in(url: str, *, resolve: Callable[[str], list[str]], name_servers: Iterable[str] = ()) -> str:
    """The drop-in that allows a broker and who knows its address; empty when local networks hold both.

    Args:
        url: `mqtt.url`.
        resolve: The addresses of a host.
        name_servers: Addresses that are asked for the host's.

    Raises:
        OSError: The host has no address.
    """
    host = broker_address(url).host
    addresses = resolve(host)
    asked = () if host == "localhost" or host in addresses else name_servers
    allowed = outside([*addresses, *asked])
    if not allowed:
        return ""
    return (
        f"# Lets the node reach its broker, {host}, and the name servers that know it, outside local networks.\n"
        "# Written by deploy/install.sh from mqtt.url; run that again when one of them changes.\n"
        f"[Service]\nIPAddressAllow={' '.join(allowed)}\n"
    )


def resolve(host: str) -> list[str]:
    """All addresses of a host.

    Raises:
        OSError: It has none, or nobody can be asked.
    """
    return sorted({str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)})


def name_servers(file: Path = RESOLVER_FILE) -> list[str]:
    """The name servers of resolv.conf(5); none when it cannot be read."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [words[1] for line in lines if (words := line.split())[:1] == ["nameserver"] and len(words) > 1]


def main(arguments: list[str]) -> int:
    """Print the drop-in for the broker of a configuration file."""
    url = load_config(Path(arguments[0])).config.mqtt.url
    try:
        text = drop_in(url, resolve=resolve, name_servers=name_servers())
    except OSError as error:
        sys.stderr.write(f"{url}: {error}; until install.sh runs again, local networks alone are allowed\n")
        return 1
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
