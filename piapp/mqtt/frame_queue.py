"""Frames that wait to leave: the newest few, and how many were sent, dropped and left out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from piapp.mqtt.frame_limiter import FrameLimiter
from piapp.mqtt.message import Message

# A few are enough to ride out a hiccup of the network; more would only make frames late (a guess).
MAX_FRAMES = 8

OnSent = Callable[[int | None], None]
"""Called once for each frame: the `CLOCK_MONOTONIC` ns at which its PUBLISH was written, or None: it was dropped."""


@dataclass(frozen=True, slots=True, eq=False)
class WaitingFrame:
    """A frame's payload, and who is notified of what came of it."""

    payload: bytes
    on_sent: OnSent | None

    def notify(self, sent_ns: int | None) -> None:
        """Report when PUBLISH was written, or None when the frame was dropped."""
        notify(self.on_sent, sent_ns)


def notify(on_sent: OnSent | None, sent_ns: int | None) -> None:
    """Call `on_sent`, if there is one."""
    if on_sent is not None:
        on_sent(sent_ns)


class FrameQueue:
    """Frames in order, none while the broker is away. Not thread-safe; notifies nobody, which its owner does.

    Args:
        topic: Where frames go.
        content_type: Of their payloads.
        limiter: Leaves frames out that come too often.
        max_frames: Most frames that wait.

    Attributes:
        limiter: Leaves frames out that come too often.
        sent: Frames written to the socket.
        dropped: Frames given up: broker away, or the socket slower than the camera.
        limited: Frames left out by the limiter.
    """

    def __init__(self, topic: str, content_type: str, limiter: FrameLimiter, max_frames: int) -> None:
        self.limiter = limiter
        self._topic, self._content_type = topic, content_type
        self.sent = self.dropped = self.limited = 0
        self._max_frames = max_frames
        self._connected = False
        self._frames: deque[WaitingFrame] = deque()  # bounded in add: the oldest is dropped

    def __bool__(self) -> bool:
        return bool(self._frames)

    def accepts(self, now_ns: int) -> bool:
        """Whether a frame that comes now would be queued; counts it when not."""
        if not self._connected:
            self.dropped += 1
            return False
        passes = self.limiter.passes(now_ns)
        self.limited += not passes
        return passes

    def add(self, frame: WaitingFrame) -> WaitingFrame | None:
        """Queue a frame.

        Returns:
            The frame that is dropped for it, which is itself when the connection ended since `accepts`.
        """
        self._frames.append(frame)
        if len(self._frames) <= (self._max_frames if self._connected else 0):
            return None
        self.dropped += 1
        return self._frames.popleft()

    def next(self, on_done: Callable[[WaitingFrame, int | None], None]) -> Message | None:
        """Take the oldest frame, if there is one.

        Args:
            on_done: Called as `Message.on_done`, with the frame before the reason code.
        """
        if not self._frames:
            return None
        frame = self._frames.popleft()

        def done(code: int | None) -> None:
            on_done(frame, code)

        return Message(self._topic, frame.payload, content_type=self._content_type, is_frame=True, on_done=done)

    def count(self, *, written: bool) -> None:
        """Count a frame that was taken: written to the socket, or lost with the connection."""
        self.sent += written
        self.dropped += not written

    def begin_connection(self) -> None:
        """Take frames from now on."""
        self._connected = True

    def end_connection(self) -> list[WaitingFrame]:
        """Take no more frames, and drop those that wait.

        Returns:
            The dropped frames.
        """
        self._connected = False
        frames = list(self._frames)
        self._frames.clear()
        self.dropped += len(frames)
        return frames
