"""Events on their way out: in order, each followed by its trigger, once in each connection until acknowledged."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from piapp.mqtt.event_queue import EventQueue
from piapp.mqtt.message import FIRST_FAILURE_CODE, Message
from piapp.mqtt.payload import EventPayload
from piapp.mqtt.topics import Topics

OnDone = Callable[[int | None], None]
"""As `Message.on_done`."""


class EventSender:
    """Makes messages of the events in a queue. Not thread-safe.

    Args:
        topics: Where events and their triggers go.
        queue: Where events wait.

    Attributes:
        queue: Where events wait.
        sent: Events that the broker has acknowledged.
    """

    def __init__(self, topics: Topics, queue: EventQueue) -> None:
        self.queue = queue
        self.sent = 0
        self._topics = topics
        self._triggers: deque[Message] = deque()  # at most one: next() empties it before the next event
        self._sent_up_to = 0
        self._historical_up_to = 0

    @property
    def waiting(self) -> bool:
        """Whether anything is still to be sent or to be acknowledged."""
        return bool(self._triggers or self.queue.depth)

    def add(self, event: EventPayload, *, connected: bool) -> None:
        """Queue an event; one that happens while the broker is away is historical when it is sent."""
        number = self.queue.append(event)
        if not connected:
            self._historical_up_to = number

    def begin_connection(self) -> None:
        """Send all events that wait, which are late by now."""
        self._sent_up_to = 0
        self._historical_up_to = self.queue.last

    def end_connection(self) -> None:
        """Drop the trigger that was to follow."""
        self._triggers.clear()

    def next(self, on_done: Callable[[int, int | None], None]) -> Message | None:
        """The message that should leave now, if any.

        Args:
            on_done: Called as `Message.on_done`, with the event's number before the reason code.
        """
        if self._triggers:
            return self._triggers.popleft()
        found = self.queue.peek(self._sent_up_to)
        if found is None:
            return None
        number, event = found
        self._sent_up_to = number
        historical = number <= self._historical_up_to
        if not (historical or event.test is True):  # automations that call help must not act on a test
            self._triggers.append(Message(self._topics.trigger, event.event_type.encode(), qos=1))
        return _message(self._topics, event, historical=historical, on_done=lambda code: on_done(number, code))

    def done(self, number: int, code: int | None) -> None:
        """Forget an event that was taken or refused for good; one whose connection was lost is sent again."""
        if code is None:
            return
        self.queue.ack(number)
        self.sent += code < FIRST_FAILURE_CODE


def late_event(topics: Topics, event: EventPayload) -> Message:
    """The message of an event that waits in no queue: it is late, and no trigger follows it."""
    return _message(topics, event, historical=True)


def _message(topics: Topics, event: EventPayload, *, historical: bool, on_done: OnDone | None = None) -> Message:
    payload = event.encoded(historical=historical)
    return Message(topics.event, payload, qos=1, content_type="application/json", on_done=on_done)
