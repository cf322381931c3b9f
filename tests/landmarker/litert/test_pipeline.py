"""People whom tracking loses, on the real model and turned, moved and covered pictures of the bundled clip."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import msgspec
import numpy as np
import pytest

from piapp.anatomy import MAX_BODY_DEVIATION, bone_deviation
from piapp.camera.source import demo_clip
from piapp.camera.video import VideoFile
from piapp.config.load import default_config
from piapp.landmarker.litert import OfflineLandmarker, read_models
from piapp.landmarker.litert.reader import Reader
from piapp.landmarker.model import find_model
from piapp.landmarker.reading import Reading
from piapp.landmarker.region import Region
from piapp.types import Pose

CONFIG = msgspec.structs.replace(default_config().landmarker, runtime="litert")
MODELS = read_models(find_model("lite", masks=False).path)
FRAME_MS = 66


@pytest.fixture(scope="module")
def standing() -> np.ndarray:
    """A frame with somebody who stands in the middle."""
    with VideoFile(demo_clip()) as video:
        return next(image for _, image in islice(video.frames(), 60, 61))


def detect(pictures: list[np.ndarray], **options: object) -> list[tuple[Pose, ...]]:
    """The poses of a video of these pictures."""
    landmarker = OfflineLandmarker(msgspec.structs.replace(CONFIG, **options), MODELS, video=True)
    try:
        return [landmarker.detect(np.ascontiguousarray(image), FRAME_MS * k + 1) for k, image in enumerate(pictures)]
    finally:
        landmarker.close()


def found(results: list[tuple[Pose, ...]]) -> list[list[str]]:
    """How the poses of each frame were found."""
    return [[pose.found for pose in poses] for poses in results]


def turned(image: np.ndarray, quarters: int) -> np.ndarray:
    """The middle of the picture turned anticlockwise: somebody who lies, or is upside down, on the same spot."""
    result = np.zeros_like(image)
    result[:, 80:560] = np.rot90(image[:, 80:560], quarters)
    return result


def brighter(image: np.ndarray) -> np.ndarray:
    """The picture with more light, which counts as a change everywhere."""
    return np.minimum(image, 215) + np.uint8(40)


def test_the_detector_runs_in_the_frame_in_which_tracking_fails(standing):
    """Somebody a third of the picture away is found at once; MediaPipe's way takes a frame."""
    pictures = [standing, standing, np.roll(standing, 180, axis=1)]
    assert found(detect(pictures)) == [["detected"], ["tracked"], ["detected"]]
    assert found(detect(pictures, reacquire=False)) == [["detected"], ["tracked"], []]


@pytest.mark.parametrize(("quarters", "nose"), [(2, (0.47, 0.63)), (3, (0.60, 0.51))])
def test_a_skeleton_that_no_body_can_have_is_replaced(standing, quarters, nose):
    """Somebody upside down or lying, in whom tracking sees a crumpled body."""
    pictures = [standing, standing, *[turned(standing, quarters)] * 3]
    results = detect(pictures)
    assert found(results)[2:] == [["reacquired"], ["tracked"], ["tracked"]]
    for (pose,) in results[2:]:
        np.testing.assert_allclose(pose.landmarks[0, :2], nose, atol=0.06)


class Readings:
    """Stands between a pipeline and its networks, and changes what is read from the third picture on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.presence = 1.0
        self.refused = 0  # how many of the next readings are of nobody
        self.crumpled = 0  # how many of the next readings have bones that no body has
        self._read = Reader.read

        def read(reader: Reader, image: np.ndarray, region: Region, min_presence: float) -> Reading | None:
            return self.changed(self._read(reader, image, region, 0.0), min_presence)

        monkeypatch.setattr(Reader, "read", read)

    def changed(self, reading: Reading | None, min_presence: float) -> Reading | None:
        """The network's reading, as it is to be."""
        self.refused -= 1
        if reading is None or self.presence <= min_presence or self.refused >= 0:
            return None
        scale = np.float32(0.3 if self.crumpled > 0 else 1.0)
        self.crumpled -= 1
        return replace(reading, world=reading.world * scale, presence=self.presence)


@pytest.fixture
def tracked(standing, monkeypatch, detector_runs):
    """Makes landmarkers that track somebody, with what stands between them and their networks."""
    made = []

    def make(**options: object) -> tuple[OfflineLandmarker, Readings]:
        landmarker = OfflineLandmarker(msgspec.structs.replace(CONFIG, **options), MODELS, video=True)
        made.append(landmarker)
        readings = Readings(monkeypatch)
        for number in range(2):
            assert landmarker.detect(standing, FRAME_MS * number + 1)
        detector_runs.clear()
        return landmarker, readings

    yield make
    for landmarker in made:
        landmarker.close()


@pytest.mark.parametrize(
    ("changes", "options", "found"),
    [
        ((0.3, 0), {}, ["tracked"]),
        ((0.3, 1), {}, []),
        ((0.05, 0), {}, []),
        ((0.3, 0), {"reacquire": False}, []),
    ],
)
def test_somebody_tracked_is_held_with_less_presence(tracked, standing, changes, options, found):
    """When the bones can be a body's; the network's doubt alone loses nobody, and neither does it bring anybody."""
    landmarker, readings = tracked(**options)
    readings.presence, readings.crumpled = changes
    assert [pose.found for pose in landmarker.detect(standing, 2 * FRAME_MS + 1)] == found


