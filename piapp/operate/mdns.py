"""Asks the local network for services by multicast DNS (RFC 6762, one-shot queries) and DNS-SD (RFC 6763).

Owns the messages and the sockets; knows nothing of MQTT. Needs no daemon and no command on this machine.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

GROUP = ("224.0.0.251", 5353)

# RFC 6762, section 5.1: responders answer within half a second; the second query is for packets that were lost.
_QUERIES = 2
QUERY_PERIOD_S = 1.0
_MAX_PACKET_BYTES = 9_000

_A, _PTR, _SRV = 1, 12, 33
_CLASS_IN = 1
_UNICAST_REPLY = 0x8000
_RESPONSE = 0x8000

# A name of 255 bytes has at most 127 labels; more jumps than that are a loop.
_MAX_LABELS = 128
_POINTER = 0xC0


@dataclass(frozen=True, slots=True)
class Service:
    """A service that announces itself.

    Attributes:
        kind: Such as "_mqtt._tcp".
        name: What its owner calls it.
        host: Such as "homeassistant.local".
        address: IPv4, empty where none was given.
    """

    kind: str
    name: str
    host: str
    address: str
    port: int


@dataclass(slots=True)
class Records:
    """What answers said so far.

    Attributes:
        instances: Kind of service to full names of services.
        servers: Full name of a service to host and port.
        addresses: Host to its IPv4 address.
    """

    instances: dict[str, list[str]] = field(default_factory=dict)
    servers: dict[str, tuple[str, int]] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)

    def add(self, packet: bytes) -> None:
        """Note what an answer says; one that is damaged says nothing more from there on."""
        with suppress(ValueError, IndexError, struct.error):
            self._add(packet)

    def services(self, kinds: Sequence[str]) -> Iterator[Service]:
        """The services of these kinds whose host is known, each once."""
        for kind in kinds:
            for instance in dict.fromkeys(self.instances.get(f"{kind}.local", ())):
                if instance in self.servers:
                    host, port = self.servers[instance]
                    name = instance.removesuffix(f".{kind}.local")
                    yield Service(kind, name, host, self.addresses.get(host, ""), port)

    def _add(self, packet: bytes) -> None:
        _, flags, questions, *counts = struct.unpack_from("!6H", packet)
        if not flags & _RESPONSE:
            return
        position = 12
        for _ in range(questions):
            _, position = _read_name(packet, position)
            position += 4
        for _ in range(sum(counts)):
            position = self._add_record(packet, position)

    def _add_record(self, packet: bytes, position: int) -> int:
        name, position = _read_name(packet, position)
        kind, _, _, length = struct.unpack_from("!HHIH", packet, position)
        data = position + 10
        end: int = data + length
        if end > len(packet):
            raise ValueError("cut off")
        if kind == _PTR:
            self.instances.setdefault(name, []).append(_read_name(packet, data)[0])
        elif kind == _SRV:
            self.servers[name] = (_read_name(packet, data + 6)[0], struct.unpack_from("!H", packet, data + 4)[0])
        elif kind == _A and length == 4:  # noqa: PLR2004 - an IPv4 address
            self.addresses[name] = socket.inet_ntoa(packet[data:end])
        return end


def browse(kinds: Sequence[str]) -> list[Service]:
    """Ask every network of this machine, and collect answers for two seconds.

    Args:
        kinds: Such as "_mqtt._tcp".
    """
    records = Records()
    with ExitStack() as stack:
        sockets = [stack.enter_context(opened) for opened in _sockets()]
        for _ in range(_QUERIES if sockets else 0):
            for asking in sockets:
                with suppress(OSError):  # a network that is down has nobody to ask
                    asking.sendto(query(kinds), GROUP)
            _collect(sockets, records, time.monotonic() + QUERY_PERIOD_S)
    return list(records.services(kinds))


def query(kinds: Sequence[str]) -> bytes:
    """The question for services of these kinds, to be answered to who asks."""
    questions = [_name(f"{kind}.local") + struct.pack("!HH", _PTR, _CLASS_IN | _UNICAST_REPLY) for kind in kinds]
    return struct.pack("!6H", 0, 0, len(questions), 0, 0, 0) + b"".join(questions)


def _sockets() -> Iterator[socket.socket]:
    """One for each network, on a port of its own: answers come to it and not to the whole network."""
    for index, _ in socket.if_nameindex():
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            membership = struct.pack("=4s4si", bytes(4), bytes(4), index)
            opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, membership)
            opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
            opened.setblocking(False)
        except OSError:
            opened.close()
        else:
            yield opened


def _collect(sockets: Sequence[socket.socket], records: Records, until_s: float) -> None:
    while (left_s := until_s - time.monotonic()) > 0:
        time.sleep(min(left_s, 0.05))
        for asking in sockets:
            with suppress(OSError):  # nothing is there yet
                records.add(asking.recv(_MAX_PACKET_BYTES))


def _name(text: str) -> bytes:
    labels = [label.encode() for label in text.split(".")]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _read_name(packet: bytes, position: int) -> tuple[str, int]:
    """A name, and where what follows it begins.

    Raises:
        ValueError: It is damaged, or a loop.
        IndexError: It is cut off.
    """
    labels: list[str] = []
    after = 0
    for _ in range(_MAX_LABELS):
        length = packet[position]
        if length & _POINTER == _POINTER:
            after = after or position + 2
            position = (length & ~_POINTER) << 8 | packet[position + 1]
            continue
        position += 1
        if not length:
            return ".".join(labels), after or position
        labels.append(packet[position : position + length].decode())
        position += length
    raise ValueError("a name that never ends")
