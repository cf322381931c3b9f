"""Who may look, without a network."""

from __future__ import annotations

import pytest

from piapp.preview import access
from piapp.preview.access import Access, same_origin

TOKEN = "correct-horse-battery"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9000", "127.0.0.1:8088", "[::1]:8088", "127.0.0.1"])
def test_this_machine_by_its_own_names(host):
    """Whatever the port is: a tunnel may lead here."""
    assert Access("127.0.0.1", None).knows_host(host)


@pytest.mark.parametrize(
    "host", ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "[::1", "0"]
)
def test_foreign_names_are_refused_without_a_token(host):
    """A name that an attacker has pointed at this machine."""
    assert not Access("127.0.0.1", None).knows_host(host)
    assert Access("127.0.0.1", TOKEN).knows_host(host)
    assert Access("192.168.1.2", TOKEN).knows_host(host)


def test_another_loopback_address_goes_by_itself():
    """`bind` is a name of its own."""
    assert Access("127.0.0.9", None).knows_host("127.0.0.9:80")
    assert not Access("127.0.0.1", None).knows_host("127.0.0.9:80")


def test_the_session_tells_nothing_of_the_token():
    """It is the same in each run, and another for another token."""
    first, second, other = (Access("127.0.0.1", token) for token in (TOKEN, TOKEN, TOKEN[::-1]))
    assert TOKEN not in first.session
    assert first.is_session(second.session)
    assert not first.is_session(other.session)
    assert not first.is_session("")
    assert not first.is_session("é")


def test_secrets_are_compared_in_constant_time(monkeypatch):
    """With what the standard library has for it, both token and session."""
    compared = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    access_ = Access("127.0.0.1", TOKEN)
    monkeypatch.setattr(access.hmac, "compare_digest", compare)
    assert not access_.is_token("corr")
    assert not access_.is_token("é")
    assert not access_.is_session("abc")
    assert len(compared) == 3


def test_without_a_token_none_is_right():
    """Also not the empty one."""
    assert not Access("127.0.0.1", None).is_token("")


@pytest.mark.parametrize(
    ("origin", "fetch_site", "expected"),
    [
        (None, None, True),
        ("http://pi:8088", "same-origin", True),
        ("https://PI:8088", None, True),
        ("http://pi:9999", None, False),
        ("http://evil.example", "cross-site", False),
        ("http://pi:8088", "cross-site", False),
        (None, "same-site", False),
        ("null", None, False),
    ],
)
def test_same_origin(origin, fetch_site, expected):
    """What a browser says about where a request comes from."""
    assert same_origin("pi:8088", origin, fetch_site) is expected
    assert not same_origin("", "http://", None)
