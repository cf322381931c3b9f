"""Where results come from: a camera, the slot that holds its newest frame, and the landmarkers, as one part.

Owns the opening of the camera, the capture thread, the landmarkers' threads, and what each of them counts. The node,
`piapp record` and the benchmark run it. Does not know what a result is for.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from piapp.camera.base import Camera, SourceStatus
from piapp.camera.capture import CaptureThread, FrameSlot
from piapp.config.sections import CameraConfig, Config
from piapp.errors import LandmarkerTimeoutError
from piapp.landmarker.demand import Demand
from piapp.landmarker.live import LandmarkerFactory, LiveStage, worker_count
from piapp.types import Frame, PoseResult

OPEN_POLL_S = 0.1

# Loading reads 130 MB of libraries: seconds on a Pi 5, tens of seconds from a slow SD card (a guess with margin).
LOAD_S = 120.0
LOAD_POLL_S = 0.1

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SourceCounts:
    """Totals since the start.

    Attributes:
        frames: How many frames the camera gave.
        dropped: How many of them, or of their results, were dropped, by the place.
        waiting: Results that wait to be read now.
    """

    frames: int
    dropped: dict[str, int]
    waiting: int


class DeferredCamera:
    """A camera that is opened later than it is made; until then it has no frames.

    Args:
        open_camera: Opens it; may block in a driver or on the network.

    Attributes:
        description: One line for people; empty until it is open.
        lockstep: Whether the next frame may be read only when the last one's result is in; known once it is open.
    """

    def __init__(self, open_camera: Callable[[], Camera]) -> None:
        self._open_camera = open_camera
        self._lock = threading.Lock()
        self._camera: Camera | None = None
        self._closed = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="camera-open", daemon=True)
        self.description = ""
        self.lockstep = False

    def open(self, stop: threading.Event) -> bool:
        """Open it in a thread of its own, for drivers can hang.

        Returns:
            False when `stop` was set before it was open.

        Raises:
            CameraError: It cannot be opened.
            ConfigError: It has no such control as the configuration names.
        """
        self._thread.start()
        while self._thread.is_alive() and not stop.is_set():
            self._thread.join(OPEN_POLL_S)
        if self._error is not None:
            raise self._error
        return self._camera is not None

    def wait(self, timeout_s: float) -> bool:
        """Wait while it is being opened; False when that still takes longer."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def frames(self) -> Iterator[Frame]:
        """The frames of the camera, which is open."""
        return iter(()) if self._camera is None else self._camera.frames()

    def status(self) -> SourceStatus:
        """How the source is now; from any thread."""
        return SourceStatus() if self._camera is None else self._camera.status()

    def close(self) -> None:
        """Release it; also when it is opened only afterwards."""
        with self._lock:
            self._closed = True
        if self._camera is not None:
            self._camera.close()

    def _run(self) -> None:
        try:
            camera = self._open_camera()
            self.description, self.lockstep = camera.description, camera.lockstep
            with self._lock:
                self._camera, closed = camera, self._closed
            if closed:
                camera.close()
        except BaseException as error:  # noqa: BLE001 - raised by `open`, on the thread that waits
            self._error = error


