"""One viewer of the live page. Owns what waits to be written to them."""

from __future__ import annotations

import asyncio
from collections import deque


class Viewer:
    """What waits to be written to one viewer: at most one frame, one status and the last events; event loop only.

    Args:
        events: How many events may wait.

    Attributes:
        closed: Nothing comes any more.
    """

    def __init__(self, events: int) -> None:
        self._events: deque[bytes] = deque(maxlen=events)  # full: the oldest is dropped
        self._status = self._frame = b""  # replaced by newer ones
        self._news = asyncio.Event()
        self.closed = False

    def show(self, *, event: bytes = b"", status: bytes = b"", frame: bytes = b"") -> None:
        """Put messages where they wait."""
        if event:
            self._events.append(event)
        self._status = status or self._status
        self._frame = frame or self._frame
        self._news.set()

    def close(self) -> None:
        """End `news`."""
        self.closed = True
        self._news.set()

    async def news(self) -> bytes:
        """Wait for messages and take all that wait."""
        await self._news.wait()
        self._news.clear()
        news = b"".join((self._status, *self._events, self._frame))
        self._events.clear()
        self._status = self._frame = b""
        return news
