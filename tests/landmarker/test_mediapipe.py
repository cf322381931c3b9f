"""MediaPipe itself behind the live protocol, and how its answers become arrays."""

from __future__ import annotations

import threading
from itertools import islice
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from piapp.camera.base import demo_clip
from piapp.camera.capture import FrameSlot
from piapp.camera.media import VideoFile
from piapp.config import default_config
from piapp.landmarker import mediapipe
from piapp.landmarker.live import LiveStage
from piapp.landmarker.model import find_model
from piapp.types import Frame
from tests.mosquitto import DEADLINE_S, wait_until

CONFIG = msgspec.structs.replace(default_config().landmarker, runtime="mediapipe")


@pytest.mark.parametrize(("workers", "masks"), [(1, False), (2, False), (1, True)])
def test_a_live_stage_on_mediapipe(workers, masks):
    """Every frame that a worker takes gives one result, in order; masks fit odd pictures."""
    config = msgspec.structs.replace(CONFIG, output_segmentation_masks=masks)
    model = find_model("lite", masks=masks).path
    slot = FrameSlot()
    stage = LiveStage(
        lambda on_result: mediapipe.LiveLandmarker(config, model, on_result),
        slot.take,
        workers=workers,
        max_result_age_s=DEADLINE_S,
    )
    stage.start()
    assert stage.wait_ready(DEADLINE_S)
    results = []
    with VideoFile(demo_clip()) as video:
        for ts_ms, image in islice(video.frames(), 60, 70):
            picture = np.ascontiguousarray(image[:, :-1]) if masks else image
            slot.put(Frame(ts_ms + 1, ts_ms, picture))
            wait_until(lambda: slot.empty, "the frame to be taken")
            results.append(stage.next_result(DEADLINE_S))
    assert [result.ts_ms for result in results] == sorted({result.ts_ms for result in results})
    assert len(results) == 10
    assert all(len(result.poses) == 1 for result in results)
    for result in results:
        (pose,) = result.poses
        assert pose.landmarks.shape == (33, 5)
        assert (pose.mask is not None) == masks
        assert not masks or pose.mask.shape == (result.size[1], result.size[0])
    slot.close()
    assert stage.stop(DEADLINE_S)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("landmarker-")]


def test_values_that_the_model_does_not_give_become_nan():
    """Never 0, which would say "not visible"."""
    point = SimpleNamespace(x=0.5, y=0.25, z=-1.0, visibility=None, presence=None)
    result = SimpleNamespace(
        segmentation_masks=None, pose_landmarks=[[point] * 33], pose_world_landmarks=[[point] * 33]
    )
    (pose,) = mediapipe._poses(result, None)
    assert np.isnan(pose.landmarks[:, 3:]).all()
    np.testing.assert_array_equal(pose.landmarks[0, :3], [0.5, 0.25, -1.0])
    assert pose.score == 0.0


def test_padding_repeats_the_last_column_and_is_undone():
    """Padded widths are multiples of 4; landmarks come back in shares of the real width."""
    picture = np.arange(2 * 5 * 3, dtype=np.uint8).reshape(2, 5, 3)
    padded = mediapipe._padded(picture)
    assert padded.shape == (2, 8, 3)
    np.testing.assert_array_equal(padded[:, 5:], np.repeat(picture[:, 4:], 3, axis=1))
    point = SimpleNamespace(x=0.5, y=0.5, z=0.5, visibility=1.0, presence=1.0)
    mask = SimpleNamespace(numpy_view=lambda: np.ones((2, 8, 1), np.float32))
    result = SimpleNamespace(
        segmentation_masks=[mask], pose_landmarks=[[point] * 33], pose_world_landmarks=[[point] * 33]
    )
    (pose,) = mediapipe._poses(result, 5)
    assert pose.mask.shape == (2, 5)
    np.testing.assert_allclose(pose.landmarks[0, :3], [0.8, 0.5, 0.8])
    np.testing.assert_allclose(pose.world_landmarks[0, :3], [0.5, 0.5, 0.5])
