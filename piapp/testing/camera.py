"""A camera without hardware: gives pictures at a rate, fails on command, and remembers what was done to it."""

from __future__ import annotations

import collections
import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np

from piapp.camera.base import SourceStatus
from piapp.errors import CameraError, CameraTimeoutError
from piapp.types import Frame, ImageArray

NS_PER_S = 1_000_000_000


class FakeCamera:
    """A camera behind the protocol of `piapp.camera.base.Camera`; its switches work from any thread, also in flight.

    Attributes:
        description: "fake camera" and its rate.
        lockstep: As given.
        closed: True after `close`.
        delivered: How many frames were handed over.
        history: What was done to it, oldest first: names of switches, "frames", "close".

    Args:
        pictures: (height, width, 3) uint8 RGB, shown in turn; None shows `moving_pattern`.
        fps: Frames a second; the time stamps' distance also when not paced.
        paced: False hands frames over as fast as they are asked for.
        lockstep: What the attribute says.
        count: How many frames before the source ends; None for endless.
        frame_timeout_s: How long it may owe a frame before it counts as lost.
    """

    def __init__(
        self,
        pictures: Sequence[ImageArray] | None = None,
        *,
        fps: float = 15.0,
        paced: bool = True,
        lockstep: bool = False,
        count: int | None = None,
        frame_timeout_s: float = 5.0,
    ) -> None:
        self.description = f"fake camera {fps:g} frames/s"
        self.lockstep = lockstep
        self.closed = False
        self.delivered = 0
        self.history: collections.deque[str] = collections.deque(maxlen=1000)
        self._pictures = moving_pattern() if pictures is None else pictures
        self._period_ns = int(NS_PER_S / fps)
        self._paced = paced
        self._count = count
        self._timeout_s = frame_timeout_s
        self._changed = threading.Condition()
        self._frozen = False
        self._unplugged = False
        self._slowdown = 1.0
        self._close_released = threading.Event()
        self._close_released.set()

    def open(self) -> Self:
        """Open it, also again after `close`; this object."""
        with self._changed:
            if self.closed:
                self.history.append("open")
            self.closed = False
        return self

    def freeze(self) -> None:
        """Give no more frames and no error, as a front-end time-out does; `thaw` ends it."""
        self._switch("freeze", frozen=True)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        self._switch("thaw", frozen=False)

    def unplug(self) -> None:
        """Fail at the next frame, for good."""
        self._switch("unplug", unplugged=True)

    def slow_down(self, factor: float) -> None:
        """Take so many times as long for each frame; 1 is normal."""
        self._switch(f"slow_down {factor:g}", slowdown=factor)

    def hang_on_close(self) -> None:
        """Let `close` wait for `release_close`, as a driver does that does not return."""
        self.history.append("hang_on_close")
        self._close_released.clear()

    def release_close(self) -> None:
        """Let a `close` that hangs return."""
        self._close_released.set()

    def frames(self) -> Iterator[Frame]:
        """Yield frames until `count` is reached or `close` is called.

        Raises:
            CameraTimeoutError: It was frozen, or too slow, for `frame_timeout_s`.
            CameraError: It was unplugged.
        """
        self.history.append("frames")
        due_ns = time.monotonic_ns()
        last_ms = -1
        for number in itertools.count() if self._count is None else range(self._count):
            if not self._wait_until(due_ns):
                return
            captured_ns = due_ns if self._paced else time.monotonic_ns()
            last_ms = max(due_ns // 1_000_000, last_ms + 1)
            self.delivered += 1
            yield Frame(last_ms, captured_ns, self._pictures[number % len(self._pictures)])
            due_ns = self._next_due(due_ns)

    def close(self) -> None:
        """Stop; idempotent, from any thread."""
        with self._changed:
            if not self.closed:
                self.history.append("close")
            self.closed = True
            self._changed.notify_all()
        self._close_released.wait()

    def status(self) -> SourceStatus:
        """How the source is now; any thread."""
        return SourceStatus()

    def _switch(
        self, name: str, *, frozen: bool | None = None, unplugged: bool = False, slowdown: float | None = None
    ) -> None:
        with self._changed:
            self.history.append(name)
            self._frozen = self._frozen if frozen is None else frozen
            self._unplugged = self._unplugged or unplugged
            self._slowdown = self._slowdown if slowdown is None else slowdown
            self._changed.notify_all()

    def _next_due(self, due_ns: int) -> int:
        """When the next frame is due; frames that nobody asked for in time are lost, as on a sensor."""
        period_ns = int(self._period_ns * self._slowdown)
        due_ns += period_ns
        missed = (time.monotonic_ns() - due_ns) // period_ns if self._paced else 0
        return due_ns + max(missed, 0) * period_ns

    def _wait_until(self, due_ns: int) -> bool:
        """Wait for the sensor; False when closed."""
        deadline_ns = time.monotonic_ns() + int(self._timeout_s * NS_PER_S)
        with self._changed:
            while not self.closed:
                if self._unplugged:
                    raise CameraError("fake camera: was unplugged; plug it in again")
                now_ns = time.monotonic_ns()
                if now_ns >= deadline_ns:
                    raise CameraTimeoutError(f"fake camera: no frame for {self._timeout_s:g} s")
                ready_ns = due_ns if self._paced else now_ns
                if now_ns >= ready_ns and not self._frozen:
                    return True
                wake_ns = deadline_ns if self._frozen else min(ready_ns, deadline_ns)
                self._changed.wait((wake_ns - now_ns) / NS_PER_S)
        return False


def moving_pattern(width: int = 640, height: int = 480, count: int = 8) -> list[ImageArray]:
    """Colour bars that move from picture to picture; nobody is in them."""
    colours = np.array(
        [
            (255, 0, 0),
            (0, 255, 0),
            (0, 0, 255),
            (255, 255, 0),
            (0, 255, 255),
            (255, 0, 255),
            (255, 255, 255),
            (0, 0, 0),
        ],
        np.uint8,
    )
    bars = colours[np.arange(width) * len(colours) // width]
    return [
        np.ascontiguousarray(np.broadcast_to(np.roll(bars, step * width // count, axis=0), (height, width, 3)))
        for step in range(count)
    ]
