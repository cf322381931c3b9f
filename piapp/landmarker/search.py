"""Where to search for a person whom tracking lost: which places, in which order, for how long, what counts as a find.

Pose models are trained on people who stand: somebody on the floor is often found only in a picture that is turned until
they stand in it. Most finds are made within half a second and none after two (measured), and half the finds of an
unchecked search are furniture: so a search is short, and each find has to pass. Pure; the pipeline does the inferences.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from piapp.anatomy import Placement, mismatch
from piapp.landmarker.reading import Reading
from piapp.landmarker.region import Region, Square
from piapp.types import Pose

# How long a person is searched for after tracking lost them.
SEARCH_S = 1.0
# How long after a loss the detector's finds must be plausible bodies: most searches that succeed do so in this time.
AWAIT_S = 0.5
# The detector's least score in a search, as a share of the configured one: somebody was there a moment ago.
DETECTION_SHARE = 0.8
# The landmark model's least presence for somebody who is tracked, as a share of the configured one, where the pose is a
# possible body in a possible place: more frames seen and no more impossible bones than with 1, of which 0.6 without
# these checks brought a fifth more (measured).
HELD_PRESENCE_SHARE = 0.2
# Where a pose that no body can have is read again until one is possible: in its own region, and where the picture
# changed closer, which cuts off the furniture beside a person, and turned a little; as shares of its side and radians.
# In the order in which each adds most to those before it: of 249 such poses in corner falls the closer one mended 80,
# turning 22 more (measured).
OWN_REGION = (1.0, 0.0)
REREADINGS = (OWN_REGION, (0.7, 0.0), (1.0, 0.35))
# From here on a tracked pose is no body, and is replaced when a search finds a better one.
IMPLAUSIBLE_DEVIATION = 0.28
# From here on it is nobody: of 60 poses in corner falls judged by eye, all 50 on a person had less than 0.42, and 4 of
# 10 on furniture or on legs alone more than 0.65. Where somebody is known to be it may still be them.
NO_BODY_DEVIATION = 0.6
# How long the last possible pose stands for somebody whose pose no body can have: leaves 3.6 % impossible poses in
# corner falls, 0.5 s 4.2 % and 1 s 3.2 % (measured).
HOLD_S = 0.75
# How long it stands for somebody in whose place nothing ever changed, who may be a chair.
BLIP_S = 0.2
# Share of the joints of somebody lost around which the picture must stay as it was for them to be still there: with 0.6
# somebody who sat down quickly at night was held in a wrong pose, and reported to fall (MediaPipe).
MIN_SAME = 0.8
# Metres a second that they may move at most when lost: faster ones are elsewhere before the picture shows it. Guess.
MAX_STILL_M_S = 0.3
# Least share of a find's joints around which the picture changed in the last seconds: a person came there, a chair was
# there all the time.
MIN_CHANGED = 0.5
# Share of the joints of an impossible pose around which the picture is again as it was before somebody came: they went.
MIN_VACATED = 0.75
# How long after somebody who moved was lost nobody new is believed where nothing changed: it is a chair.
UNCHANGED_S = 3.0
# Largest cost at which a detection is somebody lost who is where they were, as after a moment behind something: then
# nothing need have changed. Guess: a quarter of a metre.
SAME_PLACE_COST = 0.35


@dataclass(frozen=True, slots=True)
class Place:
    """One place to search: a square around the last place, or with `scale` None the last region itself.

    Attributes:
        quarters: Quarter turns, clockwise.
        scale: Side of the square in sides of the last region; the detector finds the person in it. None: the landmark
            model reads the region without the detector.
    """

    quarters: int
    scale: float | None

    def square(self, region: Region, width: int, height: int) -> Square:
        """The square for the detector, around a region of a picture of this size."""
        pixels = region.in_pixels(width, height)
        side = np.float32(max(pixels.width, pixels.height) * np.float32(self.scale or 1.0))
        return Square(pixels.x, pixels.y, side, side, _radians(self.quarters))

    def region(self, region: Region) -> Region:
        """The last region, turned so that the picture's top is where `quarters` says."""
        return Region(region.x, region.y, region.width, region.height, _radians(self.quarters))


# In the order in which each adds most finds to those before it, in two sets of falls (measured).
PLACES = (
    Place(3, 1.2),
    Place(2, 1.45),
    Place(1, 1.45),
    Place(0, 1.45),
    Place(0, None),
    Place(3, 2.2),
    Place(2, 1.2),
    Place(1, 2.2),
)
# For the frame of a loss, in which the detector has had its turn.
READ_PLACES = tuple(Place(quarters, None) for quarters in (0, 3, 1, 2))
# How the last region is changed then where that finds nobody, in the same frame: closer, wider, and turned a little; as
# shares of its side and radians.
READ_CHANGES = ((0.7, 0.0), (1.3, 0.0), (1.0, 0.35), (1.0, -0.35))
# For a landmarker that always detects before it reads.
DETECTOR_PLACES = tuple(place for place in PLACES if place.scale is not None)
# Side of the square in which such a landmarker looks for somebody again whom a search found, in sides of their region.
FOLLOW_SCALE = 1.2


