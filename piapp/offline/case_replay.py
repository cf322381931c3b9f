"""What is made of kept alarms: replays with other settings, a film of the skeletons, and a pack for others to judge.

Owns comparing an alarm with its replay. Everything here is landmarks: no picture was ever kept.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from piapp.config.sections import Config
from piapp.errors import UsageError
from piapp.fall_model import monitor_of
from piapp.offline.cases import Case, CaseFolder
from piapp.offline.evaluate.labels import SEGMENTS_FILE
from piapp.offline.recording import iterate_recording
from piapp.offline.replay import Step
from piapp.types import ALARM_EVENTS

# Of a film; the results between are those that were kept.
FILM_FPS = 10.0

# How far around its event a fall is labelled, in seconds before and after.
_FALL_S = (2.0, 0.5)


@dataclass(frozen=True, slots=True)
class Comparison:
    """An alarm and its replay.

    Attributes:
        kept: How often each event of the alarm came then.
        now: How often with the settings that were tried.
    """

    case: Case
    kept: Counter[str]
    now: Counter[str]

    @property
    def same(self) -> bool:
        """Whether the same alarm would come."""
        return self.kept == self.now

    @property
    def alarms_now(self) -> bool:
        """Whether any alarm would come."""
        return bool(self.now["fall"] or self.now["fallen"])

    def line(self) -> str:
        """The comparison in a line for people."""
        verdict = f"  ({self.case.verdict})" if self.case.verdict else ""
        change = "same" if self.same else "differs"
        counts = f"kept: {_words(self.kept)}  now: {_words(self.now)}"
        return f"{self.case.id}  {self.case.happened}  {counts}  {change}{verdict}"


def replay_case(folder: CaseFolder, case: Case, config: Config) -> Iterator[Step]:
    """Run the posture logic over a case, with what it had learnt of the room then.

    Raises:
        MediaError: Its recording is gone or damaged.
    """
    monitor = monitor_of(config)
    monitor.restore(case.learnt, 0)
    for recorded in iterate_recording(folder.recording(case)):
        yield Step(recorded, *monitor.update(recorded.result))


def compare(folder: CaseFolder, case: Case, config: Config) -> Comparison:
    """Replay a case and compare.

    Raises:
        MediaError: Its recording is gone or damaged.
    """
    kept = Counter(event.event_type for event in case.events if "repeat" not in event.evidence)
    found = (event.event_type for step in replay_case(folder, case, config) for event in step.events)
    return Comparison(case, Counter(kept), Counter(kind for kind in found if kind in ALARM_EVENTS))


def summary(comparisons: Sequence[Comparison]) -> str:
    """How many alarms would be the same, come, and stay away, by what the owner says of them."""
    alarms = [each for each in comparisons if each.case.kind == "alarm"]
    missed = [each for each in comparisons if each.case.kind == "missed"]
    parts = [
        f"{len(alarms)} alarms: {sum(each.same for each in alarms)} the same",
        f"{sum(not each.alarms_now for each in alarms)} would not have come",
    ]
    for verdict in ("right", "no fall"):
        judged = [each for each in alarms if each.case.verdict == verdict]
        if judged:
            gone = sum(not each.alarms_now for each in judged)
            parts.append(f"of {len(judged)} that were {verdict!r} {gone} would not have come")
    if missed:
        parts.append(f"of {len(missed)} that were missed {sum(each.alarms_now for each in missed)} would have come")
    return "; ".join(parts)


def timeline(case: Case) -> Iterator[str]:
    """The case in lines for people."""
    yield f"{case.id}  {case.kind} of node {case.node}, recorded from {case.t}"
    yield f"verdict  {case.verdict or 'none yet'}"
    for event in case.events:
        seconds = (event.ts_ms - case.start_ms) / 1000
        numbers = ", ".join(f"{name} {value}" for name, value in event.evidence.items())
        yield f"{seconds:7.1f} s  {event.event_type:10} person {event.person}  {numbers}"


def film(folder: CaseFolder, case: Case, config: Config, path: Path) -> int:
    """Draw a case as a film of skeletons, .mp4 or .gif; how many pictures it has.

    Raises:
        UsageError: The name ends in something else.
        OutputError: It cannot be written.
        MediaError: The recording is gone or damaged.
    """
    from piapp import draw  # noqa: PLC0415 - brings OpenCV along

    if path.suffix not in (".mp4", ".gif"):
        raise UsageError(f"{path}: a film ends in .mp4 or .gif")
    pictures = 0
    writer = None
    try:
        for step in _at_rate(replay_case(folder, case, config)):
            picture = draw.skeleton_picture(step.result.size, step.result.poses, step.state.labels)
            if writer is None:
                size = (picture.shape[1], picture.shape[0])
                writer = draw.VideoWriter(path, FILM_FPS, size)
            writer.write(picture)
            pictures += 1
    finally:
        if writer is not None:
            writer.close()
    return pictures


def export(folder: CaseFolder, cases: Sequence[Case], out: Path) -> int:
    """Copy cases, landmarks and labels alone, into a folder that `piapp evaluate` reads; how many have a label.

    Cases that nobody has judged are copied without a label, for what is right is not known.

    Raises:
        UsageError: The folder is there already.
    """
    try:
        out.mkdir(parents=True)
    except FileExistsError as error:
        raise UsageError(f"{out}: is there already; name a new folder") from error
    labels = {}
    for case in cases:
        file = f"{case.id}.npz"
        shutil.copyfile(folder.recording(case), out / file)
        if case.verdict is not None or case.kind == "missed":
            labels[case.id] = {"file": file, "segments": _segments(case)}
    (out / SEGMENTS_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(labels)))
    return len(labels)


def _segments(case: Case) -> list[dict[str, object]]:
    if case.verdict == "no fall":
        return []
    falls = [(event.ts_ms - case.start_ms) / 1000 for event in case.events if event.event_type == "fall"]
    before_s, after_s = _FALL_S
    return [{"label": "falling", "start": max(0.0, at_s - before_s), "end": at_s + after_s} for at_s in falls]


def _at_rate(steps: Iterator[Step]) -> Iterator[Step]:
    """Each step as often as it lasts at the film's rate."""
    period_ms = 1000.0 / FILM_FPS
    due_ms = 0.0
    last: Step | None = None
    for step in steps:
        while last is not None and due_ms < step.result.ts_ms:
            yield last
            due_ms += period_ms
        last = step
    if last is not None:
        yield last


def _words(counts: Counter[str]) -> str:
    return (
        " ".join(f"{kind}{f' x{counts[kind]}' if counts[kind] > 1 else ''}" for kind in ALARM_EVENTS if counts[kind])
        or "-"
    )
