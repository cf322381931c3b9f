"""Stills in which people are found only when the picture is turned, or somebody else is covered."""

from __future__ import annotations

from itertools import islice

import cv2
import msgspec
import numpy as np
import pytest

from piapp.camera.source import demo_clip
from piapp.camera.video import VideoFile
from piapp.config.load import default_config
from piapp.landmarker.model import find_model
from piapp.landmarker.offline import OfflineStage
from piapp.landmarker.views import StillSearch, covered, turned, turned_back
from piapp.posture.monitor import Monitor
from piapp.types import Pose, PoseResult
from tests.support.media import MEDIA

STILLS = MEDIA / "stills"
MODEL = find_model("lite", masks=False).path


@pytest.fixture(scope="module")
def standing() -> np.ndarray:
    """A frame with somebody who stands in the middle."""
    with VideoFile(demo_clip()) as video:
        return next(image for _, image in islice(video.frames(), 60, 61))


def stage(**options: object) -> OfflineStage:
    """A landmarker in IMAGE mode, LiteRT's unless the options say otherwise."""
    config = msgspec.structs.replace(default_config().landmarker, **({"runtime": "litert"} | options))
    return OfflineStage(config, MODEL, video=False)


class Finder:
    """Finds the given poses in pictures of these kinds, told apart by the brightest corner."""

    def __init__(self, answers: dict[int, tuple[Pose, ...]]) -> None:
        self.answers = answers
        self.asked: list[int] = []

    def detect(self, image: np.ndarray, _ts_ms: int) -> tuple[Pose, ...]:
        """The poses for the quarter turn that the bright corner shows."""
        corners = [image[0, 0, 0], image[-1, 0, 0], image[-1, -1, 0], image[0, -1, 0]]
        self.asked.append(int(np.argmax(corners)))
        return self.answers.get(self.asked[-1], ())

    def close(self) -> None:
        """Nothing to release."""


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_what_is_found_in_a_turned_picture_is_turned_back(standing, quarters):
    """The same pose, in picture and metres, as from the picture as it is."""
    with stage(reacquire=False) as landmarker:
        (expected,) = landmarker.detect(standing)
        lying = turned(standing, quarters)
        found = turned_back(expected, -quarters % 4, lying.shape)  # where the turned picture shows it
        pose = turned_back(found, quarters, standing.shape)
    np.testing.assert_allclose(pose.landmarks, expected.landmarks, atol=1e-6)
    np.testing.assert_allclose(pose.world_landmarks, expected.world_landmarks, atol=1e-6)
    x, y = (found.landmarks[0, :2] * (lying.shape[1], lying.shape[0])).astype(int)
    nose_x, nose_y = (expected.landmarks[0, :2] * (standing.shape[1], standing.shape[0])).astype(int)
    np.testing.assert_allclose(lying[y, x], standing[nose_y, nose_x], atol=60)


def test_one_view_is_not_enough(standing):
    """A body in one turned view is furniture; in two that agree it is somebody."""
    with stage(reacquire=False) as landmarker:
        (pose,) = landmarker.detect(standing)
    picture = np.zeros((480, 640, 3), np.uint8)
    picture[0, 0] = 255

    def as_seen(quarters: int) -> tuple[Pose, ...]:
        return (turned_back(pose, -quarters % 4, turned(picture, quarters).shape),)

    once, twice = Finder({1: as_seen(1)}), Finder({1: as_seen(1), 3: as_seen(3)})
    assert StillSearch(once, 1).detect(picture, 0) == ()
    assert once.asked == [0, 1, 2, 3]
    (found,) = StillSearch(twice, 1).detect(picture, 0)
    np.testing.assert_allclose(found.landmarks, pose.landmarks, atol=1e-5)


def test_nobody_in_an_empty_picture(standing):
    """Neither in black nor in noise, however it is turned."""
    with stage(num_poses=2) as landmarker:
        assert landmarker.detect(np.zeros_like(standing)) == ()
        assert landmarker.detect(np.random.default_rng(1).integers(0, 255, standing.shape, np.uint8)) == ()


def test_covering_hides_the_person_and_nothing_else(standing):
    """Inside the box there is one colour; the rest is as it was."""
    with stage() as landmarker:
        poses = landmarker.detect(standing)
    x, y, w, h = (int(value * side) for value, side in zip(poses[0].bbox, (640, 480, 640, 480), strict=True))
    hidden = covered(standing, poses)
    assert len(np.unique(hidden[y + 1 : y + h - 1, x + 1 : x + w - 1].reshape(-1, 3), axis=0)) == 1
    np.testing.assert_array_equal(hidden[:, : x - 1], standing[:, : x - 1])


@pytest.mark.media
@pytest.mark.parametrize("runtime", ["litert", "mediapipe"])
def test_people_on_the_floor_are_found_and_lie(runtime):
    """All stills of people on the floor, one of which the upright picture does not show."""
    paths = sorted(STILLS.glob("gm_lying_*"))
    if not paths:
        pytest.skip(f"{STILLS} is missing")
    postures = {}
    with stage(runtime=runtime) as landmarker:
        for path in paths:
            image = _still(path.name)
            result = PoseResult(1, 1, (image.shape[1], image.shape[0]), landmarker.detect(image))
            state, _ = Monitor(default_config().posture).update(result)
            postures[path.name] = [label.posture for label in state.labels]
    assert postures == {path.name: ["lying"] for path in paths}


@pytest.mark.media
@pytest.mark.parametrize("runtime", ["litert", "mediapipe"])
def test_a_couple_is_two(runtime):
    """They walk arm in arm; with two to look for both are found, one of them as with one."""
    image = _still("two_walking_couple_snow.jpg")
    for num_poses in (1, 2, 4):
        with stage(runtime=runtime, num_poses=num_poses) as landmarker:
            assert len(landmarker.detect(image)) == min(num_poses, 2)


@pytest.mark.media
@pytest.mark.parametrize("num_poses", [1, 4])
def test_no_person_where_nobody_is(num_poses):
    """Empty rooms, kitchens, tables."""
    paths = sorted(STILLS.glob("neg_*"))
    if not paths:
        pytest.skip(f"{STILLS} is missing")
    with stage(num_poses=num_poses) as landmarker:
        assert [path.name for path in paths if landmarker.detect(_still(path.name))] == []


def _still(name: str) -> np.ndarray:
    path = STILLS / name
    if not path.exists():
        pytest.skip(f"{path} is missing")
    return np.ascontiguousarray(cv2.imread(str(path))[:, :, ::-1])
