"""Cameras and streams that OpenCV reads: `v4l2:`, `rtsp:` and `file:`.

Owns their deadlines, pacing and errors. A read inside OpenCV cannot be woken, so a live source is read by a thread of
its own that keeps the newest frame; it ends with `close`, or, behind a read that hangs, as soon as that returns.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import cv2

from piapp.camera.base import SourceSpec
from piapp.camera.clock import NS_PER_MS, FileClock, LiveClock
from piapp.camera.media import VideoFile, to_rgb
from piapp.camera.orientation import Orientation
from piapp.config.sections import CameraConfig
from piapp.errors import (
    CameraBusyError,
    CameraError,
    CameraNotFoundError,
    CameraTimeoutError,
    MediaError,
)
from piapp.types import Frame
from piapp.wording import masked

log = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 2.0
CONNECT_TIMEOUT_S = 2.0
RTSP_PORTS = {"rtsp": 554, "rtsps": 322}

# A file that decodes slower than it should play still shows a picture this often, and falls behind beyond that.
MAX_SKIP_NS = 500 * NS_PER_MS


class FileCamera:
    """A video file played as if a camera gave it; see `piapp.camera.base.Camera`.

    In real time a frame is due at its presentation time and what is late is skipped; in lock-step every frame is handed
    over when asked for. `ts_ms` is the file's own time line, laid at the moment of the first frame.

    Raises:
        CameraNotFoundError: There is no such file.
        MediaError: It is not a video.
    """

    def __init__(self, spec: SourceSpec, config: CameraConfig) -> None:
        self._video = VideoFile(spec.target)
        self._loop = spec.loop
        self._orientation = Orientation.of(config)
        self._closed = threading.Event()
        self._reading = threading.Lock()
        self.lockstep = spec.lockstep
        width, height = self._video.size
        pace = "lockstep" if spec.lockstep else "realtime"
        self.description = f"{self._video.path.name} {width}x{height} {self._video.fps:g} frames/s, {pace}"

    def frames(self) -> Iterator[Frame]:
        """Yield the file's frames, `loop` times; returns at the end."""
        try:
            yield from self._frames()
        finally:
            self.close()

    def close(self) -> None:
        """Stop playing; the file is closed by whoever reads it last."""
        self._closed.set()
        if self._reading.acquire(timeout=CLOSE_TIMEOUT_S):
            try:
                self._video.close()
            finally:
                self._reading.release()

    def _frames(self) -> Iterator[Frame]:
        clock = FileClock(self._video.fps)
        pace = _Pace(self._closed, period_ms=clock.period_ms, lockstep=self.lockstep)
        for ts_ms in self._times(clock):
            if not pace.wait_for(ts_ms):
                continue
            with self._reading:
                image = None if self._closed.is_set() else self._video.retrieve()
            if image is not None:
                yield Frame(pace.start_ms + ts_ms, pace.captured_ns, self._orientation.apply(image))

    def _times(self, clock: FileClock) -> Iterator[int]:
        """Grab frame after frame, round after round; yield each one's time in ms from the start."""
        rounds = 0
        while self._loop == 0 or rounds < self._loop:
            while (presentation_ms := self._grab()) is not None:
                yield clock.stamp(presentation_ms)
            if self._closed.is_set():
                return
            self._check_round(rounds)
            rounds += 1
            clock.repeat()
            self._rewind()

    def _grab(self) -> float | None:
        with self._reading:
            return None if self._closed.is_set() else self._video.grab()

    def _rewind(self) -> None:
        with self._reading:
            if not self._closed.is_set():
                self._video.rewind()

    def _check_round(self, rounds: int) -> None:
        """A file that gave nothing fails; one that is cut off has been played as far as it goes."""
        try:
            self._video.check_complete()
        except MediaError as error:
            if not self._video.grabbed:
                raise
            if rounds == 0:
                log.warning("%s", error)


class _Pace:
    """When the frames of a file are due on the wall.

    Attributes:
        start_ms: `CLOCK_MONOTONIC` in ms at the first frame.
        captured_ns: Capture time of the frame that was waited for last.
    """

    def __init__(self, closed: threading.Event, *, period_ms: float, lockstep: bool) -> None:
        self._closed = closed
        self._period_ns = int(period_ms * NS_PER_MS)
        self._lockstep = lockstep
        self._origin_ns = -1
        self._shown_ns = 0
        self.start_ms = 0
        self.captured_ns = 0

    def wait_for(self, ts_ms: int) -> bool:
        """Wait until the frame at `ts_ms` is due; False when it is too late to show it, or when closed."""
        now_ns = time.monotonic_ns()
        if self._origin_ns < 0:
            self._start(now_ns, ts_ms)
        self.captured_ns = now_ns if self._lockstep else self._origin_ns + ts_ms * NS_PER_MS
        late_ns = now_ns - self.captured_ns
        if late_ns > 0 and not self._catches_up(late_ns, now_ns):
            return False
        self._closed.wait(max(-late_ns, 0) / 1e9)
        self._shown_ns = max(now_ns, self.captured_ns)
        return not self._closed.is_set()

    def _start(self, now_ns: int, ts_ms: int) -> None:
        self._origin_ns = now_ns - ts_ms * NS_PER_MS
        self.start_ms = self._origin_ns // NS_PER_MS
        self._shown_ns = now_ns

    def _catches_up(self, late_ns: int, now_ns: int) -> bool:
        """Whether a late frame is shown all the same: the next is not due yet, or nothing was shown for long."""
        if late_ns <= self._period_ns:
            return True
        if now_ns - self._shown_ns < MAX_SKIP_NS:
            return False
        self._origin_ns += late_ns
        self.captured_ns += late_ns
        return True


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


def open_rtsp(url: str, config: CameraConfig) -> LiveCamera:
    """Open a network camera's stream over TCP; its frames count from their arrival.

    Raises:
        CameraNotFoundError: Nobody listens at that address.
        CameraError: It listens and gives no video within `camera.frame_timeout_s`.
    """
    timeout_ms = int(config.frame_timeout_s * 1000)
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, timeout_ms]

    def connect() -> cv2.VideoCapture:
        capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, limits)
        if not capture.isOpened():
            raise _unreachable(url, config.frame_timeout_s)
        return capture

    return LiveCamera(masked(url), connect, config, has_sensor_clock=False, way_out="is the camera still on?")


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


def _unreachable(url: str, timeout_s: float) -> CameraError:
    """Why a stream cannot be opened, found out by connecting to its port."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or RTSP_PORTS[parts.scheme.lower()]
    try:
        socket.create_connection((host, port), CONNECT_TIMEOUT_S).close()
    except OSError as error:
        return CameraNotFoundError(
            f"{masked(url)}: {host} cannot be reached at port {port}: {error}; is the address right, the camera on?"
        )
    return CameraError(
        f"{masked(url)}: {host} answers at port {port} and gave no video within {timeout_s:g} s; "
        "check the path, user name and password in the URL"
    )
