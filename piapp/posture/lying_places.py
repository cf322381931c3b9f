"""Where people usually lie in this room, and who lies on the floor without having been seen to fall.

Owns both. A place is learnt when somebody has lain there calmly for a while and got up by themselves: a bed, a sofa, an
exercise mat. Whoever lies anywhere else for long is an alarm, because falls happen while nobody can see them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from piapp.config.sections import PostureConfig
from piapp.posture.falls import Height
from piapp.posture.tuned import Tuned
from piapp.types import Posture

Place = tuple[float, float]

# Guess: longer than exercise on the floor, shorter than a nap.
LEARN_LYING_S = 60.0
# Half a body around its hips: one who lies the other way round is still there. Guess.
REACH_M = 0.8
# Beds and sofas of one room. The one that was used least gives way.
MAX_PLACES = 12
# Furniture to lie on is higher above the feet of those who stand beside it. As for falls: a mattress counts as floor.
FLOOR_HIPS_M = 0.33
# Beyond these nothing was learnt: hips so far outside of the picture, in its widths, and so many times.
_FAR, _OFTEN = 10.0, 1_000_000


@dataclass(frozen=True, slots=True)
class LyingPlace:
    """Somewhere to lie, as shares of the picture's width and height.

    Attributes:
        x: Of the hips; y likewise.
        reach_x: How far to the side of it is still there; reach_y likewise up and down.
        times: How often somebody lay there and got up.

    Raises:
        ValueError: No node has learnt such a place; a damaged file, or a backup from anywhere, may hold it.
    """

    x: float
    y: float
    reach_x: float
    reach_y: float
    times: int = 1

    def __post_init__(self) -> None:
        likely = abs(self.x) <= _FAR and abs(self.y) <= _FAR and 1 <= self.times <= _OFTEN
        if not (likely and 0.0 < self.reach_x <= 1.0 and 0.0 < self.reach_y <= 1.0):
            raise ValueError(f"{self} is no place to lie")

    def holds(self, place: Place) -> bool:
        """Whether somebody whose hips are at `place` lies here."""
        return math.hypot((place[0] - self.x) / self.reach_x, (place[1] - self.y) / self.reach_y) <= 1.0


class LyingPlaces:
    """The places of one room.

    Attributes:
        places: Those learnt so far.
    """

    __slots__ = ("places",)

    def __init__(self, places: tuple[LyingPlace, ...] = ()) -> None:
        self.places = places

    def usual(self, place: Place) -> bool:
        """Whether lying at this place is nothing special."""
        return any(known.holds(place) for known in self.places)

    def learn(self, place: Place, scale: float, size: tuple[int, int]) -> None:
        """Somebody lay there calmly and has got up.

        Args:
            place: Of their hips.
            scale: Pixels a metre at their body.
            size: (width, height) of the picture in pixels.
        """
        for index, known in enumerate(self.places):
            if known.holds(place):
                share = 1 / (known.times + 1)
                moved = replace(
                    known,
                    x=round(known.x + share * (place[0] - known.x), 4),
                    y=round(known.y + share * (place[1] - known.y), 4),
                    times=min(known.times + 1, _OFTEN),
                )
                self.places = (*self.places[:index], moved, *self.places[index + 1 :])
                return
        reach_px = max(REACH_M * scale, 1.0)
        reach_x, reach_y = (round(min(reach_px / max(length, 1), 0.5), 4) for length in size)
        new = LyingPlace(round(place[0], 4), round(place[1], 4), reach_x, reach_y)
        self.places = (*sorted(self.places, key=lambda known: -known.times)[: MAX_PLACES - 1], new)


class FloorLying(Tuned):
    """One person's lying where lying is not usual.

    Args:
        config: `[posture]`.
        places: Of the room, shared by all persons.
    """

    __slots__ = ("_alarmed", "_calm_place", "_places", "_since_ms")

    def __init__(self, config: PostureConfig, places: LyingPlaces) -> None:
        super().__init__(config)
        self._places = places
        self._since_ms: int | None = None
        self._alarmed = False
        self._calm_place: Place | None = None

    def step(
        self, posture: Posture, height: Height | None, place: Place, *, down: bool, ignored: bool, ts_ms: int
    ) -> float | None:
        """Take the kept posture and where the hips are.

        Args:
            posture: The kept one.
            height: Above the floor, None when it is not known.
            place: Of the hips, as shares of the picture.
            down: A fall is open already.
            ignored: They are in a zone where falls do not count.
            ts_ms: The result's time.

        Returns:
            Seconds of lying, once, when that has become an alarm.
        """
        if posture != "lying":
            return None
        if self._since_ms is None:
            self._since_ms, self._alarmed = ts_ms, False
        self._calm_place = None if down or self._alarmed else place
        on_furniture = height is not None and height.hips_m > FLOOR_HIPS_M
        lying_s = (ts_ms - self._since_ms) / 1000
        after_s = self._config.found_lying_s
        if down or ignored or self._alarmed or not after_s or lying_s < after_s:
            return None
        if on_furniture or self._places.usual(place):
            return None
        self._alarmed = True
        return lying_s

    def got_up(self, scale: float, size: tuple[int, int], ts_ms: int) -> None:
        """They sit or stand for good: a long calm lying teaches its place."""
        lying_ms = 0 if self._since_ms is None else ts_ms - self._since_ms
        if self._calm_place is not None and lying_ms >= LEARN_LYING_S * 1000:
            self._places.learn(self._calm_place, scale, size)
        self._since_ms = self._calm_place = None
