"""Why a network camera's stream cannot be had, and what to do about it: addresses, logins, smaller streams."""

from __future__ import annotations

import re
import socket
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from piapp.config.addresses import first_line
from piapp.config.sections import CameraConfig
from piapp.errors import CameraError, CameraNotFoundError
from piapp.wording import masked

CONNECT_TIMEOUT_S = 2.0
RTSP_PORTS = {"rtsp": 554, "rtsps": 322}

# How makers name a camera's main stream, and the smaller one beside it.
_SUBSTREAMS = (
    (re.compile(r"/Channels/(\d+)01\b", re.IGNORECASE), r"/Channels/\g<1>02"),  # Hikvision
    (re.compile(r"\bsubtype=0\b"), "subtype=1"),  # Dahua, Amcrest
    (re.compile(r"_main\b"), "_sub"),  # Reolink
    (re.compile(r"/stream1\b"), "/stream2"),  # TP-Link Tapo
    (re.compile(r"/videoMain\b"), "/videoSub"),  # Foscam
    (re.compile(r"\bprofile1\b", re.IGNORECASE), "profile2"),
)


def with_login(url: str, config: CameraConfig) -> str:
    """The stream's address with the login of `camera.username` and `camera.password_file` in it.

    Raises:
        CameraError: The password's file cannot be read.
    """
    if not config.username:
        return url
    try:
        password = first_line(config.password_file) if config.password_file else ""
    except ValueError as error:
        raise CameraError(f"camera.password_file = {config.password_file!r}: {error}") from error
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    login = quote(config.username, safe="") + (f":{quote(password, safe='')}" if password else "")
    return urlunsplit(parts._replace(netloc=f"{login}@{host}"))


def unreachable(url: str, timeout_s: float, reason: str) -> CameraError:
    """Why a stream cannot be opened, found out by connecting to its port.

    Args:
        url: Of the stream, login included.
        timeout_s: How long was waited for it.
        reason: What the attempt itself said.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or RTSP_PORTS[parts.scheme.lower()]
    try:
        socket.create_connection((host, port), CONNECT_TIMEOUT_S).close()
    except OSError as error:
        return CameraNotFoundError(
            f"{masked(url)}: {host} cannot be reached at port {port}: {error}; is the address right, the camera on?"
        )
    return CameraError(
        f"{masked(url)}: {host} answers at port {port} and gave no video within {timeout_s:g} s ({reason}); "
        "check the path, and the login (camera.username and camera.password_file)"
    )


def substream_hint(url: str) -> str:
    """What to write instead for a smaller stream, as far as the address tells the camera's maker."""
    for main, sub in _SUBSTREAMS:
        if main.search(unquote(url)):
            return f"Use the camera's smaller stream: {main.sub(sub, unquote(url))}"
    return "Use the camera's smaller stream (its substream, of 640 to 1280 pixels), or a lower frame rate"
