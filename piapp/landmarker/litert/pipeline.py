"""The pose pipeline: where to look, what is there, where to look next.

Owns tracking from frame to frame. Used by one thread at a time; no clock, no threads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from piapp.config.sections import LandmarkerConfig
from piapp.errors import LandmarkerError
from piapp.landmarker.litert import detector, landmarks
from piapp.landmarker.litert.crop import Cropper, full_mask
from piapp.landmarker.litert.network import Network
from piapp.landmarker.litert.region import Region, Square, associate
from piapp.landmarker.litert.smoothing import PersonSmoothing
from piapp.landmarker.litert.turn import Turn
from piapp.types import LANDMARK_COUNT, FloatArray, ImageArray, Pose

# Outputs of the two networks.
_WHOLE_BODY = slice(0, 2)  # of the detector's four points
_BOXES, _SCORES = 0, 1
_LANDMARKS, _PRESENCE, _MASK, _HEATMAP, _WORLD = 0, 1, 2, 3, 4


@dataclass(frozen=True, slots=True, eq=False)
class _Person:
    """One person as read from a region.

    Attributes:
        points: (33, 5) float32: x, y, z as fractions of the picture, visibility, presence.
        world: (33, 3) float32 in metres.
        following: Where to look in the next frame.
    """

    points: FloatArray
    world: FloatArray
    mask: FloatArray | None
    following: Region


class PosePipeline:
    """Finds the poses in pictures.

    Args:
        config: The landmarker's options.
        person_detector: The bundle's detector.
        landmark_model: The bundle's landmark model.
        turn: Held while Python runs, given away while a network computes.
        tracking: Pictures are frames of one video: regions carry over, and a single person is smoothed. Else each is a
            picture of its own.
    """

    def __init__(
        self,
        config: LandmarkerConfig,
        person_detector: Network,
        landmark_model: Network,
        turn: Turn,
        *,
        tracking: bool,
    ) -> None:
        self._config = config
        self._turn = turn
        self._detector = person_detector
        self._landmarks = landmark_model
        # Borders: BORDER_ZERO in pose_detector_graph.cc; none named in pose_landmarks_detector_graph.cc, which repeats.
        # Ranges: -1..1 in mediapipe/modules/pose_detection, 0..1 in pose_landmark; bundles say so in their metadata.
        self._detector_crop = Cropper(person_detector.size, repeat_border=False, scale=1 / 127.5, offset=-1.0)
        self._landmarks_crop = Cropper(landmark_model.size, repeat_border=True, scale=1 / 255)
        self._anchors = detector.anchors()
        self._tracking = tracking
        self._regions: list[Region] = []
        self._smoothing = PersonSmoothing() if tracking and config.num_poses == 1 else None

    def process(self, image: ImageArray, ts_ms: int) -> tuple[Pose, ...]:
        """Find the poses in one (height, width, 3) uint8 RGB picture; blocks for the inference.

        Args:
            image: The picture; not kept.
            ts_ms: Its time, increasing; used only when tracking.

        Raises:
            LandmarkerError: An inference failed.
        """
        height, width = image.shape[:2]
        with self._turn:
            found = [self._read(image, region) for region in self._regions_in(image) if region.usable]
            persons = [person for person in found if person is not None]
            if self._tracking:
                self._regions = [person.following for person in persons]
            self._smooth(persons, ts_ms, (width, height))
            return tuple(_pose(person) for person in persons)

    def _infer(self, network: Network, crop: Cropper, image: ImageArray, square: Square) -> None:
        network.fill(lambda into: crop.cut(image, square, into))
        with self._turn.given_away():
            network.run()

    def _regions_in(self, image: ImageArray) -> list[Region]:
        """Tracked regions; the detector runs when they are fewer than the people to look for."""
        limit = self._config.num_poses
        detected = self._detect(image) if len(self._regions) < limit else []
        if not self._tracking:
            return detected[:limit]
        return associate(self._regions, detected, self._config.min_tracking_confidence)[:limit]

    def _detect(self, image: ImageArray) -> list[Region]:
        height, width = image.shape[:2]
        square = Square.around_picture(width, height)
        self._infer(self._detector, self._detector_crop, image, square)
        found = detector.decode(
            self._detector.output(_BOXES),
            self._detector.output(_SCORES),
            self._anchors,
            self._config.min_pose_detection_confidence,
        )
        points = detector.without_letterbox(detector.suppress(found).points, width, height)
        return [Region.around(person[_WHOLE_BODY], width, height) for person in points]

    def _read(self, image: ImageArray, region: Region) -> _Person | None:
        """What is in the region; None when it is nobody."""
        height, width = image.shape[:2]
        square = region.in_pixels(width, height)
        self._infer(self._landmarks, self._landmarks_crop, image, square)
        if not float(self._landmarks.output(_PRESENCE)[0]) > self._config.min_pose_presence_confidence:
            return None
        points = landmarks.decode(self._landmarks.output(_LANDMARKS))
        landmarks.refine(points, self._landmarks.output(_HEATMAP))
        landmarks.project(points, region)
        world = landmarks.world_landmarks(self._landmarks.output(_WORLD), float(region.rotation))
        following = Region.around(points[landmarks.REGION_POINTS, :2], width, height)
        mask = None
        if self._config.output_segmentation_masks:
            mask = full_mask(self._landmarks.output(_MASK), square, width, height)
        return _Person(points[:LANDMARK_COUNT], world, mask, following)

    def _smooth(self, persons: list[_Person], ts_ms: int, size: tuple[int, int]) -> None:
        if self._smoothing is None:
            return
        if not persons:
            self._smoothing.lost()
        for person in persons:
            self._smoothing.apply(person.points, person.world, ts_ms, size, person.following)


def checked(image: ImageArray) -> ImageArray:
    """The picture, when it has the form that both runtimes take.

    Raises:
        LandmarkerError: It has another form.
    """
    if image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.flags.c_contiguous:  # noqa: PLR2004
        return image
    raise LandmarkerError(
        f"frame of shape {image.shape}, {image.dtype}: expected a C-contiguous (height, width, 3) uint8 array"
    )


def _pose(person: _Person) -> Pose:
    return Pose(person.points, np.hstack([person.world, person.points[:, 3:]]), person.mask)
