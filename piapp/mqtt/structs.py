"""The payloads of all topics as typed structs. Pure.

These are the contract with subscribers. `piapp.mqtt.schema` makes JSON Schemas of them, and the tables of
`docs/mqtt.md` are written from their descriptions, so each field says here what it means, its unit and its range.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from piapp.types import LANDMARK_COUNT, EventType, Posture

SCHEMA_VERSION = 1


def unit(name: str) -> dict[str, str]:
    """The extra keyword that names a field's unit in its JSON Schema."""
    return {"x-unit": name}


# Encoders hold no state between calls (msgspec's documents), so one serves all threads.
_json = msgspec.json.Encoder()

Utc = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, examples=["2026-11-22T06:01:02.345Z"])]
Count = Annotated[int, Meta(ge=0)]
Milliseconds = Annotated[float, Meta(ge=0, extra_json_schema=unit("ms"))]
Seconds = Annotated[float, Meta(ge=0, extra_json_schema=unit("s"))]
FramesPerSecond = Annotated[float, Meta(ge=0, extra_json_schema=unit("frames/s"))]
Score = Annotated[float, Meta(ge=0, le=1)]
PersonId = Annotated[int, Meta(ge=0)]

Version = Annotated[int, Meta(ge=1, description="Version of the schema. It changes only when a field changes meaning.")]
NodeName = Annotated[str, Meta(description="Id of the node, as in the topic: 1 to 32 of a-z, 0-9 and -.")]
Boot = Annotated[
    str, Meta(description="Eight hex digits that change when the machine starts again, not when the process does.")
]
SentAt = Annotated[Utc, Meta(description="When the message was made, in UTC.")]

# x, y, z, visibility, presence, or a bounding box; None where the model gives no value.
Row = list[float | None]
Landmark = Annotated[Row, Meta(min_length=5, max_length=5)]


class PosePayload(Struct, frozen=True, gc=False):
    """One person of a frame message."""

    id: Annotated[
        PersonId | None,
        Meta(description="Number of the person in this run, never given twice; null until the pose belongs to one."),
    ]
    posture: Annotated[Posture, Meta(description="What the person does, steadied over time; kneeling is `squatting`.")]
    score: Annotated[Score, Meta(description="Mean presence over the 33 landmarks.")]
    bbox: Annotated[
        Row,
        Meta(
            min_length=4,
            max_length=4,
            extra_json_schema=unit("share of the picture"),
            description="Box around the landmarks: x, y, width, height, clipped to the picture; null where unknown.",
        ),
    ]
    landmarks: Annotated[
        list[Landmark],
        Meta(
            min_length=LANDMARK_COUNT,
            max_length=LANDMARK_COUNT,
            extra_json_schema=unit("share of the picture"),
            description="33 rows of x, y, z, visibility, presence in MediaPipe's order: x and y as shares of width and "
            "height with y down, z on the scale of x from the middle of the hips, the last two from 0 to 1. A number "
            "is null where the model gives none. x and y lie outside 0 to 1 for limbs outside the picture.",
        ),
    ]
    world_landmarks: Annotated[
        list[Landmark] | UnsetType,
        Meta(
            extra_json_schema=unit("m"),
            description="33 rows of x, y, z in metres from the middle of the hips, then visibility and presence. "
            "Absent where `publish.world_landmarks` is false.",
        ),
    ] = UNSET


class FramePayload(Struct, frozen=True, gc=False):
    """`frame`: one processed frame, also when nobody is seen."""

    v: Version
    node: NodeName
    boot: Boot
    seq: Annotated[
        int,
        Meta(
            ge=0,
            description="Number of the processed frame, from 1 at each start of the process. A gap is frames that were "
            "not sent (`publish.max_frame_hz`, a slow network) or messages that were lost.",
        ),
    ]
    t: Annotated[Utc, Meta(description="When the picture was taken, in UTC.")]
    ts_ms: Annotated[
        int,
        Meta(
            extra_json_schema=unit("ms"),
            description="When the picture was taken, on the run's own time line; it always increases.",
        ),
    ]
    latency_ms: Annotated[float, Meta(extra_json_schema=unit("ms"), description="From the picture to this message.")]
    size: Annotated[tuple[int, int], Meta(extra_json_schema=unit("px"), description="Width and height of the picture.")]
    poses: Annotated[list[PosePayload], Meta(description="One for each person seen; empty when nobody is.")]


