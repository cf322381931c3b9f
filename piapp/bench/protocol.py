"""The messages between the parent and its children: one line of JSON each way."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Kind = Literal["bare", "pipeline", "model", "rated"]
CountedPart = Literal["landmarker", "posture", "message"]


class Variant(Struct, frozen=True):
    """One way to run the model.

    Attributes:
        name: Unique, for machines.
        title: For people.
        kind: MediaPipe's own loop, this project's pipeline, nothing but the network, or the pipeline at a camera's
            rate.
        runtime: What runs the model.
        workers: How many frames are in flight.
        precision: What LiteRT computes in.
        threads: How many threads share one of LiteRT's inferences; 0 for as many as a node takes by itself.
    """

    name: str
    title: str
    kind: Kind
    runtime: Literal["mediapipe", "litert"]
    workers: int
    precision: Literal["full", "half"] = "full"
    threads: int = 0


class Job(Struct, frozen=True):
    """What a child is to be, its only argument.

    Attributes:
        frames_fd: An open file with the frames' bytes, inherited.
        shape: (count, height, width, 3) of the frames.
        settings: (dotted key, TOML text) pairs over the shipped configuration.
    """

    variant: Variant
    frames_fd: int
    shape: tuple[int, int, int, int]
    settings: list[tuple[str, str]]


class Started(Struct, frozen=True):
    """A child's first line: it has a first result. `first_result_ns` is `CLOCK_MONOTONIC`."""

    first_result_ns: int


class Measure(Struct, frozen=True, tag="measure"):
    """Run, and measure when warm, until both limits are reached."""

    seconds: float = 0.0
    frames: int = 0


class MeasureParts(Struct, frozen=True, tag="parts"):
    """Measure the parts of the pipeline one by one, on the results of the last measurement."""


class MeasureStages(Struct, frozen=True, tag="stages"):
    """Measure the stages of the LiteRT pipeline on the frames."""


class Idle(Struct, frozen=True, tag="idle"):
    """Compare somebody there with nobody there, each for so many seconds; for the kind "rated"."""

    seconds: float


Command = Measure | MeasureParts | MeasureStages | Idle


class IdleFound(Struct, frozen=True):
    """Processor time of the whole process, in percent of one processor.

    Attributes:
        active_percent: While somebody is there.
        idle_percent: When nobody has been for a while.
    """

    active_percent: float
    idle_percent: float


class Window(Struct, frozen=True):
    """What one measurement found.

    Attributes:
        frames: Frames done: for the pipeline, written to the broker.
        lost: Frames given and not done.
        cpu_s: Processor time of the whole process.
        latency_ms: Of each frame, from hand-over to the landmarker's callback.
        added_ms: Of each frame, from hand-over, or at a camera's rate from its capture, to PUBLISH written, less the
            inference; empty where none is published.
        rss_mb: Resident memory at the end, the shared frames not counted.
        own_mb: What of it is in no file, so that the kernel cannot take it away.
    """

    frames: int
    lost: int
    elapsed_s: float
    cpu_s: float
    latency_ms: list[float]
    added_ms: list[float]
    rss_mb: float
    own_mb: float = 0.0


class Percentiles(Struct, frozen=True):
    """Of many samples."""

    p50: float
    p95: float
    p99: float


class Encoding(Struct, frozen=True):
    """What one form of `frame` messages costs, with one person in the picture.

    Attributes:
        encode_us: Processor time to make the payload.
        payload_bytes: Mean size of the payload.
        wire_bytes: Mean bytes a frame on the socket, with MQTT's header and properties.
    """

    name: str
    encode_us: Percentiles
    payload_bytes: float
    wire_bytes: float


class PartsFound(Struct, frozen=True):
    """What `MeasureParts` found.

    Attributes:
        results: How many results with one person were used.
        update_ms: Processor time of `Monitor.update`.
    """

    results: int
    update_ms: Percentiles
    encodings: list[Encoding]


class StageFound(Struct, frozen=True):
    """What one stage of a frame costs.

    Attributes:
        ms: Processor time a frame; 0 in frames that do without the stage.
        mean_ms: Its mean.
        share: Of the mean frame's time, 0..1.
    """

    name: str
    ms: Percentiles
    mean_ms: float
    share: float


class InstructionsFound(Struct, frozen=True):
    """Instructions that part of a frame executes, without those of the networks.

    Attributes:
        counter: What counted; figures of different counters are not comparable.
        millions: A frame, in one thread.
    """

    part: CountedPart
    counter: str
    millions: float


class StagesFound(Struct, frozen=True):
    """What `MeasureStages` found, in the order of the pipeline."""

    stages: list[StageFound]
