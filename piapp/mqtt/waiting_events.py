"""Events in memory: those that wait for the broker, and those that it acknowledged a moment ago.

Owns their order and their bounds. Knows no disk: it notes which events are gone, so that the disk can follow.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable

from piapp.mqtt.journal import PAGE_BYTES

# How long an acknowledged event is kept in case the broker crashes, and how many at most. A guess: seen lost with a
# killed mosquitto were events of the last second.
DOUBT_S = 5.0
MAX_DOUBTED = 1_000

# What a row takes beside its payload, and a page beside its rows.
_ROW_BYTES, _PAGE_HEADER_BYTES = 12, 35

_log = logging.getLogger(__name__)


class WaitingEvents:
    """Numbered payloads, oldest first. Not thread-safe.

    Args:
        max_events: Most events that wait; the oldest is dropped for a new one.
        max_bytes: Most bytes that they may take on disk; likewise.
        monotonic_s: The clock that acknowledged events age by.

    Attributes:
        dropped: Events given up because there were too many.
    """

    def __init__(self, *, max_events: int, max_bytes: int, monotonic_s: Callable[[], float]) -> None:
        self._max_events, self._max_bytes = max_events, max_bytes
        self._monotonic_s = monotonic_s
        self._waiting: OrderedDict[int, bytes] = OrderedDict()  # bounded: make_room drops the oldest
        self._acked: OrderedDict[int, tuple[float, bytes]] = OrderedDict()  # bounded by MAX_DOUBTED: oldest forgotten
        self._bytes = 0
        self._gone: list[int] = []  # bounded: the spool takes them when there are a few hundred
        self.dropped = 0

    @property
    def depth(self) -> int:
        """Events that wait."""
        return len(self._waiting)

    @property
    def gone(self) -> int:
        """Events that were forgotten since `take_gone`."""
        return len(self._gone)

    @property
    def empty(self) -> bool:
        """Nothing waits and nothing is in doubt."""
        return not (self._waiting or self._acked)

    def add(self, number: int, payload: bytes) -> None:
        """Add the newest event; `make_room` keeps the bounds."""
        self._waiting[number] = payload
        self._bytes += _bytes_on_disk(payload)

    def make_room(self) -> None:
        """Forget acknowledged events, and then drop the oldest that wait, until the bounds are kept."""
        while self._acked and self._is_full(len(self._acked) + len(self._waiting)):
            self.forget(next(iter(self._acked)))
        while len(self._waiting) > 1 and self._is_full(len(self._waiting)):
            self.forget(next(iter(self._waiting)))
            self.dropped += 1
            if self.dropped & (self.dropped - 1) == 0:  # the first, and then ever more rarely
                _log.warning("spool is full (spool.max_events, spool.max_mb): %d oldest events dropped", self.dropped)

    def after(self, number: int) -> tuple[int, bytes] | None:
        """The oldest waiting event with a number above `number`; quick because acknowledged ones are elsewhere."""
        return next(((found, payload) for found, payload in self._waiting.items() if found > number), None)

    def acknowledge(self, number: int) -> None:
        """Let an event wait no more, and keep it in doubt for a while. Unknown numbers are ignored."""
        payload = self._waiting.pop(number, None)
        if payload is not None:
            self._acked[number] = self._monotonic_s(), payload

    def doubt(self) -> None:
        """Let what was acknowledged in the last seconds wait again."""
        again = [(number, payload) for number, (_, payload) in self._acked.items()]
        self._acked.clear()
        self._waiting = OrderedDict(sorted([*again, *self._waiting.items()]))

    def forget_beyond_doubt(self) -> None:
        """Forget acknowledged events that are old, or too many."""
        old_s = self._monotonic_s() - DOUBT_S
        while self._acked:
            number, (acked_s, _) = next(iter(self._acked.items()))
            if acked_s > old_s and len(self._acked) <= MAX_DOUBTED:
                break
            self.forget(number)

    def forget_acknowledged(self) -> None:
        """Forget all acknowledged events, however young."""
        for number in list(self._acked):
            self.forget(number)

    def forget(self, number: int) -> None:
        """Forget one event; it is gone."""
        payload = self._acked.pop(number)[1] if number in self._acked else self._waiting.pop(number)
        self._bytes -= _bytes_on_disk(payload)
        self._gone.append(number)

    def take_gone(self) -> list[int]:
        """Numbers of the events that were forgotten since the last call."""
        gone, self._gone = self._gone, []
        return gone

    def all(self) -> list[tuple[int, bytes]]:
        """What the disk should hold: the events in doubt and those that wait."""
        doubted = ((number, payload) for number, (_, payload) in self._acked.items())
        return [*doubted, *self._waiting.items()]

    def _is_full(self, events: int) -> bool:
        return events > self._max_events or self._bytes > self._max_bytes


def _bytes_on_disk(payload: bytes) -> int:
    """What a row takes of the file: its share of a page that holds rows like it, or the pages that it fills."""
    row = len(payload) + _ROW_BYTES
    rows_a_page = (PAGE_BYTES - _PAGE_HEADER_BYTES) // row
    return PAGE_BYTES // rows_a_page if rows_a_page else (row // (PAGE_BYTES - _PAGE_HEADER_BYTES) + 2) * PAGE_BYTES
