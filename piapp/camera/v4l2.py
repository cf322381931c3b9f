"""A V4L2 device as a camera, read with OpenCV.

A read inside OpenCV cannot be woken, so it happens in a thread of its own that keeps the newest frame; it ends with
`close`, or, behind a read that hangs, as soon as that returns.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2

from piapp.camera.base import SourceStatus
from piapp.camera.clock import NS_PER_MS, LiveClock
from piapp.camera.orientation import Orientation
from piapp.camera.pictures import to_rgb
from piapp.config.sections import CameraConfig
from piapp.errors import CameraBusyError, CameraError, CameraNotFoundError, CameraTimeoutError
from piapp.types import Frame

log = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 2.0


def open_v4l2(device: str, config: CameraConfig) -> LiveCamera:
    """Open a V4L2 device, asking for the configured size and rate; the device decides.

    Raises:
        CameraNotFoundError: There is no such device.
        CameraError: It is not for this user, or not a camera.
    """
    _check_device(device)
    wanted = [cv2.CAP_PROP_FRAME_WIDTH, config.width, cv2.CAP_PROP_FRAME_HEIGHT, config.height]

    def connect() -> cv2.VideoCapture:
        capture = cv2.VideoCapture(device, cv2.CAP_V4L2, wanted)
        if not capture.isOpened():
            raise CameraBusyError(
                f"{device}: cannot be opened as a camera; another program may hold it (`fuser -v {device}` tells), "
                "or it takes no pictures (`v4l2-ctl --list-devices` shows what it is)"
            )
        capture.set(cv2.CAP_PROP_FPS, config.fps)
        return capture

    return LiveCamera(device, connect, config, has_sensor_clock=True, way_out="is it still plugged in?")


class LiveCamera:
    """A device or stream that OpenCV reads; see `piapp.camera.base.Camera`.

    Its reader, a thread named "camera-reader", opens the source, keeps the newest frame, and closes the source.

    Args:
        name: What to call it in messages.
        connect: Opens the source or raises a CameraError; called once, by the reader.
        config: Deadlines and orientation.
        has_sensor_clock: Whether OpenCV's position is the driver's time stamp (V4L2).
        way_out: What to look at when it stops giving frames.

    Raises:
        CameraError: It cannot be opened.
    """

    lockstep = False

    def __init__(
        self,
        name: str,
        connect: Callable[[], cv2.VideoCapture],
        config: CameraConfig,
        *,
        has_sensor_clock: bool,
        way_out: str,
    ) -> None:
        self.description = name
        self._name = name
        self._connect = connect
        self._has_sensor_clock = has_sensor_clock
        self._way_out = way_out
        self._timeout_s = config.frame_timeout_s
        self._orientation = Orientation.of(config)
        self._changed = threading.Condition()
        self._open = False
        self._closed = False
        self._error: Exception | None = None
        self._newest: Frame | None = None
        self._reader = threading.Thread(target=self._read, name="camera-reader", daemon=True)
        self._reader.start()
        self._wait_until_open()

    def frames(self) -> Iterator[Frame]:
        """Yield the newest frame again and again; raises when the stream ends, which a live one never should."""
        while (frame := self._next()) is not None:
            yield Frame(frame.ts_ms, frame.captured_ns, self._orientation.apply(frame.image))

    def close(self) -> None:
        """Stop; waits at most `CLOSE_TIMEOUT_S` for a read that hangs."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._reader.join(CLOSE_TIMEOUT_S)
        if self._reader.is_alive():
            log.warning("%s: a read still hangs; its thread ends as soon as that returns", self._name)

    def status(self) -> SourceStatus:
        """How the source is now; any thread."""
        return SourceStatus()

    def _wait_until_open(self) -> None:
        with self._changed:
            try:
                self._changed.wait_for(lambda: self._open or self._error is not None)
            except BaseException:
                self._closed = True  # an interrupt: the reader must not go on alone
                raise
            if self._error is not None:
                raise self._error

    def _next(self) -> Frame | None:
        """Take the newest frame; None when closed."""
        with self._changed:
            ready = self._changed.wait_for(
                lambda: self._newest is not None or self._closed or self._error is not None, self._timeout_s
            )
            frame, self._newest = self._newest, None
            if self._closed:
                return None
            if frame is None and self._error is not None:
                raise self._error
            if not ready:
                raise CameraTimeoutError(f"{self._name}: no frame for {self._timeout_s:g} s; {self._way_out}")
            return frame

    def _read(self) -> None:
        try:
            capture = self._connect()
            try:
                self._read_frames(capture)
            finally:
                capture.release()
        except Exception as error:  # noqa: BLE001 - raised by whoever waits for frames
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _read_frames(self, capture: cv2.VideoCapture) -> None:
        clock = LiveClock()
        width, height = (int(capture.get(key)) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        with self._changed:
            self.description = f"{self._name} {width}x{height}"
            self._open = True
            self._changed.notify_all()
        while not self._closed:
            if not capture.grab():
                raise CameraError(f"{self._name}: the stream ended or the connection was lost; {self._way_out}")
            ts_ms, captured_ns = self._stamp(clock, capture)
            ok, bgr = capture.retrieve()
            if ok:
                self._offer(Frame(ts_ms, captured_ns, to_rgb(bgr)))

    def _stamp(self, clock: LiveClock, capture: cv2.VideoCapture) -> tuple[int, int]:
        sensor_ns = int(capture.get(cv2.CAP_PROP_POS_MSEC) * NS_PER_MS) if self._has_sensor_clock else None
        return clock.stamp(
            sensor_ns, now_ns=time.monotonic_ns(), boottime_ns=time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        )

    def _offer(self, frame: Frame) -> None:
        with self._changed:
            self._newest = frame
            self._changed.notify_all()


def _check_device(device: str) -> None:
    path = Path(device)
    if not path.exists():
        there = ", ".join(sorted(str(found) for found in Path("/dev").glob("video*"))) or "none"
        raise CameraNotFoundError(f"{device}: there is no such device; video devices here: {there}")
    if not path.is_char_device():
        raise CameraError(f"{device}: is not a device; expected one such as /dev/video0 (file:{device} plays a file)")
    if not os.access(path, os.R_OK | os.W_OK):
        raise CameraError(
            f"{device}: this user may not use it; add the user to the group `video` (`usermod -aG video NAME`)"
        )
