"""Questions to the local network, and answers as responders and attackers send them."""

from __future__ import annotations

import socket
import struct
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piapp.operate import mdns
from piapp.operate.mdns import Records, Service, browse, query

KINDS = ["_mqtt._tcp", "_home-assistant._tcp"]


def name(text):
    """A name as it is sent, without compression."""
    return b"".join(bytes([len(part)]) + part.encode() for part in text.split(".")) + b"\0"


def record(owner, kind, data):
    """One resource record."""
    return owner + struct.pack("!HHIH", kind, 0x8001, 120, len(data)) + data


def answer(*records):
    """A response with these records."""
    return struct.pack("!6H", 0, 0x8400, 0, len(records), 0, 0) + b"".join(records)


def broker(host="broker.local", instance="Hall broker._mqtt._tcp.local", port=1884):
    """What a responder says of a broker."""
    return answer(
        record(name("_mqtt._tcp.local"), 12, name(instance)),
        record(name(instance), 33, struct.pack("!3H", 0, 0, port) + name(host)),
        record(name(host), 1, socket.inet_aton("10.0.0.5")),
    )


def test_an_announced_service_is_understood():
    """Name, host, address and port, each service once however often it answers."""
    records = Records()
    for _ in range(2):
        records.add(broker())
    assert list(records.services(KINDS)) == [Service("_mqtt._tcp", "Hall broker", "broker.local", "10.0.0.5", 1884)]


def test_names_may_point_at_earlier_ones():
    """Responders compress (RFC 1035, section 4.1.4)."""
    records = Records()
    kind = name("_mqtt._tcp.local")  # at 12, so that its pointer is C0 0C
    instance_at = 12 + len(kind) + 10
    records.add(
        answer(
            record(kind, 12, b"\x04hall\xc0\x0c"),
            record(struct.pack("!H", 0xC000 | instance_at), 33, struct.pack("!3H", 0, 0, 1883) + name("pi.local")),
        )
    )
    assert list(records.services(KINDS)) == [Service("_mqtt._tcp", "hall", "pi.local", "", 1883)]


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        broker()[:40],
        query(KINDS),
        answer(b"\xc0\x0c" + struct.pack("!HHIH", 12, 1, 0, 0)),
        answer(record(b"\xff" * 3, 12, b"")),
    ],
)
def test_what_is_no_answer_says_nothing(packet):
    """Cut off, a question, a name that points at itself, a name of no length."""
    records = Records()
    records.add(packet)
    assert list(records.services(KINDS)) == []


@settings(max_examples=50)
@given(st.binary(max_size=100))
def test_no_packet_does_harm(data):
    """Anybody in the network may answer."""
    records = Records()
    records.add(b"\0\0\x84\0\0\0\0\x09\0\0\0\0" + data)
    list(records.services(KINDS))


def test_a_responder_is_asked_and_heard(monkeypatch):
    """By real sockets: the question comes in the form that responders answer to who asked."""
    asked = []
    with socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as responder:
        responder.bind(("127.0.0.1", 0))
        monkeypatch.setattr(mdns, "GROUP", responder.getsockname())
        monkeypatch.setattr(mdns, "QUERY_PERIOD_S", 0.2)

        def respond():
            packet, sender = responder.recvfrom(9000)
            asked.append(packet)
            responder.sendto(broker(), sender)

        thread = threading.Thread(target=respond)
        thread.start()
        found = browse(KINDS)
        thread.join()
    assert [service.host for service in found] == ["broker.local"]
    assert asked == [query(KINDS)]
