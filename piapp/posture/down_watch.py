"""Whether one person is down: by a fall, or found lying where nobody lies. Owns how that begins and ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from piapp.config.sections import PostureConfig
from piapp.posture.fall_net import FallNet
from piapp.posture.fall_watch import FallWatch, FoundFall
from piapp.posture.falls import FloorTime
from piapp.posture.finding import Finding, Numbers
from piapp.posture.lying_places import FloorLying, LyingPlaces
from piapp.posture.reading import Reading
from piapp.types import Posture

# Whoever is up again so soon after a fall has got up by themselves at once, or did not fall. Guess: two breaths.
UP_AT_ONCE_S = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """What all persons in view share.

    Attributes:
        fall_net: The learnt network; None leaves falls to the rules.
        lying_places: Where people usually lie; they learn it together.
    """

    fall_net: FallNet | None
    lying_places: LyingPlaces


class DownWatch:
    """Watches one person fall, lie and get up."""

    __slots__ = ("_falls", "_lying", "_time")

    def __init__(self, config: PostureConfig, room: Room) -> None:
        self._falls = FallWatch(config, room.fall_net)
        self._time = FloorTime(config)
        self._lying = FloorLying(config, room.lying_places)

    @property
    def since_ms(self) -> int | None:
        """Since when the person is down, None while they are not."""
        return self._time.since_ms

    @property
    def fallen_reported(self) -> bool:
        """Whether `fallen` was due already."""
        return self._time.fallen_reported

    @property
    def vertical_m_s(self) -> float:
        """How fast shoulders and hips rise."""
        return self._falls.rules.vertical_m_s

    def use(self, config: PostureConfig) -> None:
        """Take other values from the next result on."""
        for part in (self._falls, self._time, self._lying):
            part.use(config)

    def restore(self, since_ms: int | None, *, fallen_reported: bool) -> None:
        """Go on with a time on the floor that began before."""
        self._time.restore(since_ms, fallen_reported=fallen_reported)

    def see(self, reading: Reading, judged: Posture) -> FoundFall | None:
        """Take the person as seen now; `judged` is the judgement of this result alone."""
        return self._falls.see(reading.raw, reading.size, reading.features, judged, reading.ts_ms)

    def miss(self, ts_ms: int) -> FoundFall | None:
        """The person is not seen now, which may be how a fall ends."""
        return self._falls.miss(ts_ms)

    def begin(self, fall: FoundFall, ts_ms: int) -> Finding:
        """The person is down by this fall."""
        self._time.begin(ts_ms)
        return Finding("fall", fall.numbers, score=round(fall.score, 2))

    def overdue(self, ts_ms: int) -> Iterator[Finding]:
        """`fallen` when it is time for it, whether anybody is seen or not."""
        down_s = self._time.still(ts_ms)
        if down_s is not None:
            yield Finding("fallen", {"down_s": round(down_s, 1)})

    def found_lying(self, reading: Reading, posture: Posture, *, ignored: bool) -> Iterator[Finding]:
        """`fallen` for somebody who has lain for long where nobody lies.

        Args:
            reading: The person as seen now.
            posture: The kept posture.
            ignored: They are in a zone where falls do not count.
        """
        height = self._falls.rules.height
        down = self.since_ms is not None
        lying_s = self._lying.step(posture, height, reading.hips, down=down, ignored=ignored, ts_ms=reading.ts_ms)
        if lying_s is not None:
            self._time.begin(reading.ts_ms - round(lying_s * 1000), reported=True)
            yield Finding("fallen", {"down_s": round(lying_s, 1), "found_lying": 1})

    def got_up(self, reading: Reading) -> None:
        """The person sits or stands for good, which teaches where people lie."""
        self._lying.got_up(reading.features.scale, reading.size, reading.ts_ms)

    def recovery(self, reading: Reading, judged: Posture, *, stands: bool) -> Iterator[Finding]:
        """`recovered` when somebody who was down is up again; `stands` when standing is the kept posture."""
        down_s = self._time.over(reading.features, judged, stands=stands, ts_ms=reading.ts_ms)
        if down_s is not None:
            numbers: Numbers = {"down_s": round(down_s, 1)}
            yield Finding("recovered", numbers | ({"up_at_once": 1} if down_s < UP_AT_ONCE_S else {}))

    def give_up(self, ts_ms: int, seen_ms: int) -> Iterator[Finding]:
        """`recovered` for somebody who was down and is not there any more; `seen_ms` is when they were seen last."""
        down_s = self._time.end(ts_ms)
        if down_s is not None:
            unseen_s = round((ts_ms - seen_ms) / 1000, 1)
            yield Finding("recovered", {"down_s": round(down_s, 1), "nobody_seen": 1, "unseen_s": unseen_s})
