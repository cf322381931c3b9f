"""The values that flow: frame, pose, result. No behaviour beyond derived quantities; no vendor types.

All are immutable; arrays inside them are never written to after construction. Times ending in `_ns` are
`CLOCK_MONOTONIC` nanoseconds; `ts_ms` is the logical time line of one run: capture time in milliseconds on the same
clock, forced to increase strictly from frame to frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isnan
from typing import Literal

import numpy as np
import numpy.typing as npt

LANDMARK_COUNT = 33

# MediaPipe's order and names, https://ai.google.dev/edge/mediapipe/solutions/vision/pose_landmarker
LANDMARK_NAMES = (
    "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer",
    "left_ear", "right_ear", "mouth_left", "mouth_right", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_pinky", "right_pinky", "left_index", "right_index",
    "left_thumb", "right_thumb", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
    "left_heel", "right_heel", "left_foot_index", "right_foot_index",
)  # fmt: skip

# Pairs of landmarks joined when a skeleton is drawn (MediaPipe's POSE_CONNECTIONS).
SKELETON = (
    (0, 1), (1, 2), (2, 3), (3, 7), (0, 4), (4, 5), (5, 6), (6, 8), (9, 10), (11, 12), (11, 13), (13, 15),
    (15, 17), (15, 19), (15, 21), (17, 19), (12, 14), (14, 16), (16, 18), (16, 20), (16, 22), (18, 20), (11, 23),
    (12, 24), (23, 24), (23, 25), (24, 26), (25, 27), (26, 28), (27, 29), (28, 30), (29, 31), (30, 32), (27, 31),
    (28, 32),
)  # fmt: skip

# Landmarks that the model itself thinks hidden are left out of drawings, as MediaPipe's own drawing does.
MIN_DRAWN_VISIBILITY = 0.5

FloatArray = npt.NDArray[np.float32]
ImageArray = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture from a source.

    Attributes:
        ts_ms: Logical time in ms, strictly increasing within a run.
        captured_ns: When the sensor took it (`CLOCK_MONOTONIC` ns); latency counts from here.
        image: (height, width, 3) uint8, C-contiguous, channels in the order R, G, B.
    """

    ts_ms: int
    captured_ns: int
    image: ImageArray

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.image.shape[1], self.image.shape[0]


Found = Literal["detected", "tracked", "reacquired", "held"]


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """One person as the landmarker sees them.

    Attributes:
        landmarks: (33, 5) float32: x, y (normalised by width and height, y down), z (scale of x, origin at the hips'
            midpoint, negative towards the camera), visibility, presence. Either of the last two is NaN where the
            model gives none.
        world_landmarks: (33, 5) float32: x, y, z in metres from the hips' midpoint, visibility, presence.
        mask: (height, width) float32 in 0..1, or None when masks are off.
        found: How the landmarker found the person: "tracked" from the frame before, "detected" in this frame, or
            "reacquired" by a search around the place where tracking lost them; or the pose is "held", that of a moment
            ago, because no body can have the present one, or because none is found and nothing changed where they
            were. A single picture's are "detected".
    """

    landmarks: FloatArray
    world_landmarks: FloatArray
    mask: FloatArray | None = None
    found: Found = "tracked"

    @property
    def score(self) -> float:
        """Mean presence over the 33 landmarks, 0..1; 0 when the model gives none."""
        presence = self.landmarks[:, 4]
        total = float(np.add.reduce(presence))
        if not isnan(total):
            return total / presence.size
        known = presence[~np.isnan(presence)]
        return float(np.add.reduce(known)) / known.size if known.size else 0.0

    @property
    def bbox(self) -> tuple[float, float, float, float]:
        """(x, y, width, height) around the landmarks, normalised, clipped to the picture."""
        xy = self.landmarks[:, :2]
        x0, y0, x1, y1 = (min(max(edge, 0.0), 1.0) for edge in (*xy.min(axis=0).tolist(), *xy.max(axis=0).tolist()))
        return x0, y0, x1 - x0, y1 - y0


@dataclass(frozen=True, slots=True, eq=False)
class PoseResult:
    """All poses of one frame.

    Attributes:
        ts_ms: The frame's logical time in ms.
        captured_ns: The frame's capture time.
        size: (width, height) of the frame in pixels.
        poses: In the landmarker's order; empty when nobody is seen.
        inference_ns: From frame handed over to the landmarker to its callback.
        image: The frame's picture, as in `Frame`; None unless the stage keeps pictures.
    """

    ts_ms: int
    captured_ns: int
    size: tuple[int, int]
    poses: tuple[Pose, ...]
    inference_ns: int = 0
    image: ImageArray | None = None


Posture = Literal["standing", "sitting", "lying", "bending", "squatting", "unknown"]

EventType = Literal[
    "person_entered", "person_left", "posture_changed", "sit_down", "stand_up", "lie_down", "fall", "fallen",
    "recovered", "hand_raised", "hand_lowered", "wave", "inactive", "active", "zone_entered", "zone_left",
    "repetition", "camera_lost", "camera_back",
]  # fmt: skip

# An alarm's events, from its beginning to its end.
ALARM_EVENTS: tuple[EventType, ...] = ("fall", "fallen", "recovered")


@dataclass(frozen=True, slots=True)
class PoseLabel:
    """What the posture logic calls one pose of a result.

    Attributes:
        id: The track's id; never used for another track in this run.
        posture: The track's posture after dwell and hysteresis.
    """

    id: int
    posture: Posture


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is there: a track that proved to be a person and has not left.

    Attributes:
        since_ms: `ts_ms` at which this posture began.
        fallen: On the floor after a fall, until recovered.
        hands_raised: "left", "right", in this order.
        still_s: Seconds without movement.
        zones: Names of the zones the person is in, in the configuration's order.
        place: The point of the body that counts for zones, as shares of the picture's width and height; None before the
            person was seen. No part of what makes persons equal: it moves with every result.
    """

    id: int
    posture: Posture
    since_ms: int
    fallen: bool = False
    hands_raised: tuple[str, ...] = ()
    still_s: float = 0.0
    zones: tuple[str, ...] = ()
    place: tuple[float, float] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class State:
    """Who is there after a result.

    Attributes:
        ts_ms: The result's logical time.
        persons: Longest present first.
        labels: One for each pose of the result, in the result's order.
    """

    ts_ms: int
    persons: tuple[Person, ...]
    labels: tuple[PoseLabel, ...]


@dataclass(frozen=True, slots=True)
class PostureEvent:
    """Something that happened.

    Attributes:
        ts_ms: When it happened, on the results' time line.
        person: The track's id; None for what concerns no person.
        posture: Posture after the event.
        previous: Posture before it.
        score: How sure, 0..1.
        evidence: The numbers that decided, with units in their names.
    """

    event_type: EventType
    ts_ms: int
    person: int | None = None
    posture: Posture | None = None
    previous: Posture | None = None
    score: float = 1.0
    zones: tuple[str, ...] = ()
    evidence: Mapping[str, float | int | str] = field(default_factory=dict)
