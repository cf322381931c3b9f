"""The `state` topic: published when something in it has changed, not with every result."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from piapp.mqtt.clock import TimeLine
from piapp.mqtt.payload import PayloadWriter
from piapp.mqtt.publisher import Publisher
from piapp.types import State


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
        compared = (tuple(replace(person, still_s=0.0) for person in state.persons), *circumstances.values())
        if compared != self._published:
            self._published = compared
            payload = self._writer.state(state, line, **circumstances)
            self._publisher.retain(self._publisher.topics.state, payload)
