"""Runs the posture logic over the clips of a manifest and notes what it answered. Owns no figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from piapp.camera.video import VideoFile
from piapp.config.sections import Config
from piapp.fall_model import monitor_of
from piapp.landmarker.model import ModelFile
from piapp.landmarker.offline import OfflineStage
from piapp.offline.evaluate.manifest import Clip, check_content
from piapp.offline.evaluate.perturb import perturbed
from piapp.offline.evaluate.seeing import Seeing, seeing
from piapp.offline.recording import read_recording, write_recording
from piapp.types import ImageArray, PoseResult, PostureEvent

# How much earlier than its labelled onset a fall may be reported; before that the alarm is a false one.
EARLY_S = 0.5

# Times are whole milliseconds: a frame may be rounded to just before it is due.
_EARLY_MS = 1


class Sampler(Protocol):
    """Somebody who wants to see frames with what was found in them."""

    def offer(self, clip: Clip, image: ImageArray | None, result: PoseResult) -> None:
        """See a frame; its picture is None when only landmarks are known."""
        ...


@dataclass(frozen=True, slots=True)
class Alarm:
    """A reported fall, or somebody found lying.

    Attributes:
        at_s: The result's time that brought the alarm.
        score: How sure, 0..1.
        found_lying: The person was found on the floor, and nobody saw the fall.
    """

    at_s: float
    score: float
    found_lying: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was answered on a clip.

    Attributes:
        seconds: From the first result to the last.
        frames: How many results there were.
        seen: In how many of them somebody was seen.
        alarms: In the order of time.
        taken_back: An alarm was followed by `recovered` with `up_at_once`.
        copies: (name of the change, whether somebody was reported to fall) for each perturbed copy.
        postures: In how many results each posture was found; of several people the first's.
        seeing: Gaps, and poses that no body can have.
    """

    clip: Clip
    seconds: float
    frames: int
    seen: int
    alarms: tuple[Alarm, ...]
    taken_back: bool = False
    copies: tuple[tuple[str, bool], ...] = ()
    postures: Mapping[str, int] = field(default_factory=dict)
    seeing: Seeing = field(default_factory=Seeing)

    @property
    def hits(self) -> tuple[Alarm, ...]:
        """Reported falls of a clip with a fall that do not come before it."""
        return tuple(alarm for alarm in self.falls if self.clip.fall and alarm.at_s >= self._earliest_s)

    @property
    def false(self) -> tuple[Alarm, ...]:
        """Reported falls where there is none."""
        return tuple(alarm for alarm in self.falls if alarm not in self.hits)

    @property
    def falls(self) -> tuple[Alarm, ...]:
        """Reported falls, without people who were found lying."""
        return tuple(alarm for alarm in self.alarms if not alarm.found_lying)

    @property
    def found_lying(self) -> bool:
        """Somebody was found lying on the floor."""
        return any(alarm.found_lying for alarm in self.alarms)

    @property
    def alarmed(self) -> bool:
        """The answer to whether somebody fell: a hit where there is a fall, any reported fall elsewhere."""
        return bool(self.hits if self.clip.fall else self.falls)

    @property
    def best_score(self) -> float | None:
        """The surest of the alarms that make the answer; None when there is none."""
        return max((alarm.score for alarm in (self.hits if self.clip.fall else self.falls)), default=None)

    @property
    def delay_s(self) -> float | None:
        """From the labelled impact to the first right alarm."""
        impact_s = self.clip.impact_s
        return self.hits[0].at_s - impact_s if self.hits and impact_s is not None else None

    @property
    def _earliest_s(self) -> float:
        return self.clip.onset_s - EARLY_S if self.clip.onset_s is not None else float("-inf")


