"""Why there is no connection: each cause against a broker that has it."""

from __future__ import annotations

import logging
import socket
import ssl
from pathlib import Path

import pytest

from piapp.mqtt.failures import Peer, failure_from_error
from piapp.mqtt.message import Message
from tests.mosquitto import DEADLINE_S, Gate, free_port, make_authority, make_certificate, needs_openssl, wait_until
from tests.support.publishers import make_publisher


def failure_of(url: str, *settings: tuple[str, str]):
    """What the publisher says after its first failed attempt."""
    with make_publisher(url, *settings) as publisher:
        wait_until(lambda: publisher.state.last_error or publisher.state.connected, "an attempt")
        assert not publisher.state.connected
        return publisher.state.last_error


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate authority of our own."""
    return make_authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def tls_broker(start_mosquitto, authority):
    """A broker whose certificate is right for "localhost"."""
    return start_mosquitto(tls=make_certificate(authority, "server", "localhost"))


@pytest.fixture
def password_file(tmp_path):
    """Write password files."""

    def write(text: str) -> tuple[str, str]:
        path = tmp_path / "password"
        path.write_text(text)
        return "mqtt.password_file", str(path)

    return write


@pytest.fixture(scope="module")
def users_broker(start_mosquitto):
    """A broker that knows one user."""
    return start_mosquitto(users={"node": "se cret"})


def test_the_right_password_is_let_in(users_broker, password_file):
    """The first line of the file counts, without its line end."""
    settings = [("mqtt.username", "node"), password_file("se cret\r\nanother line\n")]
    with make_publisher(users_broker.url, *settings) as publisher:
        assert publisher.wait_connected(DEADLINE_S)


def test_a_wrong_password_is_named_and_not_shown(users_broker, password_file, caplog):
    """In both versions; with the user and the keys, never the password. Writing the right one into the file heals."""
    for protocol in ("'5'", "'3.1.1'"):
        settings = [("mqtt.username", "node"), password_file("wr0ng"), ("mqtt.protocol", protocol)]
        with caplog.at_level(logging.DEBUG), make_publisher(users_broker.url, *settings) as publisher:
            wait_until(lambda publisher=publisher: publisher.state.last_error, "a failed attempt")
            failure = publisher.state.last_error
            assert failure.reason in ("not_authorised", "bad_credentials")
            assert "'node'" in str(failure)
            assert "mqtt.password_file" in str(failure)
            password_file("se cret\n")
            assert publisher.wait_connected(DEADLINE_S)
    assert "wr0ng" not in caplog.text
    assert "se cret" not in caplog.text


def test_no_user_where_one_is_needed(users_broker):
    """The message says that none was given."""
    failure = failure_of(users_broker.url)
    assert failure.reason in ("not_authorised", "bad_credentials")
    assert "without user name" in str(failure)


@needs_openssl
def test_tls_with_the_right_authority_works(tls_broker, authority):
    """Frames larger than a TLS record arrive as well."""
    with make_publisher(tls_broker.url, ("mqtt.tls.ca", str(authority))) as publisher:
        assert publisher.wait_connected(DEADLINE_S)
        publisher.publish_frame(lambda: bytes(100_000))
        wait_until(lambda: publisher.counts().frames_sent == 1, "the frame to be written")


@needs_openssl
def test_an_unknown_authority_is_named(tls_broker, tmp_path):
    """Neither another authority nor the system's will do."""
    other = make_authority(tmp_path, "other")
    for settings in ([("mqtt.tls.ca", str(other))], []):
        failure = failure_of(tls_broker.url, *settings)
        assert failure.reason == "tls_untrusted"
        assert "mqtt.tls.ca" in str(failure)


@needs_openssl
def test_a_certificate_for_another_host_is_named(start_mosquitto, authority):
    """The name in mqtt.url must be in the certificate."""
    broker = start_mosquitto(tls=make_certificate(authority, "other-host", "elsewhere.example"))
    failure = failure_of(broker.url, ("mqtt.tls.ca", str(authority)))
    assert failure.reason == "tls_host_name"
    assert "'localhost'" in str(failure)


@needs_openssl
def test_an_authority_without_key_usage_is_named(start_mosquitto, tmp_path, monkeypatch):
    """Python 3.13 refuses what mosquitto-tls(7) makes; the message says how to mend it, and a key allows it."""
    home_made = make_authority(tmp_path, key_usage=False)
    broker = start_mosquitto(tls=make_certificate(home_made, "home-made", "localhost"))
    create = ssl.create_default_context

    def strict(**settings):
        context = create(**settings)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)
    trust = ("mqtt.tls.ca", str(home_made))
    failure = failure_of(broker.url, trust)
    assert failure.reason == "tls_strict"
    assert "keyUsage" in str(failure)
    assert "mqtt.tls.verify_x509_strict" in str(failure)
    with make_publisher(broker.url, trust, ("mqtt.tls.verify_x509_strict", "false")) as publisher:
        assert publisher.wait_connected(DEADLINE_S)


