"""The pose pipeline: where to look, what is there, where to look next.

Owns tracking from frame to frame. Where nobody is lost it gives what MediaPipe gives, to the bit. Where somebody is, it
does three things that MediaPipe does not: it detects in the same frame in which tracking failed, it searches around the
last place for a second (`search`), and it replaces poses that no body can have by better ones. Used by one thread at a
time; no clock, no threads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from piapp.anatomy import FRAME, MAX_BODY_DEVIATION
from piapp.config.sections import LandmarkerConfig
from piapp.errors import LandmarkerError
from piapp.landmarker.changes import RecentPictures
from piapp.landmarker.litert.network import Network
from piapp.landmarker.litert.reader import Reader
from piapp.landmarker.litert.smoothing import PersonSmoothing
from piapp.landmarker.litert.turn import Turn
from piapp.landmarker.reading import Reading, deviation, placement_of, readings_agree
from piapp.landmarker.region import Region, associate
from piapp.landmarker.search import (
    DETECTION_SHARE,
    HELD_PRESENCE_SHARE,
    IMPLAUSIBLE_DEVIATION,
    MIN_CHANGED,
    REREADINGS,
    SAME_PLACE_COST,
    Person,
    Place,
)
from piapp.types import Found, ImageArray, Pose


@dataclass(slots=True, eq=False)
class _Find:
    """One person of this frame."""

    reading: Reading
    found: Found
    person: Person | None = None


class PosePipeline:
    """Finds the poses in pictures.

    Args:
        config: The landmarker's options.
        person_detector: The bundle's detector.
        landmark_model: The bundle's landmark model.
        turn: Held while Python runs, given away while a network computes.
        tracking: Pictures are frames of one video: regions carry over, and a single person is smoothed. Else each is a
            picture of its own.
    """

    def __init__(
        self,
        config: LandmarkerConfig,
        person_detector: Network,
        landmark_model: Network,
        turn: Turn,
        *,
        tracking: bool,
    ) -> None:
        self._config, self._turn = config, turn
        self._reader = Reader(config, person_detector, landmark_model, turn)
        self._tracking = tracking
        self._persons: list[Person] = []
        self._lost: list[Person] = []
        self._detected_ms = 0
        self._recent = RecentPictures()
        self._smoothing = PersonSmoothing() if tracking and config.num_poses == 1 else None

    def process(self, image: ImageArray, ts_ms: int) -> tuple[Pose, ...]:
        """Find the poses in one (height, width, 3) uint8 RGB picture; blocks for the inference.

        Args:
            image: The picture; not kept.
            ts_ms: Its time, increasing; used only when tracking.

        Raises:
            LandmarkerError: An inference failed.
        """
        with self._turn:
            finds = self._follow(image, ts_ms) if self._tracking else self._fresh(image, [])
            if self._smoothing is not None:
                _smooth(self._smoothing, finds, ts_ms, (image.shape[1], image.shape[0]))
            return tuple(_pose(find) for find in finds)

    def _follow(self, image: ImageArray, ts_ms: int) -> list[_Find]:
        """The people of the next frame of a video."""
        size = (image.shape[1], image.shape[0])
        due = self._detection_due(ts_ms)
        detected = self._reader.detect(image, self._config.min_pose_detection_confidence) if due else []
        finds = self._tracked(image, detected, ts_ms)
        if self._config.reacquire:
            missing = [person for person in self._persons if all(find.person is not person for find in finds)]
            if missing and not due:
                finds += self._fresh(image, [find.reading.following for find in finds])
            for person in missing:
                person.fail(ts_ms)
            self._lost = [person for person in (*missing, *self._lost) if person.searchable(ts_ms)]
        finds = self._name(image, finds, ts_ms)
        if self._config.reacquire:
            for find in finds:
                self._reread(image, find, ts_ms, size)
            self._search(image, finds, ts_ms, size)
            self._recent.keep(image, ts_ms)
        self._persons = [find.person for find in finds if find.person is not None]
        return finds

    def _detection_due(self, ts_ms: int) -> bool:
        """Whether to run the detector: in every frame for the first person, from time to time for further ones."""
        if len(self._persons) >= self._config.num_poses:
            return False
        rate_hz = self._config.further_people_hz
        if self._persons and rate_hz and (ts_ms - self._detected_ms) * rate_hz < 1000:  # noqa: PLR2004 - ms a second
            return False
        self._detected_ms = ts_ms
        return True

    def _tracked(self, image: ImageArray, detected: list[Region], ts_ms: int) -> list[_Find]:
        """What the tracked regions and the detected ones show; the detected renew those that they overlap."""
        owners = {id(person.region): person for person in self._persons}
        regions = [person.region for person in self._persons]
        kept = associate(regions, detected, self._config.min_tracking_confidence)[: self._config.num_poses]
        finds = []
        for region in kept:
            person = owners.get(id(region))
            reading = self._read(image, region) if person is None else self._read_held(image, person, ts_ms)
            if reading is not None:
                finds.append(_Find(reading, "tracked" if person else "detected", person))
        return finds

    def _read_held(self, image: ImageArray, person: Person, ts_ms: int) -> Reading | None:
        """Somebody tracked; after a possible pose less presence is enough for another one than for somebody new."""
        enough = self._config.min_pose_presence_confidence
        if person.failed_ms is not None or not self._config.reacquire:
            return self._read(image, person.region)
        reading = self._read(image, person.region, HELD_PRESENCE_SHARE * enough)
        if reading is None or reading.presence > enough:
            return reading
        size = (image.shape[1], image.shape[0])
        return reading if _possible(reading, person, ts_ms, size, IMPLAUSIBLE_DEVIATION) else None

    def _fresh(self, image: ImageArray, seen: list[Region]) -> list[_Find]:
        """People whom the detector finds where nobody was seen yet."""
        overlap = self._config.min_tracking_confidence
        new = [
            region
            for region in self._reader.detect(image, self._config.min_pose_detection_confidence)
            if all(region.overlap(other) <= overlap for other in seen)
        ]
        readings = (self._read(image, region) for region in new[: self._config.num_poses - len(seen)])
        return [_Find(reading, "detected") for reading in readings if reading is not None]

    def _read(self, image: ImageArray, region: Region, min_presence: float | None = None) -> Reading | None:
        if not region.usable:
            return None
        least = self._config.min_pose_presence_confidence if min_presence is None else min_presence
        return self._reader.read(image, region, least)

    def _name(self, image: ImageArray, finds: list[_Find], ts_ms: int) -> list[_Find]:
        """Say who each find is: the one tracked, somebody lost, or somebody new.

        Leaves out detections of furniture just after somebody was lost: what no body can be, or was there before.
        """
        named, size = [], (image.shape[1], image.shape[0])
        expected = any(person.expected(ts_ms) for person in self._lost)
        for find in finds:
            placement, strange = placement_of(find.reading, ts_ms, size), deviation(find.reading)
            if find.person is None:
                back = any(person.cost(placement) <= SAME_PLACE_COST for person in self._lost)
                if expected and (strange > IMPLAUSIBLE_DEVIATION or not (back or self._changed(image, find.reading))):
                    continue
                person = next((person for person in self._lost if person.fits(placement)), None)
                self._lost = [other for other in self._lost if other is not person]
                find.person = person or Person.new(find.reading.following, placement)
            find.person.track(find.reading.following, placement, strange)
            named.append(find)
        return named

    def _reread(self, image: ImageArray, find: _Find, ts_ms: int, size: tuple[int, int]) -> None:
        """Read somebody whose pose no body can have again, in the region that the pose itself gives."""
        person, reading = find.person, find.reading
        for _ in range(REREADINGS):
            if person is None or person.failed_ms is None:
                return
            if (again := self._read(image, reading.following)) is None:
                return
            reading = again
            if _possible(reading, person, ts_ms, size):
                find.reading = reading
                person.follow(reading.following, placement_of(reading, ts_ms, size))

    def _search(self, image: ImageArray, finds: list[_Find], ts_ms: int, size: tuple[int, int]) -> None:
        """Search at one place for somebody who is lost, or whose pose no body can have; change `finds` accordingly."""
        doubtful = [find for find in finds if find.person is not None and find.person.failed_ms is not None]
        wanted = [find.person for find in doubtful if find.person is not None]
        if len(finds) < self._config.num_poses:
            wanted = [*self._lost, *wanted]
        person = next((person for person in wanted if person.searchable(ts_ms)), None)
        place = person.next_place(ts_ms) if person is not None else None
        if person is None or place is None:
            return
        others = [find.reading.following for find in finds if find.person is not person]
        reading = self._search_at(image, place, person, others, ts_ms)
        if reading is None:
            return
        person.follow(reading.following, placement_of(reading, ts_ms, size))
        finds[:] = [find for find in finds if find.person is not person]
        finds.append(_Find(reading, "reacquired", person))
        self._lost = [other for other in self._lost if other is not person]

    def _search_at(
        self, image: ImageArray, place: Place, person: Person, others: list[Region], ts_ms: int
    ) -> Reading | None:
        """The person as found at one place, if what is there passes every check."""
        height, width = image.shape[:2]
        if place.scale is None:
            regions = [place.region(person.anchor)]
        else:
            min_score = DETECTION_SHARE * self._config.min_pose_detection_confidence
            regions = self._reader.detect_in(image, place.square(person.anchor, width, height), min_score)[:1]
        overlap = self._config.min_tracking_confidence
        for region in regions:
            first = self._read(image, region)
            if first is None or not _possible(first, person, ts_ms, (width, height)):
                continue
            second = self._read(image, first.following)
            if (
                second is not None
                and _possible(second, person, ts_ms, (width, height))
                and readings_agree(first, second)
                and all(second.following.overlap(other) <= overlap for other in others)
                and self._changed(image, second)
            ):
                return second
        return None

    def _changed(self, image: ImageArray, reading: Reading) -> bool:
        return self._recent.changed_share(image, reading.points[FRAME, :2]) >= MIN_CHANGED


def checked(image: ImageArray) -> ImageArray:
    """The picture, when it has the form that both runtimes take.

    Raises:
        LandmarkerError: It has another form.
    """
    if image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.flags.c_contiguous:  # noqa: PLR2004
        return image
    raise LandmarkerError(
        f"frame of shape {image.shape}, {image.dtype}: expected a C-contiguous (height, width, 3) uint8 array"
    )


def _possible(
    reading: Reading, person: Person, ts_ms: int, size: tuple[int, int], limit: float = MAX_BODY_DEVIATION
) -> bool:
    """Whether it shows a body, with bones that deviate no more than the limit, that can be this person's."""
    return deviation(reading) <= limit and person.fits(placement_of(reading, ts_ms, size))


def _smooth(smoothing: PersonSmoothing, finds: list[_Find], ts_ms: int, size: tuple[int, int]) -> None:
    if not finds or finds[0].found != "tracked":
        smoothing.lost()
    for find in finds:
        reading = find.reading
        smoothing.apply(reading.points, reading.world, ts_ms, size, reading.following)


def _pose(find: _Find) -> Pose:
    reading = find.reading
    world = np.hstack([reading.world, reading.points[:, 3:]])
    return Pose(reading.points, world, reading.mask, find.found)
