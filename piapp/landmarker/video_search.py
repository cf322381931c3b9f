"""Searches for people whom a landmarker loses between two frames of a video, with one that looks at single pictures.

For MediaPipe, whose tracking can be told nothing: whoever the search finds in a turned and closer crop is looked for in
such a crop in the next frames too, until tracking has them again. Owns what is followed so; the order of places and the
checks are those of `search`. While nobody is lost, the landmarker's poses pass as they are. For one thread at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from piapp.anatomy import FRAME, MAX_BODY_DEVIATION
from piapp.config.sections import LandmarkerConfig
from piapp.landmarker.changes import RecentPictures
from piapp.landmarker.crops import Crop, reading_of, upright_quarters
from piapp.landmarker.reading import Reading, deviation, placement_of, readings_agree
from piapp.landmarker.region import Region
from piapp.landmarker.search import (
    DETECTION_SHARE,
    DETECTOR_PLACES,
    FOLLOW_SCALE,
    IMPLAUSIBLE_DEVIATION,
    MIN_CHANGED,
    SAME_PLACE_COST,
    Person,
)
from piapp.landmarker.views import SyncLandmarker
from piapp.types import Found, ImageArray, Pose


@dataclass(slots=True, eq=False)
class _Find:
    """A pose of this frame.

    Attributes:
        quarters: The turn of the crop in which it was found; None for the landmarker's own.
    """

    pose: Pose
    reading: Reading
    person: Person | None = None
    quarters: int | None = None


@dataclass(slots=True, eq=False)
class _Picture:
    image: ImageArray
    ts_ms: int

    @property
    def size(self) -> tuple[int, int]:
        return self.image.shape[1], self.image.shape[0]


class VideoSearch:
    """Adds to a landmarker's poses of each frame of a video the people whom it lost.

    Args:
        config: The landmarker's options.
        make_still: Makes a landmarker in IMAGE mode of the given options; called when it is first needed.
    """

    def __init__(self, config: LandmarkerConfig, make_still: Callable[[float], SyncLandmarker]) -> None:
        self._config = config
        self._make_still = make_still
        self._still: SyncLandmarker | None = None
        self._recent = RecentPictures()
        self._turns: dict[int, int] = {}  # by person who is followed in crops: their turn
        self._persons: list[Person] = []
        self._lost: list[Person] = []

    def follow(self, image: ImageArray, ts_ms: int, poses: tuple[Pose, ...]) -> tuple[Pose, ...]:
        """The poses of the next frame.

        Args:
            image: (height, width, 3) uint8 RGB; not kept.
            ts_ms: Its time, increasing.
            poses: What the landmarker found in it.
        """
        picture = _Picture(image, ts_ms)
        finds = self._assigned([_Find(pose, reading_of(pose, picture.size)) for pose in poses], picture)
        self._go_on_in_crops(finds, picture)
        self._note_losses(finds, picture)
        finds = self._named(finds, picture)
        self._search(finds, picture)
        self._recent.keep(image, ts_ms)
        self._persons = [find.person for find in finds if find.person is not None]
        self._turns = {id(find.person): find.quarters for find in finds if find.quarters is not None}
        return tuple(find.pose for find in finds)

    def close(self) -> None:
        """Release the model."""
        if self._still is not None:
            self._still.close()

    def _assigned(self, finds: list[_Find], picture: _Picture) -> list[_Find]:
        """Each of the landmarker's poses with the person of the frame before who is nearest, if anybody can be it."""
        pairs = sorted(
            (person.cost(placement_of(find.reading, picture.ts_ms, picture.size)), number, index)
            for number, find in enumerate(finds)
            for index, person in enumerate(self._persons)
        )
        free = set(range(len(self._persons)))
        for cost, number, index in pairs:
            tracked = id(self._persons[index]) not in self._turns
            if finds[number].person is None and index in free and (cost < 1.0 or tracked):
                finds[number].person = self._persons[index]
                free.discard(index)
        return finds

    def _go_on_in_crops(self, finds: list[_Find], picture: _Picture) -> None:
        """Find those again who were followed in crops, unless the landmarker sees a possible body itself."""
        for person in [person for person in self._persons if id(person) in self._turns]:
            own = next((find for find in finds if find.person is person), None)
            possible = own if own is not None else next((find for find in finds if find.person is None), None)
            if possible is not None and deviation(possible.reading) <= IMPLAUSIBLE_DEVIATION:
                continue
            quarters = self._turns[id(person)]
            find = self._in_crop(person, quarters, FOLLOW_SCALE, picture)
            if find is not None:
                finds[:] = [other for other in finds if other is not possible]
                finds.append(_Find(_as(find.pose, "tracked"), find.reading, person, quarters))

    def _note_losses(self, finds: list[_Find], picture: _Picture) -> None:
        """Look at once at the whole picture again for those whom the landmarker lost in this frame."""
        missing = [person for person in self._persons if all(find.person is not person for find in finds)]
        if any(id(person) not in self._turns for person in missing):
            overlap = self._config.min_tracking_confidence
            for pose in self._look(picture.image)[: self._config.num_poses - len(finds)]:
                reading = reading_of(pose, picture.size)
                if all(reading.following.overlap(other.reading.following) <= overlap for other in finds):
                    turn = upright_quarters(reading.following)
                    finds.append(_Find(_as(pose, "detected"), reading, quarters=turn))
        for person in missing:
            person.fail(picture.ts_ms)
        self._lost = [person for person in (*missing, *self._lost) if person.searchable(picture.ts_ms)]

    def _named(self, finds: list[_Find], picture: _Picture) -> list[_Find]:
        """Say who each find is; just after somebody was lost, leave out what cannot be them, as furniture is."""
        named, expected = [], any(person.expected(picture.ts_ms) for person in self._lost)
        for find in finds:
            placement = placement_of(find.reading, picture.ts_ms, picture.size)
            strange = deviation(find.reading)
            if find.person is None:
                person = next((person for person in self._lost if person.fits(placement)), None)
                possible = strange <= IMPLAUSIBLE_DEVIATION or person is not None
                back = any(each.cost(placement) <= SAME_PLACE_COST for each in self._lost)
                if expected and not (possible and (back or self._changed(find, picture))):
                    continue
                if expected and strange > IMPLAUSIBLE_DEVIATION:
                    find.pose = _as(find.pose, "reacquired")  # somebody is there again, and nothing says how
                self._lost = [other for other in self._lost if other is not person]
                find.person = person or Person.new(find.reading.following, placement)
            find.person.track(find.reading.following, placement, strange)
            named.append(find)
        return named

    def _search(self, finds: list[_Find], picture: _Picture) -> None:
        """Search at one place for somebody who is lost, or whose pose no body can have; change `finds` accordingly."""
        doubtful = [find.person for find in finds if find.person is not None and find.person.failed_ms is not None]
        wanted = [*self._lost, *doubtful] if len(finds) < self._config.num_poses else doubtful
        person = next((person for person in wanted if person.searchable(picture.ts_ms)), None)
        place = person.next_place(picture.ts_ms, DETECTOR_PLACES) if person is not None else None
        if person is None or place is None or place.scale is None:
            return
        others = [find for find in finds if find.person is not person]
        find = self._checked_twice(person, place.quarters, place.scale, picture, others)
        if find is None:
            return
        person.follow(find.reading.following, placement_of(find.reading, picture.ts_ms, picture.size))
        finds[:] = [*others, find]
        self._lost = [other for other in self._lost if other is not person]

    def _checked_twice(
        self, person: Person, quarters: int, scale: float, picture: _Picture, others: list[_Find]
    ) -> _Find | None:
        """The person as found in one crop and again in the crop that this find gives."""
        first = self._in_crop(person, quarters, scale, picture, MAX_BODY_DEVIATION)
        if first is None:
            return None
        around = first.reading.following
        crop = _crop(around, upright_quarters(around), FOLLOW_SCALE, picture)
        second = self._best(person, crop, picture, MAX_BODY_DEVIATION)
        overlap = self._config.min_tracking_confidence
        if (
            second is None
            or not readings_agree(first.reading, second.reading)
            or any(second.reading.following.overlap(other.reading.following) > overlap for other in others)
            or not self._changed(second, picture)
        ):
            return None
        return _Find(_as(second.pose, "reacquired"), second.reading, person, second.quarters)

    def _in_crop(
        self, person: Person, quarters: int, scale: float, picture: _Picture, limit: float = IMPLAUSIBLE_DEVIATION
    ) -> _Find | None:
        return self._best(person, _crop(person.anchor, quarters, scale, picture), picture, limit)

    def _best(self, person: Person, crop: Crop, picture: _Picture, limit: float) -> _Find | None:
        """The first body in a crop that the person can be, with bones that deviate no more than the limit."""
        for found in self._look(crop.cut(picture.image)):
            pose = crop.pose_of_picture(found)
            reading = reading_of(pose, picture.size)
            if deviation(reading) <= limit and person.fits(placement_of(reading, picture.ts_ms, picture.size)):
                return _Find(pose, reading, person, crop.quarters)
        return None

    def _look(self, image: ImageArray) -> tuple[Pose, ...]:
        if self._still is None:
            self._still = self._make_still(DETECTION_SHARE * self._config.min_pose_detection_confidence)
        return self._still.detect(image, 0)

    def _changed(self, find: _Find, picture: _Picture) -> bool:
        return self._recent.changed_share(picture.image, find.reading.points[FRAME, :2]) >= MIN_CHANGED


def _crop(region: Region, quarters: int, scale: float, picture: _Picture) -> Crop:
    square = region.in_pixels(*picture.size)
    side = max(square.width, square.height) * scale
    return Crop.of(replace(square, width=side, height=side), quarters, picture.size)


def _as(pose: Pose, found: Found) -> Pose:
    return replace(pose, found=found)