@needs_openssl
@pytest.mark.parametrize("form", ["byte-order mark", "DER"])
def test_authorities_in_other_forms(tls_broker, authority, tmp_path, form):
    """As editors and other systems leave them."""
    file = tmp_path / "ca.crt"
    if form == "DER":
        file.write_bytes(ssl.PEM_cert_to_DER_cert(authority.read_text()))
    else:
        file.write_bytes(b"\xef\xbb\xbf" + authority.read_bytes())
    with make_publisher(tls_broker.url, ("mqtt.tls.ca", str(file))) as publisher:
        assert publisher.wait_connected(DEADLINE_S)


@needs_openssl
def test_an_expired_certificate_is_named(start_mosquitto, authority):
    """And the clock, which is wrong on a board without battery, is pointed at."""
    broker = start_mosquitto(tls=make_certificate(authority, "expired", "localhost", expired=True))
    failure = failure_of(broker.url, ("mqtt.tls.ca", str(authority)))
    assert failure.reason == "tls_expired"
    assert "clock" in str(failure)


@needs_openssl
def test_a_client_certificate_is_asked_for_and_given(start_mosquitto, authority):
    """Without one the broker closes; with one it is let in."""
    lines = ["require_certificate true", f"cafile {authority}"]
    broker = start_mosquitto(tls=make_certificate(authority, "mutual", "localhost"), lines=lines)
    client = make_certificate(authority, "client", "node")
    trust = ("mqtt.tls.ca", str(authority))
    assert failure_of(broker.url, trust).reason in ("tls", "closed", "closed_early")
    own = [("mqtt.tls.cert", str(client.certificate)), ("mqtt.tls.key", str(client.key))]
    with make_publisher(broker.url, trust, *own) as publisher:
        assert publisher.wait_connected(DEADLINE_S)


@needs_openssl
def test_many_messages_in_one_tls_record_are_all_read(tls_broker, authority):
    """What TLS has decrypted already does not make the socket readable again."""
    trust = ("mqtt.tls.ca", str(authority))
    got: list[bytes] = []
    sender = make_publisher(tls_broker.url, trust, node="sender")
    with make_publisher(tls_broker.url, trust, node="receiver") as receiver, sender:
        receiver.subscribe("inbox/#", lambda incoming: got.append(incoming.payload))
        assert receiver.wait_connected(DEADLINE_S)
        assert sender.wait_connected(DEADLINE_S)
        wait_until(lambda: sender.publish(Message("inbox/a", b"hello")) and got, "the subscription")
        for number in range(30):
            sender.publish(Message("inbox/a", b"%d" % number, qos=1))
        wait_until(lambda: {b"%d" % number for number in range(30)} <= set(got), "all messages")


@needs_openssl
def test_failed_attempts_hold_no_sockets(tls_broker):
    """A node whose broker has the wrong certificate tries for weeks."""
    descriptors = Path("/proc/self/fd")
    with make_publisher(tls_broker.url, ("mqtt.reconnect_max_s", "0.05")) as publisher:
        wait_until(lambda: publisher.state.last_error, "the first failure")
        before, first = len(list(descriptors.iterdir())), publisher.state.last_error
        seen = {id(first): first}
        wait_until(
            lambda: seen.setdefault(id(one := publisher.state.last_error), one) and len(seen) > 8, "more failures"
        )
        assert len(list(descriptors.iterdir())) <= before + 2


def test_tls_to_a_plain_port_is_named(mosquitto):
    """The wrong scheme."""
    failure = failure_of(f"mqtts://localhost:{mosquitto.port}")
    assert failure.reason in ("tls", "closed")


@needs_openssl
def test_a_plain_client_on_a_tls_port_is_named(tls_broker):
    """The other wrong scheme."""
    failure = failure_of(f"mqtt://localhost:{tls_broker.port}")
    assert failure.reason == "closed_early"
    assert "TLS" in str(failure)


def test_nobody_listens():
    """The address is in the message."""
    port = free_port()
    failure = failure_of(f"mqtt://127.0.0.1:{port}")
    assert failure.reason == "refused"
    assert f"127.0.0.1:{port}" in str(failure)


def test_a_name_that_does_not_exist():
    """Reserved for this (RFC 2606)."""
    failure = failure_of("mqtt://broker.invalid")
    assert failure.reason == "name_not_found"
    assert "'broker.invalid'" in str(failure)


def test_a_port_where_nobody_answers(mosquitto):
    """The connection is taken and then nothing comes."""
    gate = Gate(mosquitto.port).open()
    gate.hold()
    failure = failure_of(gate.url, ("mqtt.connect_timeout_s", "0.5"))
    assert failure.reason == "no_answer"
    gate.close()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TimeoutError("timed out"), "timeout"),
        (OSError(113, "No route to host"), "unreachable"),
        (OSError(101, "Network is unreachable"), "unreachable"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), "name_not_found"),
        (FileNotFoundError(2, "No such file or directory", "/etc/piapp/password"), "files"),
        (ConnectionResetError(104, "Connection reset by peer"), "closed"),
        (UnicodeError("label empty or too long"), "closed"),
    ],
)
def test_errors_that_are_hard_to_cause_are_named(error, reason):
    """Each with the address; files by their name."""
    failure = failure_from_error(error, Peer("mqtt://broker", "broker", "id", ""))
    assert failure.reason == reason
    assert "mqtt://broker" in str(failure)
    assert str(getattr(error, "filename", None) or "") in str(failure)
