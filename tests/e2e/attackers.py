"""Everything that strangers may do to a node at once, at rates that leave the attackers little processor time.

Run as a program: `attackers.py BROKER_PORT PAGE_PORT NODE`. It prints the port of a gate to the broker, through which
the node is to connect. From the line "attack" on its standard input on it attacks, and what comes through the gate
brings what no honest broker sends; from "rest" on it only relays.
"""

from __future__ import annotations

import itertools
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

REQUESTS = (
    b"{", b"\xff" * 100, b"[" * 5_000, b'{"a":' * 1_000, b"null", b"\0" * 2_000, b"9" * 5_000,
    b'{"values":{"posture.dwell_s":-1}}', b'{"values":{"camera.source":"file:/etc/passwd"}}',
    b'{"values":{"publish.max_frame_hz":1e-310},"persist":true}', b'{"values":{"posture.gap_s":1e308},"persist":true}',
    b'{"values":{"posture.still_after_s":null}}', b'{"values":[]}', b'{"transaction":' + b"1" * 4_000 + b"}",
)  # fmt: skip
COMMANDS = ("set", "ping", "dance", "snapshot", "feedback", "acknowledge", "missed", "a/b", "")
ANSWER_TO = (
    "homeassistant/switch/x/config", "piapp/other/event", "piapp/{node}/status", "piapp/{node}/request/restart", "a/#",
    "+/x", "$SYS/x", "x" * 2_000,
)  # fmt: skip

# Topics as no broker may deliver them.
TOPICS = (
    b"piapp/+/request/#",
    b"#",
    b"+",
    b"",
    b"\xff\xfe",
    b"piapp/\0/request/ping",
    b"homeassistant/#",
    b"x" * 60_000,
)

PAGE = (
    b"", b"GET / HTTP/1.1\r\nHost: x", b"PUT /zones HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n",
    b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01" + b"\xff" * 200, b"GET /" + b"x" * 70_000,
)  # fmt: skip
STRANGERS = 300

PERIOD_S = 0.02
LARGE = b"x" * 1_000_000
LARGE_EVERY = 100
# So often a whole connection to the broker is broken by what is no MQTT at all.
GARBAGE_EVERY = 400


class HostileGate:
    """Relays a node's connection to its broker, and puts packets of its own between the broker's.

    Args:
        broker_port: Where the broker listens.
        attacking: Set while it puts packets there.
        garbage_every: One packet in so many is none of MQTT's, which ends the connection; 0 for none.

    Attributes:
        port: Where it listens.
        count: How many packets it has put there.
    """

    def __init__(self, broker_port: int, attacking: threading.Event, garbage_every: int = GARBAGE_EVERY) -> None:
        self._attacking = attacking
        self._broker_port = broker_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threats = itertools.cycle(TOPICS)
        self._garbage_every = garbage_every
        self.count = 0

    def run(self) -> None:
        """Accept connections for ever."""
        while True:
            node, _ = self._listener.accept()
            broker = socket.create_connection(("127.0.0.1", self._broker_port))
            for relay in (self._up, self._down):
                threading.Thread(target=relay, args=(node, broker), daemon=True).start()

    def _up(self, node: socket.socket, broker: socket.socket) -> None:
        with suppress(OSError):
            while data := node.recv(65_536):
                broker.sendall(data)
        _hang_up(node, broker)

    def _down(self, node: socket.socket, broker: socket.socket) -> None:
        with suppress(OSError, EOFError):
            reader = broker.makefile("rb")
            for packet in _packets(reader.read):
                node.sendall(packet)
                # Not after CONNACK and SUBACK: first the connection stands.
                if packet[0] >> 4 not in (2, 9) and self._attacking.is_set():
                    node.sendall(self._threat())
        _hang_up(node, broker)

    def _threat(self) -> bytes:
        self.count += 1
        if self._garbage_every and self.count % self._garbage_every == 0:
            return b"\xf0\xff\xff\xff\xff\xff" + os.urandom(50)
        topic = next(self._threats)
        body = len(topic).to_bytes(2, "big") + topic + b"\0" + b'{"transaction":"t"}'
        return b"\x30" + _length(len(body)) + body


def _hang_up(*sockets: socket.socket) -> None:
    for one in sockets:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


def _length(count: int) -> bytes:
    """MQTT's variable byte integer."""
    out = b""
    while True:
        count, low = divmod(count, 128)
        out += bytes([low | (128 if count else 0)])
        if not count:
            return out


def _packets(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """The packets of a stream of MQTT."""
    while head := read(1):
        count, shift = 0, 0
        while True:
            byte = read(1)
            head += byte
            count |= (byte[0] & 127) << shift
            shift += 7
            if byte[0] < 128:
                break
        yield head + read(count)


def flood(port: int, node: str, attacking: threading.Event) -> None:
    """Send bad requests, large ones, retained ones, and ones that want their answer elsewhere."""
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.connect("127.0.0.1", port)
    client.loop_start()
    requests = itertools.cycle(itertools.product(COMMANDS, REQUESTS))
    answers = itertools.cycle(ANSWER_TO)
    for tick in itertools.count():
        attacking.wait()
        for command, payload in itertools.islice(requests, 4):
            client.publish(f"piapp/{node}/request/{command}", payload, qos=tick % 2)
        properties = Properties(PacketTypes.PUBLISH)
        with suppress(Exception):  # paho refuses some of these itself
            properties.ResponseTopic = next(answers).format(node=node)
            properties.CorrelationData = os.urandom(100)
            client.publish(f"piapp/{node}/request/ping", b"{}", properties=properties)
        client.publish(f"piapp/{node}/request/ping", b"{}", retain=True)
        if tick % LARGE_EVERY == 0:
            client.publish(f"piapp/{node}/request/set", LARGE)
        time.sleep(PERIOD_S)


def crowd(port: int, attacking: threading.Event) -> None:
    """Open connections to the page, leave them idle or with half a request, and open new ones for those that end."""
    kinds = itertools.cycle(PAGE)
    connections: list[socket.socket] = []
    while True:
        attacking.wait()
        with suppress(OSError):
            one = socket.create_connection(("127.0.0.1", port), 1.0)
            connections.append(one)
            one.sendall(next(kinds))
        if len(connections) > STRANGERS:
            connections.pop(0).close()
        time.sleep(PERIOD_S)


def main() -> None:
    """Obey until killed."""
    broker_port, page_port, node = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    attacking = threading.Event()
    gate = HostileGate(broker_port, attacking)
    for attack in (
        gate.run, partial(flood, broker_port, node, attacking), partial(crowd, page_port, attacking),
    ):  # fmt: skip
        threading.Thread(target=attack, daemon=True).start()
    sys.stdout.write(f"{gate.port}\n")
    sys.stdout.flush()
    for line in sys.stdin:
        (attacking.set if line == "attack\n" else attacking.clear)()


if __name__ == "__main__":
    main()
