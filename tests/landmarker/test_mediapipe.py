"""MediaPipe itself behind the live protocol, and how its answers become arrays."""

from __future__ import annotations

from types import SimpleNamespace

import msgspec
import numpy as np

from piapp.config.load import default_config
from piapp.landmarker import mediapipe

CONFIG = msgspec.structs.replace(default_config().landmarker, runtime="mediapipe")


def test_values_that_the_model_does_not_give_become_nan():
    """Never 0, which would say "not visible"."""
    point = SimpleNamespace(x=0.5, y=0.25, z=-1.0, visibility=None, presence=None)
    result = SimpleNamespace(
        segmentation_masks=None, pose_landmarks=[[point] * 33], pose_world_landmarks=[[point] * 33]
    )
    (pose,) = mediapipe.read_poses(result, None)
    assert np.isnan(pose.landmarks[:, 3:]).all()
    np.testing.assert_array_equal(pose.landmarks[0, :3], [0.5, 0.25, -1.0])
    assert pose.score == 0.0


def test_padding_repeats_the_last_column_and_is_undone():
    """Padded widths are multiples of 4; landmarks come back in shares of the real width."""
    picture = np.arange(2 * 5 * 3, dtype=np.uint8).reshape(2, 5, 3)
    padded = mediapipe.padded(picture)
    assert padded.shape == (2, 8, 3)
    np.testing.assert_array_equal(padded[:, 5:], np.repeat(picture[:, 4:], 3, axis=1))
    point = SimpleNamespace(x=0.5, y=0.5, z=0.5, visibility=1.0, presence=1.0)
    mask = SimpleNamespace(numpy_view=lambda: np.ones((2, 8, 1), np.float32))
    result = SimpleNamespace(
        segmentation_masks=[mask], pose_landmarks=[[point] * 33], pose_world_landmarks=[[point] * 33]
    )
    (pose,) = mediapipe.read_poses(result, 5)
    assert pose.mask.shape == (2, 5)
    np.testing.assert_allclose(pose.landmarks[0, :3], [0.8, 0.5, 0.8])
    np.testing.assert_allclose(pose.world_landmarks[0, :3], [0.5, 0.5, 0.5])
