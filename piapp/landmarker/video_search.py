"""Searches for people whom a landmarker loses between two frames of a video, with one that looks at single pictures.

For MediaPipe, whose tracking can be told nothing: whoever the search finds in a turned and closer crop is looked for in
such a crop in the next frames too, until tracking has them again. Owns what is followed so; the order of places and the
checks are those of `search`. While nobody is lost, the landmarker's poses pass as they are. For one thread at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec

from piapp.anatomy import MAX_BODY_DEVIATION
from piapp.config.sections import LandmarkerConfig
from piapp.landmarker.crops import Crop, upright_quarters
from piapp.landmarker.people import Find, People, Picture, overlaps, pose_of, possible, shown
from piapp.landmarker.reading import Reading
from piapp.landmarker.region import Region
from piapp.landmarker.search import (
    DETECTION_SHARE,
    DETECTOR_PLACES,
    FOLLOW_SCALE,
    HELD_PRESENCE_SHARE,
    IMPLAUSIBLE_DEVIATION,
    Person,
)
from piapp.landmarker.views import SyncLandmarker
from piapp.types import ImageArray, Pose


class VideoSearch:
    """Adds to a landmarker's poses of each frame of a video the people whom it lost.

    Args:
        config: The landmarker's options.
        make_still: Makes a landmarker in IMAGE mode of these options; called when it is first needed.
    """

    def __init__(self, config: LandmarkerConfig, make_still: Callable[[LandmarkerConfig], SyncLandmarker]) -> None:
        self._config = config
        self._make_still = make_still
        self._still: SyncLandmarker | None = None
        self._people = People(config)
        self._turns: dict[int, int] = {}  # by person who is followed in crops: their turn
        self._looked = False  # in the present frame; once is enough

    def follow(self, image: ImageArray, ts_ms: int, poses: tuple[Pose, ...]) -> tuple[Pose, ...]:
        """The poses of the next frame.

        Args:
            image: (height, width, 3) uint8 RGB; not kept.
            ts_ms: Its time, increasing.
            poses: What the landmarker found in it.
        """
        picture, people = Picture(image, ts_ms), self._people
        self._looked = False
        finds = self._assigned([_find(pose, picture) for pose in poses], picture)
        self._go_on_in_crops(finds, picture)
        missing = people.missing(finds)
        self._look_again(missing, finds, picture)
        people.lose(missing, ts_ms)
        finds = people.named(finds, picture)
        self._look_elsewhere(finds, picture)
        if not self._looked:
            self._search(finds, picture)
        people.end_frame(finds, picture)
        self._turns = {id(find.person): find.quarters for find in finds if find.quarters is not None}
        return people.with_still(shown(find, pose_of(find), picture) for find in finds if not find.empty)

    def close(self) -> None:
        """Release the model."""
        if self._still is not None:
            self._still.close()

    def _assigned(self, finds: list[Find], picture: Picture) -> list[Find]:
        """Each of the landmarker's poses with the person of the frame before who is nearest, if anybody can be it."""
        pairs = [(find, person) for find in finds for person in self._people.present]
        if len(pairs) > 1:
            pairs.sort(key=lambda pair: pair[1].cost(pair[0].reading.placement(picture.ts_ms)))
        taken: set[int] = set()
        for find, person in pairs:
            tracked = id(person) not in self._turns
            if find.person is not None or id(person) in taken:
                continue
            if tracked or self._people.can_be(person, find, picture):
                find.person = person
                taken.add(id(person))
        return finds

    def _go_on_in_crops(self, finds: list[Find], picture: Picture) -> None:
        """Find those again who were followed in crops, unless the landmarker sees a possible body itself."""
        for person in [person for person in self._people.present if id(person) in self._turns]:
            own = next((find for find in finds if find.person is person), None)
            seen = own if own is not None else next((find for find in finds if find.person is None), None)
            plausible = seen is not None and seen.reading.deviation <= IMPLAUSIBLE_DEVIATION
            if seen is not None and plausible and (seen is own or self._people.changed(seen.reading, picture)):
                continue
            quarters = self._turns[id(person)]
            find = self._in_crop(person, quarters, FOLLOW_SCALE, picture)
            if find is not None:
                finds[:] = [other for other in finds if other is not seen]
                find.found, find.quarters = "tracked", quarters
                finds.append(find)

    def _look_again(self, missing: list[Person], finds: list[Find], picture: Picture) -> None:
        """Look at once at the whole picture again for those whom the landmarker lost in this frame."""
        if self._looked or all(id(person) in self._turns for person in missing):
            return
        for pose in self._look(picture.image)[: self._config.num_poses - len(finds)]:
            find = _find(pose, picture)
            if not overlaps(find.reading.following, finds, self._config.min_tracking_confidence):
                find.found, find.quarters = "detected", upright_quarters(find.reading.following)
                finds.append(find)

    def _look_elsewhere(self, finds: list[Find], picture: Picture) -> None:
        """Look closer where something moves while nobody sure is seen: for small people, and beside chairs."""
        square = None if self._looked else self._people.elsewhere(finds, picture)
        if square is None:
            return
        crop = Crop.of(square, 0, picture.size)
        for pose in self._look(crop.cut(picture.image))[:1]:
            find = _find(crop.pose_of_picture(pose), picture)
            find.found, find.quarters = "detected", upright_quarters(find.reading.following)
            self._people.put_instead(find, finds, picture)

    def _search(self, finds: list[Find], picture: Picture) -> None:
        """Search at one place for somebody who is lost, or whose pose no body can have; change `finds` accordingly."""
        person = self._people.wanted(finds, picture.ts_ms)
        place = person.next_place(picture.ts_ms, DETECTOR_PLACES) if person is not None else None
        if person is None or place is None or place.scale is None:
            return
        find = self._in_crop(person, place.quarters, place.scale, picture, MAX_BODY_DEVIATION)
        if find is not None and self._people.confirmed(person, find.reading, finds, picture):
            find.found, find.quarters = "reacquired", upright_quarters(find.reading.following)
            self._people.bring_back(find, finds, picture)

    def _in_crop(
        self, person: Person, quarters: int, scale: float, picture: Picture, limit: float = IMPLAUSIBLE_DEVIATION
    ) -> Find | None:
        return self._best(person, _crop(person.anchor, quarters, scale, picture), picture, limit)

    def _best(self, person: Person, crop: Crop, picture: Picture, limit: float) -> Find | None:
        """The first body in a crop that the person can be, with bones that deviate no more than the limit."""
        for pose in self._look(crop.cut(picture.image)):
            find = _find(crop.pose_of_picture(pose), picture)
            if possible(find.reading, person, picture, limit):
                find.person, find.quarters = person, crop.quarters
                return find
        return None

    def _look(self, image: ImageArray) -> tuple[Pose, ...]:
        self._looked = True
        if self._still is None:
            self._still = self._make_still(_for_search(self._config))
        return self._still.detect(image, 0)


def _for_search(config: LandmarkerConfig) -> LandmarkerConfig:
    """Options of a landmarker for somebody who was there a moment ago: what it finds has to pass other checks."""
    return msgspec.structs.replace(
        config,
        min_pose_detection_confidence=DETECTION_SHARE * config.min_pose_detection_confidence,
        min_pose_presence_confidence=HELD_PRESENCE_SHARE * config.min_pose_presence_confidence,
    )


def _crop(region: Region, quarters: int, scale: float, picture: Picture) -> Crop:
    square = region.in_pixels(*picture.size)
    side = max(square.width, square.height) * scale
    return Crop.of(replace(square, width=side, height=side), quarters, picture.size)


def _find(pose: Pose, picture: Picture) -> Find:
    return Find(Reading.of(pose, picture.size), pose.found, pose=pose)
