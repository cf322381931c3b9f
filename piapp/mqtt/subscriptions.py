"""What a node subscribes to, connection after connection, and who handles what comes."""

from __future__ import annotations

import logging
from functools import partial

from piapp.mqtt.connection import Connection
from piapp.mqtt.incoming import Handler, Incoming
from piapp.mqtt.topics import is_topic_name

_log = logging.getLogger(__name__)


class Subscriptions:
    """Topic filters and their handlers. `add` may be called from any thread, the rest from the connection's.

    Attributes:
        handler_errors: Messages that a handler failed on, or whose topic no broker should send.
    """

    def __init__(self) -> None:
        self.handler_errors = 0
        self._handlers: dict[str, Handler] = {}  # bounded by the topics that the program subscribes to
        self._subscribed: set[str] = set()

    def add(self, topic_filter: str, handler: Handler) -> None:
        """Have `handler` called for messages of a topic filter; replaces an earlier one."""
        self._handlers = {**self._handlers, topic_filter: handler}

    def begin_connection(self) -> None:
        """Subscribe to everything anew."""
        self._subscribed = set()

    def subscribe_new(self, connection: Connection) -> None:
        """Subscribe to what this connection is not subscribed to yet."""
        handlers = self._handlers
        for topic_filter in handlers.keys() - self._subscribed:
            connection.subscribe(topic_filter, partial(self._handle, handlers[topic_filter]))
            self._subscribed.add(topic_filter)

    def _handle(self, handler: Handler, incoming: Incoming) -> None:
        if not is_topic_name(incoming.topic):  # no broker should send it, and no answer may repeat it
            self.handler_errors += 1
            return
        try:
            handler(incoming)
        except Exception:  # noqa: BLE001 - a hostile request must not end the node
            self.handler_errors += 1
            _log.exception("the handler of %s failed", incoming.topic)
