"""Who is who from result to result: ids, matching, smoothing, and whether a find is a person at all.

Owns identity. A track is matched by where it was headed and by the shape of its body; it survives gaps, and an id is
never used twice. Smoothing is One-Euro (Casiez, Roussel, Vogel: 1 EUR filter, CHI 2012) in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from piapp.anatomy import FRAME, Array, Placement, bone_deviation, centre, mismatch
from piapp.config.sections import PostureConfig
from piapp.posture.geometry import Body, pixels_per_metre
from piapp.posture.tuned import Tuned

_DERIVATIVE_CUTOFF_HZ = 1.0  # the paper's own value
# `bone_deviation` from which a pose of somebody known is doubtful: 0.2 % of calm poses seen from the side, 2 to 6 % of
# those under cameras in corners, and 9 % in falls there (measured).
DOUBTFUL_DEVIATION = 0.35
# How long that may last before the body is taken for what it looks like: somebody half hidden, a child. As a search.
DOUBT_S = 1.0


class OneEuro:
    """Smooths the 33 landmarks of one person, in pixels and metres."""

    __slots__ = ("_beta", "_min_cutoff_hz", "_speed", "_value")

    def __init__(self, config: PostureConfig) -> None:
        self.use(config)
        self._value: Array | None = None
        self._speed: Array | None = None

    def use(self, config: PostureConfig) -> None:
        """Take other cut-offs from the next result on."""
        self._min_cutoff_hz = config.smooth_cutoff_hz
        self._beta = config.smooth_beta

    def step(self, points: Array, dt_s: float, scale: float) -> Array:
        """Take (33, 5) points that came `dt_s` after the last; `scale` is pixels a metre."""
        if self._value is None or self._speed is None or dt_s > 0.5:  # noqa: PLR2004 - after a gap the past misleads
            self._value, self._speed = points, np.zeros_like(points)
            return points
        change = points - self._value
        unit_s = np.array([scale * dt_s, scale * dt_s, dt_s, dt_s, dt_s])
        self._speed = self._speed + _alpha(_DERIVATIVE_CUTOFF_HZ, dt_s) * (change / unit_s - self._speed)
        ratio = np.abs(self._speed)
        ratio *= self._beta
        ratio += self._min_cutoff_hz
        ratio *= 2 * math.pi * dt_s
        change *= ratio / (ratio + 1.0)
        self._value = self._value + change
        return self._value


def _alpha(cutoff_hz: float, dt_s: float) -> float:
    ratio = 2 * math.pi * cutoff_hz * dt_s
    return ratio / (ratio + 1.0)


@dataclass(slots=True, eq=False)
class Track:
    """One body followed through time.

    Attributes:
        body: Smoothed, as of `last_ms`.
        centre: Middle of shoulders and hips (x, y) in pixels.
        velocity: Of the centre, pixels a second.
        hold_s: How long it may stay unseen before it is given up.
        doubtful: Whether the newest pose can hardly be this body. It says that somebody is there, and nothing about
            how they move; all other attributes are as of the last pose that is not doubtful.
        plausible_ms: When such a pose was seen last.
    """

    id: int
    first_ms: int
    last_ms: int
    body: Body
    scale: float
    centre: tuple[float, float]
    velocity: tuple[float, float]
    hold_s: float
    smoother: OneEuro
    plausible_ms: int
    doubtful: bool = False

    def see(self, body: Body, scale: float, ts_ms: int) -> None:
        """Follow the body, unless its bones are no body's; what lasts is taken as it is."""
        strange = bone_deviation(body.points[:, 2:]) > DOUBTFUL_DEVIATION
        self.doubtful = strange and ts_ms - self.plausible_ms <= DOUBT_S * 1000
        if self.doubtful:
            self.last_ms = ts_ms
            return
        if not strange:
            self.plausible_ms = ts_ms
        self.update(body, scale, ts_ms)

    def update(self, body: Body, scale: float, ts_ms: int) -> None:
        """Follow the body to where it is now."""
        dt_s = (ts_ms - self.last_ms) / 1000
        self.body = Body(self.smoother.step(body.points, dt_s, scale), body.visibility)
        x, y = centre(body.points)
        share = _alpha(_DERIVATIVE_CUTOFF_HZ, dt_s)
        self.velocity = (
            self.velocity[0] + share * ((x - self.centre[0]) / dt_s - self.velocity[0]),
            self.velocity[1] + share * ((y - self.centre[1]) / dt_s - self.velocity[1]),
        )
        self.centre, self.scale, self.last_ms = (x, y), scale, ts_ms

    @property
    def placement(self) -> Placement:
        """Where the body was when it was seen last."""
        return Placement(self.last_ms, self.centre, self.scale, _folded(self.body))