class PersonPayload(Struct, frozen=True, gc=False):
    """One person of a state message."""

    id: Annotated[PersonId, Meta(description="Number of the person in this run.")]
    posture: Annotated[Posture, Meta(description="What the person does.")]
    since: Annotated[
        Utc,
        Meta(
            description="When this posture began, in UTC. It stays put while the posture does, unless the clock is set."
        ),
    ]
    fallen: Annotated[bool, Meta(description="On the floor after a fall, until recovered.")]
    hands_raised: Annotated[tuple[str, ...], Meta(description='The raised hands: `"left"`, `"right"`, in this order.')]
    still_s: Annotated[
        Seconds, Meta(description="Time without movement when the message was made; it does not count on.")
    ]
    zones: Annotated[tuple[str, ...], Meta(description="Names of the zones the person is in.")]


class LastRecoveredPayload(Struct, frozen=True, gc=False):
    """The event `recovered` with which the newest alarm ended."""

    id: Annotated[str, Meta(examples=["9f2c61aa-000042"], description="Id of the event.")]
    t: Annotated[Utc, Meta(description="When it happened, in UTC.")]
    seen_up: Annotated[bool, Meta(description="Whether somebody was seen up, and not nobody for the stated time.")]


class StatePayload(Struct, frozen=True, gc=False):
    """`state`: who is there, published when something changes."""

    v: Version
    boot: Boot
    t: Annotated[Utc, Meta(description="When the state came to be, in UTC.")]
    occupied: Annotated[
        bool | None,
        Meta(
            description="Whether somebody is there; null while nobody watches: before the first result, while paused, "
            "after a stop. Then `persons` holds only those who are down."
        ),
    ]
    count: Annotated[Count, Meta(extra_json_schema=unit("persons"), description="The length of `persons`.")]
    posture: Annotated[
        Posture | Literal["none"],
        Meta(description='Posture of the person who has been there longest; `"none"` when nobody is.'),
    ]
    fallen: Annotated[bool, Meta(description="Whether somebody is on the floor after a fall.")]
    alarm: Annotated[
        bool,
        Meta(
            description="Whether somebody stays down: `fallen` was reported and the alarm is not over. The alarm "
            "itself is open from `fall` on."
        ),
    ]
    acknowledged: Annotated[
        bool,
        Meta(
            description="Whether an alarm is open and somebody has acknowledged each that is. It may be true before "
            "`alarm` is."
        ),
    ]
    paused: Annotated[bool, Meta(description="Whether the node was asked to watch nothing.")]
    last_fall: Annotated[Utc | None, Meta(description="When somebody fell last, in UTC; null when nobody did.")]
    last_recovered: Annotated[
        LastRecoveredPayload | None,
        Meta(description="How the newest alarm in which somebody stayed down has ended; null before the first."),
    ]
    persons: Annotated[list[PersonPayload], Meta(description="Those who are there, longest present first.")]


class EventPayload(Struct, frozen=True, gc=False):
    """`event`: something that happened."""

    v: Version
    id: Annotated[
        str,
        Meta(
            examples=["9f2c61aa-000042"],
            description="Never used for two events of a node; an event that comes twice has the same id.",
        ),
    ]
    event_type: Annotated[EventType, Meta(description="What happened; see the list of events.")]
    t: Annotated[Utc, Meta(description="When it happened, in UTC.")]
    ts_ms: Annotated[
        int, Meta(extra_json_schema=unit("ms"), description="When it happened, on the time line of `frame`.")
    ]
    person: Annotated[
        PersonId | None, Meta(description="Number of the person; null when it concerns no person, and in tests.")
    ]
    posture: Annotated[Posture | None, Meta(description="Posture after the event; null when unknown.")]
    previous: Annotated[Posture | None, Meta(description="Posture before the event; null when unknown.")]
    score: Annotated[Score, Meta(description="How sure the node is.")]
    zones: Annotated[tuple[str, ...], Meta(description="Names of the zones the person was in.")]
    historical: Annotated[bool, Meta(description="Sent late, because the broker was away or the node restarted.")]
    time_synced: Annotated[bool, Meta(description="Whether the clock was synchronised; if not, `t` may be wrong.")]
    evidence: Annotated[
        dict[str, float | int | str],
        Meta(description="The numbers that decided, with units in their names; which ones depends on the event."),
    ]
    test: Annotated[
        bool | UnsetType, Meta(description="True when somebody tries the alerts out. Absent from real events.")
    ] = UNSET

    def encoded(self, *, historical: bool) -> bytes:
        """The message, live or late."""
        return _json.encode(msgspec.structs.replace(self, historical=historical))


