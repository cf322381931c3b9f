"""What hands say: raised, lowered, waving.

Owns one person's hands. A raised hand is above the head of somebody who is up; a wave is a hand above its elbow that
swings to and fro.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from piapp.config.sections import PostureConfig
from piapp.posture.geometry import EARS, ELBOWS, EYES, NOSE, SHOULDERS, WRISTS, Body, upright
from piapp.posture.tuned import Tuned
from piapp.types import EventType

# Metres above the eyes from which a hand is raised. Measured: raised and waving hands 0.05 and more, a telephone below.
_HAND_ENTER_M = 0.0
# Metres above the eyes below which it is no more. Guess: a hand's breadth.
_HAND_EXIT_M = -0.1
# Metres that a waving hand is above its elbow, at least. Guess.
_WAVE_LIFT_M = 0.05
# Metres that a waving hand swings, at least. Guess: a quarter of a forearm.
_WAVE_SWING_M = 0.1
# Swings to one side that make a wave. Guess: twice to and fro.
_WAVE_SWINGS = 4
# Seconds in which they happen. Guess: 1 Hz and faster.
_WAVE_WINDOW_S = 2.5
# Seconds until the next wave can be told.
_WAVE_PAUSE_S = 3.0

SIDES = ("left", "right")
_ARMS = max(WRISTS) + 1  # so many landmarks are face and arms
_LOW_M = 0.1  # a waving hand is not further below its shoulder than this


class Hands(Tuned):
    """Both hands of one person."""

    __slots__ = ("_hands",)

    def __init__(self, config: PostureConfig) -> None:
        super().__init__(config)
        self._hands = tuple(_Hand(index, config) for index in range(2))

    def use(self, config: PostureConfig) -> None:
        """Take other values from the next result on."""
        super().use(config)
        for hand in self._hands:
            hand.use(config)

    @property
    def raised(self) -> tuple[str, ...]:
        """The sides whose hands are up."""
        return tuple(side for side, hand in zip(SIDES, self._hands, strict=True) if hand.raised)

    def step(
        self, body: Body, tilt_deg: float, *, upright_body: bool, ts_ms: int
    ) -> Iterator[tuple[EventType, dict[str, float | int | str]]]:
        """Take the body as it is now; yield events with their evidence. Hands of who is not up are never raised."""
        seen: list[float] = body.visibility.tolist()
        points = upright(body.points[:_ARMS, 2:], tilt_deg)
        up = upright_body and max(seen[NOSE], seen[EARS[0]], seen[EARS[1]]) >= self._config.min_visibility
        for side, hand in zip(SIDES, self._hands, strict=True):
            visible = seen[WRISTS[hand.index]] >= self._config.min_visibility
            height_m = hand.step_raised(points, ts_ms, visible=visible, up=up)
            if height_m is not None:
                kind: EventType = "hand_raised" if hand.raised else "hand_lowered"
                yield kind, {"side": side, "above_eyes_m": round(height_m, 2)}
            swings = hand.step_wave(points, ts_ms, visible=visible and up)
            if swings:
                yield "wave", {"side": side, "swings": swings}

    def drop(self) -> tuple[str, ...]:
        """Take down what is raised, for the person is gone; returns the sides."""
        raised = self.raised
        for hand in self._hands:
            hand.raised = False
        return raised


class _Hand(Tuned):
    """One hand; `points` are the body's in gravity's frame."""

    __slots__ = ("_since_ms", "_swings", "_turn_m", "_wave_ms", "_way", "index", "raised")

    def __init__(self, index: int, config: PostureConfig) -> None:
        self.index = index
        self.raised = False
        super().__init__(config)
        self._since_ms: int | None = None
        self._swings: deque[int] = deque(maxlen=8)
        self._turn_m: float | None = None
        self._way = 0
        self._wave_ms = -(10**9)

    def step_raised(self, points: list[list[float]], ts_ms: int, *, visible: bool, up: bool) -> float | None:
        """The height above the eyes in metres when `raised` has just changed."""
        height_m = points[WRISTS[self.index]][1] - max(points[NOSE][1], points[EYES[0]][1], points[EYES[1]][1])
        limit_m = _HAND_EXIT_M if self.raised else _HAND_ENTER_M
        if not visible or (up and height_m > limit_m) == self.raised:
            self._since_ms = None
            return None
        if self._since_ms is None:
            self._since_ms = ts_ms
        if ts_ms - self._since_ms < self._config.hand_dwell_s * 1000:
            return None
        self.raised, self._since_ms = not self.raised, None
        return height_m

    def step_wave(self, points: list[list[float]], ts_ms: int, *, visible: bool) -> int:
        """The number of swings when they have just made a wave, else 0."""
        wrist, elbow, shoulder = (points[pair[self.index]] for pair in (WRISTS, ELBOWS, SHOULDERS))
        if not visible or wrist[1] < elbow[1] + _WAVE_LIFT_M or wrist[1] < shoulder[1] - _LOW_M:
            self._turn_m, self._way = None, 0
            self._swings.clear()
            return 0
        self._follow(wrist[0] - elbow[0], ts_ms)
        first_ms = ts_ms - _WAVE_WINDOW_S * 1000
        swings = sum(when >= first_ms for when in self._swings)
        if swings < _WAVE_SWINGS or ts_ms - self._wave_ms < _WAVE_PAUSE_S * 1000:
            return 0
        self._wave_ms = ts_ms
        return swings

    def _follow(self, across_m: float, ts_ms: int) -> None:
        """Count a swing whenever the hand has come back far enough from where it last turned."""
        if self._turn_m is None:
            self._turn_m = across_m
        moved = across_m - self._turn_m
        if moved * self._way > 0:
            self._turn_m = across_m
        elif abs(moved) >= _WAVE_SWING_M:
            self._way, self._turn_m = (1 if moved > 0 else -1), across_m
            self._swings.append(ts_ms)
