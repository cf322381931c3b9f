"""Makes payloads of the values that flow, and encodes them. Pure: values in, bytes out; the clock is handed in.

What payloads contain is written in `piapp.mqtt.structs`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal, Self, TypeVar, cast

import msgspec
import numpy as np
from msgspec import UNSET, Raw

from piapp.config.sections import PublishConfig
from piapp.mqtt.clock import TimeLine, WallClock
from piapp.mqtt.structs import (
    SCHEMA_VERSION,
    EventPayload,
    FramePayload,
    LastRecoveredPayload,
    PersonPayload,
    PosePayload,
    Row,
    StatePayload,
)
from piapp.types import FloatArray, Person, Pose, PoseLabel, PoseResult, PostureEvent, State

__all__ = [
    "CONTENT_TYPES",
    "DECIMALS",
    "OFFLINE",
    "ONLINE",
    "EventPayload",
    "FrameFormat",
    "FramePayload",
    "PayloadWriter",
    "PersonPayload",
    "PosePayload",
    "Row",
    "StatePayload",
    "decode_frame",
    "frame_format",
]

ONLINE = b"online"
OFFLINE = b"offline"

T = TypeVar("T")

FrameFormat = Literal["json", "msgpack"]

CONTENT_TYPES: Mapping[FrameFormat, str] = {"json": "application/json", "msgpack": "application/msgpack"}


def frame_format(publish: PublishConfig) -> FrameFormat:
    """How `frame` is encoded, where frames are published at all."""
    return "msgpack" if publish.frames == "msgpack" else "json"


# Of coordinates and scores: a hundredth of a pixel at 1000 pixels' width.
DECIMALS = 5

# MessagePack's type bytes (its specification, "Formats").
_FIXARRAY, _ARRAY16, _FLOAT32 = 0x90, 0xDC, 0xCA

# Encoders hold no state between calls (msgspec's documents), so one serves all threads.
_json = msgspec.json.Encoder()
_msgpack = msgspec.msgpack.Encoder()


@dataclass(frozen=True, slots=True)
class PayloadWriter:
    """Turns the values that flow into messages of one node.

    Attributes:
        boot: Eight hex digits that tell runs of the kernel apart.
        frame_format: How `frame` is encoded; both carry the same structure.
        world_landmarks: Whether `frame` carries landmarks in metres.
    """

    node: str
    boot: str
    frame_format: FrameFormat = "json"
    world_landmarks: bool = True
    clock: WallClock = field(default_factory=WallClock)

    @classmethod
    def configured(cls, publish: PublishConfig, node: str, boot: str) -> Self:
        """The writer of a node that publishes so."""
        return cls(node, boot, frame_format=frame_format(publish), world_landmarks=publish.world_landmarks)

    @property
    def frame_content_type(self) -> str:
        """Media type of `frame`."""
        return CONTENT_TYPES[self.frame_format]

    def frame(self, result: PoseResult, labels: Sequence[PoseLabel] = (), *, seq: int) -> bytes:
        """Encode `frame`.

        Args:
            result: The frame's poses.
            labels: What the posture logic calls each pose, in the result's order; without one a pose has no id and
                the posture "unknown".
            seq: Number of the processed frame in this run.
        """
        padded = [*labels, *[None] * (len(result.poses) - len(labels))]
        message = FramePayload(
            v=SCHEMA_VERSION,
            node=self.node,
            boot=self.boot,
            seq=seq,
            t=self.clock.text(result.captured_ns),
            ts_ms=result.ts_ms,
            latency_ms=round((self.clock.monotonic_ns() - result.captured_ns) / 1e6, 1),
            size=result.size,
            poses=[self.pose(pose, label) for pose, label in zip(result.poses, padded, strict=True)],
        )
        return _json.encode(message) if self.frame_format == "json" else _msgpack.encode(message)

    def state(
        self,
        state: State,
        line: TimeLine,
        *,
        watching: bool = True,
        paused: bool = False,
        alarm: bool = False,
        acknowledged: bool = False,
        last_fall: str | None = None,
        last_recovered: EventPayload | None = None,
        since: Mapping[int, str] | None = None,
    ) -> bytes:
        """Encode `state`; `line` places the run's logical time. The rest is as in `StatePayload`.

        `since` has the UTC at which the posture of a person began, by the person's id, where it is known already.

        While nobody watches, those alone who are down count as there, and `t` is now.
        """
        persons = state.persons if watching else tuple(person for person in state.persons if person.fallen)
        message = StatePayload(
            v=SCHEMA_VERSION,
            boot=self.boot,
            t=self.clock.text(line.at_ns(state.ts_ms) if watching else self.clock.monotonic_ns()),
            occupied=bool(persons) if watching else None,
            count=len(persons),
            posture=persons[0].posture if persons else "none",
            fallen=any(person.fallen for person in persons),
            alarm=alarm,
            acknowledged=acknowledged,
            paused=paused,
            last_fall=last_fall,
            last_recovered=_last_recovered(last_recovered),
            persons=[self._person(person, line, since or {}) for person in persons],
        )
        return _json.encode(message)

    def event(self, event: PostureEvent, line: TimeLine, *, event_id: str, test: bool = False) -> EventPayload:
        """Make the message of an event; the outbox encodes it when it knows whether it is sent live."""
        return EventPayload(
            v=SCHEMA_VERSION,
            id=event_id,
            event_type=event.event_type,
            t=self.clock.text(line.at_ns(event.ts_ms)),
            ts_ms=event.ts_ms,
            person=event.person,
            posture=event.posture,
            previous=event.previous,
            score=round(event.score, DECIMALS),
            zones=event.zones,
            historical=False,
            time_synced=self.clock.synchronised(),
            evidence=dict(event.evidence),
            test=True if test else UNSET,
        )

    def info(
        self,
        *,
        versions: Mapping[str, str],
        model: Mapping[str, Any],
        hardware: Mapping[str, Any],
        config: Mapping[str, Any],
    ) -> bytes:
        """Encode `info`.

        Args:
            versions: Of piapp, MediaPipe, Python and the system.
            model: Name and sha256 of the model bundle, and what else is known of it.
            hardware: The board and the camera.
            config: The configuration without secrets (`piapp.config.public_tree`).
        """
        return self.document(versions=versions, model=model, hardware=hardware, config=config)

    def document(self, **fields: Any) -> bytes:
        """Encode a message of this node with the common head: `v`, `node`, `boot`, `t` (now) and then `fields`."""
        head = {"v": SCHEMA_VERSION, "node": self.node, "boot": self.boot}
        return _json.encode(head | {"t": self.clock.text(self.clock.monotonic_ns())} | fields)

    def pose(self, pose: Pose, label: PoseLabel | None) -> PosePayload:
        """One person of a frame message; without a label there is no id and the posture is "unknown"."""
        rows = cast("Callable[[FloatArray], list[Row]]", _rows if self.frame_format == "json" else _packed_rows)
        return PosePayload(
            id=label.id if label else None,
            posture=label.posture if label else "unknown",
            score=round(pose.score, DECIMALS),
            bbox=[round(value, DECIMALS) if isfinite(value) else None for value in pose.bbox],
            landmarks=rows(pose.landmarks),
            world_landmarks=rows(pose.world_landmarks) if self.world_landmarks else UNSET,
        )

    def _person(self, person: Person, line: TimeLine, since: Mapping[int, str]) -> PersonPayload:
        return PersonPayload(
            id=person.id,
            posture=person.posture,
            since=since.get(person.id) or self.clock.text(line.at_ns(person.since_ms)),
            fallen=person.fallen,
            hands_raised=person.hands_raised,
            still_s=round(person.still_s, 1),
            zones=person.zones,
        )


def decode_frame(payload: bytes, form: type[T]) -> T:
    """Read a `frame` message in either encoding; JSON begins with a brace, MessagePack's maps do not.

    Args:
        payload: The message.
        form: As much of `FramePayload` as the reader wants.

    Raises:
        msgspec.MsgspecError: It is none.
    """
    decode = msgspec.json.decode if payload.startswith(b"{") else msgspec.msgpack.decode
    return decode(payload, type=form)


def _last_recovered(event: EventPayload | None) -> LastRecoveredPayload | None:
    """What `state` tells of the event with which the newest alarm ended."""
    if event is None:
        return None
    return LastRecoveredPayload(event.id, event.t, seen_up="nobody_seen" not in event.evidence)


def _rows(landmarks: FloatArray) -> list[Row]:
    """(33, 5) float32 to rows of rounded numbers, None for NaN and infinity.

    Rounding is done in float64: a rounded float32 would print all the digits of its nearest binary fraction.
    """
    rows: list[Row] = np.round(landmarks.astype(np.float64), DECIMALS).tolist()
    finite = np.isfinite(landmarks)
    if not finite.all():
        masks = finite.tolist()
        return [[x if ok else None for x, ok in zip(*pair, strict=True)] for pair in zip(rows, masks, strict=True)]
    return rows


def _packed_rows(landmarks: FloatArray) -> list[Row] | Raw:
    """The same rows as MessagePack with 32-bit floats, 861 bytes for 33 x 5 where msgspec's 64-bit ones take 1521."""
    if not np.isfinite(landmarks).all():
        return _rows(landmarks)
    count, width = landmarks.shape
    rounded = np.round(landmarks.astype(np.float64), DECIMALS).astype(">f4")
    values = np.full((count, width, 5), _FLOAT32, np.uint8)
    values[:, :, 1:] = rounded.view(np.uint8).reshape(count, width, 4)
    packed = np.full((count, 1 + width * 5), _FIXARRAY | width, np.uint8)
    packed[:, 1:] = values.reshape(count, width * 5)
    return Raw(bytes((_ARRAY16, *count.to_bytes(2, "big"))) + packed.tobytes())
