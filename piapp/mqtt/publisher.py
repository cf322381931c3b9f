"""The publisher thread: keeps a connection to the broker and empties the outbox into it.

Owns the thread, reconnecting and its pauses, and the words about connections in the log. Everything that others call is
thread-safe and never waits for the network.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

from piapp.config.sections import MqttConfig, PublishConfig
from piapp.errors import PiappError
from piapp.mqtt.client import Connection, Handler, Incoming
from piapp.mqtt.connecting import VersionChoice
from piapp.mqtt.connection_options import ConnectionOptions, MqttVersion
from piapp.mqtt.event_queue import EventQueue, MemoryEventQueue
from piapp.mqtt.failures import ConnectionFailedError
from piapp.mqtt.frame_limiter import FrameLimiter
from piapp.mqtt.frame_queue import OnSent
from piapp.mqtt.message import Message
from piapp.mqtt.outbox import Outbox, OutboxCounts
from piapp.mqtt.payload import CONTENT_TYPES, OFFLINE, ONLINE, EventPayload, frame_format
from piapp.mqtt.topics import Topics, is_topic_name
from piapp.mqtt.wake import Wake

# A connection that held so long was sound: the next failure starts with short pauses again. Shorter ones may be two
# clients with one id, throwing each other out.
STABLE_S = 10.0

# Of the time that `stop` is given, what the network may take: closing and ending the thread need the rest.
NETWORK_SHARE = 0.85
# Of that, what is kept for saying `offline` and its acknowledgement.
GOODBYE_SHARE = 0.5
GOODBYE_MAX_S = 1.0

# Messages written before the network is read again: acknowledgements must come through any flood of frames.
_BURST = 64

# Nothing is due by itself; wake-ups and the network end every wait.
_IDLE_WAIT_S = 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ConnectionState:
    """How the connection is.

    Attributes:
        version: The MQTT version in use, None while away.
        connects: Successful connections so far; one less is the number of reconnects.
        last_error: The newest failure; kept while connected.
    """

    connected: bool = False
    version: MqttVersion | None = None
    connects: int = 0
    last_error: ConnectionFailedError | None = None


class Backoff:
    """Seconds to wait before each new attempt: doubled up to `max_s`, each shortened at random by up to half."""

    def __init__(self, min_s: float, max_s: float, rng: random.Random) -> None:
        self._min_s, self._max_s, self._rng = min_s, max_s, rng
        self._pause_s = min_s

    def next_s(self) -> float:
        """The next pause."""
        pause_s = self._pause_s
        self._pause_s = min(pause_s * 2, self._max_s)
        return pause_s * self._rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Start with short pauses again."""
        self._pause_s = self._min_s


