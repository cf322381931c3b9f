"""What others do: MediaPipe's own LIVE_STREAM loop with its complete bundle, and nothing around it.

Imports mediapipe itself instead of this project's adapter, because it is what the adapter is compared with.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from piapp.bench.frames import SharedFrames
from piapp.bench.protocol import Measure, Window
from piapp.bench.tally import Gate, Tally
from piapp.config import LandmarkerConfig
from piapp.errors import LandmarkerError
from piapp.landmarker.egress import deny_sockets

STOP_S = 5.0


class BareLoop:
    """One landmarker; the next frame as soon as the result is in; in a filtered thread as ours are.

    Args:
        config: Its confidences and number of poses; masks stay off, as is MediaPipe's default.
        model: The complete bundle, as the vendor ships it.
        frames: What it sees.
        tally: What is told of every frame.
    """

    def __init__(self, config: LandmarkerConfig, model: Path, frames: SharedFrames, tally: Tally) -> None:
        self._config = config
        self._model = model
        self._frames = frames
        self._tally = tally
        self._gate = Gate()
        self._finished: SimpleQueue[int] = SimpleQueue()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="bare", daemon=True)

    def start(self) -> None:
        """Load, and wait for the first result."""
        self._thread.start()
        self.measure(Measure())

    def measure(self, wanted: Measure) -> Window:
        """Run for a while."""
        self._gate.open()
        try:
            return self._tally.measure(wanted, published=False, check=self._check)
        finally:
            self._gate.close()

    def stop(self) -> None:
        """End the loop."""
        self._gate.end()
        self._thread.join(STOP_S)

    def _check(self) -> None:
        if self._error is not None:
            raise LandmarkerError(f"MediaPipe's own loop failed: {self._error}") from self._error

    def _run(self) -> None:
        try:
            self._loop()
        except BaseException as error:  # noqa: BLE001 - raised again by _check
            self._error = error

    def _loop(self) -> None:
        deny_sockets()
        import mediapipe as mp  # noqa: PLC0415 - takes seconds, and belongs into the filtered thread
        from mediapipe.tasks.python import BaseOptions, vision  # noqa: PLC0415

        options = vision.PoseLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(self._model)),
            running_mode=vision.RunningMode.LIVE_STREAM,
            num_poses=self._config.num_poses,
            min_pose_detection_confidence=self._config.min_pose_detection_confidence,
            min_pose_presence_confidence=self._config.min_pose_presence_confidence,
            min_tracking_confidence=self._config.min_tracking_confidence,
            result_callback=self._on_result,
        )
        with vision.PoseLandmarker.create_from_options(options) as landmarker:
            for ts_ms, image in self._frames.endless():
                if not self._gate.passes():
                    return
                started_ns = time.monotonic_ns()
                landmarker.detect_async(mp.Image(image_format=mp.ImageFormat.SRGB, data=image), ts_ms)
                self._tally.add_latency(started_ns, self._finished.get())

    def _on_result(self, _result: Any, _image: Any, _ts_ms: int) -> None:
        self._finished.put(time.monotonic_ns())
