"""The socket of a connection: its options, and waiting for it together with a wake-up."""

from __future__ import annotations

import os
import select
import socket
from typing import Protocol

from piapp.mqtt.wake import Wake

# Frames that the kernel would hold back for a slow network are late when they arrive: hold few, drop the others here.
SEND_BUFFER_BYTES = 65_536


class Descriptor(Protocol):
    """What an MQTT client reads and writes: a socket, or a WebSocket around one."""

    def fileno(self) -> int:
        """Its descriptor; -1 when it is closed."""

    def close(self) -> None:
        """End it."""


class ClientSocket:
    """An open socket that a client reads and writes.

    Args:
        sock: The socket; closed by `close`.
        wake: What ends a wait early, from any thread.
    """

    def __init__(self, sock: Descriptor, wake: Wake) -> None:
        self._sock = sock
        self._wake = wake
        _set_options(sock)
        self._poll = select.poll()
        self._poll.register(wake, select.POLLIN)
        self._poll.register(sock, select.POLLIN)

    def wait(self, timeout_s: float, *, to_write: bool) -> tuple[bool, bool]:
        """Wait for the network or a wake-up, which is cleared, at most `timeout_s`.

        Args:
            timeout_s: How long.
            to_write: Whether something waits to be written.

        Returns:
            Whether there is something to read, and whether the socket takes data again.
        """
        self._poll.modify(self._sock, select.POLLIN | (select.POLLOUT if to_write else 0))
        ready = dict(self._poll.poll(timeout_s * 1000))
        if self._wake.fileno() in ready:
            self._wake.clear()
        happened = ready.get(self._sock.fileno(), 0)
        return bool(happened & ~select.POLLOUT), bool(happened & select.POLLOUT)

    @property
    def holds_data(self) -> bool:
        """There is more to read that does not show in poll: TLS and WebSockets take whole records in."""
        pending = getattr(self._sock, "pending", None)
        return pending is not None and self._sock.fileno() >= 0 and bool(pending())

    def close(self) -> None:
        """Close the socket; idempotent."""
        self._sock.close()


def _set_options(sock: Descriptor) -> None:
    # A WebSocket wraps the socket; a second descriptor of it takes the options for both.
    with socket.socket(fileno=os.dup(sock.fileno())) as same:
        if same.family != socket.AF_UNIX:
            # Without it a frame's last segment waits for the broker's delayed acknowledgement, up to 40 ms.
            same.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        same.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
