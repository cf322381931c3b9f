"""The LiteRT runtime behind the same two seams as MediaPipe's: by callback for live, by return for offline."""

from __future__ import annotations

import threading
from collections.abc import Callable

from piapp.config.sections import LandmarkerConfig
from piapp.errors import LandmarkerError
from piapp.landmarker.litert.network import Models, open_networks
from piapp.landmarker.litert.pipeline import PosePipeline, checked
from piapp.landmarker.litert.turn import Turn
from piapp.types import Frame, ImageArray, Pose

# One thread an inference gives most frames a second for the electricity; more cores are used by more workers.
AUTO_THREADS = 1


class OfflineLandmarker:
    """The pipeline in IMAGE or VIDEO mode, called synchronously from one thread.

    Args:
        config: The options, under MediaPipe's own names.
        models: The bundle, which landmarkers can share.
        video: VIDEO mode when True, else IMAGE mode.

    Raises:
        ModelError: LiteRT refuses the bundle.
    """

    def __init__(self, config: LandmarkerConfig, models: Models, *, video: bool) -> None:
        self._pipeline = _pipeline(config, models, Turn(), tracking=video)

    def detect(self, image: ImageArray, ts_ms: int) -> tuple[Pose, ...]:
        """Find the poses in one (height, width, 3) uint8 RGB picture; blocks for the inference.

        Args:
            image: The picture.
            ts_ms: Its time, strictly increasing from call to call; not used in IMAGE mode.

        Raises:
            LandmarkerError: The picture has another form, or the inference failed.
        """
        return self._pipeline.process(checked(image), ts_ms)

    def close(self) -> None:
        """Release the model."""
        del self._pipeline


class LiveLandmarker:
    """The pipeline with MediaPipe's LIVE_STREAM contract: frames in, results by callback, one in flight.

    It works in the thread that hands it a frame, one of `LiveStage`'s workers, and starts none: another thread between
    frame and network, and one between network and result, cost a tenth of the frame rate (measured).

    Args:
        config: The options, under MediaPipe's own names.
        models: The bundle, which landmarkers can share.
        on_result: Called with (ts_ms, poses); must only store them and return.
        on_compute: Called whenever a network begins to compute.
        turn: Held while it runs Python, not while a network computes; all landmarkers of a process share one.

    Raises:
        ModelError: LiteRT refuses the bundle.
    """

    def __init__(
        self,
        config: LandmarkerConfig,
        models: Models,
        on_result: Callable[[int, tuple[Pose, ...]], None],
        on_compute: Callable[[], None],
        turn: threading.Lock,
    ) -> None:
        self._pipeline = _pipeline(config, models, Turn(turn, on_compute), tracking=True)
        self._on_result = on_result
        self._busy = threading.Lock()  # held while a frame is in flight
        self._last_ms: int | None = None

    def submit(self, frame: Frame) -> None:
        """Work on one frame; the callback has its result when this returns.

        Raises:
            LandmarkerError: A frame is in flight, the timestamp does not increase, the picture has another form, or the
                inference failed.
        """
        image = checked(frame.image)
        if not self._busy.acquire(blocking=False):
            raise LandmarkerError(
                f"frame {frame.ts_ms} came while frame {self._last_ms} is in flight; wait for its result"
            )
        try:
            if self._last_ms is not None and frame.ts_ms <= self._last_ms:
                raise LandmarkerError(f"frame {frame.ts_ms} came after {self._last_ms}; timestamps must increase")
            self._last_ms = frame.ts_ms
            poses = self._process(image, frame.ts_ms)
        finally:
            self._busy.release()
        self._on_result(frame.ts_ms, poses)

    def raise_if_failed(self) -> None:
        """Nothing to tell: what fails is raised by `submit`."""

    def close(self) -> None:
        """Release the model; no frame may be in flight."""
        del self._pipeline

    def _process(self, image: ImageArray, ts_ms: int) -> tuple[Pose, ...]:
        try:
            return self._pipeline.process(image, ts_ms)
        except Exception as error:
            raise LandmarkerError(f"the landmarker failed: {error!r}") from error


def _pipeline(config: LandmarkerConfig, models: Models, turn: Turn, *, tracking: bool) -> PosePipeline:
    person_detector, landmark_model = open_networks(models, config.threads or AUTO_THREADS)
    return PosePipeline(config, person_detector, landmark_model, turn, tracking=tracking)
