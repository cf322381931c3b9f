"""The capture thread and the slot that holds the newest frame.

Owns the thread that reads a camera and the hand-over to whoever takes frames. Does not know what a frame is for.
"""

from __future__ import annotations

import logging
import threading
import time

from piapp.camera.base import Camera, SourceStatus
from piapp.config.sections import CameraConfig
from piapp.errors import CameraTimeoutError
from piapp.types import Frame
from piapp.wording import masked

log = logging.getLogger(__name__)


class FrameSlot:
    """Holds one frame, the newest: putting another drops the one that nobody took, and counts it.

    Any number of threads may take; each frame goes to one of them. All methods are safe from any thread.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._closed = False
        self.dropped = 0

    @property
    def empty(self) -> bool:
        """True when no frame waits."""
        return self._frame is None

    def put(self, frame: Frame) -> None:
        """Offer the newest frame; never blocks."""
        with self._changed:
            if self._frame is not None:
                self.dropped += 1
            self._frame = frame
            self._changed.notify()

    def take(self, timeout_s: float) -> Frame | None:
        """Wait for a frame and take it; None when the time is over or the slot is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None or self._closed, timeout_s)
            frame, self._frame = self._frame, None
            return None if self._closed else frame

    def close(self) -> None:
        """Wake all who wait; frames are not handed out any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class CaptureThread:
    """Reads a camera into a slot, in a thread named "capture".

    With a lockstep camera the next frame is asked for only after `frame_done` was called for the last one, so that
    every frame is processed. A failure of the camera is kept and raised by `raise_if_failed` on the caller's thread.

    Attributes:
        max_fps: Frames a second that go into the slot, those in between are dropped; None for all. Set by any thread.
            Without effect on a lockstep camera.
        frames: How many frames the camera gave.
        spared: How many of these `max_fps` dropped.
    """

    def __init__(self, camera: Camera, slot: FrameSlot) -> None:
        self._camera = camera
        self._slot = slot
        self._stopping = threading.Event()
        self._done = threading.Semaphore(0)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
        self._asked_ns: int | None = None
        self._due_ns = 0
        self.max_fps: float | None = None
        self.frames = 0
        self.spared = 0

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    @property
    def silent_s(self) -> float:
        """For how long the camera has owed a frame, in seconds."""
        asked_ns = self._asked_ns
        return 0.0 if asked_ns is None else (time.monotonic_ns() - asked_ns) / 1e9

    @property
    def status(self) -> SourceStatus:
        """How the source is."""
        return self._camera.status()

    @property
    def ended(self) -> bool:
        """True when the source has no more frames, failed, or was stopped."""
        return self._thread.ident is not None and not self._thread.is_alive()

    def frame_done(self) -> None:
        """Say that a lockstep frame's result is dealt with; any thread."""
        self._done.release()

    def raise_if_failed(self) -> None:
        """Raise on this thread what ended the capture thread.

        Raises:
            CameraError: The camera failed.
        """
        if self._error is not None:
            raise self._error

    def raise_if_silent(self, config: CameraConfig) -> None:
        """Raise when the camera has owed a frame for longer than it may, and does not mend its connection itself.

        Raises:
            CameraTimeoutError: It has.
        """
        if self._camera.status().renews:
            return
        silent_s = self.silent_s
        if silent_s > config.frame_timeout_s:
            raise CameraTimeoutError(
                f"camera {masked(config.source)}: no frame for {silent_s:.1f} s (camera.frame_timeout_s = "
                f"{config.frame_timeout_s:g}); check its cable and the kernel log"
            )

    def stop(self, timeout_s: float) -> bool:
        """Close the camera and wait for the thread; False when it still hangs in its driver after the time."""
        self._stopping.set()
        self._done.release()
        closer = threading.Thread(target=self._close, name="camera-close", daemon=True)
        deadline = time.monotonic() + timeout_s
        closer.start()
        closer.join(timeout_s)
        if self._thread.ident is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))
        return not (closer.is_alive() or self._thread.is_alive())

    def _wanted(self, frame: Frame) -> bool:
        """Whether `max_fps` lets a frame pass; keeps the rate on average where it divides the camera's unevenly."""
        max_fps = self.max_fps
        if max_fps is None or self._camera.lockstep:
            return True
        if frame.captured_ns < self._due_ns:
            self.spared += 1
            return False
        self._due_ns = max(self._due_ns + int(1e9 / max_fps), frame.captured_ns)
        return True

    def _close(self) -> None:
        try:
            self._camera.close()
        except Exception:
            log.exception("closing the camera failed")

    def _run(self) -> None:
        try:
            self._asked_ns = time.monotonic_ns()
            for frame in self._camera.frames():
                self._asked_ns = None
                if self._stopping.is_set():
                    return
                self.frames += 1
                if self._wanted(frame):
                    self._slot.put(frame)
                if self._camera.lockstep:
                    self._done.acquire()
                self._asked_ns = time.monotonic_ns()
        except BaseException as error:  # noqa: BLE001 - surfaced on the main thread
            self._error = error
        finally:
            self._asked_ns = None
