"""How well postures and events agree with labels in time: the part of `piapp evaluate` for clips with such labels.

Owns reading of labels, matching of events and counting. Two kinds of label are understood: one file for a folder of
clips (`segments.json`, spans of seconds with a name, as GMDCSA24 has them), and one file a clip (`NAME.json` beside
`NAME.npz` or `NAME.mp4`, a posture a frame and exact events, as the synthetic recordings have them).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import msgspec

from piapp.config.sections import Config
from piapp.errors import MediaError
from piapp.offline.detect import Detector
from piapp.offline.replay import replay
from piapp.types import EventType, Posture, PostureEvent

SEGMENTS_FILE = "segments.json"
NOBODY = "none"

# Words of GMDCSA24's labels to postures; the other words say nothing about posture.
POSTURE_OF_WORD = {"standing": "standing", "walking": "standing", "sitting": "sitting", "lying": "lying"}
POSTURE_OF_WORD |= {"sleeping": "lying"}

# Follow from dwell times and zones of the configuration, so labels do not hold them.
NOT_JUDGED = frozenset(
    {"posture_changed", "fallen", "inactive", "active", "zone_entered", "zone_left", "camera_lost", "camera_back"}
)
_POSTURES = get_args(Posture)


class _Segment(msgspec.Struct, frozen=True):
    label: str
    start: float
    end: float


class _SegmentedClip(msgspec.Struct, frozen=True):
    file: str
    segments: list[_Segment]


class _Person(msgspec.Struct, frozen=True):
    labels: list[str]
    events: list[dict[str, Any]]


class _ClipFile(msgspec.Struct, frozen=True):
    clip: str
    fps: float
    persons: list[_Person]


@dataclass(frozen=True, slots=True)
class ExpectedEvent:
    """An event that the labels hold.

    Attributes:
        earliest_s: From when on a found event counts as this one, in seconds from the clip's start.
        latest_s: Until when.
        at_s: When it happened; delays count from here.
    """

    event_type: EventType
    at_s: float
    earliest_s: float
    latest_s: float


@dataclass(frozen=True, slots=True)
class Labels:
    """What is known about a clip.

    Attributes:
        judged: Event types that the labels tell completely: others are not counted.
        spans: (start_s, end_s, posture) of the one person in the clip.
    """

    name: str
    path: Path
    judged: frozenset[str]
    events: tuple[ExpectedEvent, ...]
    spans: tuple[tuple[float, float, str], ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What the posture logic made of a clip.

    Attributes:
        postures: (seconds, posture) of every frame; "none" when nobody is seen.
    """

    postures: tuple[tuple[float, str], ...]
    events: tuple[PostureEvent, ...]


@dataclass(slots=True)
class Score:
    """Counts of one clip or of all.

    Attributes:
        confusion: How many frames had (labelled, found) postures.
        delays_s: Of the events found, by type; negative is early.
    """

    name: str
    found: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    delays_s: dict[str, list[float]] = field(default_factory=dict)
    confusion: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, other: Score) -> None:
        """Add another clip's counts."""
        self.found += other.found
        self.missed += other.missed
        self.false += other.false
        self.confusion += other.confusion
        for event_type, delays_s in other.delays_s.items():
            self.delays_s.setdefault(event_type, []).extend(delays_s)

    @property
    def posture_accuracy(self) -> float | None:
        """Share of labelled frames with the right posture; None without labels."""
        total = sum(self.confusion.values())
        right = sum(count for (label, posture), count in self.confusion.items() if label == posture)
        return right / total if total else None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        accuracy = self.posture_accuracy
        return {
            "name": self.name,
            "events": {
                event_type: {
                    "found": self.found[event_type],
                    "missed": self.missed[event_type],
                    "false": self.false[event_type],
                    "delays_s": [round(delay_s, 2) for delay_s in self.delays_s.get(event_type, [])],
                }
                for event_type in sorted(self.found | self.missed | self.false)
            },
            "posture_accuracy": None if accuracy is None else round(accuracy, 4),
            "confusion": [
                {"label": label, "found": posture, "frames": count}
                for (label, posture), count in sorted(self.confusion.items())
            ],
        }


def read_labels(
    folder: Path, *, tolerance_s: float, gap_s: float = 0.0, labels_file: Path | None = None
) -> list[Labels]:
    """Find the labelled clips of a folder.

    Args:
        folder: Holds clips (or recordings) and labels.
        tolerance_s: How far from its label an event may be found.
        gap_s: How much later somebody who left is given up (`posture.gap_s`).
        labels_file: A `segments.json` elsewhere.

    Raises:
        MediaError: There are no labels, or they cannot be understood.
    """
    segments = labels_file or folder / SEGMENTS_FILE
    if segments.exists() or labels_file:
        clips = _decode(segments, dict[str, _SegmentedClip])
        return [_from_segments(name, folder / clip.file, clip, tolerance_s) for name, clip in clips.items()]
    files = sorted(file for file in folder.glob("*.json") if _clip_of(file))
    if not files:
        raise MediaError(f"{folder}: holds neither {SEGMENTS_FILE} nor clips with a NAME.json beside them")
    return [_from_clip_file(file, tolerance_s, gap_s) for file in files]


