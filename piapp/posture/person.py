"""One person through time: what each reading of them changes, and the events that this makes.

Owns the order in which the judgements are asked, and nothing of how they judge.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from piapp.config.sections import PostureConfig, ZoneConfig
from piapp.posture.fall_net import FallNet
from piapp.posture.fall_watch import FallWatch, FoundFall, Numbers
from piapp.posture.falls import FloorTime
from piapp.posture.features import Features, measure
from piapp.posture.geometry import Body
from piapp.posture.gestures import Hands
from piapp.posture.lying_places import FloorLying, LyingPlaces, Place
from piapp.posture.plausibility import Evidence
from piapp.posture.postures import PostureFilter, SettledPosture, classify
from piapp.posture.repetitions import JumpingJackCounter, PushUpCounter, SquatCounter
from piapp.posture.snapshot import BodySnapshot, PersonSnapshot
from piapp.posture.stillness import Stillness
from piapp.posture.tilt import Tilt
from piapp.posture.tracks import Track
from piapp.posture.zones import ZonePresence, fall_ignored
from piapp.types import EventType, Person, Posture, PostureEvent

# Whoever is up again so soon after a fall has got up by themselves at once, or did not fall. Guess: two breaths.
UP_AT_ONCE_S = 5.0

_BENT: tuple[Posture, ...] = ("sitting", "squatting")


@dataclass(frozen=True, slots=True)
class Reading:
    """One person as seen in one result; places are shares of the picture's width and height."""

    ts_ms: int
    size: tuple[int, int]
    raw: Body
    body: Body
    features: Features
    tilt_deg: float
    feet: Place
    hips: Place
    shoulders: Place


