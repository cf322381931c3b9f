"""The LiteRT runtime behind the same two seams as MediaPipe's: asynchronous for live, synchronous for offline."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from piapp.config import LandmarkerConfig
from piapp.errors import LandmarkerError
from piapp.landmarker.litert.network import open_networks
from piapp.landmarker.litert.pipeline import PosePipeline, checked
from piapp.types import Frame, ImageArray, Pose

log = logging.getLogger(__name__)

# One thread an inference gives most frames a second for the electricity; more cores are used by more workers.
AUTO_THREADS = 1


class OfflineLandmarker:
    """The pipeline in IMAGE or VIDEO mode, called synchronously from one thread.

    Args:
        config: The options, under MediaPipe's own names.
        model: The bundle to load.
        video: VIDEO mode when True, else IMAGE mode.

    Raises:
        ModelError: LiteRT refuses the bundle.
    """

    def __init__(self, config: LandmarkerConfig, model: Path, *, video: bool) -> None:
        self._pipeline = _pipeline(config, model, threading.Lock(), tracking=video)

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

    Args:
        config: The options, under MediaPipe's own names.
        model: The bundle to load.
        on_result: Called with (ts_ms, poses) on this landmarker's own thread; must only store them and return.
        turn: Held while it runs Python, not while a network computes; see `piapp.landmarker.runtime.live_factory`.

    Raises:
        ModelError: LiteRT refuses the bundle.
    """

    def __init__(
        self,
        config: LandmarkerConfig,
        model: Path,
        on_result: Callable[[int, tuple[Pose, ...]], None],
        turn: threading.Lock,
    ) -> None:
        self._pipeline = _pipeline(config, model, turn, tracking=True)
        self._on_result = on_result
        self._changed = threading.Condition()
        self._frame: Frame | None = None  # in flight, until its result is about to be delivered
        self._last_ms: int | None = None
        self._closing = False
        self._error: BaseException | None = None
        name = f"{threading.current_thread().name}-litert"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def detect_async(self, frame: Frame) -> None:
        """Hand over one frame; the result comes by the callback. Call only when the last result is in.

        Raises:
            LandmarkerError: A frame is in flight, the timestamp does not increase, the picture has another form, or the
                landmarker has failed or is closed.
        """
        checked(frame.image)
        self.raise_if_failed()
        with self._changed:
            if self._closing:
                raise LandmarkerError("the landmarker is closed; create another")
            if self._frame is not None:
                raise LandmarkerError(
                    f"frame {frame.ts_ms} came while frame {self._frame.ts_ms} is in flight; wait for its result"
                )
            if self._last_ms is not None and frame.ts_ms <= self._last_ms:
                raise LandmarkerError(f"frame {frame.ts_ms} came after {self._last_ms}; timestamps must increase")
            self._frame, self._last_ms = frame, frame.ts_ms
            self._changed.notify_all()

    def raise_if_failed(self) -> None:
        """Tell that no more results will come; from any thread.

        Raises:
            LandmarkerError: With the reason.
        """
        if self._error is not None:
            raise LandmarkerError(f"the landmarker failed: {self._error!r}") from self._error

    def close(self) -> None:
        """Wait for the frame in flight and release the model."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        try:
            while (frame := self._next_frame()) is not None:
                poses = self._pipeline.process(frame.image, frame.ts_ms)
                with self._changed:
                    self._frame = None  # before the callback: the next frame may come while it runs
                self._on_result(frame.ts_ms, poses)
        except BaseException as error:
            # The frame gets no result, which counts as stuck after a while; the log has the reason by then.
            log.exception("the landmarker failed and gives no more results")
            self._error = error
        finally:
            del self._pipeline

    def _next_frame(self) -> Frame | None:
        """Wait for a frame; None when closing and none is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None or self._closing)
            return self._frame


def _pipeline(config: LandmarkerConfig, model: Path, turn: threading.Lock, *, tracking: bool) -> PosePipeline:
    person_detector, landmark_model = open_networks(model, config.threads or AUTO_THREADS)
    return PosePipeline(config, person_detector, landmark_model, turn, tracking=tracking)
