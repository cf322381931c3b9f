"""Writes the unit's explicit line for a broker or a network camera outside local networks.

`systemd/piapp.service` lets the node reach this machine and local networks only. The installer runs this module and
puts what it prints beside the unit, so that every address that is allowed besides stands in one file, to be read.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

from piapp.camera.source import parse_source
from piapp.config.addresses import broker_address
from piapp.config.load import load_config
from piapp.config.sections import Config

# As in systemd/piapp.service.
LOCAL_NETWORKS = tuple(
    ipaddress.ip_network(text)
    for text in (
        "127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fe80::/10",
        "fc00::/7", "224.0.0.251/32",
    )
)  # fmt: skip

# What the unit forbids: everything that it does not allow.
EVERYWHERE = "0.0.0.0/0 ::/0"

RESOLVER_FILE = Path("/etc/resolv.conf")


def outside(addresses: Iterable[str]) -> list[str]:
    """Those addresses that no local network holds, each once, in order."""
    found = {text: ipaddress.ip_address(text.partition("%")[0]) for text in addresses}
    return [text for text, address in found.items() if not any(address in network for network in LOCAL_NETWORKS)]


def peers(config: Config) -> list[str]:
    """The hosts that a node must reach: its broker, and its camera if that is one of the network."""
    broker = broker_address(config.mqtt.url)
    hosts = [broker.host] if broker.transport != "unix" else []
    if (source := parse_source(config.camera.source)).kind == "rtsp":
        hosts.append(urlsplit(source.target).hostname or "")
    return list(dict.fromkeys(host for host in hosts if host))


def drop_in(hosts: Iterable[str], *, resolve: Callable[[str], list[str]], name_servers: Iterable[str] = ()) -> str:
    """The drop-in that allows hosts and who knows their addresses; empty when local networks hold them all.

    Args:
        hosts: From `peers`.
        resolve: The addresses of a host.
        name_servers: Addresses that are asked for the hosts'.

    Raises:
        OSError: A host has no address.
    """
    hosts, servers = list(hosts), list(name_servers)
    allowed = outside(chain.from_iterable(addresses_for(host, resolve=resolve, name_servers=servers) for host in hosts))
    if not allowed:
        return ""
    return (
        f"# Lets the node reach {' and '.join(hosts)}, and the name servers that know them, outside local networks.\n"
        "# Written by deploy/install.sh from mqtt.url and camera.source; run that again when one of them changes.\n"
        f"[Service]\nIPAddressAllow={' '.join(allowed)}\n"
    )


def addresses_for(host: str, *, resolve: Callable[[str], list[str]], name_servers: Iterable[str]) -> list[str]:
    """What must be reached for a host: its addresses, and the name servers where it is a name.

    Raises:
        OSError: The host has no address.
    """
    found = resolve(host)
    return [*found, *(() if host == "localhost" or host in found else name_servers)]


def forbidden(addresses: Iterable[str], *, allow: str, deny: str) -> list[str]:
    """Those addresses that a unit's firewall blocks, as systemd.resource-control(5) has it: what is allowed wins.

    Args:
        addresses: Of hosts.
        allow: The unit's `IPAddressAllow`, as `systemctl show` prints it: networks with blanks between.
        deny: Its `IPAddressDeny`.
    """

    def listed(text: str, networks: str) -> bool:
        address = ipaddress.ip_address(text.partition("%")[0])
        return any(address in ipaddress.ip_network(network) for network in networks.split())

    return [text for text in addresses if listed(text, deny) and not listed(text, allow)]


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
    """Print the drop-in for the broker and camera of a configuration file."""
    hosts = peers(load_config(Path(arguments[0])).config)
    try:
        text = drop_in(hosts, resolve=resolve, name_servers=name_servers())
    except OSError as error:
        names = ", ".join(hosts)
        sys.stderr.write(f"{names}: {error}; until install.sh runs again, local networks alone are allowed\n")
        return 1
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
