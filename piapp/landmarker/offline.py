"""Landmarks of stills and videos: a synchronous landmarker that lives in a filtered thread of its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from piapp.config.sections import LandmarkerConfig
from piapp.landmarker.egress import deny_sockets
from piapp.landmarker.runtime import offline_landmarker
from piapp.types import ImageArray, Pose


class OfflineStage:
    """Detects poses in pictures (IMAGE mode) or in the frames of one video (VIDEO mode).

    A context manager; use one for each video, since tracking carries over from frame to frame.

    Args:
        config: The landmarker's options.
        model: The bundle to load.
        video: VIDEO mode when True, else IMAGE mode.

    Raises:
        ModelError: The bundle cannot be loaded.
    """

    def __init__(self, config: LandmarkerConfig, model: Path, *, video: bool) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="landmarker", initializer=deny_sockets)
        try:
            self._landmarker = self._thread.submit(offline_landmarker, config, model, video=video).result()
        except BaseException:
            self._thread.shutdown()
            raise

    def detect(self, image: ImageArray, ts_ms: int = 0) -> tuple[Pose, ...]:
        """Find the poses in one (height, width, 3) uint8 RGB picture; blocks for the inference.

        Args:
            image: The picture, C-contiguous.
            ts_ms: In VIDEO mode the frame's time, strictly increasing.
        """
        return self._thread.submit(self._landmarker.detect, image, ts_ms).result()

    def close(self) -> None:
        """Release the model."""
        self._thread.submit(self._landmarker.close).result()
        self._thread.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
