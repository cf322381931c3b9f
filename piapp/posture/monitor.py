"""From results to state and events: the one door of the posture logic.

Owns the order of things and the making of events. `Monitor.update` has no clock, thread or I/O: time is the results'
own, and every duration is in seconds, so frames may be dropped and rates may change.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Literal

import numpy as np

from piapp.config import PostureConfig, ZoneConfig
from piapp.posture.falls import Fall, FallDetector
from piapp.posture.features import Features, measure
from piapp.posture.geometry import Body, read_body, upright
from piapp.posture.gestures import SIDES, Hand, head_seen
from piapp.posture.plausibility import Evidence
from piapp.posture.postures import PostureFilter, classify
from piapp.posture.repetitions import JumpingJackCounter, PushUpCounter, SquatCounter
from piapp.posture.stillness import Stillness
from piapp.posture.tracks import Track, Tracks
from piapp.posture.zones import ZonePresence, fall_ignored
from piapp.types import EventType, Person, Pose, PoseLabel, PoseResult, Posture, PostureEvent, State

_NO_TRACK = 0
_BENT: tuple[Posture, ...] = ("sitting", "squatting")

# The event that leads to a posture at rest, by the one before.
_RESTS: dict[Posture, dict[Posture | None, EventType]] = {
    "standing": {"sitting": "stand_up", "lying": "stand_up"},
    "sitting": {"standing": "sit_down"},
    "lying": {"standing": "lie_down", "sitting": "lie_down"},
}


class Tilt:
    """How far the camera looks down: as configured, or learnt from people who stand straight."""

    def __init__(self, config: PostureConfig, tilt_deg: float | Literal["auto"]) -> None:
        self._fixed = None if tilt_deg == "auto" else float(tilt_deg)
        self._config = config
        self._samples: deque[float] = deque(maxlen=50)
        self._last_ms = -(10**9)

    @property
    def deg(self) -> float:
        """The tilt in force: the fixed one, or the median of what was seen, drawn to level while little was."""
        if self._fixed is not None:
            return self._fixed
        if not self._samples:
            return 0.0
        share = min(1.0, len(self._samples) / 10)
        return share * max(0.0, float(np.median(self._samples)) - self._config.tilt_bias_deg)

    def learn(self, features: Features, ts_ms: int) -> None:
        """Take a sample, at most five a second, when a body stands straight and is seen down to the feet."""
        tilt = features.axis_tilt_deg
        if self._fixed is not None or math.isnan(tilt) or features.feet_seen < self._config.min_visibility:
            return
        if ts_ms - self._last_ms >= 200 and -10 <= tilt <= self._config.tilt_max_deg:  # noqa: PLR2004
            self._samples.append(tilt)
            self._last_ms = ts_ms


class Monitor:
    """Turns results into who is there and what happened."""

    def __init__(
        self,
        posture: PostureConfig,
        zones: tuple[ZoneConfig, ...] = (),
        tilt_deg: float | Literal["auto"] = "auto",
    ) -> None:
        self._config = posture
        self._zones = zones
        self._tracks = Tracks(posture)
        self._people: dict[int, _Watch] = {}
        self._tilt = Tilt(posture, tilt_deg)
        self._last_ms: int | None = None

    def update(self, result: PoseResult) -> tuple[State, tuple[PostureEvent, ...]]:
        """Take the next result, in the order of `ts_ms`; return the state after it and what it brought.

        Called by one thread at a time. Any landmarks are taken: poses that cannot be used get the label id 0. A result
        that is not newer than the last one is labelled and changes nothing.
        """
        bodies = [read_body(pose, result.size) for pose in result.poses]
        stale = self._last_ms is not None and result.ts_ms <= self._last_ms
        ts_ms = max(result.ts_ms, self._last_ms or result.ts_ms)
        if stale:
            return self._state(ts_ms, self._tracks.recall(bodies, ts_ms)), ()
        self._last_ms = ts_ms
        tracks = self._tracks.update(bodies, ts_ms)
        events: list[PostureEvent] = []
        seen: set[int] = set()
        for pose, track in zip(result.poses, tracks, strict=True):
            if track is not None and track.id not in seen:
                seen.add(track.id)
                events += self._watch(track).see(track, pose, result.size, self._tilt, ts_ms)
        for watch in self._people.values():
            if watch.id not in seen:
                events += watch.miss(self._tracks.alive[watch.id], ts_ms)
        for track in self._tracks.expire(ts_ms):
            events += self._people.pop(track.id).leave(ts_ms)
        return self._state(ts_ms, tracks), tuple(events)

    def _watch(self, track: Track) -> _Watch:
        if track.id not in self._people:
            self._people[track.id] = _Watch(track.id, self._config, self._zones, track.first_ms)
        return self._people[track.id]

    def _state(self, ts_ms: int, tracks: Sequence[Track | None]) -> State:
        labels = tuple(
            PoseLabel(track.id, self._people[track.id].posture) if track else PoseLabel(_NO_TRACK, "unknown")
            for track in tracks
        )
        people = sorted((w for w in self._people.values() if w.entered), key=lambda w: (w.entered_ms, w.id))
        return State(ts_ms, tuple(watch.person() for watch in people), labels)


class _Watch:
    """Everything known about one track."""

    def __init__(self, track_id: int, config: PostureConfig, zones: tuple[ZoneConfig, ...], first_ms: int) -> None:
        self.id = track_id
        self.entered = False
        self.entered_ms = first_ms
        self.fallen_ms: int | None = None
        self._config = config
        self._zones = zones
        self._evidence = Evidence(config)
        self._filter = PostureFilter(config)
        self._falls = FallDetector(config)
        self._hands = tuple(Hand(index, config) for index in range(2))
        self._push_ups = PushUpCounter(config)
        self._counters = (SquatCounter(config), self._push_ups, JumpingJackCounter(config))
        self._presence = ZonePresence(config, zones)
        self._still = Stillness(config, first_ms)
        self._seen_ms = first_ms
        self._rest: Posture | None = None  # the last of standing, sitting and lying that has settled
        self._said_fallen = False
        self._up_ms: int | None = None
        self._fall_ms: int | None = None

    @property
    def posture(self) -> Posture:
        return self._filter.posture

    def person(self) -> Person:
        return Person(
            self.id,
            self.posture,
            self._filter.since_ms,
            self.fallen_ms is not None,
            tuple(side for side, hand in zip(SIDES, self._hands, strict=True) if hand.raised),
            self._still.still_s,
            self._presence.inside,
        )

    def see(self, track: Track, pose: Pose, size: tuple[int, int], tilt: Tilt, ts_ms: int) -> list[PostureEvent]:
        """Take the person as seen now."""
        dt_s = (ts_ms - self._seen_ms) / 1000
        self._seen_ms = ts_ms
        features = measure(track.body, tilt.deg)
        moved = self._still.step(track.body, features, ts_ms)
        raw = classify(features, self._config, self.posture)
        if raw == "lying" and self._push_ups.under_way(features, ts_ms):
            raw = "bending"  # the low end of a push-up, not lying down
        changed_from = self.posture
        changed = self._filter.step(self._arrived(raw, features), dt_s, ts_ms)
        events: list[PostureEvent] = []
        if not self.entered:
            if not self._evidence.step(features, pose.score, dt_s):
                self._falls.step(features, raw, ts_ms)
                return []
            self.entered, self.entered_ms = True, ts_ms
            events.append(self._event("person_entered", ts_ms, evidence=self._evidence.numbers()))
        tilt.learn(features, ts_ms)
        where = self._where(features, size)
        events += self._zone_events(where, ts_ms)
        events += self._fall_events(features, raw, where, size, ts_ms)
        if changed:
            events.append(self._posture_changed(changed_from, features, ts_ms))
        events += self._settled(features, ts_ms)
        events += self._recovery(raw, features, ts_ms)
        events += self._hand_events(track.body, features, tilt.deg, ts_ms)
        events += self._repetition_events(features, raw, ts_ms)
        events += self._still_events(moved, ts_ms)
        track.hold_s = self._hold_s()
        return events

    def _arrived(self, raw: Posture, features: Features) -> Posture:
        """The judgement, unless legs bent half-way are on their way up or down: then still what it was."""
        half = raw in _BENT and features.thigh_deg < self._config.half_thigh_deg
        passing = half and abs(self._falls.vertical_m_s) > self._config.passing_m_s
        return self.posture if passing and self.posture not in (*_BENT, "unknown") else raw

    def miss(self, track: Track, ts_ms: int) -> list[PostureEvent]:
        """Say that the person is not seen now."""
        if not self.entered:
            return []
        events: list[PostureEvent] = []
        if self.fallen_ms is None:
            fall = self._falls.missing(ts_ms)
            if fall is not None and not self._ignored(track):
                events += self._fallen_now(fall, ts_ms)
        events += self._still_down(ts_ms)
        track.hold_s = self._hold_s()
        return events

    def leave(self, ts_ms: int) -> list[PostureEvent]:
        """Close what is open; the track is given up."""
        if not self.entered:
            return []
        events = []
        for side, hand in zip(SIDES, self._hands, strict=True):
            if hand.raised:
                hand.raised = False
                events.append(self._event("hand_lowered", ts_ms, evidence={"side": side}))
        for zone in self._presence.inside:
            events.append(self._event("zone_left", ts_ms, zones=(zone,), evidence={"zone": zone}))
        stay_s = (self._seen_ms - self.entered_ms) / 1000
        events.append(self._event("person_left", ts_ms, evidence={"stay_s": round(stay_s, 1)}))
        return events

    def _hold_s(self) -> float:
        if self.fallen_ms is not None:
            return self._config.fallen_gap_s
        return self._config.lying_gap_s if self.posture == "lying" else self._config.gap_s

    def _where(self, features: Features, size: tuple[int, int]) -> tuple[float, float]:
        standing = self.posture in ("standing", "bending") and features.feet_seen >= self._config.min_visibility
        x, y = features.feet_px if standing else features.hips_px
        return x / max(size[0], 1), y / max(size[1], 1)

    def _ignored(self, track: Track) -> bool:
        return any("fall" in zone.ignore and zone.name in self._presence.inside for zone in self._zones)

    def _zone_events(self, where: tuple[float, float], ts_ms: int) -> list[PostureEvent]:
        return [
            self._event(
                "zone_entered" if entered else "zone_left",
                ts_ms,
                zones=(name,),
                evidence={"zone": name, "x": round(where[0], 3), "y": round(where[1], 3)},
            )
            for name, entered in self._presence.step(where, ts_ms)
        ]

    def _fall_events(
        self, features: Features, raw: Posture, where: tuple[float, float], size: tuple[int, int], ts_ms: int
    ) -> list[PostureEvent]:
        if self.fallen_ms is not None:
            return self._still_down(ts_ms)
        fall = self._falls.step(features, raw, ts_ms)
        if fall is None:
            return []
        shoulders = features.shoulders_px[0] / max(size[0], 1), features.shoulders_px[1] / max(size[1], 1)
        if fall_ignored(self._zones, (where, shoulders)):
            self._falls.forget()
            return []
        return self._fallen_now(fall, ts_ms)

    def _fallen_now(self, fall: Fall, ts_ms: int) -> list[PostureEvent]:
        self.fallen_ms, self._said_fallen, self._up_ms = ts_ms, False, None
        self._rest = "lying"
        self._falls.forget()
        evidence: dict[str, float | int | str] = {
            "drop_m": round(fall.drop_m, 2),
            "hips_drop_m": round(fall.hips_drop_m, 2),
            "descent_s": round(fall.descent_s, 2),
            "speed_m_s": round(fall.speed_m_s, 2),
            "shoulders_m": round(fall.shoulders_m, 2),
            "hips_m": round(fall.hips_m, 2),
            "lost": int(fall.lost),
        }
        return [self._event("fall", ts_ms, score=round(fall.score, 2), evidence=evidence)]

    def _still_down(self, ts_ms: int) -> list[PostureEvent]:
        if self.fallen_ms is None or self._said_fallen:
            return []
        down_s = (ts_ms - self.fallen_ms) / 1000
        if down_s < self._config.fallen_after_s:
            return []
        self._said_fallen = True
        return [self._event("fallen", ts_ms, evidence={"down_s": round(down_s, 1)})]

    def _recovery(self, raw: Posture, features: Features, ts_ms: int) -> list[PostureEvent]:
        if self.fallen_ms is None:
            return []
        up = raw in ("standing", "bending") or (
            raw in ("sitting", "squatting") and features.hips_m > self._config.recover_hips_m
        )
        if not up:
            self._up_ms = None
            return []
        if self._up_ms is None:
            self._up_ms = ts_ms
        wait_s = self._config.recover_dwell_s if self.posture == "standing" else self._config.recover_sitting_s
        if ts_ms - self._up_ms < wait_s * 1000:
            return []
        down_s = (ts_ms - self.fallen_ms) / 1000
        self.fallen_ms = self._up_ms = None
        return [self._event("recovered", ts_ms, evidence={"down_s": round(down_s, 1)})]

    def _posture_changed(self, previous: Posture, features: Features, ts_ms: int) -> PostureEvent:
        score = round(self._filter.share, 2)
        return self._event(
            "posture_changed", ts_ms, previous=previous, score=score, evidence=_posture_evidence(features)
        )

    def _settled(self, features: Features, ts_ms: int) -> list[PostureEvent]:
        """Sitting down, standing up, lying down: told once the new posture has lasted."""
        if self.posture not in _RESTS or self.posture == self._rest:
            return []
        floor = self.posture == "sitting" and features.hips_m < self._config.recover_hips_m
        settle_s = self._config.settle_s * (2 if floor else 1)  # falls pause there
        if ts_ms - self._filter.since_ms < settle_s * 1000 and self._rest is not None:
            return []
        rest, self._rest = self._rest, self.posture
        kind = _RESTS[self.posture].get(rest)
        if kind is None or (kind != "stand_up" and self.fallen_ms is not None):
            return []
        return [self._event(kind, ts_ms, previous=rest, evidence=_posture_evidence(features))]

    def _hand_events(self, body: Body, features: Features, tilt_deg: float, ts_ms: int) -> list[PostureEvent]:
        seen: list[float] = body.visibility.tolist()
        points = upright(body.points[:, 2:], tilt_deg)
        up = features.trunk_deg < self._config.lying_trunk_deg and head_seen(seen, self._config.min_visibility)
        up = up and self.fallen_ms is None and self.posture != "lying"
        events = []
        for side, hand in zip(SIDES, self._hands, strict=True):
            height_m = hand.step_raised(points, seen, up, ts_ms)
            if height_m is not None:
                kind: EventType = "hand_raised" if hand.raised else "hand_lowered"
                events.append(self._event(kind, ts_ms, evidence={"side": side, "above_eyes_m": round(height_m, 2)}))
            swings = hand.step_wave(points, ts_ms) if up else 0
            if swings:
                events.append(self._event("wave", ts_ms, evidence={"side": side, "swings": swings}))
        return events

    def _repetition_events(self, features: Features, raw: Posture, ts_ms: int) -> list[PostureEvent]:
        if self.fallen_ms is not None:
            for counter in self._counters:
                counter.interrupt()
            return []
        return [
            self._event(
                "repetition",
                ts_ms,
                evidence={"kind": done.kind, "count": done.count, "duration_s": round(done.duration_s, 2)},
            )
            for counter in self._counters
            if (done := counter.step(features, raw, ts_ms)) is not None
        ]

    def _still_events(self, moved: bool, ts_ms: int) -> list[PostureEvent]:
        change = self._still.change(moved)
        if change is None:
            return []
        return [self._event(change, ts_ms, evidence={"still_s": round(self._still.last_still_s, 1)})]

    def _event(
        self,
        kind: EventType,
        ts_ms: int,
        *,
        previous: Posture | None = None,
        score: float = 1.0,
        zones: tuple[str, ...] | None = None,
        evidence: dict[str, float | int | str],
    ) -> PostureEvent:
        where = self._presence.inside if zones is None else zones
        return PostureEvent(kind, ts_ms, self.id, self.posture, previous or self.posture, score, where, evidence)


def _posture_evidence(features: Features) -> dict[str, float | int | str]:
    return {
        "trunk_deg": round(features.trunk_deg),
        "thigh_deg": round(features.thigh_deg),
        "knee_deg": round(features.knee_deg),
        "hips_m": round(features.hips_m, 2),
        "shoulders_m": round(features.shoulders_m, 2),
        "balance_m": round(features.balance_m, 2),
    }
