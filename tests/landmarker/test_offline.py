"""Landmarks of stills and videos, in a filtered thread."""

from __future__ import annotations

import threading
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
import pytest

from piapp.camera.source import demo_clip
from piapp.camera.video import VideoFile
from piapp.config.load import default_config
from piapp.errors import LandmarkerError, ModelError
from piapp.landmarker.model import find_model
from piapp.landmarker.offline import OfflineStage

CONFIG = msgspec.structs.replace(default_config().landmarker, runtime="mediapipe")


@pytest.fixture(scope="module")
def pictures():
    """Some frames of the bundled clip, somebody in each."""
    with VideoFile(demo_clip()) as video:
        return [image for _, image in islice(video.frames(), 60, 66)]


def model(*, masks=False):
    """The lite model."""
    return find_model("lite", masks=masks).path


def test_stills_do_not_depend_on_each_other(pictures):
    """IMAGE mode: the same picture gives the same landmarks, whatever came between."""
    with OfflineStage(CONFIG, model(), video=False) as stage:
        first = stage.detect(pictures[0])
        stage.detect(pictures[5])
        again = stage.detect(pictures[0])
    assert len(first) == 1
    assert first[0].landmarks.shape == first[0].world_landmarks.shape == (33, 5)
    assert first[0].landmarks.dtype == np.float32
    np.testing.assert_array_equal(first[0].landmarks, again[0].landmarks)
    assert first[0].mask is None


def test_nobody_is_nobody():
    """A picture without a person gives no pose."""
    with OfflineStage(CONFIG, model(), video=False) as stage:
        assert stage.detect(np.zeros((48, 64, 3), np.uint8)) == ()


def test_videos_track(pictures):
    """VIDEO mode smooths: a picture's landmarks depend on those before it; times must rise."""
    with OfflineStage(CONFIG, model(), video=True) as stage:
        tracked = [stage.detect(image, 1 + 66 * number) for number, image in enumerate(pictures)]
        with pytest.raises(Exception, match=r"(?i)timestamp"):
            stage.detect(pictures[0], 5)
    with OfflineStage(CONFIG, model(), video=False) as stage:
        alone = stage.detect(pictures[-1])
    assert all(len(poses) == 1 for poses in tracked)
    assert not np.array_equal(tracked[-1][0].landmarks, alone[0].landmarks)
    np.testing.assert_allclose(tracked[-1][0].landmarks[:, :2], alone[0].landmarks[:, :2], atol=0.05)


@pytest.mark.parametrize("width", [640, 639, 638, 637, 101])
def test_masks_of_any_width(pictures, width):
    """MediaPipe aborts on masks whose width is no multiple of 4 (upstream issue 6331); here they fit the picture."""
    picture = np.ascontiguousarray(pictures[0][:, 320 - width // 2 :][:, :width])
    masked = msgspec.structs.replace(CONFIG, output_segmentation_masks=True)
    with OfflineStage(masked, model(masks=True), video=False) as stage:
        poses = stage.detect(picture)
    for pose in poses:
        assert pose.mask.shape == picture.shape[:2]
        assert 0.0 <= pose.mask.min() <= pose.mask.max() <= 1.0
        x, y = (pose.landmarks[11:13, :2].mean(axis=0) * (width, picture.shape[0])).astype(int)
        assert pose.mask[y, x] > 0.5, "the breast is not in the mask"
    assert width == 101 or len(poses) == 1
    if width == 639:
        with OfflineStage(CONFIG, model(), video=False) as stage:
            plain = stage.detect(picture)
        np.testing.assert_allclose(poses[0].landmarks[:, :2], plain[0].landmarks[:, :2], atol=0.01)


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((48, 128, 3), np.uint8)[:, ::2],
        np.zeros((48, 64), np.uint8),
        np.zeros((48, 64, 3), np.float32),
        np.asfortranarray(np.zeros((48, 64, 3), np.uint8)),
    ],
    ids=["strided", "grey", "float", "fortran"],
)
def test_pictures_that_would_be_misread_are_refused(picture):
    """MediaPipe takes the memory as it is, and says nothing."""
    with (
        OfflineStage(CONFIG, model(), video=False) as stage,
        pytest.raises(LandmarkerError, match="expected a C-contiguous"),
    ):
        stage.detect(picture)


def test_what_is_no_model_is_named(tmp_path):
    """With the file; and no thread stays behind."""
    file = tmp_path / "bad.task"
    file.write_bytes(b"no model")
    for path in (file, Path("/nowhere/gone.task")):
        with pytest.raises(ModelError, match=path.name):
            OfflineStage(CONFIG, path, video=False)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("landmarker")]
