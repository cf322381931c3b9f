"""A camera that is closed while the node is paused, so that its light is off and others can use it.

Owns closing and opening it anew, and a time line that goes on over that. Does not decide when.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from piapp.camera.base import Camera, SourceStatus
from piapp.types import Frame

# A camera that is opened anew may take so long until its first frame; then its silence counts as any other.
REOPEN_S = 30.0

log = logging.getLogger(__name__)


class PausableCamera:
    """A `Camera` around another one. `pause` and `resume` may come from any thread, also before it is opened.

    Args:
        open_camera: Opens the camera; may block.

    Attributes:
        description: The camera's, once it was open.
        lockstep: The camera's; False until it was open.
    """

    def __init__(self, open_camera: Callable[[], Camera]) -> None:
        self._open_camera = open_camera
        self._changed = threading.Condition()
        self._camera: Camera | None = None
        self._closer: threading.Thread | None = None
        self._paused = False
        self._closed = False
        self._resumed_s = 0.0
        self._settling = False  # opened anew, and no frame yet
        self._last_ms = -1
        self._last_ns = 0
        self._shift_ms = 0
        self.description = "closed while paused"
        self.lockstep = False

    def open(self) -> Camera:
        """Open the camera, unless it is paused; this object.

        Raises:
            CameraError: It cannot be opened.
            ConfigError: It has no such control as the configuration names.
        """
        if not self._paused:
            self._opened()
        return self

    def pause(self) -> None:
        """Close the camera soon; returns at once."""
        with self._changed:
            self._paused = True
            camera, self._camera = self._camera, None
        if camera is not None:
            # A driver may hang, and nobody may wait for it here.
            self._closer = threading.Thread(target=_close, args=(camera,), name="camera-pause", daemon=True)
            self._closer.start()

    def resume(self) -> None:
        """Open the camera again soon; returns at once."""
        with self._changed:
            self._paused = False
            self._resumed_s, self._settling = time.monotonic(), True
            self._changed.notify_all()

    def frames(self) -> Iterator[Frame]:
        """The camera's frames, on one time line that goes on over pauses; waits while paused.

        Raises:
            CameraError: It failed, or could not be opened anew.
        """
        while self._wait_until_watching():
            camera = self._opened()
            for frame in camera.frames():
                self._settling = False
                yield self._continued(frame)
                if self._camera is not camera:
                    break
            if self._camera is camera:
                return

    def status(self) -> SourceStatus:
        """How the source is; while it is paused or opened anew, nobody may miss its frames."""
        settling = self._settling and time.monotonic() - self._resumed_s < REOPEN_S
        camera = self._camera
        if self._paused or settling or camera is None:
            return SourceStatus(renews=True)
        return camera.status()

    def close(self) -> None:
        """Release it for good; idempotent, from any thread."""
        with self._changed:
            self._closed = True
            camera = self._camera
            self._changed.notify_all()
        if camera is not None:
            camera.close()

    def _wait_until_watching(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not self._paused)
            return not self._closed

    def _opened(self) -> Camera:
        with self._changed:
            if self._camera is not None:
                return self._camera
        if self._closer is not None:
            self._closer.join(REOPEN_S)  # a device can be opened once
        camera = self._open_camera()
        self.description, self.lockstep = camera.description, camera.lockstep
        with self._changed:
            self._camera, unwanted = camera, self._closed or self._paused
            if self._paused:
                self._camera = None
        if unwanted:
            camera.close()
        return camera

    def _continued(self, frame: Frame) -> Frame:
        """A file's own time begins anew each time it is opened: the pause is then as long as it was."""
        ts_ms = frame.ts_ms + self._shift_ms
        if ts_ms <= self._last_ms:
            gap_ms = max(1, (frame.captured_ns - self._last_ns) // 1_000_000)
            self._shift_ms += self._last_ms + gap_ms - ts_ms
            ts_ms = self._last_ms + gap_ms
        self._last_ms, self._last_ns = ts_ms, frame.captured_ns
        return frame if ts_ms == frame.ts_ms else replace(frame, ts_ms=ts_ms)


def _close(camera: Camera) -> None:
    try:
        camera.close()
    except Exception:
        log.exception("closing the camera failed")
