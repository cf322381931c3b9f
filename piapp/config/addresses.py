"""Reads the addresses and the token that configuration values hold. Pure, but for the token's file."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

_log = logging.getLogger(__name__)

# Random letters of this number are out of reach of trying them all.
MIN_TOKEN_LENGTH = 16

# Larger files are something else, or have no end.
MAX_SECRET_BYTES = 4096


def metrics_address(bind: str) -> tuple[str, int]:
    """IP address and port of `health.prometheus_bind`.

    Raises:
        ValueError: It is not of that form.
    """
    parts = urlsplit(f"//{bind}")
    host, port = parts.hostname or "", parts.port  # both may raise ValueError themselves
    if not port or parts.netloc != bind or "@" in bind:
        raise ValueError("expected an IP address and a port, such as 127.0.0.1:9464 or [::1]:9464")
    return str(ip_address(host)), port


def read_token(file: str) -> str:
    """The first line of `preview.token_file`.

    Raises:
        ValueError: It cannot be read, or is no token; the message does not repeat it.
    """
    token = first_line(file).strip()
    if len(token) < MIN_TOKEN_LENGTH or not token.isascii() or " " in token:
        raise ValueError(
            f"expected at least {MIN_TOKEN_LENGTH} letters, digits or signs in its first line; "
            "make one with: openssl rand -hex 16"
        )
    return token


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker listens.

    Attributes:
        host: Name or IP address; for a Unix socket its path.
        port: Its port; 1883, which means nothing, for a Unix socket.
        tls: Whether the connection is encrypted.
        transport: What MQTT is spoken over.
        path: Of a WebSocket, such as /mqtt.
    """

    host: str
    port: int
    tls: bool
    transport: Literal["tcp", "websockets", "unix"] = "tcp"
    path: str = ""


# Scheme of mqtt.url to its default port, whether it means TLS, and what MQTT is spoken over.
_SCHEMES: dict[str, tuple[int, bool, Literal["tcp", "websockets"]]] = {
    "mqtt": (1883, False, "tcp"),
    "mqtts": (8883, True, "tcp"),
    "ws": (80, False, "websockets"),
    "wss": (443, True, "websockets"),
}
_WEBSOCKET_PATH = "/mqtt"


def with_scheme(broker: str) -> str:
    """A broker's address as people type it, with its scheme: a host means plain MQTT, on 8883 the encrypted one."""
    return broker if not broker or "://" in broker else f"{'mqtts' if broker.endswith(':8883') else 'mqtt'}://{broker}"


def broker_address(url: str) -> BrokerAddress:
    """Read `mqtt://host[:port]`, `mqtts://`, `ws://host[:port][/path]`, `wss://` or `unix:///path`.

    Raises:
        ValueError: The URL has another form; the message never repeats a password.
    """
    form = "expected mqtt://host[:port], mqtts://host[:port], ws:// or wss://host[:port][/path], or unix:///path"
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise ValueError("holds a user name or password; use mqtt.username and mqtt.password_file instead")
    if parts.scheme == "unix" and parts.path.strip("/") and not parts.netloc:
        return BrokerAddress(parts.path, 1883, tls=False, transport="unix")
    if parts.scheme not in _SCHEMES:
        raise ValueError(f"{url!r} has the scheme {parts.scheme!r}; {form}")
    try:
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{url!r} has no valid port; {form}") from error
    default_port, tls, transport = _SCHEMES[parts.scheme]
    path = parts.path.strip("/") and transport == "tcp"
    if not parts.hostname or port == 0 or path or parts.query or parts.fragment:
        raise ValueError(f"{url!r} is not a broker's address; {form}")
    websocket_path = (parts.path or _WEBSOCKET_PATH) if transport == "websockets" else ""
    return BrokerAddress(parts.hostname, port or default_port, tls, transport, websocket_path)


def first_line(file: str) -> str:
    """The first line of a file that holds a secret.

    Raises:
        ValueError: It cannot be read, or is no small regular text file; the message does not repeat what is in it.
    """
    path = Path(file)
    try:
        if not os.path.isfile(path):  # noqa: PTH113 - never raises
            there = os.path.exists(path)  # noqa: PTH110 - never raises
            raise ValueError("is not a regular file" if there else "cannot be read: there is no such file")
        if path.stat().st_size > MAX_SECRET_BYTES:
            raise ValueError(f"is larger than {MAX_SECRET_BYTES} bytes, so it holds no password or token")
        if path.stat().st_mode & 0o007:
            _log.warning("%s holds a secret, and every user of this machine may read it: chmod o= %s", path, path)
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError("is not UTF-8 text") from error
    line = text.split("\n", 1)[0].rstrip("\r")
    if not line.isprintable():
        raise ValueError("its first line holds control characters; write it anew in a plain text editor")
    return line
