"""One person through time: what each reading of them changes, and the events that this makes.

Owns the order in which the judgements are asked, and nothing of how they judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from piapp.config.sections import PostureConfig, ZoneConfig
from piapp.posture.down_watch import DownWatch, Room
from piapp.posture.exercises import Exercises
from piapp.posture.fall_watch import FoundFall
from piapp.posture.falls import RECOVER_HIPS_M
from piapp.posture.features import Features
from piapp.posture.finding import Finding, Numbers
from piapp.posture.geometry import Body
from piapp.posture.gestures import Hands
from piapp.posture.lying_places import Place
from piapp.posture.plausibility import Evidence
from piapp.posture.postures import HALF_THIGH_DEG, LYING_TRUNK_DEG, PostureFilter, SettledPosture, classify
from piapp.posture.reading import Reading
from piapp.posture.snapshot import BodySnapshot, PersonSnapshot
from piapp.posture.stillness import Stillness
from piapp.posture.walking import Walking
from piapp.posture.zones import ZonePresence
from piapp.types import Person, Posture, PostureEvent

# Speed of the hips up or down, metres a second, from which legs bent half-way are on their way to a posture. Guess:
# half of sitting down slowly.
_PASSING_M_S = 0.35
_BENT: tuple[Posture, ...] = ("sitting", "squatting")


class PersonTracker:
    """Somebody, or something that may turn out to be somebody.

    Attributes:
        entered_ms: When it proved to be a person, None before.
    """

    def __init__(
        self, track_id: int, config: PostureConfig, zones: tuple[ZoneConfig, ...], ts_ms: int, room: Room
    ) -> None:
        self.id = track_id
        self.entered_ms: int | None = None
        self._config = config
        self._seen_ms = ts_ms
        self._place: Place | None = None
        self._feet_and_hips: tuple[Place, ...] = ()
        self._evidence = Evidence(config)
        self._filter = PostureFilter(config)
        self._rest = SettledPosture(config)
        self._down = DownWatch(config, room)
        self._hands = Hands(config)
        self._exercises = Exercises(config)
        self._presence = ZonePresence(config, zones)
        self._still = Stillness(config, ts_ms)
        self._walking = Walking(config)

    @property
    def posture(self) -> Posture:
        """The kept posture."""
        return self._filter.posture

    @property
    def hold_s(self) -> float:
        """How long this one may stay unseen; somebody on the floor is not given up soon."""
        if self.entered_ms is None:
            return self._config.enter_after_s
        if self._down.since_ms is not None:
            return self._config.fallen_gap_s
        return self._config.lying_gap_s if self.posture == "lying" else self._config.gap_s

    def person(self) -> Person:
        """The person as `State` shows them."""
        return Person(
            self.id,
            self.posture,
            self._filter.since_ms,
            fallen=self._down.since_ms is not None,
            hands_raised=self._hands.raised,
            still_s=self._still.still_s,
            zones=self._presence.inside,
            place=self._place,
        )

    def snapshot(self, body: Body) -> PersonSnapshot | None:
        """What must outlive the process; `body` is how the person was seen last. None for what may be nobody."""
        if self.entered_ms is None:
            return None
        return PersonSnapshot(
            self.id,
            self.entered_ms,
            self.posture,
            self._filter.since_ms,
            self._rest.posture,
            self._down.since_ms,
            self._down.fallen_reported,
            self._still.since_ms,
            self._still.inactive,
            self._presence.inside,
            BodySnapshot.of(body),
        )

    def restore(self, snapshot: PersonSnapshot) -> None:
        """Go on with a person who was there before."""
        self.entered_ms = snapshot.entered_ms
        self._filter.restore(snapshot.posture, snapshot.since_ms)
        self._rest.posture = snapshot.settled
        self._down.restore(snapshot.down_since_ms, fallen_reported=snapshot.fallen_reported)
        self._still.restore(snapshot.still_since_ms, inactive=snapshot.inactive)
        self._presence.restore(snapshot.zones)

    def use(self, config: PostureConfig) -> None:
        """Take other values from the next result on."""
        self._config = config
        steadied = (self._evidence, self._filter, self._walking, self._rest, self._still)
        for part in (*steadied, self._down, self._hands, self._exercises):
            part.use(config)
        self._presence.tune(config)

    def use_zones(self, zones: tuple[ZoneConfig, ...]) -> None:
        """Take other zones from the next frame on."""
        self._presence.use(zones)

    def see(self, reading: Reading, score: float) -> Iterator[PostureEvent]:
        """Take the person as seen now; `score` is the landmarker's. Yields what happened, in order."""
        yield from self._events(self._seen(reading, score), reading.ts_ms)

    def miss(self, ts_ms: int) -> Iterator[PostureEvent]:
        """Take that the person is not seen now."""
        if self.entered_ms is not None:
            yield from self._events(self._fall(self._down.miss(ts_ms), ts_ms), ts_ms)

    def overdue(self, ts_ms: int) -> Iterator[PostureEvent]:
        """Report `fallen` when it is time to, though no result has come."""
        yield from self._events(self._down.overdue(ts_ms), ts_ms)

    def leave(self, ts_ms: int) -> Iterator[PostureEvent]:
        """Close what is open; the track is given up."""
        if self.entered_ms is not None:
            yield from self._events(self._left(self.entered_ms, ts_ms), ts_ms)

    def _events(self, findings: Iterable[Finding], ts_ms: int) -> Iterator[PostureEvent]:
        """Put who and where to what was found, each before the next is looked for."""
        for found in findings:
            previous = self.posture if found.previous is None else found.previous
            zones = self._presence.inside if found.zones is None else found.zones
            yield PostureEvent(found.kind, ts_ms, self.id, self.posture, previous, found.score, zones, found.evidence)

    def _seen(self, reading: Reading, score: float) -> Iterator[Finding]:
        features, ts_ms = reading.features, reading.ts_ms
        elapsed_s = (ts_ms - self._seen_ms) / 1000
        self._seen_ms = ts_ms
        moved = self._still.step(reading.body, features, ts_ms)
        judged = self._judge(reading)
        previous = self.posture
        changed = self._filter.step(self._walking.step(self._arrived(judged, features), reading), elapsed_s, ts_ms)
        fall = self._down.see(reading, judged)
        if self.entered_ms is None:
            if not self._evidence.step(features, score, elapsed_s):
                return
            self.entered_ms = ts_ms
            yield Finding("person_entered", self._evidence.numbers())
        yield from self._zone_changes(reading)
        yield from self._fall(fall, ts_ms)
        if changed:
            yield Finding("posture_changed", _numbers(features), previous, round(self._filter.share, 2))
        yield from self._down.found_lying(reading, self.posture, ignored=self._presence.ignores_fall([reading.hips]))
        yield from self._settled(reading)
        yield from self._down.recovery(reading, judged, stands=self.posture == "standing")
        yield from self._gestures(reading)
        yield from self._exercises.step(features, judged, ts_ms, down=self._down.since_ms is not None)
        yield from self._stillness(moved=moved)

    def _left(self, entered_ms: int, ts_ms: int) -> Iterator[Finding]:
        yield from self._down.give_up(ts_ms, self._seen_ms)
        for side in self._hands.drop():
            yield Finding("hand_lowered", {"side": side})
        for zone in self._presence.inside:
            yield Finding("zone_left", {"zone": zone}, zones=(zone,))
        yield Finding("person_left", {"stay_s": round((self._seen_ms - entered_ms) / 1000, 1)})

    def _judge(self, reading: Reading) -> Posture:
        judged = classify(reading.features, self._config, self.posture)
        if judged == "lying" and self._exercises.push_up_under_way(reading.features, reading.ts_ms):
            return "bending"  # the low end of a push-up
        return judged

    def _arrived(self, judged: Posture, features: Features) -> Posture:
        """The judgement, unless legs bent half-way are on their way up or down: then still what it was."""
        half = judged in _BENT and features.thigh_deg < HALF_THIGH_DEG
        passing = half and abs(self._down.vertical_m_s) > _PASSING_M_S
        return self.posture if passing and self.posture not in (*_BENT, "unknown") else judged

    def _zone_changes(self, reading: Reading) -> Iterator[Finding]:
        stands = self.posture in ("standing", "bending") and reading.features.feet_seen >= self._config.min_visibility
        where = reading.feet if stands else reading.hips
        self._place = where
        self._feet_and_hips = (reading.feet, reading.hips)
        for zone, entered in self._presence.step(where, reading.ts_ms):
            numbers: Numbers = {"zone": zone, "x": round(where[0], 3), "y": round(where[1], 3)}
            yield Finding("zone_entered" if entered else "zone_left", numbers, zones=(zone,))

    def _fall(self, fall: FoundFall | None, ts_ms: int) -> Iterator[Finding]:
        # Somebody who is lost on the way down still has the hips high, so the feet count, too.
        places = self._feet_and_hips[0 if fall is not None and fall.numbers["lost"] else 1 :]
        if fall is not None and self._down.since_ms is None and not self._presence.ignores_fall(places):
            self._rest.posture = "lying"
            yield self._down.begin(fall, ts_ms)
        yield from self._down.overdue(ts_ms)

    def _settled(self, reading: Reading) -> Iterator[Finding]:
        on_floor = reading.features.hips_m < RECOVER_HIPS_M
        held_s = (reading.ts_ms - self._filter.since_ms) / 1000
        kind, previous = self._rest.step(self.posture, held_s, on_floor=on_floor)
        if self._rest.posture != "lying" and self.posture == self._rest.posture:
            self._down.got_up(reading)
        if kind is not None and (kind == "stand_up" or self._down.since_ms is None):
            yield Finding(kind, _numbers(reading.features), previous)

    def _gestures(self, reading: Reading) -> Iterator[Finding]:
        steep = reading.features.trunk_deg < LYING_TRUNK_DEG
        upright = steep and self._down.since_ms is None and self.posture != "lying"
        found = self._hands.step(reading.body, reading.tilt_deg, upright_body=upright, ts_ms=reading.ts_ms)
        for kind, numbers in found:
            yield Finding(kind, numbers)

    def _stillness(self, *, moved: bool) -> Iterator[Finding]:
        kind = self._still.change(moved=moved)
        if kind is not None:
            yield Finding(kind, {"still_s": round(self._still.last_still_s, 1)})


def _numbers(features: Features) -> Numbers:
    return {
        "trunk_deg": round(features.trunk_deg),
        "thigh_deg": round(features.thigh_deg),
        "knee_deg": round(features.knee_deg),
        "hips_m": round(features.hips_m, 2),
        "shoulders_m": round(features.shoulders_m, 2),
        "balance_m": round(features.balance_m, 2),
    }
