"""Why there is no connection, with what to do about it. Pure: errors and reason codes in, one error out."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from piapp.errors import BrokerError

FailureReason = Literal[
    "refused", "name_not_found", "unreachable", "timeout", "tls_untrusted", "tls_host_name", "tls_expired",
    "tls_strict", "tls",
    "files", "bad_credentials", "not_authorised", "protocol_version", "session_taken_over", "closed", "closed_early",
    "no_answer", "keep_alive", "refused_by_broker",
]  # fmt: skip


class ConnectionFailedError(BrokerError):
    """A connection could not be made or was lost.

    Attributes:
        reason: What went wrong, for programs.
    """

    def __init__(self, reason: FailureReason, message: str) -> None:
        super().__init__(message)
        self.reason: FailureReason = reason


@dataclass(frozen=True, slots=True)
class Peer:
    """The two ends as messages name them."""

    url: str
    host: str
    client_id: str
    username: str


# X509_V_ERR_* of OpenSSL (its x509_vfy.h).
_EXPIRED = (9, 10)  # not yet valid, has expired
_HOST_MISMATCH = (62, 64)  # host name, IP address
_NOT_STRICT = range(80, 95)  # what X509_V_FLAG_X509_STRICT checks; Python sets it from 3.13 on

_UNREACHABLE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN}


def failure_from_error(error: OSError | ValueError, peer: Peer) -> ConnectionFailedError:
    """Name what a failed attempt to connect raised."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate_failure(error, peer)
    if isinstance(error, ssl.SSLError):
        return _failed("tls", peer, f"TLS failed: {_tls_text(error)}; does this port speak TLS with these files?")
    if isinstance(error, socket.gaierror):
        return _failed("name_not_found", peer, f"no address for {peer.host!r} ({error.strerror}); see mqtt.url and DNS")
    if isinstance(error, OSError) and error.filename:
        text = f"{error.filename} cannot be read ({error.strerror}); see mqtt.tls and mqtt.password_file"
        return _failed("files", peer, text)
    return _network_failure(error, peer)


def failure_from_reason(name: str, peer: Peer) -> ConnectionFailedError:
    """Name what a broker's reason code (CONNACK or DISCONNECT, by paho's name) means."""
    who = f"user {peer.username!r}" if peer.username else "a client without user name"
    client_id = repr(peer.client_id)
    known: Mapping[str, tuple[FailureReason, str]] = {
        "Bad user name or password": (
            "bad_credentials",
            f"bad user name or password for {who}; see mqtt.username and mqtt.password_file",
        ),
        # mosquitto answers so to a wrong password, too
        "Not authorized": (
            "not_authorised",
            f"not authorised: {who}; see mqtt.username, mqtt.password_file and the broker's rules",
        ),
        "Unsupported protocol version": ("protocol_version", "the broker refuses this MQTT version; see mqtt.protocol"),
        "Session taken over": (
            "session_taken_over",
            f"another client came with the id {client_id}; give each node its own node.id or mqtt.client_id",
        ),
        "Keep alive timeout": ("keep_alive", "the broker did not answer for mqtt.keepalive_s"),
        # brokers that speak 3.1.1, and mosquitto before 2.0.12 in any version, take a session over without a word
        "Unspecified error": (
            "closed",
            f"closed by the broker or the network; if that repeats, does another client use the id {client_id}?",
        ),
    }
    reason, text = known.get(name, ("refused_by_broker", f"the broker says: {name}"))
    return _failed(reason, peer, text)


def no_connack(peer: Peer) -> ConnectionFailedError:
    """The broker took the connection and did not answer in time."""
    return _failed(
        "no_answer", peer, "the port is open, but nobody answers; is this an MQTT port, is the broker stuck?"
    )


def closed_early(peer: Peer) -> ConnectionFailedError:
    """The broker closed the connection instead of answering CONNECT; some do so to an MQTT version they do not know."""
    return _failed(
        "closed_early", peer, "connection closed without an answer; is this an MQTT port, with TLS or without?"
    )


def _certificate_failure(error: ssl.SSLCertVerificationError, peer: Peer) -> ConnectionFailedError:
    text = error.verify_message
    if error.verify_code in _EXPIRED:
        return _failed("tls_expired", peer, f"broker's certificate: {text}; renew it, and see this machine's clock")
    if error.verify_code in _HOST_MISMATCH:
        return _failed("tls_host_name", peer, f"broker's certificate is not for {peer.host!r}: {text}; see mqtt.url")
    if error.verify_code in _NOT_STRICT:
        return _failed(
            "tls_strict",
            peer,
            f"the broker's certificate or its authority is made in a form that this Python refuses: {text}; make the "
            "authority anew with the extension keyUsage=critical,keyCertSign,cRLSign (deploy/mosquitto/README.md shows "
            "how), or set mqtt.tls.verify_x509_strict = false",
        )
    return _failed("tls_untrusted", peer, f"broker's certificate is not trusted: {text}; see mqtt.tls.ca")


def _network_failure(error: OSError | ValueError, peer: Peer) -> ConnectionFailedError:
    if isinstance(error, ConnectionRefusedError):
        return _failed("refused", peer, "connection refused; is the broker running and is this its port?")
    if isinstance(error, TimeoutError):
        return _failed("timeout", peer, "no answer in time; is the host up and does a firewall let the port through?")
    if isinstance(error, OSError) and error.errno in _UNREACHABLE:
        return _failed("unreachable", peer, f"unreachable ({error.strerror}); is the network up?")
    return _failed("closed", peer, f"connection failed: {error}")


def _tls_text(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error).replace("_", " ").lower()


def _failed(reason: FailureReason, peer: Peer, text: str) -> ConnectionFailedError:
    return ConnectionFailedError(reason, f"broker {peer.url}: {text}")