@dataclass(slots=True, eq=False)
class Person:
    """Somebody whom the pipeline follows from frame to frame.

    Attributes:
        latest: As tracking read them last.
        plausible: The last reading that they can be, around which a search is made.
        placement: As of that reading.
        velocity_px_s: Of its centre.
        failed_ms: Since when tracking fails to give a plausible pose; None while it does.
        pose: The last one that a body can have, as it was given away, with its time; None before the first.
        came: Whether the picture ever changed where they were, as it does for people and not for furniture.
        still: Whether the picture around them stayed as it was since tracking lost them.
        empty: Whether the last pose that tracking gave showed nobody there, as of furniture; so before the first.
        gone: Whether the picture is again as before they came, and no possible pose was seen since.
    """

    latest: Reading
    plausible: Reading
    placement: Placement
    velocity_px_s: tuple[float, float] = (0.0, 0.0)
    failed_ms: int | None = None
    tried: int = 0
    pose: tuple[int, Pose] | None = None
    came: bool = False
    still: bool = True
    empty: bool = True
    gone: bool = False

    @classmethod
    def new(cls, reading: Reading, ts_ms: int) -> Person:
        """Somebody who was not there before."""
        return cls(reading, reading, reading.placement(ts_ms))

    @property
    def region(self) -> Region:
        """Where to look next."""
        return self.latest.following

    @property
    def anchor(self) -> Region:
        """Around what a search is made."""
        return self.plausible.following

    def next_place(self, ts_ms: int, places: Sequence[Place] = PLACES) -> Place | None:
        """Where to search in this frame, of these places in their order; None when the search is over."""
        self.fail(ts_ms)
        if not self.searchable(ts_ms):
            return None
        self.tried += 1
        return places[(self.tried - 1) % len(places)]

    def searchable(self, ts_ms: int) -> bool:
        """Whether a search for this person is still on, or has yet to begin."""
        return self.failed_ms is None or ts_ms - self.failed_ms <= SEARCH_S * 1000

    def expected(self, ts_ms: int) -> bool:
        """Whether this person was lost so short a time ago that a find which is no body is not taken for them."""
        return self.failed_ms is not None and ts_ms - self.failed_ms <= AWAIT_S * 1000

    def held(self, ts_ms: int, hold_s: float = HOLD_S) -> Pose | None:
        """The last pose that a body can have, if it still stands for what is seen now."""
        if self.pose is None or ts_ms - self.pose[0] > hold_s * 1000:
            return None
        return self.pose[1]

    @property
    def resting(self) -> bool:
        """Whether this person hardly moved when tracking had them last."""
        return math.hypot(*self.velocity_px_s) <= MAX_STILL_M_S * self.placement.scale

    def cost(self, placement: Placement) -> float:
        """`mismatch` with where this person was last plausible."""
        return mismatch(self.placement, self.velocity_px_s, placement)

    def fits(self, placement: Placement) -> bool:
        """Whether this person can be there."""
        return self.cost(placement) < 1.0

    def follow(self, reading: Reading, ts_ms: int) -> None:
        """Go on from a plausible pose."""
        placement = reading.placement(ts_ms)
        elapsed_s = (ts_ms - self.placement.ts_ms) / 1000
        if elapsed_s > 0:
            share = 1.0 / (1.0 + 0.16 / elapsed_s)
            (x, y), (last_x, last_y), (vx, vy) = placement.centre_px, self.placement.centre_px, self.velocity_px_s
            self.velocity_px_s = (
                vx + share * ((x - last_x) / elapsed_s - vx),
                vy + share * ((y - last_y) / elapsed_s - vy),
            )
        self.latest = self.plausible = reading
        self.placement, self.failed_ms, self.still = placement, None, True

    def track(self, reading: Reading, ts_ms: int) -> None:
        """Go on from a pose that tracking gave, plausible or not."""
        body = reading.deviation <= IMPLAUSIBLE_DEVIATION
        if body and (self.fits(reading.placement(ts_ms)) or not self.searchable(ts_ms)):
            self.follow(reading, ts_ms)
            return
        self.latest = reading
        self.fail(ts_ms)

    def fail(self, ts_ms: int) -> None:
        """Note that tracking gave no plausible pose."""
        if self.failed_ms is None:
            self.failed_ms, self.tried = ts_ms, 0


def _radians(quarters: int) -> np.float32:
    turns = quarters if quarters < 3 else quarters - 4  # noqa: PLR2004 - -pi to pi
    return np.float32(turns * math.pi / 2)
