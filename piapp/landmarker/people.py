"""The people of a video from frame to frame: who each pose is, whom tracking lost, and what is shown of whom.

What both runtimes share when they search. Owns who is there and who is lost; makes no inference. Used by one thread at
a time; no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from piapp.anatomy import FRAME, MAX_BODY_DEVIATION, TORSO
from piapp.config.sections import LandmarkerConfig
from piapp.landmarker.changes import RecentPictures
from piapp.landmarker.reading import Reading
from piapp.landmarker.region import Region, Square
from piapp.landmarker.search import (
    BLIP_S,
    IMPLAUSIBLE_DEVIATION,
    MIN_CHANGED,
    MIN_SAME,
    MIN_VACATED,
    NO_BODY_DEVIATION,
    SAME_PLACE_COST,
    SEARCH_S,
    UNCHANGED_S,
    Person,
)
from piapp.types import FloatArray, Found, ImageArray, Pose

_TRUNK = list(TORSO)


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A frame and its time."""

    image: ImageArray
    ts_ms: int

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.image.shape[1], self.image.shape[0]


@dataclass(slots=True, eq=False)
class Find:
    """Somebody in a frame.

    Attributes:
        found: As the pose will say.
        person: Who it is; None until that is known.
        pose: As a landmarker gave it; None where the reading is all there is.
        quarters: The turn of the crop in which it was found; None for a whole picture.
        empty: The picture shows that nobody is there: followed, for it may turn into somebody, and not given away.
    """

    reading: Reading
    found: Found
    person: Person | None = None
    pose: Pose | None = None
    quarters: int | None = None
    empty: bool = False


