"""What others do: MediaPipe's own LIVE_STREAM loop with its complete bundle, and nothing around it.

Imports mediapipe itself instead of this project's adapter, because it is what the adapter is compared with.
"""

from __future__ import annotations

import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from piapp.bench.frames import SharedFrames
from piapp.bench.loop import GatedLoop
from piapp.bench.tally import Tally
from piapp.config.sections import LandmarkerConfig
from piapp.landmarker.egress import deny_sockets


class BareLoop(GatedLoop):
    """One landmarker; the next frame as soon as the result is in; in a filtered thread as ours are.

    Args:
        config: Its confidences and number of poses; masks stay off, as is MediaPipe's default.
        model: The complete bundle, as the vendor ships it.
        frames: What it sees.
        tally: Notes every frame.
    """

    def __init__(self, config: LandmarkerConfig, model: Path, frames: SharedFrames, tally: Tally) -> None:
        super().__init__(tally, names=["bare"], title="MediaPipe's own loop")
        self._config = config
        self._model = model
        self._frames = frames
        self._finished: SimpleQueue[int] = SimpleQueue()

    def work(self) -> None:
        """Load MediaPipe and run its loop."""
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
                if not self.gate.passes():
                    return
                started_ns = time.monotonic_ns()
                landmarker.detect_async(mp.Image(image_format=mp.ImageFormat.SRGB, data=image), ts_ms)
                self.tally.add_latency(started_ns, self._finished.get())

    def _on_result(self, _result: Any, _image: Any, _ts_ms: int) -> None:
        self._finished.put(time.monotonic_ns())
