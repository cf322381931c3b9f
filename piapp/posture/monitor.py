"""From results to state and events: the one door of the posture logic.

`Monitor.update` has no clock, thread or I/O: time is the results' own, and every duration is in seconds, so frames may
be dropped and rates may change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from piapp.config.sections import PostureConfig, ZoneConfig
from piapp.posture.down_watch import Room
from piapp.posture.fall_net import FallNet
from piapp.posture.geometry import Body, read_body
from piapp.posture.lying_places import MAX_PLACES, LyingPlace, LyingPlaces
from piapp.posture.person import PersonTracker
from piapp.posture.reading import read_track
from piapp.posture.snapshot import MonitorSnapshot
from piapp.posture.tilt import Tilt
from piapp.posture.tracks import Track, Tracks
from piapp.types import Pose, PoseLabel, PoseResult, PostureEvent, State

# Longer than smoothing goes back, and enough for somebody to have moved a step or two.
RESTORED_AGO_MS = 1000

NO_TRACK = 0  # the label's id of a pose that cannot be used; tracks count from 1


class Monitor:
    """Turns results into who is there and what happened."""

    def __init__(
        self,
        posture: PostureConfig,
        zones: tuple[ZoneConfig, ...] = (),
        tilt_deg: float | Literal["auto"] = "auto",
        fall_net: FallNet | None = None,
    ) -> None:
        self._room = Room(fall_net, LyingPlaces())
        self._config = posture
        self._zones = zones
        self._tracks = Tracks(posture)
        self._trackers: dict[int, PersonTracker] = {}
        self._tilt = Tilt(posture, tilt_deg)
        self._last_ms: int | None = None

    def use(self, posture: PostureConfig) -> None:
        """Take other values from the next result on; whoever is in view stays, and what is under way goes on."""
        self._config = posture
        self._tracks.use(posture)
        self._tilt.use(posture)
        for tracker in self._trackers.values():
            tracker.use(posture)

    @property
    def lying_places(self) -> tuple[LyingPlace, ...]:
        """Where people usually lie, as learnt so far."""
        return self._room.lying_places.places

    @property
    def tilt_deg(self) -> float:
        """How far the camera looks down, as configured or learnt so far."""
        return self._tilt.deg

    def forget_lying_places(self) -> None:
        """Begin anew to learn where people lie."""
        self._room.lying_places.places = ()

    def use_zones(self, zones: tuple[ZoneConfig, ...]) -> None:
        """Take other zones from the next result on; whoever was in one that is no more leaves it then."""
        self._zones = zones
        for tracker in self._trackers.values():
            tracker.use_zones(zones)

    def snapshot(self) -> MonitorSnapshot:
        """What must not be lost when the process ends, on the results' time line."""
        found = (tracker.snapshot(self._tracks.alive[tracker.id].body) for tracker in self._trackers.values())
        persons = tuple(person for person in found if person is not None)
        return MonitorSnapshot(self._tracks.next_id, self._tilt.samples_deg, persons, self._room.lying_places.places)

    def restore(self, snapshot: MonitorSnapshot, ts_ms: int) -> None:
        """Go on from a snapshot on this time line, of which `ts_ms` is now or the next result.

        Everybody counts as seen shortly before, for nobody could see them while nothing watched.
        """
        seen_ms = ts_ms - RESTORED_AGO_MS
        self._tracks.restore(snapshot.next_id, {person.id: person.body.body() for person in snapshot.persons}, seen_ms)
        self._tilt.restore(snapshot.tilt_samples_deg)
        self._room.lying_places.places = snapshot.lying_places[:MAX_PLACES]
        self._trackers = {}
        for person in snapshot.persons:
            tracker = self._trackers[person.id] = PersonTracker(
                person.id, self._config, self._zones, seen_ms, self._room
            )
            tracker.restore(person)
            self._tracks.alive[person.id].hold_s = tracker.hold_s
        self._last_ms = None

    def overdue(self, ts_ms: int) -> tuple[PostureEvent, ...]:
        """What is due by the clock alone when no result comes: `fallen`, at `ts_ms` on the results' time line."""
        return tuple(event for tracker in self._trackers.values() for event in tracker.overdue(ts_ms))

    @property
    def state(self) -> State:
        """Who is there, as after the newest result or a restore."""
        return self._state(self._last_ms or 0, ())

    def update(self, result: PoseResult) -> tuple[State, tuple[PostureEvent, ...]]:
        """Take the next result, in the order of `ts_ms`; return the state after it and what it brought.

        Called by one thread at a time. Takes any landmarks: a pose without shoulders or hips gets the label id 0. A
        result that is not newer than the last one is labelled and changes nothing.
        """
        bodies = [read_body(pose, result.size) for pose in result.poses]
        if self._last_ms is not None and result.ts_ms <= self._last_ms:
            return self._state(self._last_ms, self._tracks.recall(bodies, self._last_ms)), ()
        self._last_ms = ts_ms = result.ts_ms
        tracks = self._tracks.update(bodies, ts_ms)
        events: list[PostureEvent] = []
        seen: set[int] = set()
        for pose, body, track in zip(result.poses, bodies, tracks, strict=True):
            if track is not None and body is not None and track.id not in seen and not self._unsure(pose, track):
                seen.add(track.id)
                events += self._see(track, body, pose.score, result.size, ts_ms)
        events += self._miss(seen, ts_ms)
        return self._state(ts_ms, tracks), tuple(events)

    def _unsure(self, pose: Pose, track: Track) -> bool:
        """Whether a pose says only that somebody known is there, as one that a search brought back or no body can have.

        What tracking lost stays lost to the judgement of falls, until tracking itself has them again.
        """
        return track.id in self._trackers and (track.doubtful or pose.found in ("reacquired", "held"))

    def _see(self, track: Track, raw: Body, score: float, size: tuple[int, int], ts_ms: int) -> list[PostureEvent]:
        tracker = self._trackers.get(track.id)
        if tracker is None:
            tracker = self._trackers[track.id] = PersonTracker(track.id, self._config, self._zones, ts_ms, self._room)
        reading = read_track(track, raw, size, self._tilt, ts_ms)
        events = list(tracker.see(reading, score))
        if tracker.entered_ms is not None:
            self._tilt.learn(reading.features, ts_ms)
        track.hold_s = tracker.hold_s
        return events

    def _miss(self, seen: set[int], ts_ms: int) -> list[PostureEvent]:
        events: list[PostureEvent] = []
        for tracker in self._trackers.values():
            if tracker.id not in seen:
                events += tracker.miss(ts_ms)
                self._tracks.alive[tracker.id].hold_s = tracker.hold_s
        for track in self._tracks.expire(ts_ms):
            events += self._trackers.pop(track.id).leave(ts_ms)
        return events

    def _state(self, ts_ms: int, tracks: Sequence[Track | None]) -> State:
        labels = tuple(
            PoseLabel(track.id, self._trackers[track.id].posture) if track else PoseLabel(NO_TRACK, "unknown")
            for track in tracks
        )
        people = [
            (tracker.entered_ms, tracker) for tracker in self._trackers.values() if tracker.entered_ms is not None
        ]
        people.sort(key=lambda pair: (pair[0], pair[1].id))
        return State(ts_ms, tuple(tracker.person() for _, tracker in people), labels)
