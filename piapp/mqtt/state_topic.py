"""The `state` topic: published when something in it has changed, not with every result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from piapp.mqtt.clock import TimeLine, WallClock, utc_text
from piapp.mqtt.payload import PayloadWriter
from piapp.mqtt.publisher import Publisher
from piapp.types import Person, Posture, State

# A wall clock that goes wrong by more was set, and what it said before is no time that anybody can compare.
_CLOCK_SET_MS = 1000


@dataclass(slots=True)
class _Start:
    posture: Posture
    at_ns: int
    utc_ms: int


class PostureStarts:
    """When each person's posture began, which stays as it was published first until the posture changes.

    The same instant computed from a later result's capture time lies some milliseconds beside it, and farther after a
    pause or on a busy machine.

    Args:
        clock: Places instants in UTC; one that is set moves what is known.
    """

    def __init__(self, clock: WallClock) -> None:
        self._clock = clock
        self._starts: dict[int, _Start] = {}  # of the persons of the last update

    def update(self, persons: Iterable[Person], line: TimeLine) -> None:
        """Note who is there now; to be called at each result, so that no change of posture is missed."""
        self._starts = {person.id: self._kept(person) or self._begun(person, line) for person in persons}

    def texts(self) -> dict[int, str]:
        """UTC by the person's id, as payloads write it."""
        for start in self._starts.values():
            utc_ms = self._clock.utc_ms(start.at_ns)
            if abs(utc_ms - start.utc_ms) > _CLOCK_SET_MS:
                start.utc_ms = utc_ms
        return {person: utc_text(start.utc_ms) for person, start in self._starts.items()}

    def _kept(self, person: Person) -> _Start | None:
        start = self._starts.get(person.id)
        return start if start is not None and start.posture == person.posture else None

    def _begun(self, person: Person, line: TimeLine) -> _Start:
        at_ns = line.at_ns(person.since_ms)
        return _Start(person.posture, at_ns, self._clock.utc_ms(at_ns))


class StateTopic:
    """Keeps the newest state at the broker; every call from one thread.

    Args:
        publisher: Keeps retained topics.
        writer: Encodes the state.
    """

    def __init__(self, publisher: Publisher, writer: PayloadWriter) -> None:
        self._publisher = publisher
        self._writer = writer
        self._published: tuple[Any, ...] | None = None
        self._starts = PostureStarts(writer.clock)

    def expire(self) -> None:
        """Have the next state published even if it did not change."""
        self._published = None

    def update(self, state: State, line: TimeLine, **circumstances: Any) -> None:
        """Publish the state, if it changed; how long somebody has been still is no change.

        Args:
            state: Who is there.
            line: Places the state's time.
            circumstances: Further arguments of `PayloadWriter.state`, which count as well.
        """
        self._starts.update(state.persons, line)
        compared = (tuple(replace(person, still_s=0.0) for person in state.persons), *circumstances.values())
        if compared != self._published:
            self._published = compared
            payload = self._writer.state(state, line, since=self._starts.texts(), **circumstances)
            self._publisher.retain(self._publisher.topics.state, payload)
