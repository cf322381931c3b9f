"""One person's exercises, all kinds together."""

from __future__ import annotations

from collections.abc import Iterator

from piapp.config.sections import PostureConfig
from piapp.posture.features import Features
from piapp.posture.finding import Finding
from piapp.posture.repetitions import JumpingJackCounter, PushUpCounter, SquatCounter
from piapp.types import Posture


class Exercises:
    """Counts squats, push-ups and jumping jacks."""

    __slots__ = ("_counters", "_push_ups")

    def __init__(self, config: PostureConfig) -> None:
        self._push_ups = PushUpCounter(config)
        self._counters = (SquatCounter(config), self._push_ups, JumpingJackCounter(config))

    def use(self, config: PostureConfig) -> None:
        """Take other values from the next result on."""
        for counter in self._counters:
            counter.use(config)

    def push_up_under_way(self, features: Features, ts_ms: int) -> bool:
        """Whether a push-up has begun, whose low end looks like lying."""
        return self._push_ups.under_way(features, ts_ms)

    def step(self, features: Features, judged: Posture, ts_ms: int, *, down: bool) -> Iterator[Finding]:
        """Take what is seen now; `repetition` for each that is whole. Nobody who is down does exercises."""
        for counter in self._counters:
            if down:
                counter.interrupt()
            elif (done := counter.step(features, judged, ts_ms)) is not None:
                duration_s = round(done.duration_s, 2)
                yield Finding("repetition", {"kind": done.kind, "count": done.count, "duration_s": duration_s})
