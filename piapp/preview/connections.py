"""Connections to the live page: how many there may be, from where, and how long a request may take to arrive.

Owns what a stranger may cost. Connections that have shown they may look are never closed for newer ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from operator import attrgetter

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

# Viewers, and what else their browsers ask for at the same time. Each costs a descriptor, which the camera, the broker
# and `health` need too.
MAX_CONNECTIONS = 128

# A browser opens six; a reverse proxy or an SSH tunnel brings several viewers under one address.
MAX_OF_ADDRESS = 64

# Accepted at once, before any of them can be counted.
BACKLOG = 128

# A request must be complete within this time, whatever it is made of.
REQUEST_S = 10.0

# What may wait in the process for a viewer that does not read; one picture is more, and is written in pieces.
WRITE_BUFFER = 2 * 1024

# The same for a file that an admitted viewer sends: a telephone's weak link needs minutes for a backup.
UPLOAD_S = 300.0

_UNFINISHED = (h11.IDLE, h11.SEND_BODY)


class Connection(H11Protocol):
    """One connection, on the page's event loop.

    Attributes:
        admitted: A request on it was let through.
        leaving: It is being closed to make room.
        began_s: When it or its latest request began, on the event loop's clock.
    """

    admitted = False
    leaving = False
    began_s = 0.0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, and close an older connection that has not been admitted where there are too many."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=WRITE_BUFFER)
        self._expect_request()
        others = [one for one in self._all() if one is not self and not one.leaving]
        same_address = [one for one in others if one.client and self.client and one.client[0] == self.client[0]]
        for group, most in ((same_address, MAX_OF_ADDRESS), (others, MAX_CONNECTIONS)):
            if len(group) >= most and not self.leaving:
                self._close_one_of(group)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._forget_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; a request that has begun must be complete in time."""
        super().data_received(data)
        if self.conn.their_state not in _UNFINISHED:
            self._forget_deadline()
        elif self._deadline is None:
            self._expect_request()

    def expect_upload(self) -> None:
        """Give the request that is being read the time that a file needs."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = self.loop.call_later(UPLOAD_S, self.transport.abort)

    def shutdown(self) -> None:
        """End, whatever still waits: a viewer that does not read must not hold up the node's end."""
        self.transport.abort()

    def _all(self) -> Iterator[Connection]:
        return (one for one in self.connections if isinstance(one, Connection))

    def _close_one_of(self, group: Iterable[Connection]) -> None:
        """Close the one that has waited longest without being admitted, or this one where there is none."""
        loser = next((one for one in sorted(group, key=attrgetter("began_s")) if not one.admitted), self)
        loser.leaving = True
        loser.transport.abort()

    def _expect_request(self) -> None:
        self.began_s = self.loop.time()
        self._deadline = self.loop.call_later(REQUEST_S, self.transport.abort)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
