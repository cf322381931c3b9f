"""Messages under way: published, and not yet written (QoS 0) or acknowledged (QoS 1)."""

from __future__ import annotations

from piapp.mqtt.message import Message

# Unacknowledged QoS 1 messages at a time, unless the broker allows fewer (paho's own default).
MAX_UNACKNOWLEDGED = 20


class InFlight:
    """Messages under way by their packet id; each is notified once, here. Not thread-safe.

    Attributes:
        max_unacknowledged: Most QoS 1 messages that may be under way.
    """

    def __init__(self) -> None:
        self.max_unacknowledged = MAX_UNACKNOWLEDGED
        self._messages: dict[int, Message] = {}  # bounded: QoS 1 by max_unacknowledged, QoS 0 by `backed_up`
        self._unacknowledged = 0

    def __bool__(self) -> bool:
        return bool(self._messages)

    @property
    def may_add_acknowledged(self) -> bool:
        """Fewer QoS 1 messages are under way than the broker allows."""
        return self._unacknowledged < self.max_unacknowledged

    def add(self, packet_id: int, message: Message) -> None:
        """A message is under way from now on."""
        self._messages[packet_id] = message
        self._unacknowledged += message.qos > 0

    def pop(self, packet_id: int) -> Message | None:
        """Take out a message that is through; None for one that was never under way."""
        message = self._messages.pop(packet_id, None)
        self._unacknowledged -= message is not None and message.qos > 0
        return message

    def lose(self) -> None:
        """Notify all that are under way that the connection is lost."""
        messages, self._messages = self._messages, {}
        self._unacknowledged = 0
        for message in messages.values():
            message.notify(None)
