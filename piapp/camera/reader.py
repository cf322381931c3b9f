"""A thread for a source whose reads cannot be woken: it reads, and keeps the newest frame for whoever asks next.

Owns the thread and the handing over of frames. The thread ends with `close`, or, behind a read that hangs, as soon as
that returns.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from piapp.errors import CameraTimeoutError
from piapp.types import Frame

log = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 2.0


class FrameReader:
    """Runs a source's reading in a thread named "camera-reader".

    The reading calls `opened`, `offer`, `drop` and `pause`, and returns soon after `closed` is set. What it raises is
    raised by `start` or `take`.

    Args:
        name: The source, for messages.
        read: The reading, called once, in the thread.

    Attributes:
        closed: Whether `close` was called.
        is_open: Whether the source was opened, be it lost since.
    """

    def __init__(self, name: str, read: Callable[[], None]) -> None:
        self.closed = False
        self.is_open = False
        self._name = name
        self._read = read
        self._changed = threading.Condition()
        self._error: Exception | None = None
        self._newest: Frame | None = None
        self._thread = threading.Thread(target=self._run, name="camera-reader", daemon=True)

    def start(self) -> None:
        """Start reading and wait until the source is open.

        Raises:
            Exception: What the reading raised instead.
        """
        self._thread.start()
        with self._changed:
            try:
                self._changed.wait_for(lambda: self.is_open or self._error is not None)
            except BaseException:
                self.closed = True  # an interrupt: the reader must not go on alone
                raise
            if self._error is not None:
                raise self._error

    def take(self, timeout_s: float | None = None, way_out: str = "") -> Frame | None:
        """Wait for the newest frame and take it; None when closed.

        Args:
            timeout_s: How long to wait; None for as long as it takes.
            way_out: What to do when there is none by then, for the message.

        Raises:
            CameraTimeoutError: There was none in time.
            Exception: What ended the reading.
        """
        with self._changed:
            ready = self._changed.wait_for(
                lambda: self._newest is not None or self.closed or self._error is not None, timeout_s
            )
            frame, self._newest = self._newest, None
            if self.closed:
                return None
            if frame is None and self._error is not None:
                raise self._error
            if not ready:
                raise CameraTimeoutError(f"{self._name}: no frame for {timeout_s:g} s; {way_out}")
            return frame

    def close(self) -> None:
        """Stop; waits at most `CLOSE_TIMEOUT_S` for a read that hangs."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()
        self._thread.join(CLOSE_TIMEOUT_S)
        if self._thread.is_alive():
            log.warning("%s: a read still hangs; its thread ends as soon as that returns", self._name)

    def opened(self) -> None:
        """Say that the source is open."""
        with self._changed:
            self.is_open = True
            self._changed.notify_all()

    def offer(self, frame: Frame) -> None:
        """Keep a frame, in place of one that nobody has taken."""
        with self._changed:
            self._newest = frame
            self._changed.notify_all()

    def drop(self) -> None:
        """Forget what nobody has taken yet."""
        with self._changed:
            self._newest = None

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than until `close`."""
        with self._changed:
            self._changed.wait_for(lambda: self.closed, seconds)

    def _run(self) -> None:
        try:
            self._read()
        except Exception as error:  # noqa: BLE001 - raised by whoever waits for frames
            with self._changed:
                self._error = error
                self._changed.notify_all()
