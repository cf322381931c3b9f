"""Messages that wait to leave and are nothing special: answers to requests, and pictures."""

from __future__ import annotations

from collections import deque

from piapp.mqtt.message import Message

# A guess: more requests at once than a person or an automation makes.
MAX_MESSAGES = 32


class MessageQueue:
    """Messages first in, first out, none while the broker is away. Not thread-safe.

    Attributes:
        dropped: Messages given up: broker away, too many, or a newer one of the topic came.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._connected = False
        self._messages: deque[Message] = deque()  # bounded in add: the oldest is dropped

    def __bool__(self) -> bool:
        return bool(self._messages)

    def add(self, message: Message) -> bool:
        """Queue a message; False, and counted, when the broker is away."""
        if not self._connected:
            self.dropped += 1
            return False
        before = len(self._messages)
        if message.newest_only:
            self._messages = deque(other for other in self._messages if other.topic != message.topic)
        if len(self._messages) >= MAX_MESSAGES:
            self._messages.popleft()
        self.dropped += before - len(self._messages)
        self._messages.append(message)
        return True

    def next(self, *, acknowledged_too: bool) -> Message | None:
        """Take the oldest message, if there is one; one that is acknowledged only with `acknowledged_too`."""
        if self._messages and (acknowledged_too or self._messages[0].qos == 0):
            return self._messages.popleft()
        return None

    def begin_connection(self) -> None:
        """Take messages from now on."""
        self._connected = True

    def end_connection(self) -> None:
        """Take no more messages, and drop those that wait."""
        self._connected = False
        self.dropped += len(self._messages)
        self._messages.clear()
