"""What is read of the nodes' messages. Pure; lenient: a node may be of any version, or not piapp's at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import msgspec
import numpy as np
from msgspec import Struct

from piapp.mqtt.payload import decode_frame
from piapp.types import LANDMARK_COUNT, FloatArray
from piapp.wording import printable

# A JSON object's first byte; no MessagePack map begins so.

# The most that `landmarker.num_poses` allows; of a frame that claims more, no more is drawn.
MAX_POSES = 10

_T = TypeVar("_T", bound=Struct)


class UnreadableError(ValueError):
    """A message is not what its topic promises."""


class PersonMessage(Struct, frozen=True):
    """Somebody in `state`."""

    id: int | None = None
    posture: str = "unknown"
    since: str = ""
    fallen: bool = False
    hands_raised: list[str] = []
    zones: list[str] = []

    def text(self) -> str:
        """Such as "#3 FALLEN lying"."""
        return " ".join([*_number(self.id), *(["FALLEN"] if self.fallen else []), printable(self.posture)])


class StateMessage(Struct, frozen=True):
    """`state`."""

    t: str = ""
    occupied: bool | None = True
    persons: list[PersonMessage] = []

    @property
    def fallen(self) -> bool:
        """Whether somebody has fallen and is not up again."""
        return any(person.fallen for person in self.persons)

    def text(self) -> str:
        """Everybody, the fallen first."""
        first = sorted(self.persons, key=lambda person: not person.fallen)
        return ", ".join(person.text() for person in first) or ("not watched" if self.occupied is None else "nobody")


class EventMessage(Struct, frozen=True):
    """`event`."""

    event_type: str
    id: str = ""
    t: str = ""
    person: int | None = None
    posture: str | None = None
    previous: str | None = None
    zones: list[str] = []
    historical: bool = False
    evidence: dict[str, object] = {}
    test: bool = False

    @property
    def is_alarm(self) -> bool:
        """Whether somebody should feed."""
        return self.event_type in {"fall", "fallen", "camera_lost"} and not self.test

    def text(self) -> str:
        """Such as "fall  person 3  standing -> lying"."""
        parts = [self.event_type, *(["(test)"] if self.test else [])]
        if self.person is not None:
            parts.append(f"person {self.person}")
        if self.previous and self.posture and self.previous != self.posture:
            parts.append(f"{self.previous} -> {self.posture}")
        if self.event_type == "repetition":
            parts.append(f"{self.evidence.get('kind', '')} {self.evidence.get('count', '')}".strip())
        if self.zones:
            parts.append(f"in {', '.join(self.zones)}")
        return printable("  ".join(parts))


class SettingsMessage(Struct, frozen=True):
    """`settings`."""

    paused: bool = False


class _PoseMessage(Struct, frozen=True):
    landmarks: list[list[float | None]]
    id: int | None = None
    posture: str = "unknown"


class _FrameMessage(Struct, frozen=True):
    size: tuple[int, int]
    poses: list[_PoseMessage]
    latency_ms: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SeenPose:
    """One person of a frame.

    Attributes:
        points: (33, 3) float32: x and y, normalised by the picture's width and height, and visibility; NaN where the
            node gives none.
    """

    id: int | None
    posture: str
    points: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class SeenFrame:
    """`frame`: its size in pixels and who is in it."""

    size: tuple[int, int]
    poses: tuple[SeenPose, ...]
    latency_ms: float | None = None


def read(payload: bytes, kind: type[_T]) -> _T:
    """Read a JSON message.

    Raises:
        UnreadableError: It is none, or of another shape.
    """
    try:
        return msgspec.json.decode(payload, type=kind)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(str(error)) from error


def read_frame(payload: bytes) -> SeenFrame:
    """Read a frame in JSON or MessagePack.

    Raises:
        UnreadableError: It is neither, or of another shape.
    """
    try:
        frame = decode_frame(payload, _FrameMessage)
        poses = tuple(SeenPose(pose.id, pose.posture, _points(pose.landmarks)) for pose in frame.poses[:MAX_POSES])
    except (ValueError, RecursionError) as error:
        raise UnreadableError(str(error)) from error
    if min(frame.size) < 1:
        raise UnreadableError(f"a picture of {frame.size} pixels")
    return SeenFrame(frame.size, poses, frame.latency_ms)


def seconds(text: str) -> float | None:
    """ISO 8601 as seconds since the epoch; None for what is no such time or lies beyond what can be shown."""
    try:
        moment = datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError, OSError):
        return None
    return moment.timestamp()


def _points(rows: list[list[float | None]]) -> FloatArray:
    if len(rows) != LANDMARK_COUNT:
        raise UnreadableError(f"{len(rows)} landmarks; expected {LANDMARK_COUNT}")
    points = np.full((LANDMARK_COUNT, 3), np.nan, np.float32)
    for index, row in enumerate(rows):
        x, y, _, visibility = (row + [None] * 4)[:4]
        points[index] = [np.nan if value is None else value for value in (x, y, visibility)]
    return points


def _number(number: int | None) -> list[str]:
    return [] if number is None else [f"#{number}"]
