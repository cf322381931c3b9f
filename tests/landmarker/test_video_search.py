"""People whom a landmarker loses between two frames, searched for with one that looks at single pictures."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import msgspec
import numpy as np
import pytest

from piapp.camera.source import demo_clip
from piapp.camera.video import VideoFile
from piapp.config.load import default_config
from piapp.config.sections import LandmarkerConfig
from piapp.landmarker.model import find_model
from piapp.landmarker.offline import OfflineStage
from piapp.landmarker.video_search import VideoSearch
from piapp.landmarker.views import SyncLandmarker
from piapp.types import Pose

CONFIG = msgspec.structs.replace(default_config().landmarker, runtime="mediapipe")
MODEL = find_model("lite", masks=False).path
FRAME_MS = 66


@pytest.fixture(scope="module")
def standing() -> np.ndarray:
    """A frame with somebody who stands in the middle."""
    with VideoFile(demo_clip()) as video:
        return next(image for _, image in islice(video.frames(), 60, 61))


@pytest.fixture(scope="module")
def pose(standing) -> Pose:
    """Who stands there."""
    with OfflineStage(CONFIG, MODEL, video=False) as stage:
        return stage.detect(standing)[0]


class Still:
    """Finds what it is given for each picture in turn, then nobody; notes the pictures' shapes."""

    def __init__(self, *answers: tuple[Pose, ...]) -> None:
        self.answers = list(answers)
        self.shapes: list[tuple[int, ...]] = []
        self.closed = False

    def detect(self, image: np.ndarray, _ts_ms: int) -> tuple[Pose, ...]:
        """The next answer."""
        self.shapes.append(image.shape)
        return self.answers.pop(0) if self.answers else ()

    def close(self) -> None:
        """Note it."""
        self.closed = True


def search_with(still: SyncLandmarker, **options: object) -> VideoSearch:
    """A search that looks with this."""
    return VideoSearch(msgspec.structs.replace(CONFIG, **options), lambda _options: still)


def detect(pictures: list[np.ndarray], **options: object) -> list[tuple[Pose, ...]]:
    """MediaPipe's poses of a video of these pictures."""
    with OfflineStage(msgspec.structs.replace(CONFIG, **options), MODEL, video=True) as stage:
        return [stage.detect(np.ascontiguousarray(image), FRAME_MS * k + 1) for k, image in enumerate(pictures)]


def found(results: list[tuple[Pose, ...]]) -> list[list[str]]:
    """How the poses of each frame were found."""
    return [[pose.found for pose in poses] for poses in results]


def turned(image: np.ndarray, quarters: int) -> np.ndarray:
    """The middle of the picture turned anticlockwise: somebody who lies, or is upside down, on the same spot."""
    result = np.zeros_like(image)
    result[:, 80:560] = np.rot90(image[:, 80:560], quarters)
    return result


def test_while_nobody_is_lost_poses_pass_as_they_are(standing, pose):
    """The same objects, and no second landmarker is made."""

    def unwanted(_options: LandmarkerConfig) -> SyncLandmarker:
        raise AssertionError("nobody was lost")

    search = VideoSearch(CONFIG, unwanted)
    for number in range(5):
        poses = (replace(pose),)
        assert search.follow(standing, FRAME_MS * number + 1, poses) == poses
    search.close()


def test_a_picture_without_anybody_is_not_searched(standing):
    """Nobody was there, so nobody is missing."""
    still = Still()
    search = search_with(still)
    for number in range(5):
        assert search.follow(standing, FRAME_MS * number + 1, ()) == ()
    assert still.shapes == []


def test_the_frame_in_which_tracking_fails_is_looked_at_again(standing, pose):
    """As a whole first; who is found is followed in a crop until the landmarker has them again."""
    still = Still((pose,), ())
    search = search_with(still)
    search.follow(standing, 1, (pose,))
    (again,) = search.follow(standing, 67, ())
    assert again.found == "detected"
    np.testing.assert_array_equal(again.landmarks, pose.landmarks)
    assert still.shapes == [standing.shape]
    (back,) = search.follow(standing, 133, (pose,))
    assert back is pose
    assert len(still.shapes) == 1


