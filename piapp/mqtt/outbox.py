"""What waits to leave: the only place that remembers messages while the broker is away.

Owns bounds, order, and what is dropped and counted. Knows no client and no socket: the publisher thread asks it for the
next message. Four kinds wait side by side, and leave in this order:

1. retained topics: the latest value of each, all of them again after every (re)connect;
2. events: first in, first out, kept until the broker has acknowledged them; the oldest is dropped when full;
3. other messages: first in, first out, dropped while the broker is away and, oldest first, when full;
4. frames: the newest few; the oldest is dropped when full, and all while the broker is away.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from piapp.mqtt.event_queue import EventQueue, MemoryEventQueue
from piapp.mqtt.frame_limiter import FrameLimiter
from piapp.mqtt.payload import EventPayload
from piapp.mqtt.retained import RetainedTopics
from piapp.mqtt.topics import Topics

# A few are enough to ride out a hiccup of the network; more would only make frames late (a guess).
MAX_FRAMES = 8
# Answers to requests and pictures.
MAX_MESSAGES = 32

# Reason codes at or above this one are failures (MQTT 5, section 2.4).
FIRST_FAILURE_CODE = 0x80

OnSent = Callable[[int | None], None]
"""Told once for each frame: the `CLOCK_MONOTONIC` ns at which its PUBLISH was written, or None when it was dropped."""


@dataclass(frozen=True, slots=True)
class Message:
    """One PUBLISH to make.

    Attributes:
        content_type: Sent where the protocol can (MQTT 5).
        correlation_data: Likewise; what the asker gave along with a request.
        newest_only: One of the same topic that still waits is dropped for it.
        is_frame: Sent with a topic alias and a short expiry, and only while the socket takes data.
        on_done: Called once on the publisher thread with the reason code (0 when written, for QoS 0), or None when
            the connection was lost before.
    """

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    content_type: str = ""
    correlation_data: bytes = b""
    newest_only: bool = False
    is_frame: bool = False
    on_done: Callable[[int | None], None] | None = None


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


@dataclass(slots=True)
class _Frame:
    payload: bytes
    on_sent: OnSent | None


@dataclass(slots=True)
class Outbox:
    """Messages that wait, for any number of writers and one publisher thread. No call blocks.

    Attributes:
        wake: Called after something was added; must not block.
        events: Where events wait.
    """

    topics: Topics
    wake: Callable[[], None]
    events: EventQueue = field(default_factory=MemoryEventQueue)
    limiter: FrameLimiter = field(default_factory=lambda: FrameLimiter(0.0))
    frame_content_type: str = "application/json"
    max_frames: int = MAX_FRAMES
    monotonic_ns: Callable[[], int] = time.monotonic_ns
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _connected: bool = False
    _retained: RetainedTopics = field(default_factory=RetainedTopics)
    _messages: deque[Message] = field(default_factory=deque)  # bounded in add_message: the oldest is dropped
    _frames: deque[_Frame] = field(default_factory=deque)  # bounded in add_frame: the oldest is dropped
    _triggers: deque[Message] = field(default_factory=deque)  # at most one: next() empties it before the next event
    _sent_up_to: int = 0
    _historical_up_to: int = 0
    _counts: Counter[str] = field(default_factory=Counter)  # names of OutboxCounts

    def add_frame(self, encode: Callable[[], bytes], on_sent: OnSent | None = None) -> bool:
        """Queue a frame; `encode` is called here, and only when the frame will be queued.

        Returns:
            False when the frame was dropped at once (broker away) or left out by the rate limit; `on_sent` has then
            been called with None. Frames dropped later are told by `on_sent`, too.
        """
        with self._lock:
            accepted = self._accepts_frame()
        if not accepted:
            _tell(on_sent, None)
            return False
        frame = _Frame(encode(), on_sent)
        with self._lock:
            self._frames.append(frame)
            # The connection may have ended while the frame was encoded: then nothing would ever take it.
            kept = self.max_frames if self._connected else 0
            dropped = self._frames.popleft() if len(self._frames) > kept else None
            self._counts["frames_dropped"] += dropped is not None
        if dropped:
            _tell(dropped.on_sent, None)
        self.wake()
        return dropped is not frame

    def add_event(self, event: EventPayload) -> None:
        """Queue an event until the broker has acknowledged it."""
        with self._lock:
            number = self.events.append(event)
            if not self._connected:
                self._historical_up_to = number
        self.wake()

    def retain(self, topic: str, payload: bytes, qos: int = 1) -> None:
        """Set a retained topic's value, to be sent now and after every reconnect; the same value is sent once."""
        with self._lock:
            changed = self._retained.set(topic, payload, qos)
        if changed:
            self.wake()

    def announce(self) -> None:
        """Send every retained topic again."""
        with self._lock:
            self._retained.renew()
        self.wake()

    def add_message(self, message: Message) -> bool:
        """Queue any other message; False, and counted, when the broker is away."""
        with self._lock:
            if not self._connected:
                self._counts["messages_dropped"] += 1
                return False
            before = len(self._messages)
            if message.newest_only:
                self._messages = deque(other for other in self._messages if other.topic != message.topic)
            if len(self._messages) >= MAX_MESSAGES:
                self._messages.popleft()
            self._counts["messages_dropped"] += before - len(self._messages)
            self._messages.append(message)
        self.wake()
        return True

    def begin_connection(self) -> None:
        """A connection is there: everything retained is due again, and events that wait are late by now."""
        with self._lock:
            self._connected = True
            self._sent_up_to = 0
            self._historical_up_to = self.events.last
            self._retained.renew()

    def end_connection(self) -> None:
        """The connection is gone: frames and messages are dropped; events and retained topics stay."""
        with self._lock:
            self._connected = False
            self._retained.lost()
            frames = list(self._frames)
            self._frames.clear()
            self._counts["frames_dropped"] += len(frames)
            self._counts["messages_dropped"] += len(self._messages)
            self._messages.clear()
            self._triggers.clear()
        for frame in frames:
            _tell(frame.on_sent, None)

    def sync_events(self) -> None:
        """Have events that wait reach the disk; blocks for it, and nobody else."""
        self.events.sync()

    def doubt_events(self) -> None:
        """The connection broke: send again what was acknowledged a moment before."""
        with self._lock:
            self.events.doubt()

    def close_events(self) -> None:
        """Let go of the disk that holds events."""
        with self._lock:
            self.events.close()

    def next(self, *, acknowledged_too: bool) -> Message | None:
        """Take the message that should leave now; publisher thread only.

        Args:
            acknowledged_too: False while no more acknowledgements may be outstanding: then only QoS 0 is taken.
        """
        with self._lock:
            message = self._next_retained(acknowledged_too=acknowledged_too)
            if not message and acknowledged_too:
                message = self._next_event()
            if not message and self._messages and (acknowledged_too or self._messages[0].qos == 0):
                message = self._messages.popleft()
            if not message and self._frames:
                message = self._next_frame()
        return message

    @property
    def idle(self) -> bool:
        """Nothing waits, neither to be sent nor to be acknowledged."""
        with self._lock:
            waiting = self._frames or self._messages or self._triggers or self.events.depth
            return not waiting and not self._retained.waiting

    @property
    def event_depth(self) -> int:
        """Events that wait for the broker."""
        with self._lock:
            return self.events.depth

    @property
    def event_problem(self) -> str:
        """Why events would not survive the process; empty when all is well."""
        with self._lock:
            return self.events.problem

    def retained(self) -> Mapping[str, bytes]:
        """The retained topics' present values."""
        with self._lock:
            return self._retained.values()

    def counts(self) -> OutboxCounts:
        """What was sent, dropped and refused so far."""
        with self._lock:
            return OutboxCounts(events_dropped=self.events.dropped, **self._counts)

    def count_rejected(self) -> None:
        """Count a message that the broker refused."""
        with self._lock:
            self._counts["rejected"] += 1

    def _accepts_frame(self) -> bool:
        if not self._connected:
            self._counts["frames_dropped"] += 1
            return False
        passes = self.limiter.passes(self.monotonic_ns())
        self._counts["frames_limited"] += not passes
        return passes

    def _next_retained(self, *, acknowledged_too: bool) -> Message | None:
        due = self._retained.next(acknowledged_too=acknowledged_too)
        if due is None:
            return None

        def done(code: int | None) -> None:
            with self._lock:
                due.acknowledged(code)
            self.wake()  # another may have waited for it

        return Message(due.topic, due.payload, due.qos, retain=True, on_done=done)

    def _next_event(self) -> Message | None:
        if self._triggers:
            return self._triggers.popleft()
        found = self.events.peek(self._sent_up_to)
        if found is None:
            return None
        number, event = found
        self._sent_up_to = number
        historical = number <= self._historical_up_to
        if not (historical or event.test is True):  # automations that call help must not act on a test
            self._triggers.append(Message(self.topics.trigger, event.event_type.encode(), qos=1))
        payload = event.encoded(historical=historical)
        return Message(self.topics.event, payload, qos=1, on_done=lambda code: self._event_done(number, code))

    def _event_done(self, number: int, code: int | None) -> None:
        """Forget an event that was taken or refused for good; one whose connection was lost is sent again."""
        if code is None:
            return
        with self._lock:
            self.events.ack(number)
            self._counts["events_sent"] += code < FIRST_FAILURE_CODE

    def _next_frame(self) -> Message:
        frame = self._frames.popleft()
        return Message(
            self.topics.frame,
            frame.payload,
            content_type=self.frame_content_type,
            is_frame=True,
            on_done=lambda code: self._frame_done(frame, code),
        )

    def _frame_done(self, frame: _Frame, code: int | None) -> None:
        written = code is not None and code < FIRST_FAILURE_CODE
        with self._lock:
            self._counts["frames_sent"] += written
            self._counts["frames_dropped"] += not written
        _tell(frame.on_sent, self.monotonic_ns() if written else None)


def _tell(on_sent: OnSent | None, sent_ns: int | None) -> None:
    if on_sent is not None:
        on_sent(sent_ns)