class Publisher:
    """Sends what it is given to the broker, for as long as it lives; a broker that is away is no failure.

    Use as a context manager, or call `start` and `stop`.

    Args:
        config: The broker and how to speak to it.
        publish: What is sent of frames.
        topics: Where to.
        events: Where events wait; closed with the publisher. None keeps them in memory.
        rng: Of the pauses between attempts.
    """

    def __init__(
        self,
        config: MqttConfig,
        publish: PublishConfig,
        topics: Topics,
        *,
        events: EventQueue | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.topics = topics
        self._options = ConnectionOptions(config, config.client_id or f"piapp-{topics.node}", topics.status)
        self._frames_off = publish.frames == "off"
        self._wake = Wake()
        self._outbox = Outbox(
            topics,
            self._wake.set,
            events=MemoryEventQueue() if events is None else events,
            limiter=FrameLimiter(publish.max_frame_hz),
            frame_content_type=CONTENT_TYPES[frame_format(publish)],
        )
        rng = random.Random() if rng is None else rng  # noqa: S311 - pauses need no secrecy
        self._backoff = Backoff(config.reconnect_min_s, config.reconnect_max_s, rng)
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._stopping = threading.Event()
        self._serve_until = self._stop_at = 0.0
        self._up = threading.Event()
        self._failure: Exception | None = None
        self._state = ConnectionState()
        self._handlers: dict[str, Handler] = {}  # bounded by the topics that the program subscribes to
        self._subscribed: set[str] = set()
        self._failed_attempts = 0
        self._logged: set[str] = set()  # bounded: emptied after each sound connection
        self.handler_errors = 0

    def start(self) -> None:
        """Start connecting, in the background."""
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> bool:
        """Send what waits, say `offline`, disconnect; within `timeout_s`, however the broker does.

        Returns:
            False when the thread is still stuck inside a name look-up or a connect; it ends by itself.
        """
        network_s = timeout_s * NETWORK_SHARE
        self._stop_at = time.monotonic() + network_s
        self._serve_until = self._stop_at - min(GOODBYE_MAX_S, network_s * GOODBYE_SHARE)
        self._stopping.set()
        self._wake.set()
        if self._thread.ident is None:
            self._wake.close()
        else:
            self._thread.join(timeout_s)
        self._outbox.close_events()
        return not self._thread.is_alive()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def publish_frame(self, encode: Callable[[], bytes], on_sent: OnSent | None = None) -> bool:
        """Queue a frame; `encode` is called now, and only if the frame is queued.

        Args:
            encode: Makes the payload.
            on_sent: Told once, from any thread: the `CLOCK_MONOTONIC` ns at which PUBLISH was written, or None when the
                frame was dropped. In lockstep, wait for it before asking for the next frame.

        Returns:
            False when the frame will not be sent (broker away, rate limit, frames off).
        """
        if self._frames_off:
            if on_sent is not None:
                on_sent(None)
            return False
        return self._outbox.add_frame(encode, on_sent)

    def limit_frames(self, max_hz: float) -> None:
        """Send at most so many frames a second from now on; 0 for all."""
        self._outbox.limit_frames(max_hz)

    def publish_event(self, event: EventPayload) -> None:
        """Queue an event until the broker has acknowledged it."""
        self._outbox.add_event(event)

    def retain(self, topic: str, payload: bytes, qos: int = 1) -> None:
        """Set a retained topic's value: sent now, and again after every reconnect."""
        self._outbox.retain(topic, payload, qos)

    def publish(self, message: Message) -> bool:
        """Queue any other message; False when the broker is away."""
        return self._outbox.add_message(message)

    def announce(self) -> None:
        """Send all retained topics again."""
        self._outbox.announce()

    def subscribe(self, topic_filter: str, handler: Handler) -> None:
        """Have `handler` called for messages of a topic filter, now and after every reconnect.

        The handler runs on the publisher thread: it must not block, and what it raises is logged and counted.
        """
        self._handlers = {**self._handlers, topic_filter: handler}
        self._wake.set()

    def wait_connected(self, timeout_s: float) -> bool:
        """Wait until the broker has accepted the connection; False when it has not within `timeout_s`."""
        return self._up.wait(timeout_s)

    @property
    def state(self) -> ConnectionState:
        """How the connection is now."""
        return self._state

    @property
    def event_depth(self) -> int:
        """Events that wait for the broker."""
        return self._outbox.event_depth

    @property
    def event_problem(self) -> str:
        """Why events would not survive the process; empty when all is well."""
        return self._outbox.event_problem

    def counts(self) -> OutboxCounts:
        """What was sent, dropped and refused so far."""
        return self._outbox.counts()

    def raise_if_failed(self) -> None:
        """Raise what ended the publisher thread, if anything did; for the main thread to call now and then.

        Raises:
            PiappError: An error in this program; the broker's troubles never end the thread.
        """
        if self._failure is not None:
            kind = type(self._failure).__name__
            raise PiappError(f"the publisher thread ended: {kind}: {self._failure}") from self._failure

    def _run(self) -> None:
        try:
            self._keep_connected()
        except Exception as error:  # noqa: BLE001 - told to the main thread, which ends the program
            self._failure = error
        finally:
            self._disconnected()
            self._wake.close()

    def _keep_connected(self) -> None:
        choice = VersionChoice(self._options.config.protocol)
        while not self._stopping.is_set():
            failure, held_s = self._connect_and_serve(choice.version)
            if failure is None:
                return
            falls_back = held_s is None and choice.failed(failure)
            if held_s is not None and held_s >= STABLE_S:
                self._backoff.reset()
                self._logged.clear()
            if falls_back:
                _log.debug("%s; trying 3.1.1", failure)
            else:
                self._pause_after(failure)

    def _connect_and_serve(self, version: MqttVersion) -> tuple[ConnectionFailedError | None, float | None]:
        """One connection from start to end.

        Returns:
            Why it ended, None when it was stopped; and the seconds that it held, None if it never came up.
        """
        connection = Connection(self._options, version, self._refused, self._wake)
        connected_at: float | None = None
        try:
            connection.open(lambda: not self._stopping.is_set())
            connected_at = time.monotonic()
            self._connected(connection)
            self._serve(connection)
            self._say_goodbye(connection)
        except ConnectionFailedError as failure:
            if connected_at is not None:
                self._outbox.doubt_events()
            held_s = None if connected_at is None else time.monotonic() - connected_at
            return None if self._stopping.is_set() else failure, held_s
        else:
            return None, None
        finally:
            self._disconnected()
            connection.close()

    def _connected(self, connection: Connection) -> None:
        self._subscribed = set()
        connection.publish(self._status(ONLINE))
        self._outbox.begin_connection()
        self._state = replace(
            self._state, connected=True, version=connection.version, connects=self._state.connects + 1
        )
        self._up.set()
        after = f" after {self._failed_attempts} failures" if self._failed_attempts else ""
        self._failed_attempts = 0
        _log.info("connected to %s with MQTT %s%s", self._options.config.url, connection.version, after)

    def _disconnected(self) -> None:
        self._up.clear()
        self._outbox.end_connection()
        self._state = replace(self._state, connected=False, version=None)

    def _serve(self, connection: Connection) -> None:
        """Send and receive until `stop` is called and nothing waits, or its time is nearly over."""
        while not (self._stopping.is_set() and self._nothing_more(connection)):
            self._subscribe_new(connection)
            emptied = self._empty_outbox(connection)
            left = self._serve_until - time.monotonic() if self._stopping.is_set() else _IDLE_WAIT_S
            connection.wait(max(left, 0.0) if emptied else 0.0)

    def _nothing_more(self, connection: Connection) -> bool:
        return time.monotonic() >= self._serve_until or (self._outbox.idle and connection.settled)

    def _empty_outbox(self, connection: Connection) -> bool:
        """Write what may be written; False when there may be more, but the network should be read in between."""
        for _ in range(_BURST):
            if connection.backed_up:
                return True
            message = self._outbox.next(acknowledged_too=connection.may_publish_acknowledged)
            if message is None:
                return True
            connection.publish(message)
        return False

    def _say_goodbye(self, connection: Connection) -> None:
        if connection.backed_up:
            return  # the broker does not read; closing the socket makes it send the will
        connection.publish(self._status(OFFLINE))
        until = min(self._stop_at, time.monotonic() + GOODBYE_MAX_S)
        while not connection.settled and (left := until - time.monotonic()) > 0:
            connection.wait(left)
        if connection.settled:
            connection.disconnect()
            _log.info("disconnected from %s", self._options.config.url)

    def _status(self, payload: bytes) -> Message:
        return Message(self.topics.status, payload, qos=1, retain=True)

    def _subscribe_new(self, connection: Connection) -> None:
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

    def _refused(self, topic: str, reason: str) -> None:
        self._outbox.count_rejected()
        self._log_once(f"broker {self._options.config.url}: refuses {topic}: {reason}; see its access rules")

    def _pause_after(self, failure: ConnectionFailedError) -> None:
        # What was on the stack, sockets included, must not live as long as the state that keeps the error.
        failure.__traceback__ = failure.__cause__ = failure.__context__ = None
        self._state = replace(self._state, last_error=failure)
        self._failed_attempts += 1
        self._log_once(f"{failure}; trying again")
        until = time.monotonic() + self._backoff.next_s()
        while not self._stopping.is_set() and (left := until - time.monotonic()) > 0:
            # Events wait for long now, and a power cut often takes the broker and this node together.
            self._outbox.sync_events()
            self._wake.wait(left)

    def _log_once(self, text: str) -> None:
        """Warn; the same words come again only after a sound connection."""
        _log.log(logging.DEBUG if text in self._logged else logging.WARNING, "%s", text)
        self._logged.add(text)
