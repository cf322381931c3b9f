"""A V4L2 device as a camera, read with OpenCV."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2

from piapp.camera.base import SourceStatus
from piapp.camera.clock import NS_PER_MS, LiveClock
from piapp.camera.orientation import Orientation
from piapp.camera.pictures import to_rgb
from piapp.camera.reader import FrameReader
from piapp.config.sections import CameraConfig
from piapp.errors import CameraBusyError, CameraError, CameraNotFoundError
from piapp.types import Frame


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

    return LiveCamera(device, connect, config, way_out="is it still plugged in?")


class LiveCamera:
    """A device that OpenCV reads; see `piapp.camera.base.Camera`.

    The thread of its `FrameReader` opens the device, reads and closes it.

    Args:
        name: What to call it in messages.
        connect: Opens the device or raises a CameraError; called once, by the reader.
        config: Deadlines and orientation.
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
        way_out: str,
    ) -> None:
        self.description = name
        self._name = name
        self._connect = connect
        self._way_out = way_out
        self._timeout_s = config.frame_timeout_s
        self._orientation = Orientation.of(config)
        self._reader = FrameReader(name, self._read)
        self._reader.start()

    def frames(self) -> Iterator[Frame]:
        """Yield the newest frame again and again; raises when the stream ends, which a live one never should."""
        while (frame := self._reader.take(self._timeout_s, self._way_out)) is not None:
            yield Frame(frame.ts_ms, frame.captured_ns, self._orientation.apply(frame.image))

    def close(self) -> None:
        """Stop; waits for a read that hangs, but not for long."""
        self._reader.close()

    def status(self) -> SourceStatus:
        """How the source is now; any thread."""
        return SourceStatus()

    def _read(self) -> None:
        capture = self._connect()
        try:
            self._read_frames(capture)
        finally:
            capture.release()

    def _read_frames(self, capture: cv2.VideoCapture) -> None:
        clock = LiveClock()
        width, height = (int(capture.get(key)) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        self.description = f"{self._name} {width}x{height}"
        self._reader.opened()
        while not self._reader.closed:
            if not capture.grab():
                raise CameraError(f"{self._name}: the stream ended or the connection was lost; {self._way_out}")
            ts_ms, captured_ns = self._stamp(clock, capture)
            ok, bgr = capture.retrieve()
            if ok:
                self._reader.offer(Frame(ts_ms, captured_ns, to_rgb(bgr)))

    def _stamp(self, clock: LiveClock, capture: cv2.VideoCapture) -> tuple[int, int]:
        sensor_ns = int(capture.get(cv2.CAP_PROP_POS_MSEC) * NS_PER_MS)  # the driver's time stamp
        return clock.stamp(
            sensor_ns, now_ns=time.monotonic_ns(), boottime_ns=time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        )


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
