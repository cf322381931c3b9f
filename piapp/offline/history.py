"""What happened over a recording, summed up so that a day fits into memory and a picture. Pure."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

from piapp.offline.replay import Step
from piapp.types import EventType, Posture

# Longer than the 5 s between frames of the slowest idle rate: then the node was away or paused.
GAP_S = 15.0


@dataclass(slots=True)
class Band:
    """A time in which one person kept one posture, in seconds on the recording's line."""

    person: int
    posture: Posture
    start_s: float
    end_s: float


@dataclass(slots=True)
class History:
    """What was seen, when, and how well the node did.

    Attributes:
        bands: In the order of their starts.
        events: (seconds, type).
        gaps: (start, end) in seconds of times without results.
        times_s: Of every result.
        latency_ms: Of every result; NaN where unknown.
        start_utc_ms: The time of day of second 0; None when nobody knows.
    """

    bands: list[Band] = field(default_factory=list)
    events: list[tuple[float, EventType]] = field(default_factory=list)
    gaps: list[tuple[float, float]] = field(default_factory=list)
    times_s: array[float] = field(default_factory=lambda: array("d"))
    latency_ms: array[float] = field(default_factory=lambda: array("f"))
    start_utc_ms: int | None = None


def collect(steps: Iterable[Step]) -> History:
    """Sum up a recording's steps."""
    history = History()
    present: dict[int, Band] = {}
    last_s: float | None = None
    for step in steps:
        at_s = step.result.ts_ms / 1000
        if last_s is not None and at_s - last_s > GAP_S:
            history.gaps.append((last_s, at_s))
            present.clear()
        _extend_bands(history, present, step, at_s)
        history.events += [(event.ts_ms / 1000, event.event_type) for event in step.events]
        history.times_s.append(at_s)
        latency_ms = step.recorded.latency_ms
        history.latency_ms.append(float("nan") if latency_ms is None else latency_ms)
        if step.recorded.utc_ms is not None:
            # Of the last result: a machine without a battery for its clock learns the time a while after it started.
            history.start_utc_ms = step.recorded.utc_ms - step.result.ts_ms
        last_s = at_s
    return history


def lanes(bands: Iterable[Band]) -> dict[int, int]:
    """A lane for each person, so that those who are there at the same time have different ones, from 0."""
    spans: dict[int, tuple[float, float]] = {}
    for band in bands:
        start_s, _ = spans.get(band.person, (band.start_s, 0.0))
        spans[band.person] = (start_s, band.end_s)
    lane_of: dict[int, int] = {}
    free_at_s: list[float] = []
    for person, (start_s, end_s) in sorted(spans.items(), key=lambda item: item[1]):
        lane = next((number for number, free_s in enumerate(free_at_s) if free_s <= start_s), len(free_at_s))
        free_at_s[lane : lane + 1] = [end_s]
        lane_of[person] = lane
    return lane_of


def _extend_bands(history: History, present: dict[int, Band], step: Step, at_s: float) -> None:
    """Let bands reach to this result, and begin one where somebody came or changed posture."""
    for band in present.values():
        band.end_s = at_s
    now = {person.id: person.posture for person in step.state.persons}
    for person in [person for person, band in present.items() if now.get(person) != band.posture]:
        del present[person]
    for person, posture in now.items():
        if person not in present:
            present[person] = Band(person, posture, at_s, at_s)
            history.bands.append(present[person])