@dataclass(frozen=True, slots=True)
class Bench:
    """How clips are run.

    Attributes:
        config: Of landmarker and posture logic.
        model: The landmarker's, for videos.
        rate_hz: Results are thinned to this rate by their times.
        copies: How many perturbed copies each clip has.
        record: Where recordings of the videos' landmarks go, as SET/NAME.npz; None keeps none.
        sampler: Sees every frame.
        degrade: Makes each picture of a video worse before it is looked at.
    """

    config: Config
    model: ModelFile
    rate_hz: float
    copies: int = 0
    record: Path | None = None
    sampler: Sampler | None = None
    degrade: Callable[[ImageArray], ImageArray] | None = None

    def run(self, clip: Clip, path: Path) -> Outcome:
        """Answer a clip and its perturbed copies.

        Raises:
            CameraError: The video cannot be read.
            MediaError: The file is no recording, or its content is not the manifest's.
        """
        results = self._results(clip, path)
        outcome = judge(clip, results, self.config)
        copies = ((kind, judge(clip, copy, self.config).alarmed) for kind, copy in perturbed(results, self.copies))
        return replace(outcome, copies=tuple(copies))

    def _results(self, clip: Clip, path: Path) -> list[PoseResult]:
        if path.suffix != ".npz":
            return self._detect(clip, path)
        results = list(thin(read_recording(path), self.rate_hz))
        for result in results:
            self._offer(clip, None, result)
        return results

    def _detect(self, clip: Clip, path: Path) -> list[PoseResult]:
        check_content(clip, path)
        results: list[PoseResult] = []
        with VideoFile(path) as video, OfflineStage(self.config.landmarker, self.model.path, video=True) as stage:
            due = _Due(self.rate_hz)
            for ts_ms, original in video.frames():
                if ts_ms < clip.from_s * 1000 or not due.at(ts_ms):
                    continue
                image = self.degrade(original) if self.degrade else original
                size = (image.shape[1], image.shape[0])
                results.append(PoseResult(ts_ms, ts_ms * 1_000_000, size, stage.detect(image, ts_ms)))
                self._offer(clip, image, results[-1])
        if self.record:
            target = self.record / clip.footage / f"{clip.name}.npz"
            target.parent.mkdir(parents=True, exist_ok=True)
            write_recording(target, results)
        return results

    def _offer(self, clip: Clip, image: ImageArray | None, result: PoseResult) -> None:
        if self.sampler:
            self.sampler.offer(clip, image, result)


def judge(clip: Clip, results: Sequence[PoseResult], config: Config) -> Outcome:
    """Run the posture logic over results of one clip."""
    monitor = monitor_of(config)
    alarms: list[Alarm] = []
    postures: Counter[str] = Counter()
    taken_back = False
    for result in results:
        state, events = monitor.update(result)
        postures.update(label.posture for label in state.labels[:1])
        alarms += (_alarm(event, result.ts_ms) for event in events if _is_alarm(event))
        taken_back = taken_back or any("up_at_once" in event.evidence for event in events)
    seconds = (results[-1].ts_ms - results[0].ts_ms) / 1000 if results else 0.0
    seen = sum(bool(result.poses) for result in results)
    return Outcome(
        clip,
        seconds,
        len(results),
        seen,
        tuple(alarms),
        taken_back,
        postures=postures,
        seeing=seeing(results, config.posture),
    )


def thin(results: Iterable[PoseResult], rate_hz: float) -> Iterator[PoseResult]:
    """Keep so many results a second, by their times; a slower recording stays as it is."""
    due = _Due(rate_hz)
    return (result for result in results if due.at(result.ts_ms))


class _Due:
    """Tells which times of a sequence keep to a rate: the first at, or a millisecond before, each due time."""

    def __init__(self, rate_hz: float) -> None:
        self._period_ms = 1000 / rate_hz
        self._next_ms: float | None = None

    def at(self, ts_ms: int) -> bool:
        if self._next_ms is None:
            self._next_ms = float(ts_ms)
        if ts_ms < self._next_ms - _EARLY_MS:
            return False
        periods = int((ts_ms + _EARLY_MS - self._next_ms) // self._period_ms) + 1
        self._next_ms += periods * self._period_ms
        return True


def _is_alarm(event: PostureEvent) -> bool:
    return event.event_type == "fall" or (event.event_type == "fallen" and "found_lying" in event.evidence)


def _alarm(event: PostureEvent, ts_ms: int) -> Alarm:
    score = event.evidence.get("probability", event.score)
    return Alarm(ts_ms / 1000, float(score), event.event_type == "fallen")