def test_nobody_is_held_whose_last_pose_no_body_can_have(tracked, standing):
    """It may be a table that the detector took for somebody: it has to be seen as surely as somebody new."""
    landmarker, readings = tracked()
    readings.crumpled = 99
    assert found([landmarker.detect(standing, 2 * FRAME_MS + 1)]) == [["held"]]
    readings.presence, readings.crumpled = 0.3, 0
    assert landmarker.detect(standing, 3 * FRAME_MS + 1) == ()


def test_a_pose_that_no_body_can_have_is_read_again(tracked, standing, detector_runs):
    """In its own region, and closer where the picture changed, without the detector; the better reading counts."""
    changed = brighter(standing)
    cases = ((standing, 1, "tracked", 0), (changed, 2, "tracked", 0), (changed, 5, "held", 1))
    for picture, crumpled, found, runs in cases:
        landmarker, readings = tracked()
        readings.crumpled = crumpled
        (pose,) = landmarker.detect(picture, 2 * FRAME_MS + 1)
        assert (pose.found, len(detector_runs)) == (found, runs)
        assert bone_deviation(pose.world_landmarks) < MAX_BODY_DEVIATION


def test_in_the_frame_of_a_loss_the_last_region_is_read_changed(tracked, standing):
    """Turned by quarters, then closer, wider and turned a little; each once."""
    for refused, found_then in ((0, ["tracked"]), (6, ["reacquired"]), (9, ["reacquired"]), (10, [])):
        landmarker, readings = tracked()
        readings.refused = refused
        assert found([landmarker.detect(brighter(standing), 2 * FRAME_MS + 1)]) == [found_then]


def test_the_last_possible_pose_stands_for_one_that_no_body_can_have(tracked, standing):
    """For 0.75 seconds; then what is read is given away as it is."""
    landmarker, readings = tracked()
    picture = brighter(standing)
    (before,) = landmarker.detect(picture, 2 * FRAME_MS + 1)
    readings.crumpled = 999
    results = [landmarker.detect(picture, number * FRAME_MS + 1) for number in range(3, 18)]
    assert found(results) == [["held"]] * 11 + [["tracked"]] * 4
    for (held,) in results[:11]:
        np.testing.assert_allclose(held.landmarks[:, :2], before.landmarks[:, :2], atol=0.02)
    readings.crumpled = 0
    assert landmarker.detect(picture, 18 * FRAME_MS + 1)


def test_what_never_moved_and_has_impossible_bones_is_not_shown(tracked, standing):
    """A chair; what looked possible once is held for 0.2 seconds and a frame."""
    landmarker, readings = tracked()
    readings.crumpled = 999
    results = found([landmarker.detect(standing, number * FRAME_MS + 1) for number in range(2, 18)])
    assert results == [["held"]] * 4 + [[]] * 12
    readings.crumpled = 0
    assert found([landmarker.detect(standing, 18 * FRAME_MS + 1)]) == [["tracked"]]


def test_somebody_small_is_found_where_something_moves(standing):
    """Too small for the detector in the whole picture; in a still picture, and without a search, nobody looks."""
    pictures = np.full((12, 960, 1280, 3), 128, np.uint8)
    for number, picture in enumerate(pictures):
        picture[400:640, 500 + 6 * number :][:, :120] = standing[::2, 200:440:2]
    assert found(detect(list(pictures)))[7:] == [[], ["detected"], ["tracked"], ["tracked"], ["tracked"]]
    assert found(detect(list(pictures), reacquire=False)) == [[]] * 12
    assert found(detect([pictures[0]] * 12)) == [[]] * 12


def test_a_search_ends_after_a_second(standing, detector_runs):
    """In an empty picture the detector runs twice a frame for a second, then once; once in the frame of the loss."""
    landmarker = OfflineLandmarker(CONFIG, MODELS, video=True)
    counts = []
    for number, picture in enumerate([standing, *[np.zeros_like(standing)] * 25]):
        landmarker.detect(picture, FRAME_MS * number + 1)
        counts.append(len(detector_runs))
        detector_runs.clear()
    landmarker.close()
    assert counts[1] == 1
    assert max(counts) == 2
    assert sum(counts[1:17]) > 25
    assert counts[18:] == [1] * 8


def test_nobody_comes_of_a_search(standing):
    """Black pictures and noise after somebody was there stay empty."""
    rng = np.random.default_rng(1)
    noise = [rng.integers(0, 255, standing.shape, np.uint8) for _ in range(8)]
    results = detect([standing, *noise, *[np.zeros_like(standing)] * 8])
    assert found(results)[1:] == [[]] * 16


def test_somebody_further_away_is_found_within_the_period(standing):
    """With two people to look for, the second appears at the next detector run, and both stay."""
    both = np.hstack([standing[:, 200:440], standing[:, 200:440][:, ::-1]])
    alone = both.copy()
    alone[:, 240:] = both[:, 240:].mean(axis=(0, 1))
    results = found(detect([alone] * 2 + [both] * 9, num_poses=2))
    assert [len(poses) for poses in results] == [1] * 8 + [2] * 3


def test_without_tracking_nothing_is_searched(standing):
    """Pictures of their own are each looked at once, and poses are detected."""
    landmarker = OfflineLandmarker(CONFIG, MODELS, video=False)
    assert [pose.found for pose in landmarker.detect(standing, 0)] == ["detected"]
    assert landmarker.detect(np.zeros_like(standing), 0) == ()
    landmarker.close()