class Tracks(Tuned):
    """Gives each body of a result its track."""

    def __init__(self, config: PostureConfig) -> None:
        super().__init__(config)
        self._next_id = 1
        self.alive: dict[int, Track] = {}

    def update(self, bodies: Sequence[Body | None], ts_ms: int) -> list[Track | None]:
        """The track of each body, in order; None where there is no body, a second find of one body has its track."""
        scales = [pixels_per_metre(body) if body is not None else 1.0 for body in bodies]
        tracks = self._matched(bodies, scales, ts_ms)
        for index, body in enumerate(bodies):
            if body is None:
                continue
            track = tracks[index]
            if track is None:
                tracks[index] = _twin(body, scales[index], bodies[:index], tracks) or self._started(
                    body, scales[index], ts_ms
                )
            elif track.last_ms < ts_ms:
                track.see(body, scales[index], ts_ms)
        return tracks

    def use(self, config: PostureConfig) -> None:
        """Take other values from the next result on."""
        super().use(config)
        for track in self.alive.values():
            track.smoother.use(config)

    def recall(self, bodies: Sequence[Body | None], ts_ms: int) -> list[Track | None]:
        """The tracks that bodies look like, changing nothing."""
        scales = [pixels_per_metre(body) if body is not None else 1.0 for body in bodies]
        return self._matched(bodies, scales, ts_ms)

    def expire(self, ts_ms: int) -> list[Track]:
        """Give up and return the tracks that were unseen for too long."""
        lost = [track for track in self.alive.values() if ts_ms - track.last_ms > track.hold_s * 1000]
        for track in lost:
            del self.alive[track.id]
        return lost

    @property
    def next_id(self) -> int:
        """The least id that no track has had."""
        return self._next_id

    def restore(self, next_id: int, bodies: Mapping[int, Body], seen_ms: int) -> None:
        """Follow these bodies on, by id, as if they were last seen at `seen_ms`; forget all others."""
        self.alive = {}
        for track_id, body in bodies.items():
            self._next_id = track_id
            self._started(body, pixels_per_metre(body), seen_ms)
        self._next_id = max(next_id, *(track_id + 1 for track_id in bodies), 1)

    def _started(self, body: Body, scale: float, ts_ms: int) -> Track:
        smoother = OneEuro(self._config)
        smoother.step(body.points, 0.0, scale)
        track = Track(
            self._next_id,
            ts_ms,
            ts_ms,
            body,
            scale,
            centre(body.points),
            (0.0, 0.0),
            self._config.enter_after_s,
            smoother,
            ts_ms,
        )
        self.alive[track.id] = track
        self._next_id += 1
        return track

    def _matched(self, bodies: Sequence[Body | None], scales: list[float], ts_ms: int) -> list[Track | None]:
        pairs = sorted(
            (cost, index, track.id)
            for index, body in enumerate(bodies)
            if body is not None
            for track in self.alive.values()
            if (cost := self._cost(track, body, scales[index], ts_ms)) < 1.0
        )
        tracks: list[Track | None] = [None] * len(bodies)
        taken: set[int] = set()
        for _, index, track_id in pairs:
            if tracks[index] is None and track_id not in taken:
                tracks[index] = self.alive[track_id]
                taken.add(track_id)
        return tracks

    def _cost(self, track: Track, body: Body, scale: float, ts_ms: int) -> float:
        """0 for the same place and shape, 1 at the limit of what one person can be."""
        now = Placement(ts_ms, centre(body.points), scale, _folded(body))
        return mismatch(track.placement, track.velocity, now)


def _twin(body: Body, scale: float, others: Sequence[Body | None], tracks: list[Track | None]) -> Track | None:
    """The track of an earlier body of the same result that is this one seen twice."""
    for other, track in zip(others, tracks, strict=False):
        if other is not None and track is not None:
            apart_m = _apart(body.points[:, :2], other.points[:, :2]) / scale
            if apart_m < 0.1:  # noqa: PLR2004 - two people cannot be so close in every joint
                return track
    return None


def _apart(points: Array, others: Array) -> float:
    """Mean difference of the coordinates of two bodies' frames."""
    apart = np.abs(points.take(FRAME, axis=0) - others.take(FRAME, axis=0))
    return float(np.add.reduce(apart, axis=None)) / apart.size


def _folded(body: Body) -> list[float]:
    folded: list[float] = body.points.take(FRAME, axis=0)[:, 2:].ravel().tolist()
    return folded
