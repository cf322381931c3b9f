"""Where events wait until the broker has them: what such a place can do, and one in memory."""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

from piapp.mqtt.payload import EventPayload

# A few MB of memory; hours of a home's events (a guess).
MAX_EVENTS = 2_000


class EventQueue(Protocol):
    """Where events wait until the broker has acknowledged them. Called under the outbox's lock, from any thread.

    Attributes:
        depth: Events that wait.
        dropped: Events that were given up because the queue was full.
        last: Number of the newest event ever appended, 0 before the first.
        problem: Why events would not survive the process although they should; empty when all is well.
    """

    @property
    def depth(self) -> int: ...  # noqa: D102 - the class says it
    @property
    def dropped(self) -> int: ...  # noqa: D102
    @property
    def last(self) -> int: ...  # noqa: D102
    @property
    def problem(self) -> str: ...  # noqa: D102

    def append(self, event: EventPayload) -> int:
        """Add an event and return its number, which is higher than every earlier one."""
        ...

    def peek(self, after: int) -> tuple[int, EventPayload] | None:
        """The oldest waiting event with a number above `after`."""
        ...

    def ack(self, number: int) -> None:
        """Forget an event: the broker has it. Unknown numbers are ignored."""
        ...

    def doubt(self) -> None:
        """The connection broke: the broker may have crashed and forgotten what it acknowledged a moment before."""
        ...

    def sync(self) -> None:
        """Have what waits reach the disk; blocks for it. Called without the lock, from the publisher thread."""
        ...

    def close(self) -> None:
        """Let go of the disk; idempotent."""
        ...


class MemoryEventQueue:
    """Events in memory, the oldest dropped when there are more than `max_events`."""

    def __init__(self, max_events: int = MAX_EVENTS) -> None:
        self._max_events = max_events
        self._events: OrderedDict[int, EventPayload] = OrderedDict()  # bounded: append drops the oldest
        self.last = 0
        self.dropped = 0
        self.problem = ""

    @property
    def depth(self) -> int:
        """Events that wait."""
        return len(self._events)

    def append(self, event: EventPayload) -> int:
        """Add an event and return its number."""
        if len(self._events) >= self._max_events:
            self._events.popitem(last=False)
            self.dropped += 1
        self.last += 1
        self._events[self.last] = event
        return self.last

    def peek(self, after: int) -> tuple[int, EventPayload] | None:
        """The oldest waiting event with a number above `after`; quick because acknowledged ones are gone."""
        return next(((number, event) for number, event in self._events.items() if number > after), None)

    def ack(self, number: int) -> None:
        """Forget an event."""
        self._events.pop(number, None)

    def doubt(self) -> None:
        """What was acknowledged is gone."""

    def sync(self) -> None:
        """There is no disk."""

    def close(self) -> None:
        """There is nothing to let go of."""
