"""The publisher: what other parts hand messages to, and the thread that brings them to the broker.

Everything that others call is thread-safe and never waits for the network.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Self

from piapp.config.sections import MqttConfig, PublishConfig
from piapp.errors import PiappError
from piapp.mqtt.backoff import Backoff
from piapp.mqtt.connection_loop import ConnectionLoop, ConnectionState
from piapp.mqtt.connection_options import ConnectionOptions
from piapp.mqtt.event_queue import EventQueue, MemoryEventQueue
from piapp.mqtt.event_sender import late_event
from piapp.mqtt.frame_limiter import FrameLimiter
from piapp.mqtt.frame_queue import OnSent
from piapp.mqtt.incoming import Handler
from piapp.mqtt.message import Message
from piapp.mqtt.outbox import Outbox, OutboxCounts
from piapp.mqtt.payload import CONTENT_TYPES, EventPayload, frame_format
from piapp.mqtt.subscriptions import Subscriptions
from piapp.mqtt.topics import Topics
from piapp.mqtt.wake import Wake

# Of the time that `stop` is given, what the network may take: closing and ending the thread need the rest.
NETWORK_SHARE = 0.85


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
        self._frames_off = publish.frames == "off"
        self._wake = Wake()
        self._outbox = Outbox(
            topics,
            self._wake.set,
            events=MemoryEventQueue() if events is None else events,
            limiter=FrameLimiter(publish.max_frame_hz),
            frame_content_type=CONTENT_TYPES[frame_format(publish)],
        )
        self._subscriptions = Subscriptions()
        self._loop = ConnectionLoop(
            ConnectionOptions(config, config.client_id or f"piapp-{topics.node}", topics.status),
            self._outbox,
            self._subscriptions,
            # Pauses need no secrecy.
            Backoff(config.reconnect_min_s, config.reconnect_max_s, random.Random() if rng is None else rng),  # noqa: S311
            self._wake,
        )
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._failure: Exception | None = None

    def start(self) -> None:
        """Start connecting, in the background."""
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> bool:
        """Send what waits and `offline`, then disconnect; within `timeout_s`, however the broker does.

        Returns:
            False when the thread is still stuck inside a name look-up or a connect; it ends by itself.
        """
        self._loop.stop(timeout_s * NETWORK_SHARE)
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
            on_sent: Called once, from any thread, with the `CLOCK_MONOTONIC` ns at which PUBLISH was written, or None
                when the frame was dropped. In lockstep, wait for it before asking for the next frame.

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

    def repeat_event(self, event: EventPayload) -> None:
        """Send an event that the broker has had before once more, as late; forgotten when the broker is away."""
        self._outbox.add_message(late_event(self.topics, event))

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
        self._subscriptions.add(topic_filter, handler)
        self._wake.set()

    def wait_connected(self, timeout_s: float) -> bool:
        """Wait until the broker has accepted the connection; False when it has not within `timeout_s`."""
        return self._loop.wait_connected(timeout_s)

    @property
    def state(self) -> ConnectionState:
        """How the connection is now."""
        return self._loop.state

    @property
    def event_depth(self) -> int:
        """Events that wait for the broker."""
        return self._outbox.event_depth

    @property
    def event_problem(self) -> str:
        """Why events would not survive the process; empty when all is well."""
        return self._outbox.event_problem

    @property
    def handler_errors(self) -> int:
        """Messages that a handler failed on."""
        return self._subscriptions.handler_errors

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
            self._loop.run()
        except Exception as error:  # noqa: BLE001 - raised on the main thread, which ends the program
            self._failure = error
        finally:
            self._wake.close()
