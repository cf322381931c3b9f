"""What waits to leave: the only place that remembers messages while the broker is away.

Owns the order in which messages leave, and the lock. Knows no client and no socket: the publisher thread asks it for
the next message. Four kinds wait side by side, and leave in this order:

1. retained topics: the latest value of each, all of them again after every (re)connect;
2. events: first in, first out, kept until the broker has acknowledged them; the oldest is dropped when full;
3. other messages: first in, first out, dropped while the broker is away and, oldest first, when full;
4. frames: the newest few; the oldest is dropped when full, and all while the broker is away.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from piapp.mqtt.event_queue import EventQueue, MemoryEventQueue
from piapp.mqtt.event_sender import EventSender
from piapp.mqtt.frame_limiter import FrameLimiter
from piapp.mqtt.frame_queue import MAX_FRAMES, FrameQueue, OnSent, WaitingFrame, notify
from piapp.mqtt.message import FIRST_FAILURE_CODE, Message
from piapp.mqtt.message_queue import MessageQueue
from piapp.mqtt.payload import EventPayload
from piapp.mqtt.retained import RetainedTopics
from piapp.mqtt.topics import Topics


@dataclass(frozen=True, slots=True)
class OutboxCounts:
    """What happened to messages since the start.

    Attributes:
        frames_sent: Written to the socket.
        frames_dropped: Given up: broker away, or the socket slower than the camera.
        frames_limited: Left out by `publish.max_frame_hz`.
        events_sent: Acknowledged by the broker.
        events_dropped: Given up because the queue was full.
        rejected: Refused by the broker with a reason code.
        messages_dropped: Other messages given up.
    """

    frames_sent: int = 0
    frames_dropped: int = 0
    frames_limited: int = 0
    events_sent: int = 0
    events_dropped: int = 0
    rejected: int = 0
    messages_dropped: int = 0


class Outbox:
    """Messages that wait, for any number of writers and one publisher thread. No call blocks.

    Args:
        topics: Where events and frames go.
        wake: Called after something was added; must not block.
        events: Where events wait; None keeps them in memory.
        limiter: Leaves frames out that come too often; None lets all through.
        frame_content_type: Of frames.
        max_frames: Most frames that wait.
        monotonic_ns: The clock of the limiter and of `on_sent`.
    """

    def __init__(
        self,
        topics: Topics,
        wake: Callable[[], None],
        *,
        events: EventQueue | None = None,
        limiter: FrameLimiter | None = None,
        frame_content_type: str = "application/json",
        max_frames: int = MAX_FRAMES,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._wake = wake
        self._monotonic_ns = monotonic_ns
        self._lock = threading.Lock()
        self._connected = False
        self._retained = RetainedTopics()
        self._events = EventSender(topics, MemoryEventQueue() if events is None else events)
        self._messages = MessageQueue()
        limiter = FrameLimiter(0.0) if limiter is None else limiter
        self._frames = FrameQueue(topics.frame, frame_content_type, limiter, max_frames)
        self._rejected = 0

    def add_frame(self, encode: Callable[[], bytes], on_sent: OnSent | None = None) -> bool:
        """Queue a frame; `encode` is called here, and only when the frame will be queued.

        Returns:
            False when the frame was dropped at once (broker away) or left out by the rate limit; `on_sent` has then
            been called with None. It is also called for frames that are dropped later.
        """
        with self._lock:
            accepted = self._frames.accepts(self._monotonic_ns())
        if not accepted:
            notify(on_sent, None)
            return False
        frame = WaitingFrame(encode(), on_sent)
        with self._lock:
            dropped = self._frames.add(frame)
        if dropped:
            dropped.notify(None)
        self._wake()
        return dropped is not frame

    def limit_frames(self, max_hz: float) -> None:
        """Let at most so many frames a second through from now on; 0 for all."""
        with self._lock:
            self._frames.limiter = FrameLimiter(max_hz)

    def add_event(self, event: EventPayload) -> None:
        """Queue an event until the broker has acknowledged it."""
        with self._lock:
            self._events.add(event, connected=self._connected)
        self._wake()

    def retain(self, topic: str, payload: bytes, qos: int = 1) -> None:
        """Set a retained topic's value, to be sent now and after every reconnect; the same value is sent once."""
        with self._lock:
            changed = self._retained.set(topic, payload, qos)
        if changed:
            self._wake()

    def announce(self) -> None:
        """Send every retained topic again."""
        with self._lock:
            self._retained.renew()
        self._wake()

    def add_message(self, message: Message) -> bool:
        """Queue any other message; False, and counted, when the broker is away."""
        with self._lock:
            added = self._messages.add(message)
        if added:
            self._wake()
        return added

    def begin_connection(self) -> None:
        """A connection is there: everything retained is due again, and events that wait are late by now."""
        with self._lock:
            self._connected = True
            self._retained.renew()
            self._events.begin_connection()
            self._messages.begin_connection()
            self._frames.begin_connection()

    def end_connection(self) -> None:
        """The connection is gone: frames and messages are dropped; events and retained topics stay."""
        with self._lock:
            self._connected = False
            self._retained.lost()
            self._events.end_connection()
            self._messages.end_connection()
            frames = self._frames.end_connection()
        for frame in frames:
            frame.notify(None)

    def sync_events(self) -> None:
        """Have events that wait reach the disk; blocks for it, and nobody else."""
        self._events.queue.sync()

    def doubt_events(self) -> None:
        """The connection broke: send again what was acknowledged a moment before."""
        with self._lock:
            self._events.queue.doubt()

    def close_events(self) -> None:
        """Let go of the disk that holds events."""
        with self._lock:
            self._events.queue.close()

    def next(self, *, acknowledged_too: bool) -> Message | None:
        """Take the message that should leave now; publisher thread only.

        Args:
            acknowledged_too: False while no more acknowledgements may be outstanding: then only QoS 0 is taken.
        """
        with self._lock:
            return (
                self._next_retained(acknowledged_too=acknowledged_too)
                or (self._events.next(self._event_done) if acknowledged_too else None)
                or self._messages.next(acknowledged_too=acknowledged_too)
                or self._frames.next(self._frame_done)
            )

    @property
    def idle(self) -> bool:
        """Nothing waits, neither to be sent nor to be acknowledged."""
        with self._lock:
            return not (self._frames or self._messages or self._events.waiting or self._retained.waiting)

    @property
    def event_depth(self) -> int:
        """Events that wait for the broker."""
        with self._lock:
            return self._events.queue.depth

    @property
    def event_problem(self) -> str:
        """Why events would not survive the process; empty when all is well."""
        with self._lock:
            return self._events.queue.problem

    def retained(self) -> Mapping[str, bytes]:
        """The retained topics' present values."""
        with self._lock:
            return self._retained.values()

    def counts(self) -> OutboxCounts:
        """What was sent, dropped and refused so far."""
        frames, events = self._frames, self._events
        with self._lock:
            return OutboxCounts(
                frames_sent=frames.sent,
                frames_dropped=frames.dropped,
                frames_limited=frames.limited,
                events_sent=events.sent,
                events_dropped=events.queue.dropped,
                rejected=self._rejected,
                messages_dropped=self._messages.dropped,
            )

    def count_rejected(self) -> None:
        """Count a message that the broker refused."""
        with self._lock:
            self._rejected += 1

    def _next_retained(self, *, acknowledged_too: bool) -> Message | None:
        due = self._retained.next(acknowledged_too=acknowledged_too)
        if due is None:
            return None

        def done(code: int | None) -> None:
            with self._lock:
                due.acknowledged(code)
            self._wake()  # another may have waited for it

        content_type = "application/json" if due.payload else ""  # an empty one removes what was retained
        return Message(due.topic, due.payload, due.qos, retain=True, content_type=content_type, on_done=done)

    def _event_done(self, number: int, code: int | None) -> None:
        with self._lock:
            self._events.done(number, code)

    def _frame_done(self, frame: WaitingFrame, code: int | None) -> None:
        written = code is not None and code < FIRST_FAILURE_CODE
        with self._lock:
            self._frames.count(written=written)
        frame.notify(self._monotonic_ns() if written else None)
