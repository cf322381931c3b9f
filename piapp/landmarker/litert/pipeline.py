"""The pose pipeline: where to look, what is there, where to look next.

Owns tracking from frame to frame. Where nobody is lost it gives what MediaPipe gives, to the bit. Where somebody is, it
does three things that MediaPipe does not: it detects in the same frame in which tracking failed, it searches around the
last place for a second (`search`), and it replaces poses that no body can have by better ones (`people`). Used by one
thread at a time; no clock, no threads.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from piapp.config.sections import LandmarkerConfig
from piapp.errors import LandmarkerError
from piapp.landmarker.litert.network import Network
from piapp.landmarker.litert.reader import Reader
from piapp.landmarker.litert.smoothing import PersonSmoothing
from piapp.landmarker.litert.turn import Turn
from piapp.landmarker.people import Find, People, Picture, overlaps, pose_of, possible, shown
from piapp.landmarker.reading import Reading, readings_agree
from piapp.landmarker.region import Region, associate
from piapp.landmarker.search import (
    DETECTION_SHARE,
    HELD_PRESENCE_SHARE,
    IMPLAUSIBLE_DEVIATION,
    OWN_REGION,
    READ_CHANGES,
    READ_PLACES,
    REREADINGS,
    Person,
)
from piapp.types import ImageArray, Pose


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
        self._people = People(config, smoothed=False)
        self._detected_ms = 0
        self._smoothing = PersonSmoothing() if tracking and config.num_poses == 1 else None

    def process(self, image: ImageArray, ts_ms: int) -> tuple[Pose, ...]:
        """Find the poses in one (height, width, 3) uint8 RGB picture; blocks for the inference.

        Args:
            image: The picture; not kept.
            ts_ms: Its time, increasing; used only when tracking.

        Raises:
            LandmarkerError: An inference failed.
        """
        picture = Picture(image, ts_ms)
        with self._turn:
            finds = self._follow(picture) if self._tracking else self._fresh(image, [])
            if self._smoothing is not None:
                _smooth(self._smoothing, finds, picture)
            poses = tuple(pose_of(find) for find in finds)
            if not (self._tracking and self._config.reacquire):
                return poses
            given = (shown(find, pose, picture) for find, pose in zip(finds, poses, strict=True) if not find.empty)
            return self._people.with_still(given)

    def _follow(self, picture: Picture) -> list[Find]:
        """The people of the next frame of a video."""
        people, reacquire = self._people, self._config.reacquire
        due = self._detection_due(picture.ts_ms)
        detected = self._reader.detect(picture.image, self._config.min_pose_detection_confidence) if due else []
        finds = self._tracked(picture, detected)
        missing = people.missing(finds) if reacquire else []
        lost_now = bool(missing) and not due
        if lost_now:
            finds += self._fresh(picture.image, finds)
        people.lose(missing, picture.ts_ms)
        finds = people.named(finds, picture)
        if reacquire:
            for find in finds:
                self._reread(find, picture)
            self._look_elsewhere(finds, picture)
            self._search(finds, picture, lost_now=lost_now)
        people.end_frame(finds, picture)
        return finds

    def _detection_due(self, ts_ms: int) -> bool:
        """Whether to run the detector: in every frame for the first person, from time to time for further ones."""
        if len(self._people.present) >= self._config.num_poses:
            return False
        rate_hz = self._config.further_people_hz
        if self._people.present and rate_hz and (ts_ms - self._detected_ms) * rate_hz < 1000:  # noqa: PLR2004 - ms a second
            return False
        self._detected_ms = ts_ms
        return True

    def _tracked(self, picture: Picture, detected: list[Region]) -> list[Find]:
        """What the tracked regions and the detected ones show; the detected renew those that they overlap."""
        owners = {id(person.region): person for person in self._people.present}
        regions = [person.region for person in self._people.present]
        kept = associate(regions, detected, self._config.min_tracking_confidence)[: self._config.num_poses]
        finds = []
        for region in kept:
            person = owners.get(id(region))
            reading = self._read(picture.image, region) if person is None else self._read_held(person, picture)
            if reading is not None:
                finds.append(Find(reading, "tracked" if person else "detected", person))
        return finds

    def _read_held(self, person: Person, picture: Picture) -> Reading | None:
        """Somebody tracked; after a possible pose less presence is enough for another one than for somebody new."""
        enough = self._config.min_pose_presence_confidence
        if person.failed_ms is not None or not self._config.reacquire:
            return self._read(picture.image, person.region)
        reading = self._read(picture.image, person.region, HELD_PRESENCE_SHARE * enough)
        if reading is None or reading.presence > enough:
            return reading
        return reading if possible(reading, person, picture, IMPLAUSIBLE_DEVIATION) else None

    def _look_elsewhere(self, finds: list[Find], picture: Picture) -> None:
        """Look closer where something moves while nobody sure is seen: for small people, and beside chairs."""
        square = self._people.elsewhere(finds, picture)
        if square is None:
            return
        min_score = DETECTION_SHARE * self._config.min_pose_detection_confidence
        regions = self._reader.detect_in(picture.image, square, min_score)
        first = self._read(picture.image, regions[0]) if regions else None
        second = self._read(picture.image, first.following) if first is not None else None
        if first is not None and second is not None and readings_agree(first, second):
            self._people.put_instead(Find(second, "detected"), finds, picture)

    def _fresh(self, image: ImageArray, seen: list[Find]) -> list[Find]:
        """People whom the detector finds where nobody was seen yet."""
        overlap = self._config.min_tracking_confidence
        detected = self._reader.detect(image, self._config.min_pose_detection_confidence)
        new = [region for region in detected if not overlaps(region, seen, overlap)]
        readings = (self._read(image, region) for region in new[: self._config.num_poses - len(seen)])
        return [Find(reading, "detected") for reading in readings if reading is not None]

    def _read(self, image: ImageArray, region: Region, min_presence: float | None = None) -> Reading | None:
        if not region.usable:
            return None
        least = self._config.min_pose_presence_confidence if min_presence is None else min_presence
        return self._reader.read(image, region, least)

    def _reread(self, find: Find, picture: Picture) -> None:
        """Read somebody whose pose no body can have again, in and around the region that the pose itself gives."""
        person, around = find.person, find.reading.following
        if person is None or person.failed_ms is None:
            return
        for scale, turn in REREADINGS:
            reading = self._read(picture.image, around.changed(scale, turn))
            if reading is None or not possible(reading, person, picture):
                continue
            if (scale, turn) == OWN_REGION or self._people.changed(reading, picture):
                find.reading = reading
                person.follow(reading, picture.ts_ms)
                return

    def _search(self, finds: list[Find], picture: Picture, *, lost_now: bool) -> None:
        """Search for somebody who is lost, or whose pose no body can have; change `finds` accordingly.

        At one place a frame, so that the detector runs once more than without a search; in the frame of a loss it just
        ran, so the last region alone is read.
        """
        person = self._people.wanted(finds, picture.ts_ms)
        if person is None:
            return
        for region in _last_regions(person) if lost_now else self._next_regions(person, picture):
            reading = self._checked_in(region, person, finds, picture)
            if reading is not None:
                self._people.bring_back(Find(reading, "reacquired", person), finds, picture)
                return

    def _next_regions(self, person: Person, picture: Picture) -> list[Region]:
        """What to read at the place that is next in a search; at most one region."""
        place = person.next_place(picture.ts_ms)
        if place is None:
            return []
        if place.scale is None:
            return [place.region(person.anchor)]
        min_score = DETECTION_SHARE * self._config.min_pose_detection_confidence
        square = place.square(person.anchor, *picture.size)
        return self._reader.detect_in(picture.image, square, min_score)[:1]

    def _checked_in(self, region: Region, person: Person, finds: list[Find], picture: Picture) -> Reading | None:
        """The person as read in a region, if what is there passes every check."""
        first = self._read(picture.image, region)
        if first is None or not possible(first, person, picture):
            return None
        second = self._read(picture.image, first.following)
        agreed = second is not None and readings_agree(first, second)
        return second if second and agreed and self._people.confirmed(person, second, finds, picture) else None


def _last_regions(person: Person) -> list[Region]:
    """The region in which somebody was seen last, turned by quarters and changed a little."""
    turned = [place.region(person.anchor) for place in READ_PLACES]
    return turned + [person.anchor.changed(scale, turn) for scale, turn in READ_CHANGES]


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


def _smooth(smoothing: PersonSmoothing, finds: list[Find], picture: Picture) -> None:
    if not finds or finds[0].found != "tracked":
        smoothing.lost()
    for find in finds:
        reading = find.reading
        smoothing.apply(reading.points, reading.world, picture.ts_ms, picture.size, reading.following)
        find.reading = replace(reading)  # computes anew what the landmarks say
