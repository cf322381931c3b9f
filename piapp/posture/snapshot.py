"""What the posture logic must not lose when the process ends: who is there, who is down since when, the learnt tilt.

Owns the values and moving them to another time line. Does not own a file or a clock: whoever keeps a snapshot says how
much time has passed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from piapp.posture.geometry import Body
from piapp.posture.lying_places import LyingPlace
from piapp.types import Posture

# Somebody who was on their feet is somewhere else after so long without anybody watching.
KEEP_UPRIGHT_S = 60.0

# An alarm of yesterday is no alarm: whoever lay there was found, or the sensor was off for good.
KEEP_DOWN_S = 86_400.0

_PIXEL_DECIMALS, _METRE_DECIMALS = 1, 3


@dataclass(frozen=True, slots=True)
class BodySnapshot:
    """A body as plain numbers.

    Attributes:
        pixels: (x, y) of each landmark.
        metres: (x, y, z) of each landmark, as in `piapp.posture.geometry.Body`.
        visibility: Of each landmark, 0..1.
    """

    pixels: tuple[tuple[float, float], ...]
    metres: tuple[tuple[float, float, float], ...]
    visibility: tuple[float, ...]

    @staticmethod
    def of(body: Body) -> BodySnapshot:
        """Round a body to a tenth of a pixel and a millimetre."""
        pixels = body.points[:, :2].round(_PIXEL_DECIMALS).tolist()
        metres = body.points[:, 2:].round(_METRE_DECIMALS).tolist()
        return BodySnapshot(
            tuple((x, y) for x, y in pixels),
            tuple((x, y, z) for x, y, z in metres),
            tuple(body.visibility.round(2).tolist()),
        )

    def body(self) -> Body:
        """The body, but for the rounding."""
        points = np.hstack([np.array(self.pixels, np.float64), np.array(self.metres, np.float64)])
        return Body(points, np.array(self.visibility, np.float64))


@dataclass(frozen=True, slots=True)
class PersonSnapshot:
    """One person, as far as alarms and events depend on what was before.

    Attributes:
        id: The track's id.
        entered_ms: When it proved to be a person.
        posture: The kept posture, since `since_ms`.
        settled: The last of standing, sitting and lying that has settled.
        down_since_ms: When the fall was reported, None while nobody is down.
        fallen_reported: Whether `fallen` was reported since then.
        still_since_ms: Since when they have not moved; `inactive` says that it was reported.
        zones: Names of the zones they are in.
        body: Where and how they were last.
    """

    id: int
    entered_ms: int
    posture: Posture
    since_ms: int
    settled: Posture | None
    down_since_ms: int | None
    fallen_reported: bool
    still_since_ms: int
    inactive: bool
    zones: tuple[str, ...]
    body: BodySnapshot

    def shifted(self, by_ms: int) -> PersonSnapshot:
        """The same on a time line that is ahead by so much."""
        return replace(
            self,
            entered_ms=self.entered_ms + by_ms,
            since_ms=self.since_ms + by_ms,
            still_since_ms=self.still_since_ms + by_ms,
            down_since_ms=None if self.down_since_ms is None else self.down_since_ms + by_ms,
        )


@dataclass(frozen=True, slots=True)
class MonitorSnapshot:
    """All that `Monitor.restore` needs.

    Attributes:
        next_id: The least id that no track has had.
        tilt_samples_deg: What the camera's tilt is learnt from, oldest first; empty when it is configured.
        persons: Who is there.
        lying_places: Where people usually lie.
    """

    next_id: int = 1
    tilt_samples_deg: tuple[float, ...] = ()
    persons: tuple[PersonSnapshot, ...] = ()
    lying_places: tuple[LyingPlace, ...] = ()

    def shifted(self, by_ms: int) -> MonitorSnapshot:
        """The same on a time line that is ahead by so much."""
        return replace(self, persons=tuple(person.shifted(by_ms) for person in self.persons))

    def after_gap(self, gap_s: float) -> MonitorSnapshot:
        """What still holds when nobody has watched for so long."""
        kept = tuple(
            person
            for person in self.persons
            if gap_s <= (KEEP_UPRIGHT_S if person.down_since_ms is None else KEEP_DOWN_S)
        )
        return replace(self, persons=kept)
