"""Adapter to MediaPipe's Pose Landmarker: creation in each running mode, frames in, arrays out.

The only module that imports mediapipe. Create landmarkers only in threads that called `deny_sockets`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mediapipe as mp
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision

from piapp.config.sections import LandmarkerConfig
from piapp.errors import LandmarkerError, ModelError
from piapp.landmarker.video_search import VideoSearch
from piapp.types import FloatArray, Frame, ImageArray, Pose

# MediaPipe aborts the process when it hands out a mask whose rows are not a multiple of this (upstream issue 6331).
MASK_WIDTH_MULTIPLE = 4

VERSION: str = mp.__version__


class LiveLandmarker:
    """One Pose Landmarker in LIVE_STREAM mode.

    Args:
        config: The options, under MediaPipe's own names.
        model: The bundle to load.
        on_result: Called with (ts_ms, poses) on MediaPipe's dispatcher thread; must only store them and return.
        on_compute: Called when a frame was handed over.

    Raises:
        ModelError: MediaPipe refuses the bundle.
    """

    def __init__(
        self,
        config: LandmarkerConfig,
        model: Path,
        on_result: Callable[[int, tuple[Pose, ...]], None],
        on_compute: Callable[[], None],
    ) -> None:
        self._on_compute = on_compute
        self._error: BaseException | None = None
        self._search = _video_search(config, model)

        def deliver(result: Any, _image: Any, ts_ms: int) -> None:
            try:
                image = self._in_flight.pop(ts_ms, None)
                poses = read_poses(result, None if image is None else image.shape[1])
                if self._search is not None and image is not None:
                    poses = self._search.follow(image, ts_ms, poses)
                on_result(ts_ms, poses)
            except BaseException as error:
                self._error = error
                raise  # MediaPipe logs it

        self._in_flight: dict[int, ImageArray] = {}  # at most one: the next frame comes after the result
        self._masks = config.output_segmentation_masks
        self._task = _create(config, model, vision.RunningMode.LIVE_STREAM, deliver)

    def submit(self, frame: Frame) -> None:
        """Hand over one frame and return; call only when the last result is in."""
        image = _image(padded(frame.image) if self._masks else frame.image)
        self._in_flight[frame.ts_ms] = frame.image
        self._task.detect_async(image, frame.ts_ms)
        self._on_compute()

    def raise_if_failed(self) -> None:
        """Tell that no more results will come; from any thread.

        Raises:
            LandmarkerError: With the reason.
        """
        if self._error is not None:
            raise LandmarkerError(f"the landmarker failed: {self._error!r}") from self._error

    def close(self) -> None:
        """Wait for the frame in flight and release the model."""
        self._task.close()
        if self._search is not None:
            self._search.close()


class OfflineLandmarker:
    """One Pose Landmarker in IMAGE or VIDEO mode, called synchronously from one thread.

    Raises:
        ModelError: MediaPipe refuses the bundle.
    """

    def __init__(self, config: LandmarkerConfig, model: Path, *, video: bool) -> None:
        self._video = video
        self._masks = config.output_segmentation_masks
        mode = vision.RunningMode.VIDEO if video else vision.RunningMode.IMAGE
        self._task = _create(config, model, mode, None)
        self._search = _video_search(config, model) if video else None

    def detect(self, image: ImageArray, ts_ms: int) -> tuple[Pose, ...]:
        """Find the poses in one (height, width, 3) uint8 RGB picture; blocks for the inference.

        Args:
            image: The picture.
            ts_ms: Its time, strictly increasing from call to call; not used in IMAGE mode.
        """
        width = image.shape[1]
        mp_image = _image(padded(image) if self._masks else image)
        result = self._task.detect_for_video(mp_image, ts_ms) if self._video else self._task.detect(mp_image)
        poses = read_poses(result, width)
        return poses if self._search is None else self._search.follow(image, ts_ms, poses)

    def close(self) -> None:
        """Release the model."""
        self._task.close()
        if self._search is not None:
            self._search.close()


def _video_search(config: LandmarkerConfig, model: Path) -> VideoSearch | None:
    """The search for people whom VIDEO or LIVE_STREAM mode loses, where it is wanted."""
    if not config.reacquire:
        return None

    return VideoSearch(config, lambda options: OfflineLandmarker(options, model, video=False))


def _create(config: LandmarkerConfig, model: Path, mode: Any, callback: Callable[..., None] | None) -> Any:
    options = vision.PoseLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(model)),
        running_mode=mode,
        num_poses=config.num_poses,
        min_pose_detection_confidence=config.min_pose_detection_confidence,
        min_pose_presence_confidence=config.min_pose_presence_confidence,
        min_tracking_confidence=config.min_tracking_confidence,
        output_segmentation_masks=config.output_segmentation_masks,
        result_callback=callback,
    )
    try:
        return vision.PoseLandmarker.create_from_options(options)
    except (ValueError, RuntimeError, OSError) as error:
        raise ModelError(f"{model}: MediaPipe cannot load this model: {error}") from error


def _image(image: ImageArray) -> Any:
    if not (image.flags.c_contiguous and image.dtype == np.uint8 and image.ndim == 3):  # noqa: PLR2004
        raise LandmarkerError(
            f"frame of shape {image.shape}, {image.dtype}: expected a C-contiguous (height, width, 3) uint8 array; "
            "anything else is silently misread by MediaPipe"
        )
    return mp.Image(image_format=mp.ImageFormat.SRGB, data=image)


def padded(image: ImageArray) -> ImageArray:
    """Repeat the last column until the width suits masks."""
    missing = -image.shape[1] % MASK_WIDTH_MULTIPLE
    return np.pad(image, ((0, 0), (0, missing), (0, 0)), mode="edge") if missing else image


def read_poses(result: Any, width: int | None) -> tuple[Pose, ...]:
    """Copy a PoseLandmarkerResult into arrays; `width` is the picture's before padding."""
    masks = result.segmentation_masks or [None] * len(result.pose_landmarks)
    poses = []
    for landmarks, world_landmarks, mask in zip(result.pose_landmarks, result.pose_world_landmarks, masks, strict=True):
        array = _array(landmarks)
        mask_array = None
        if mask is not None and width is not None:
            whole = np.squeeze(mask.numpy_view())
            mask_array = whole[:, :width].copy()
            array[:, (0, 2)] *= whole.shape[1] / width
        poses.append(Pose(array, _array(world_landmarks), mask_array))
    return tuple(poses)


def _array(landmarks: Sequence[Any]) -> FloatArray:
    """(33, 5) float32 from MediaPipe's landmark objects; what the model does not give becomes NaN."""
    rows = [(point.x, point.y, point.z, point.visibility, point.presence) for point in landmarks]
    return np.array(rows, dtype=np.float32)  # None converts to NaN
