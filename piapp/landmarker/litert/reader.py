"""The two networks put to use: where people may be in a picture, and what a region of it shows.

Owns crops and inferences. Keeps nothing from picture to picture; used by one thread at a time.
"""

from __future__ import annotations

from piapp.config.sections import LandmarkerConfig
from piapp.landmarker.litert import detector, landmarks
from piapp.landmarker.litert.crop import Cropper, full_mask
from piapp.landmarker.litert.network import Network
from piapp.landmarker.litert.turn import Turn
from piapp.landmarker.reading import Reading
from piapp.landmarker.region import Region, Square
from piapp.types import LANDMARK_COUNT, FloatArray, ImageArray

# Outputs of the two networks.
_WHOLE_BODY = slice(0, 2)  # of the detector's four points
_BOXES, _SCORES = 0, 1
_LANDMARKS, _PRESENCE, _MASK, _HEATMAP, _WORLD = 0, 1, 2, 3, 4


class Reader:
    """Detects people and reads their landmarks.

    Args:
        config: The landmarker's options.
        person_detector: The bundle's detector.
        landmark_model: The bundle's landmark model.
        turn: Given away while a network computes.
    """

    def __init__(self, config: LandmarkerConfig, person_detector: Network, landmark_model: Network, turn: Turn) -> None:
        self._masks = config.output_segmentation_masks
        self._turn = turn
        self._detector = person_detector
        self._landmarks = landmark_model
        # Borders: BORDER_ZERO in pose_detector_graph.cc; none named in pose_landmarks_detector_graph.cc, which repeats.
        # Ranges: -1..1 in mediapipe/modules/pose_detection, 0..1 in pose_landmark; bundles say so in their metadata.
        self._detector_crop = Cropper(person_detector.size, repeat_border=False, scale=1 / 127.5, offset=-1.0)
        self._landmarks_crop = Cropper(landmark_model.size, repeat_border=True, scale=1 / 255)
        self._anchors = detector.anchors()

    def detect(self, image: ImageArray, min_score: float) -> list[Region]:
        """Where people are in the picture, the most likely first; blocks for the inference."""
        height, width = image.shape[:2]
        points = self._detect(image, Square.around_picture(width, height), min_score)
        points = detector.without_letterbox(points, width, height)
        return [Region.around(person[_WHOLE_BODY], width, height) for person in points]

    def detect_in(self, image: ImageArray, square: Square, min_score: float) -> list[Region]:
        """Where people are in a square of the picture, which may be turned; blocks for the inference."""
        height, width = image.shape[:2]
        points = self._detect(image, square, min_score)
        return [Region.around(square.out_of(person[_WHOLE_BODY], width, height), width, height) for person in points]

    def read(self, image: ImageArray, region: Region, min_presence: float) -> Reading | None:
        """What is in the region; None when it is nobody. Blocks for the inference."""
        height, width = image.shape[:2]
        square = region.in_pixels(width, height)
        self._infer(self._landmarks, self._landmarks_crop, image, square)
        presence = float(self._landmarks.output(_PRESENCE)[0])
        if not presence > min_presence:
            return None
        points = landmarks.decode(self._landmarks.output(_LANDMARKS))
        landmarks.refine(points, self._landmarks.output(_HEATMAP))
        landmarks.project(points, region)
        world = landmarks.world_landmarks(self._landmarks.output(_WORLD), float(region.rotation))
        following = Region.around(points[landmarks.REGION_POINTS, :2], width, height)
        mask = full_mask(self._landmarks.output(_MASK), square, width, height) if self._masks else None
        return Reading(points[:LANDMARK_COUNT], world, mask, (width, height), following, presence)

    def _detect(self, image: ImageArray, square: Square, min_score: float) -> FloatArray:
        """(n, 4, 2): each person's four points as fractions of the square."""
        self._infer(self._detector, self._detector_crop, image, square)
        boxes, scores = self._detector.output(_BOXES), self._detector.output(_SCORES)
        return detector.suppress(detector.decode(boxes, scores, self._anchors, min_score)).points

    def _infer(self, network: Network, crop: Cropper, image: ImageArray, square: Square) -> None:
        network.fill(lambda into: crop.cut(image, square, into))
        with self._turn.given_away():
            network.run()