class People:
    """Who is there and who is lost.

    Args:
        config: The landmarker's options.
        smoothed: Whether poses come smoothed. If not, bones of somebody who is there flicker, and one frame in which
            they show nobody does not count.
    """

    def __init__(self, config: LandmarkerConfig, *, smoothed: bool = True) -> None:
        self._config, self._smoothed = config, smoothed
        self._recent = RecentPictures()
        self._lost: list[Person] = []
        self._lost_ms: int | None = None
        self._elsewhere_ms = 0
        self.present: list[Person] = []
        self._still_there: list[Pose] = []

    def missing(self, finds: Iterable[Find]) -> list[Person]:
        """Those of the frame before whom no find of this one is."""
        seen = {id(find.person) for find in finds}
        return [person for person in self.present if id(person) not in seen]

    def lose(self, missing: Sequence[Person], ts_ms: int) -> None:
        """Note whom tracking lost in this frame; forget those whose search is over."""
        for person in missing:
            person.fail(ts_ms)
            self._lost_ms = ts_ms if person.came else self._lost_ms
        self._lost = [person for person in (*missing, *self._lost) if person.searchable(ts_ms)]

    def named(self, finds: Iterable[Find], picture: Picture) -> list[Find]:
        """The finds, each with who it is: the one tracked, somebody lost, or somebody new.

        Leaves out what is nobody: what is nothing like a body where nobody is known to be; just after a loss what was
        there before, or has bones that no body has where the person lost cannot be, as furniture.
        """
        expected = any(person.expected(picture.ts_ms) for person in self._lost)
        return [find for find in finds if self._name(find, picture, expected=expected)]

    def elsewhere(self, finds: Sequence[Find], picture: Picture) -> Square | None:
        """Where to look closer for somebody who moves while nobody sure is in view, some times a second.

        Sure is who ever moved, and who has the bones of a body: somebody may lie still since before the node began.
        """
        rate_hz = self._config.further_people_hz
        if any((find.person and find.person.came) or find.reading.deviation <= MAX_BODY_DEVIATION for find in finds):
            return None
        if rate_hz and (picture.ts_ms - self._elsewhere_ms) * rate_hz < 1000:  # noqa: PLR2004 - ms a second
            return None
        self._elsewhere_ms = picture.ts_ms
        moving = self._recent.moving(picture.image, picture.ts_ms)
        return Square.upright(*moving) if moving is not None else None

    def put_instead(self, came: Find, finds: list[Find], picture: Picture) -> None:
        """Add somebody who moves, if it is a body, for whom the last of those who never moved makes room."""
        if came.reading.deviation > MAX_BODY_DEVIATION or not self.changed(came.reading, picture):
            return
        if self.named([came], picture):
            finds[:] = [*finds[: self._config.num_poses - 1], came]

    def wanted(self, finds: Sequence[Find], ts_ms: int) -> Person | None:
        """Who is to be searched for in this frame: somebody lost, or else somebody whose pose no body can have."""
        wanted = [find.person for find in finds if find.person is not None and find.person.failed_ms is not None]
        if len(finds) < self._config.num_poses:
            wanted = [*self._lost, *wanted]
        return next((person for person in wanted if person.searchable(ts_ms)), None)

    def confirmed(self, person: Person, reading: Reading, finds: Iterable[Find], picture: Picture) -> bool:
        """Whether somebody was found: a possible body, nobody else's, where something moved."""
        others = (other for other in finds if other.person is not person)
        return (
            possible(reading, person, picture)
            and not overlaps(reading.following, others, self._config.min_tracking_confidence)
            and self.changed(reading, picture)
        )

    def bring_back(self, find: Find, finds: list[Find], picture: Picture) -> None:
        """Go on with somebody whom a search found; change `finds` accordingly."""
        person = find.person
        if person is None:
            return
        person.follow(find.reading, picture.ts_ms)
        person.came = True
        finds[:] = [other for other in finds if other.person is not person] + [find]
        self._lost = [other for other in self._lost if other is not person]

    def end_frame(self, finds: Sequence[Find], picture: Picture) -> None:
        """Remember this frame and who is in it."""
        if self._config.reacquire:
            for find in finds:
                find.empty = self._stays_empty(find, picture)
            still = (self._still_pose(person, finds, picture) for person in self._lost)
            self._still_there = [pose for pose in still if pose is not None]
            self._recent.keep(picture.image, picture.ts_ms)
        self.present = [find.person for find in finds if find.person is not None]

    def with_still(self, poses: Iterable[Pose]) -> tuple[Pose, ...]:
        """The poses of the frame that ended, and the last ones of those lost who must be still there."""
        held = (replace(pose, found="held") for pose in self._still_there)
        return (*poses, *held)[: self._config.num_poses]

    def _still_pose(self, person: Person, finds: Sequence[Find], picture: Picture) -> Pose | None:
        """The last possible pose of somebody lost, if nothing changed where they were ever since."""
        pose = person.held(picture.ts_ms, SEARCH_S) if person.came and person.still and person.resting else None
        if pose is not None and overlaps(person.anchor, finds, self._config.min_tracking_confidence):
            pose = None
        if pose is not None and self._recent.same_share(picture.image, pose.landmarks[FRAME, :2]) < MIN_SAME:
            pose = None
        person.still = pose is not None
        return pose

    def _name(self, find: Find, picture: Picture, *, expected: bool) -> bool:
        """Note who a find is; False when it is nobody."""
        strange = find.reading.deviation
        lost = next((person for person in self._lost if self.can_be(person, find, picture)), None)
        if self._config.reacquire and strange > NO_BODY_DEVIATION and find.person is None and lost is None:
            return False
        if find.person is None:
            if lost is None and self._lost_lately(picture.ts_ms) and not self.changed(find.reading, picture):
                return False
            if expected and not self._believable(find, picture, placed=lost is not None):
                return False
            if expected and strange > IMPLAUSIBLE_DEVIATION:
                find.found = "reacquired"  # somebody is there again, and nothing says how
            self._lost = [other for other in self._lost if other is not lost]
            find.person = lost or Person.new(find.reading, picture.ts_ms)
        elif strange <= IMPLAUSIBLE_DEVIATION:
            find.person.gone = False
            find.person.came = find.person.came or self.changed(find.reading, picture)
        find.person.track(find.reading, picture.ts_ms)
        return True

    def _lost_lately(self, ts_ms: int) -> bool:
        return self._lost_ms is not None and ts_ms - self._lost_ms <= UNCHANGED_S * 1000

    def _stays_empty(self, find: Find, picture: Picture) -> bool:
        """Whether a pose shows nobody, and where poses are not smoothed did so in the frame before too."""
        empty, person = self._empty(find, picture), find.person
        if person is None or self._smoothed:
            return empty
        before, person.empty = person.empty, empty
        return empty and before

    def _empty(self, find: Find, picture: Picture) -> bool:
        """Whether a pose that is no sure body is where the picture shows nobody: furniture, or a place just left."""
        person = find.person
        if person is None or find.reading.deviation <= (IMPLAUSIBLE_DEVIATION if person.came else MAX_BODY_DEVIATION):
            return False
        if self._recent.vacated_share(picture.image, find.reading.points[FRAME, :2]) >= MIN_VACATED:
            person.gone, person.came = True, False
        known = person.came or person.held(picture.ts_ms, BLIP_S) is not None
        return person.gone or not (known or self.changed(find.reading, picture))

    def _believable(self, find: Find, picture: Picture, *, placed: bool) -> bool:
        placement = find.reading.placement(picture.ts_ms)
        body = find.reading.deviation <= IMPLAUSIBLE_DEVIATION or placed
        back = any(person.cost(placement) <= SAME_PLACE_COST for person in self._lost)
        return body and (back or self.changed(find.reading, picture))

    def changed(self, reading: Reading, picture: Picture) -> bool:
        """Whether the picture changed where somebody is read, as it does where a person came and furniture did not."""
        return self._recent.changed_share(picture.image, reading.points[FRAME, :2]) >= MIN_CHANGED

    def can_be(self, person: Person, find: Find, picture: Picture) -> bool:
        """Whether a find can be somebody seen before: where they were, or where they can be now and something came."""
        cost = person.cost(find.reading.placement(picture.ts_ms))
        return cost <= SAME_PLACE_COST or (cost < 1.0 and self.changed(find.reading, picture))