class ModelPayload(Struct, frozen=True):
    """The model bundle of an info message."""

    name: Annotated[str, Meta(description="Name of the model: lite, full, heavy or a file's name.")]
    variant: Annotated[str, Meta(description="Which bundle of the model is loaded.")]
    file: Annotated[str, Meta(description="Name of the bundle's file.")]
    sha256: Annotated[str, Meta(description="SHA-256 of the file in hex.")]


class HardwarePayload(Struct, frozen=True):
    """The machine of an info message."""

    board: Annotated[str, Meta(description="Name of the board.")]
    machine: Annotated[str, Meta(description="Architecture of the processor.")]
    cores: Annotated[int | None, Meta(description="Cores of the processor; null when unknown.")]
    memory_mb: Annotated[Count, Meta(extra_json_schema=unit("MiB"), description="Memory of the machine.")]
    system: Annotated[str, Meta(description="Name of the operating system.")]
    kernel: Annotated[str, Meta(description="Version of the kernel.")]
    camera: Annotated[str, Meta(description="The camera or other source of pictures.")]


class InfoPayload(Struct, frozen=True):
    """`info`: what the node is, published at each connection and when a setting changes."""

    v: Version
    node: NodeName
    boot: Boot
    t: SentAt
    versions: Annotated[
        dict[str, str], Meta(description="Versions of piapp, Python and the libraries that are installed, by name.")
    ]
    model: Annotated[ModelPayload, Meta(description="The model in use.")]
    hardware: Annotated[HardwarePayload, Meta(description="The machine.")]
    config: Annotated[
        dict[str, Any],
        Meta(
            description="The configuration by sections, without secrets; `zones` is a list. `piapp config schema` "
            "describes it."
        ),
    ]


class SettingsPayload(Struct, frozen=True):
    """`settings`: what requests may change, as it is now."""

    v: Version
    node: NodeName
    boot: Boot
    t: SentAt
    paused: Annotated[bool, Meta(description="Whether nobody is watched, and the camera is closed.")]
    paused_by: Annotated[
        Literal["request", "schedule"] | None,
        Meta(description="What paused the node: somebody who asked for it, or `[schedule]`; null while it watches."),
    ]
    values: Annotated[dict[str, Any], Meta(description="Each key that `request/set` may change, with its value.")]


class PercentilesPayload(Struct, frozen=True):
    """How long something took, over the results since the last report."""

    p50: Annotated[Milliseconds, Meta(description="Half took at most this long.")]
    p95: Annotated[Milliseconds, Meta(description="95 of 100 took at most this long.")]
    p99: Annotated[Milliseconds, Meta(description="99 of 100 took at most this long.")]


class RequestCountsPayload(Struct, frozen=True):
    """What became of requests, since the start."""

    refused: Annotated[Count, Meta(description="Requests answered with an error: their form, or 16 waited already.")]
    ignored: Annotated[Count, Meta(description="Requests left unanswered because there were too many.")]


class CameraHealthPayload(Struct, frozen=True):
    """How the camera does."""

    age_ms: Annotated[
        Milliseconds | None,
        Meta(description="Age of the newest picture on arrival; null where the source does not tell."),
    ]
    stale: Annotated[Count, Meta(description="Frames that were skipped because they came late.")]
    reconnects: Annotated[Count, Meta(description="How often the source was connected anew.")]