class ResultSource:
    """Gives the results of a camera's frames, in order. Every call from one thread, but for `frame_done`.

    Use it in this order: `begin_load`, `open`, `load`, `start`, `next` again and again, `stop_camera`,
    `stop_landmarker`.

    Args:
        open_camera: Opens the camera.
        factory: Creates landmarkers.
        config: `[camera]` and `[landmarker]` say how long either may take, and how many landmarkers run.
        workers: How many landmarkers run instead; None takes the configured number, and where none is configured begins
            with one and adds others while the camera gives more frames than there are free landmarkers for.
        keep_images: Whether results carry their pictures.
        enabled: Frames are given to landmarkers while it is set; None for always.
    """

    def __init__(
        self,
        open_camera: Callable[[], Camera],
        factory: LandmarkerFactory,
        config: Config,
        *,
        workers: int | None = None,
        keep_images: bool = False,
        enabled: threading.Event | None = None,
    ) -> None:
        self._config: CameraConfig = config.camera
        self._enabled = enabled
        self._camera = DeferredCamera(open_camera)
        self._slot = FrameSlot()
        self._capture = CaptureThread(self._camera, self._slot)
        self._stage = LiveStage(
            factory,
            self._next_frame,
            workers=worker_count(config.landmarker) if workers is None else workers,
            at_first=1 if workers is None and not config.landmarker.workers else None,
            max_result_age_s=config.landmarker.max_result_age_s,
            keep_images=keep_images,
        )
        self._demand = Demand()
        self._ended = False

    @property
    def description(self) -> str:
        """The camera in one line; empty until it is open."""
        return self._camera.description

    @property
    def lockstep(self) -> bool:
        """Whether the camera waits for `frame_done` before it gives the next frame."""
        return self._camera.lockstep

    @property
    def status(self) -> SourceStatus:
        """How the camera is."""
        return self._camera.status()

    @property
    def ended(self) -> bool:
        """Whether the camera has no more frames and all their results were read."""
        return self._ended

    def open(self, stop: threading.Event) -> bool:
        """Open the camera; False when `stop` was set before it was open.

        Raises:
            CameraError: It cannot be opened.
            ConfigError: It has no such control as the configuration names.
        """
        return self._camera.open(stop)

    def begin_load(self) -> None:
        """Begin to load the landmarkers, in threads of their own: opening a camera is mostly waiting."""
        self._stage.start()

    def load(self, stop: threading.Event) -> None:
        """Wait until the landmarkers are loaded, or `stop` is set; frames that come before would be lost.

        Raises:
            ModelError: A landmarker cannot be created.
            LandmarkerTimeoutError: They take too long.
        """
        deadline_s = time.monotonic() + LOAD_S
        while not (stop.is_set() or self._stage.wait_ready(LOAD_POLL_S)):
            if time.monotonic() > deadline_s:
                raise LandmarkerTimeoutError(f"the landmarker did not load within {LOAD_S:g} s")

    def start(self) -> None:
        """Begin to read the camera."""
        self._capture.start()

    def discard(self) -> None:
        """Drop the frame that waits for a landmarker, if there is one."""
        if self._slot.take(0.0) is not None:
            self.frame_done()

    def next(self, timeout_s: float) -> PoseResult | None:
        """Wait for the next result; None when the time is over or the source has ended.

        Raises:
            CameraError: The camera has failed, or has given no frame for too long.
            LandmarkerError: A landmarker has failed or is stuck.
        """
        capture_ended = self._capture.ended
        result = self._stage.next_result(timeout_s)
        self._add_landmarker()
        if result is None:
            self._capture.raise_if_failed()
            self._capture.raise_if_silent(self._config)
            self._ended = capture_ended and self._slot.empty and not self._stage.busy
        return result

    def frame_done(self) -> None:
        """Let a camera in lockstep give its next frame; from any thread."""
        self._capture.frame_done()

    def limit_rate(self, max_fps: float | None) -> None:
        """Process at most so many frames a second from now on; None for all that come."""
        self._capture.max_fps = max_fps

    def rest(self, *, resting: bool) -> None:
        """Whether nobody has been there for long, so that frames in which nothing moved need no inference."""
        self._stage.resting = resting

    def counts(self) -> SourceCounts:
        """What came and what was dropped so far."""
        dropped = {
            "waiting": self._slot.dropped,
            "late": self._stage.late,
            "unread": self._stage.dropped,
            "spared": self._capture.spared,
        }
        return SourceCounts(self._capture.frames, dropped, self._stage.waiting)

    def stop_camera(self, timeout_s: float) -> bool:
        """Close the camera; False when it still hangs in its driver after the time."""
        until_s = time.monotonic() + timeout_s
        stopped = self._capture.stop(timeout_s)
        return self._camera.wait(max(0.0, until_s - time.monotonic())) and stopped

    def stop_landmarker(self, timeout_s: float) -> bool:
        """Let frames in flight finish; False when a landmarker still hangs after the time."""
        return self._stage.stop(timeout_s)

    def _add_landmarker(self) -> None:
        """Load one more where those that there are cannot keep up with the camera."""
        if self._demand.exceeds(time.monotonic(), self._capture.frames, self._slot.dropped):
            count = self._stage.add_worker()
            if count is not None:
                log.info("%d landmarkers: fewer cannot keep up with the camera", count)

    def _next_frame(self, timeout_s: float) -> Frame | None:
        """The newest frame; None while not enabled, when it stays in the slot."""
        if self._enabled is not None and not self._enabled.wait(timeout_s):
            return None
        return self._slot.take(timeout_s)
