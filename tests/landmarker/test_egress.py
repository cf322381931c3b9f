"""The socket filter: refused to the landmarker's threads and theirs, open to all others."""

from __future__ import annotations

import errno
import logging
import socket
import sys
import threading

import pytest

from piapp.landmarker.egress import deny_sockets


def in_thread(work):
    """The result of `work` in a thread that ends with it."""
    results = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    thread.join()
    return results[0]


def attempt(family, kind):
    """The error number of making a socket, 0 when it works."""
    try:
        socket.socket(family, kind).close()
    except OSError as error:
        return error.errno
    return 0


ATTEMPTS = {
    (socket.AF_INET, socket.SOCK_STREAM): errno.EAFNOSUPPORT,
    (socket.AF_INET, socket.SOCK_DGRAM): errno.EAFNOSUPPORT,
    (socket.AF_INET6, socket.SOCK_STREAM): errno.EAFNOSUPPORT,
    (socket.AF_INET6, socket.SOCK_DGRAM): errno.EAFNOSUPPORT,
    (socket.AF_NETLINK, socket.SOCK_RAW): errno.EAFNOSUPPORT,
    (socket.AF_UNIX, socket.SOCK_STREAM): errno.EAFNOSUPPORT,  # name service daemons answer look-ups there
    (socket.AF_UNIX, socket.SOCK_DGRAM): 0,  # the journal
}


def filtered(work):
    """Run `work` under the filter, or skip where there is none."""

    def run():
        if not deny_sockets():
            return None
        return work()

    result = in_thread(run)
    if result is None:
        pytest.skip("NOT TESTED: the socket filter; this machine does not allow seccomp filters")
    return result


def test_sockets_are_refused_to_the_thread():
    """As if this machine had no network, which libraries must cope with."""
    assert filtered(lambda: {pair: attempt(*pair) for pair in ATTEMPTS}) == ATTEMPTS


def test_threads_started_from_it_inherit_the_refusal():
    """MediaPipe's own threads are such."""
    assert filtered(lambda: in_thread(lambda: attempt(socket.AF_INET, socket.SOCK_STREAM))) == errno.EAFNOSUPPORT


def test_other_threads_keep_their_sockets():
    """The publisher must reach its broker."""
    filtered(lambda: True)
    assert attempt(socket.AF_INET, socket.SOCK_STREAM) == 0
    assert in_thread(lambda: attempt(socket.AF_INET, socket.SOCK_STREAM)) == 0


def test_names_are_not_looked_up():
    """The way in which MediaPipe's reports begin."""

    def look_up():
        try:
            socket.getaddrinfo("example.invalid", 443)
        except OSError as error:
            return type(error)
        return True

    assert filtered(look_up) is socket.gaierror


def test_a_machine_without_filters_is_warned_about(monkeypatch, caplog):
    """It goes on; the words name what else protects."""
    monkeypatch.setitem(sys.modules, "pyseccomp", None)
    with caplog.at_level(logging.WARNING):
        assert in_thread(deny_sockets) is False
    assert "IPAddressDeny" in caplog.text
