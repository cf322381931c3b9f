"""A video file as a camera: `file:` and `demo:`. Owns pacing."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

from piapp.camera.base import SourceStatus
from piapp.camera.clock import NS_PER_MS, FileClock
from piapp.camera.orientation import Orientation
from piapp.camera.source import SourceSpec
from piapp.camera.video import VideoFile
from piapp.config.sections import CameraConfig
from piapp.errors import MediaError
from piapp.types import Frame

log = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 2.0

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
        self._video = VideoFile(spec.target, fps=spec.fps, pixel_aspect=config.pixel_aspect)
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

    def status(self) -> SourceStatus:
        """How the source is now; any thread."""
        return SourceStatus()

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