def read_track(track: Track, raw: Body, size: tuple[int, int], tilt: Tilt, ts_ms: int) -> Reading:
    """Read a track that was seen just now; `raw` is its body before smoothing."""
    features = measure(track.body, tilt.deg)
    width, height = max(size[0], 1), max(size[1], 1)

    def place(point: Place) -> Place:
        return point[0] / width, point[1] / height

    return Reading(
        ts_ms,
        size,
        raw,
        track.body,
        features,
        tilt.deg,
        place(features.feet_px),
        place(features.hips_px),
        place(features.shoulders_px),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """What all persons in view share.

    Attributes:
        fall_net: The learnt network; None leaves falls to the rules.
        lying_places: Where people usually lie; they learn it together.
    """

    fall_net: FallNet | None
    lying_places: LyingPlaces


class PersonTracker:
    """Somebody, or something that may turn out to be somebody.

    Attributes:
        entered_ms: When it proved to be a person, None before.
    """

    def __init__(
        self,
        track_id: int,
        config: PostureConfig,
        zones: tuple[ZoneConfig, ...],
        ts_ms: int,
        room: Room,
    ) -> None:
        self.id = track_id
        self.entered_ms: int | None = None
        self._config = config
        self._zones = zones
        self._seen_ms = ts_ms
        self._places: tuple[Place, ...] = ()
        self._evidence = Evidence(config)
        self._filter = PostureFilter(config)
        self._rest = SettledPosture(config)
        self._falls = FallWatch(config, room.fall_net)
        self._down = FloorTime(config)
        self._floor_lying = FloorLying(config, room.lying_places)
        self._hands = Hands(config)
        self._push_ups = PushUpCounter(config)
        self._counters = (SquatCounter(config), self._push_ups, JumpingJackCounter(config))
        self._presence = ZonePresence(config, zones)
        self._still = Stillness(config, ts_ms)

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

    def overdue(self, ts_ms: int) -> Iterator[PostureEvent]:
        """Report `fallen` when it is time to, though no result has come."""
        down_s = self._down.still(ts_ms)
        if down_s is not None:
            yield self._event("fallen", ts_ms, {"down_s": round(down_s, 1)})

    def use(self, config: PostureConfig) -> None:
        """Take other values from the next result on."""
        self._config = config
        for part in (
            self._evidence, self._filter, self._rest, self._falls, self._down, self._floor_lying, self._hands,
            *self._counters, self._still,
        ):  # fmt: skip
            part.use(config)
        self._presence.tune(config)

    def use_zones(self, zones: tuple[ZoneConfig, ...]) -> None:
        """Take other zones from the next frame on."""
        self._zones = zones
        self._presence.use(zones)

    def see(self, reading: Reading, score: float) -> Iterator[PostureEvent]:
        """Take the person as seen now; `score` is the landmarker's. Yields what happened, in order."""
        elapsed_s = (reading.ts_ms - self._seen_ms) / 1000
        self._seen_ms = reading.ts_ms
        moved = self._still.step(reading.body, reading.features, reading.ts_ms)
        judged = self._judge(reading)
        previous = self.posture
        changed = self._filter.step(self._arrived(judged, reading.features), elapsed_s, reading.ts_ms)
        fall = self._falls.see(reading.raw, reading.size, reading.features, judged, reading.ts_ms)
        if self.entered_ms is None:
            if not self._evidence.step(reading.features, score, elapsed_s):
                return
            self.entered_ms = reading.ts_ms
            yield self._event("person_entered", reading.ts_ms, self._evidence.numbers())
        yield from self._zone_events(reading)
        yield from self._fall_events(fall, reading.ts_ms)
        if changed:
            yield self._event(
                "posture_changed",
                reading.ts_ms,
                _numbers(reading.features),
                previous=previous,
                score=round(self._filter.share, 2),
            )
        yield from self._found_lying(reading)
        yield from self._settled(reading)
        yield from self._recovery(reading, judged)
        yield from self._hand_events(reading)
        yield from self._repetition_events(reading, judged)
        yield from self._still_events(reading.ts_ms, moved=moved)

    def miss(self, ts_ms: int) -> Iterator[PostureEvent]:
        """Say that the person is not seen now."""
        if self.entered_ms is None:
            return
        yield from self._fall_events(self._falls.miss(ts_ms), ts_ms)

    def leave(self, ts_ms: int) -> Iterator[PostureEvent]:
        """Close what is open; the track is given up."""
        if self.entered_ms is None:
            return
        down_s = self._down.end(ts_ms)
        if down_s is not None:
            unseen_s = round((ts_ms - self._seen_ms) / 1000, 1)
            yield self._event("recovered", ts_ms, {"down_s": round(down_s, 1), "nobody_seen": 1, "unseen_s": unseen_s})
        for side in self._hands.drop():
            yield self._event("hand_lowered", ts_ms, {"side": side})
        for zone in self._presence.inside:
            yield self._event("zone_left", ts_ms, {"zone": zone}, zones=(zone,))
        yield self._event("person_left", ts_ms, {"stay_s": round((self._seen_ms - self.entered_ms) / 1000, 1)})

    def _judge(self, reading: Reading) -> Posture:
        judged = classify(reading.features, self._config, self.posture)
        if judged == "lying" and self._push_ups.under_way(reading.features, reading.ts_ms):
            return "bending"  # the low end of a push-up
        return judged

    def _arrived(self, judged: Posture, features: Features) -> Posture:
        """The judgement, unless legs bent half-way are on their way up or down: then still what it was."""
        half = judged in _BENT and features.thigh_deg < self._config.half_thigh_deg
        passing = half and abs(self._falls.rules.vertical_m_s) > self._config.passing_m_s
        return self.posture if passing and self.posture not in (*_BENT, "unknown") else judged

    def _zone_events(self, reading: Reading) -> Iterator[PostureEvent]:
        stands = self.posture in ("standing", "bending") and reading.features.feet_seen >= self._config.min_visibility
        where = reading.feet if stands else reading.hips
        self._places = (where, reading.hips, reading.shoulders)
        for zone, entered in self._presence.step(where, reading.ts_ms):
            numbers: Numbers = {"zone": zone, "x": round(where[0], 3), "y": round(where[1], 3)}
            yield self._event("zone_entered" if entered else "zone_left", reading.ts_ms, numbers, zones=(zone,))

    def _fall_events(self, fall: FoundFall | None, ts_ms: int) -> Iterator[PostureEvent]:
        if fall is not None and self._down.since_ms is None and not fall_ignored(self._zones, self._places):
            self._down.begin(ts_ms)
            self._rest.posture = "lying"
            yield self._event("fall", ts_ms, fall.numbers, score=round(fall.score, 2))
        yield from self.overdue(ts_ms)

    def _found_lying(self, reading: Reading) -> Iterator[PostureEvent]:
        lying_s = self._floor_lying.step(
            self.posture,
            self._falls.rules.height,
            reading.hips,
            down=self._down.since_ms is not None,
            ignored=fall_ignored(self._zones, self._places),
            ts_ms=reading.ts_ms,
        )
        if lying_s is not None:
            self._down.begin(reading.ts_ms - round(lying_s * 1000), reported=True)
            yield self._event("fallen", reading.ts_ms, {"down_s": round(lying_s, 1), "found_lying": 1})

    def _settled(self, reading: Reading) -> Iterator[PostureEvent]:
        on_floor = reading.features.hips_m < self._config.recover_hips_m
        held_s = (reading.ts_ms - self._filter.since_ms) / 1000
        kind, previous = self._rest.step(self.posture, held_s, on_floor=on_floor)
        if self._rest.posture != "lying" and self.posture == self._rest.posture:
            self._floor_lying.got_up(reading.features.scale, reading.size, reading.ts_ms)
        if kind is not None and (kind == "stand_up" or self._down.since_ms is None):
            yield self._event(kind, reading.ts_ms, _numbers(reading.features), previous=previous)

    def _recovery(self, reading: Reading, judged: Posture) -> Iterator[PostureEvent]:
        stands = self.posture == "standing"
        down_s = self._down.over(reading.features, judged, stands=stands, ts_ms=reading.ts_ms)
        if down_s is not None:
            numbers: Numbers = {"down_s": round(down_s, 1)}
            yield self._event(
                "recovered", reading.ts_ms, numbers | ({"up_at_once": 1} if down_s < UP_AT_ONCE_S else {})
            )

    def _hand_events(self, reading: Reading) -> Iterator[PostureEvent]:
        upright = (
            self._down.since_ms is None
            and self.posture != "lying"
            and reading.features.trunk_deg < self._config.lying_trunk_deg
        )
        for kind, numbers in self._hands.step(
            reading.body, reading.tilt_deg, upright_body=upright, ts_ms=reading.ts_ms
        ):
            yield self._event(kind, reading.ts_ms, numbers)

    def _repetition_events(self, reading: Reading, judged: Posture) -> Iterator[PostureEvent]:
        for counter in self._counters:
            if self._down.since_ms is not None:
                counter.interrupt()
            elif (done := counter.step(reading.features, judged, reading.ts_ms)) is not None:
                numbers: Numbers = {
                    "kind": done.kind,
                    "count": done.count,
                    "duration_s": round(done.duration_s, 2),
                }
                yield self._event("repetition", reading.ts_ms, numbers)

    def _still_events(self, ts_ms: int, *, moved: bool) -> Iterator[PostureEvent]:
        kind = self._still.change(moved=moved)
        if kind is not None:
            yield self._event(kind, ts_ms, {"still_s": round(self._still.last_still_s, 1)})

    def _event(
        self,
        kind: EventType,
        ts_ms: int,
        evidence: Numbers,
        *,
        previous: Posture | None = None,
        score: float = 1.0,
        zones: tuple[str, ...] | None = None,
    ) -> PostureEvent:
        where = self._presence.inside if zones is None else zones
        return PostureEvent(kind, ts_ms, self.id, self.posture, previous or self.posture, score, where, evidence)


def _numbers(features: Features) -> Numbers:
    return {
        "trunk_deg": round(features.trunk_deg),
        "thigh_deg": round(features.thigh_deg),
        "knee_deg": round(features.knee_deg),
        "hips_m": round(features.hips_m, 2),
        "shoulders_m": round(features.shoulders_m, 2),
        "balance_m": round(features.balance_m, 2),
    }