def test_a_search_ends_after_a_second(standing, pose):
    """One look in the frame of the loss and in each of the next second, then none."""
    still = Still()
    search = search_with(still)
    search.follow(standing, 1, (pose,))
    counts = []
    for number in range(1, 25):
        assert search.follow(standing, FRAME_MS * number + 1, ()) == ()
        counts.append(len(still.shapes))
        still.shapes.clear()
    assert counts[:16] == [1] * 16
    assert counts[16:] == [0] * 8
    search.close()
    assert still.closed


def test_a_find_elsewhere_is_not_the_person(standing, pose):
    """Two metres away within a frame, or with bones that no body has: not believed just after a loss."""
    far = pose.landmarks.copy()
    far[:, 0] += 0.45
    crumpled = pose.world_landmarks.copy()
    crumpled[:, :3] *= 0.3
    for wrong in (replace(pose, landmarks=far), replace(pose, world_landmarks=crumpled)):
        search = search_with(Still((wrong,), (wrong,)))
        for number in range(3):
            search.follow(standing, FRAME_MS * number + 1, (pose,))
        assert search.follow(standing, FRAME_MS * 3 + 1, ()) == ()


def test_impossible_bones_where_somebody_was_lost_say_that_they_are_there(standing, pose):
    """And nothing about how they move: the last possible pose is held, and what comes later counts as reacquired."""
    bent = pose.world_landmarks.copy()
    bent[:, :3] *= np.float32(0.6)
    crumpled = replace(pose, world_landmarks=bent)
    for lost_ms, held in ((FRAME_MS, True), (12 * FRAME_MS, False)):
        search = search_with(Still())
        search.follow(standing, 1, (pose,))
        assert search.follow(standing, lost_ms, ()) == ()
        (back,) = search.follow(255 - standing, lost_ms + FRAME_MS, (crumpled,))  # the picture changed there
        assert back.found == ("held" if held else "reacquired")
        np.testing.assert_array_equal(back.landmarks, (pose if held else crumpled).landmarks)


def test_somebody_is_looked_for_where_something_moves(standing, pose):
    """In a crop, while the landmarker sees nobody, or no body where nothing ever moved, which then makes room."""
    lower = standing.copy()
    lower[300:360, 300:340] = 255 - standing[300:360, 300:340]
    world = pose.world_landmarks * np.array([0.75, 0.75, 0.75, 1, 1], np.float32)
    chair = replace(pose, landmarks=pose.landmarks - np.array([0.3, 0, 0, 0, 0], np.float32), world_landmarks=world)
    for seen in ((), (chair,)):
        still = Still((pose,))
        search = search_with(still)
        search.follow(standing, 1, seen)
        assert search.follow(standing, 67, seen) == ()
        assert still.shapes == []
        (found_there,) = search.follow(lower, 800, seen)
        assert found_there.found == "detected"
        assert still.shapes[0][0] < standing.shape[0]


def test_the_real_landmarker_finds_at_once_who_moved_far(standing):
    """MediaPipe's own way takes a frame."""
    pictures = [standing, standing, np.roll(standing, 180, axis=1)]
    assert [len(poses) for poses in detect(pictures)] == [1, 1, 1]
    assert [len(poses) for poses in detect(pictures, reacquire=False)] == [1, 1, 0]


@pytest.mark.parametrize(("quarters", "nose"), [(2, (0.47, 0.63)), (3, (0.60, 0.51))])
def test_the_real_landmarker_finds_who_lies(standing, quarters, nose):
    """Somebody upside down or lying, in whom tracking sees a crumpled body, is found in a turned crop and stays."""
    pictures = [standing, standing, *[turned(standing, quarters)] * 6]
    results = detect(pictures)
    assert "reacquired" in {pose.found for poses in results for pose in poses}
    for (last,) in results[-2:]:
        np.testing.assert_allclose(last.landmarks[0, :2], nose, atol=0.06)


def test_landmarks_are_the_landmarkers_own_where_nothing_is_lost():
    """Bit by bit, over the first frames of the bundled clip."""
    with VideoFile(demo_clip()) as video:
        pictures = [image for _, image in islice(video.frames(), 50, 70)]
    for with_search, without in zip(detect(pictures), detect(pictures, reacquire=False), strict=True):
        assert len(with_search) == len(without)
        for one, other in zip(with_search, without, strict=True):
            np.testing.assert_array_equal(one.landmarks, other.landmarks)
            np.testing.assert_array_equal(one.world_landmarks, other.world_landmarks)
