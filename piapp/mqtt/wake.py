"""Waking a thread that waits in poll."""

from __future__ import annotations

import contextlib
import select
import socket


class Wake:
    """A descriptor that becomes readable when somebody calls `set`; one thread waits, any thread sets."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._is_set = False

    def fileno(self) -> int:
        """What to poll."""
        return self._reader.fileno()

    def set(self) -> None:
        """Wake the waiting thread; never blocks, does nothing after `close`."""
        if not self._is_set:
            self._is_set = True
            with contextlib.suppress(OSError):
                self._writer.send(b"\0")

    def clear(self) -> None:
        """Wait anew from now on; work that was left until now must be taken up after this call, not before."""
        with contextlib.suppress(BlockingIOError):
            self._reader.recv(64)  # more than ever waits there
        # Last: who sets it before this line has left its work where the caller finds it next.
        self._is_set = False

    def wait(self, timeout_s: float) -> None:
        """Wait until somebody calls `set`, at most `timeout_s`, and clear."""
        poll = select.poll()
        poll.register(self, select.POLLIN)
        poll.poll(timeout_s * 1000)
        self.clear()

    def close(self) -> None:
        """Give the descriptors back."""
        self._reader.close()
        self._writer.close()