def possible(reading: Reading, person: Person, picture: Picture, limit: float = MAX_BODY_DEVIATION) -> bool:
    """Whether it shows a body, with bones that deviate no more than the limit, that can be this person's."""
    return reading.deviation <= limit and person.fits(reading.placement(picture.ts_ms))


def overlaps(region: Region, finds: Iterable[Find], most: float) -> bool:
    """Whether a region overlaps that of a find by more than this."""
    return any(region.overlap(find.reading.following) > most for find in finds)


def pose_of(find: Find) -> Pose:
    """A find's pose, which says how it was found."""
    reading, pose = find.reading, find.pose
    if pose is None:
        world = np.hstack([reading.world, reading.points[:, 3:]])
        return Pose(reading.points, world, reading.mask, find.found)
    return pose if pose.found == find.found else replace(pose, found=find.found)


def shown(find: Find, pose: Pose, picture: Picture) -> Pose:
    """What is given away of a find: its pose, or for a moment the last possible one when no body can have it."""
    person = find.person
    if person is None:
        return pose
    strange = find.reading.deviation
    if strange <= MAX_BODY_DEVIATION:
        person.pose = (picture.ts_ms, pose)
    held = person.held(picture.ts_ms)
    if strange <= IMPLAUSIBLE_DEVIATION or held is None:
        return pose
    placed = person.fits(find.reading.placement(picture.ts_ms))
    landmarks = _moved(held.landmarks, pose.landmarks) if placed else held.landmarks
    return replace(held, landmarks=landmarks, mask=pose.mask, found="held")


def _moved(landmarks: FloatArray, there: FloatArray) -> FloatArray:
    """Landmarks with their trunk where that of others is."""
    moved = landmarks.copy()
    moved[:, :2] += there[_TRUNK, :2].mean(axis=0) - landmarks[_TRUNK, :2].mean(axis=0)
    return moved