class HealthPayload(Struct, frozen=True):
    """`health`: how the node does, every `health.period_s`.

    The simulated nodes of `piapp fleet simulate` have no camera, so they send the fields up to `mqtt_reconnects`.
    """

    v: Version
    node: NodeName
    boot: Boot
    t: SentAt
    uptime_s: Annotated[Seconds, Meta(description="Since the start of the process.")]
    fps_in: Annotated[FramesPerSecond, Meta(description="Frames from the camera since the last report.")]
    fps_out: Annotated[FramesPerSecond, Meta(description="Frames processed since the last report.")]
    frames_processed: Annotated[Count, Meta(description="Frames processed since the start.")]
    frames_dropped: Annotated[
        dict[str, Count],
        Meta(
            description="Frames not processed since the start, by reason: `waiting` a newer one came first, `late` the "
            "result came too late, `unread` the result was not used in time, `spared` left out to save power."
        ),
    ]
    frames_published: Annotated[Count, Meta(description="`frame` messages sent since the start.")]
    messages_dropped: Annotated[
        dict[str, Count],
        Meta(
            description="Messages not sent since the start, by kind: `frames` the network was too slow, "
            "`frames_limited` by `publish.max_frame_hz`, `events` the spool was full, `others` the queue was full, "
            "`refused` by the broker."
        ),
    ]
    inference_ms: Annotated[
        PercentilesPayload | None, Meta(description="Time in the model; null without a result since the last report.")
    ]
    latency_ms: Annotated[
        PercentilesPayload | None,
        Meta(description="From the picture to its message on the socket; null without a message."),
    ]
    cpu_percent: Annotated[
        float, Meta(ge=0, extra_json_schema=unit("% of one core"), description="Processor time of the process.")
    ]
    rss_mb: Annotated[float, Meta(ge=0, extra_json_schema=unit("MiB"), description="Resident memory of the process.")]
    temperature_c: Annotated[
        float | None, Meta(extra_json_schema=unit("°C"), description="Of the processor; null without a sensor.")
    ]
    throttled_now: Annotated[
        tuple[str, ...] | None,
        Meta(description="What holds the board back now, such as under-voltage; null where the board does not tell."),
    ]
    throttled_since_boot: Annotated[tuple[str, ...] | None, Meta(description="The same since the machine started.")]
    queue_depth: Annotated[Count, Meta(description="Frames that wait for a landmarker.")]
    spool_depth: Annotated[Count, Meta(description="Events that wait for the broker.")]
    spool_problem: Annotated[str | None, Meta(description="Why events would not survive a restart; null when they do.")]
    mqtt_reconnects: Annotated[Count, Meta(description="Connections to the broker after the first.")]
    requests: Annotated[
        RequestCountsPayload | UnsetType, Meta(description="What became of requests. Absent on simulated nodes.")
    ] = UNSET
    restarts: Annotated[
        int | UnsetType | None,
        Meta(
            description="Starts of this node before the present one since the machine booted; null without a state "
            "folder. Absent on simulated nodes."
        ),
    ] = UNSET
    idle: Annotated[
        bool | UnsetType,
        Meta(description="Whether the rate is low because nobody is there. Absent on simulated nodes."),
    ] = UNSET
    slowed: Annotated[
        bool | UnsetType, Meta(description="Whether the rate is low because of heat. Absent on simulated nodes.")
    ] = UNSET
    time_synced: Annotated[
        bool | UnsetType, Meta(description="Whether the clock is synchronised. Absent on simulated nodes.")
    ] = UNSET
    camera: Annotated[
        CameraHealthPayload | UnsetType, Meta(description="How the camera does. Absent on simulated nodes.")
    ] = UNSET
    disk_free_mb: Annotated[
        int | UnsetType,
        Meta(extra_json_schema=unit("MiB"), description="Room on the disk of the state. Absent on simulated nodes."),
    ] = UNSET
    newest_version: Annotated[
        str | UnsetType | None,
        Meta(
            description="The newest version that the installer has put on the machine; null where it was not installed "
            "by it. Absent on simulated nodes."
        ),
    ] = UNSET


class AnswerPayload(Struct, frozen=True):
    """`response/<command>`: the answer to a request."""

    status: Annotated[Literal["ok", "error"], Meta(description="With `error` nothing was changed.")]
    data: Annotated[Any, Meta(description="What the command returns; null with an error.")]
    error: Annotated[str | None, Meta(description="What was wrong and what to do; null when all is well.")]
    transaction: Annotated[
        str | int | None, Meta(description="What the request carried as `transaction`; null without one.")
    ]
