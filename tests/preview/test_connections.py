"""Strangers on the live page: however many, and whatever they leave unfinished, viewers get in."""

from __future__ import annotations

import http.client
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from piapp.preview import connections
from tests.mosquitto import DEADLINE_S, wait_until
from tests.preview.conftest import TOKEN

UNFINISHED = (b"", b"GET / HTTP/1.1\r\nHost: x", b"PUT /zones HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n")


def strangers(stack, port, count, sent=b""):
    """Connections that send something, or nothing, and stay."""
    made = []
    for _ in range(count):
        one = stack.enter_context(socket.create_connection(("127.0.0.1", port), DEADLINE_S))
        one.sendall(sent)
        made.append(one)
    return made


def open_connections(page):
    """How many descriptors the page's port takes on the server's side."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{page.port:04X}") and row[3] == "01" for row in rows)


@pytest.fixture
def locked(serve):
    """A page that needs a token."""
    return serve(token=TOKEN)


def open_descriptors():
    """Of this process, which is client and server."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def send_until_closed(one):
    """Send byte after byte, as long as the server takes them."""
    until = time.monotonic() + DEADLINE_S
    while time.monotonic() < until:
        one.sendall(b"x")
        time.sleep(0.05)


def asks_with_token(page):
    """What the owner gets."""
    return page.ask("/zones", Authorization=f"Bearer {TOKEN}").status


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nHost: x", b"PUT /zones HTTP/1.1\r\nContent-Length: 9\r\n\r\n"]
)
def test_idle_and_unfinished_strangers_take_no_place(locked, sent):
    """Hundreds of them cost a bounded number of descriptors, and the owner is answered at once."""
    with ExitStack() as stack:
        strangers(stack, locked.port, 400, sent)
        assert asks_with_token(locked) == 200
        wait_until(lambda: open_connections(locked) <= connections.MAX_OF_ADDRESS + 1, "the others to be closed")


def test_who_was_admitted_stays(serve):
    """Viewers are not closed for newcomers."""
    page = serve()
    stream = page.view()
    page.wait_for_viewers(1)
    with ExitStack() as stack:
        strangers(stack, page.port, 300)
        assert page.ask("/zones").status == 200
        assert page.preview.viewers.count == 1
    assert stream.next("status")


def test_where_all_are_admitted_the_newcomer_goes(serve, monkeypatch):
    """Then it is the newest that is closed."""
    monkeypatch.setattr(connections, "MAX_OF_ADDRESS", 2)
    page = serve()
    page.view()
    page.view()
    page.wait_for_viewers(2)
    with socket.create_connection(("127.0.0.1", page.port), DEADLINE_S) as late:
        assert late.recv(1) == b""
    assert page.preview.viewers.count == 2


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nHost: x", b"PUT /zones HTTP/1.1\r\nContent-Length: 9\r\n\r\n"]
)
def test_a_request_has_a_deadline(locked, monkeypatch, sent):
    """Bytes that trickle do not prolong it."""
    monkeypatch.setattr(connections, "REQUEST_S", 0.4)
    with ExitStack() as stack:
        (one,) = strangers(stack, locked.port, 1, sent)
        with pytest.raises(OSError):  # noqa: PT011 - reset, or a broken pipe
            send_until_closed(one)


def test_a_kept_connection_may_ask_again(locked, monkeypatch):
    """The deadline is a request's, not a connection's."""
    monkeypatch.setattr(connections, "REQUEST_S", 0.3)
    connection = http.client.HTTPConnection("127.0.0.1", locked.port, timeout=DEADLINE_S)
    connection.connect()
    used = connection.sock
    for _ in range(3):
        connection.request("GET", "/zones", headers={"Authorization": f"Bearer {TOKEN}"})
        answer = connection.getresponse()
        assert (answer.status, answer.read(), connection.sock) == (200, b'{"zones":[]}', used)
        time.sleep(0.4)
    connection.close()


def test_descriptors_are_left_for_others(serve):
    """A crowd does not use them up."""
    page = serve()
    before = open_descriptors()
    with ExitStack() as stack:
        crowd = strangers(stack, page.port, 300)
        wait_until(lambda: open_connections(page) <= connections.MAX_OF_ADDRESS, "the others to be closed")
        assert open_descriptors() <= before + len(crowd) + connections.MAX_OF_ADDRESS + 2