def observe(labels: Labels, config: Config, detector: Detector) -> Found:
    """Run the posture logic over a clip or a recording.

    Raises:
        CameraError: The clip cannot be read.
    """
    if labels.path.suffix == ".npz":
        steps = ((s.result.ts_ms, s.state.labels, s.events) for s in replay(labels.path, config))
    else:
        steps = ((d.result.ts_ms, d.labels, d.events) for d in detector.file(labels.path, "video"))
    postures: list[tuple[float, str]] = []
    events: list[PostureEvent] = []
    for ts_ms, pose_labels, new_events in steps:
        postures.append((ts_ms / 1000, pose_labels[0].posture if pose_labels else NOBODY))
        events += new_events
    return Found(tuple(postures), tuple(events))


def score(labels: Labels, found: Found) -> Score:
    """Compare what was found with the labels; each found event stands for one label at most."""
    result = Score(labels.name)
    open_events = [event for event in found.events if event.event_type in labels.judged]
    for expected in sorted(labels.events, key=lambda event: event.at_s):
        match = next((event for event in open_events if _matches(expected, event)), None)
        if match is None:
            result.missed[expected.event_type] += 1
            continue
        open_events.remove(match)
        result.found[expected.event_type] += 1
        result.delays_s.setdefault(expected.event_type, []).append(match.ts_ms / 1000 - expected.at_s)
    result.false.update(event.event_type for event in open_events)
    for at_s, posture in found.postures:
        label = next((name for start_s, end_s, name in labels.spans if start_s <= at_s < end_s), None)
        if label is not None:
            result.confusion[label, posture] += 1
    return result


def report(scores: Sequence[Score], total: Score) -> Iterator[str]:
    """Lines for people: a clip a line, the totals of each event, the confusion table."""
    width = max(len(each.name) for each in (*scores, total))
    for each in (*scores, total):
        accuracy = each.posture_accuracy
        posture = "" if accuracy is None else f"posture right {accuracy:6.1%}"
        counts = (sum(counter.values()) for counter in (each.found, each.missed, each.false))
        yield "{:{}}  found {:3}  missed {:3}  false {:3}  {}".format(each.name, width, *counts, posture)
    yield ""
    yield f"{'event':16} found missed false  delay: median, most"
    for event_type in sorted(total.found | total.missed | total.false):
        delays_s = sorted(total.delays_s.get(event_type, []))
        delay = f"{delays_s[len(delays_s) // 2]:+.2f} s, {max(delays_s, key=abs):+.2f} s" if delays_s else ""
        counts = (counter[event_type] for counter in (total.found, total.missed, total.false))
        yield "{:16} {:5} {:6} {:5}  {}".format(event_type, *counts, delay)
    if total.confusion:
        yield ""
        yield from _confusion(total)


def _confusion(total: Score) -> Iterator[str]:
    labels = sorted({label for label, _ in total.confusion})
    columns = [name for name in (*_POSTURES, NOBODY) if any(total.confusion[label, name] for label in labels)]
    yield f"{'label':10} found: " + " ".join(f"{name:>9}" for name in columns)
    for label in labels:
        yield f"{label:10}        " + " ".join(f"{total.confusion[label, name]:9}" for name in columns)


def _matches(expected: ExpectedEvent, event: PostureEvent) -> bool:
    at_s = event.ts_ms / 1000
    return event.event_type == expected.event_type and expected.earliest_s <= at_s <= expected.latest_s


def _from_segments(name: str, path: Path, clip: _SegmentedClip, tolerance_s: float) -> Labels:
    spans, events = [], []
    for segment in clip.segments:
        word = segment.label.partition(" ")[0].lower()
        if word == "falling":
            window = (segment.start - tolerance_s, segment.end + tolerance_s)
            events.append(ExpectedEvent("fall", segment.start, *window))
        elif posture := POSTURE_OF_WORD.get(word):
            spans.append((segment.start, segment.end, posture))
    return Labels(name, path, frozenset({"fall"}), tuple(events), tuple(spans))


def _from_clip_file(file: Path, tolerance_s: float, gap_s: float) -> Labels:
    clip = _decode(file, _ClipFile)
    events = []
    for event in (event for person in clip.persons for event in person.events):
        at_s = event["t_s"]
        patience_s = tolerance_s + (gap_s if event["event_type"] == "person_left" else 0.0)
        events.append(ExpectedEvent(event["event_type"], at_s, at_s - tolerance_s, at_s + patience_s))
    judged = frozenset(get_args(EventType)) - NOT_JUDGED
    spans = _spans(clip.persons[0].labels, clip.fps) if len(clip.persons) == 1 else ()
    path = _clip_of(file)
    assert path is not None
    return Labels(clip.clip, path, judged, tuple(events), tuple(spans))


def _spans(labels: Iterable[str], fps: float) -> Iterator[tuple[float, float, str]]:
    """A span for each frame that asserts a posture, half a frame to either side of its time."""
    for number, label in enumerate(labels):
        if label in _POSTURES:
            yield (number - 0.5) / fps, (number + 0.5) / fps, label


def _clip_of(file: Path) -> Path | None:
    """The clip or recording beside a label file."""
    candidates = (file.with_suffix(suffix) for suffix in (".npz", ".mp4", ".mkv", ".avi"))
    return next((path for path in candidates if path.exists()), None)


def _decode(file: Path, kind: Any) -> Any:
    try:
        return msgspec.convert(json.loads(file.read_text(encoding="utf-8")), kind)
    except FileNotFoundError as error:
        raise MediaError(f"{file}: there is no such file of labels") from error
    except (OSError, ValueError) as error:  # ValidationError and JSONDecodeError are ValueErrors
        raise MediaError(f"{file}: is not a file of labels: {error}") from error
