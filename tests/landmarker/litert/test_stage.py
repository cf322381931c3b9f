"""The live stage on the LiteRT runtime, as on MediaPipe's."""

from __future__ import annotations

import threading
from itertools import islice

import msgspec
import numpy as np
import pytest

from piapp.camera.base import demo_clip
from piapp.camera.capture import FrameSlot
from piapp.camera.media import VideoFile
from piapp.config import default_config
from piapp.landmarker.live import LiveStage
from piapp.landmarker.model import find_model
from piapp.landmarker.runtime import live_factory
from piapp.types import Frame
from tests.mosquitto import DEADLINE_S, wait_until

CONFIG = msgspec.structs.replace(default_config().landmarker, runtime="litert")


@pytest.mark.parametrize(("workers", "masks"), [(1, False), (2, False), (1, True)])
def test_every_frame_gives_one_result_in_order(workers, masks):
    """Masks fit odd pictures; no thread is left."""
    config = msgspec.structs.replace(CONFIG, output_segmentation_masks=masks)
    slot = FrameSlot()
    factory = live_factory(config, find_model("lite", masks=masks).path)
    stage = LiveStage(factory, slot.take, workers=workers, max_result_age_s=DEADLINE_S)
    stage.start()
    assert stage.wait_ready(DEADLINE_S)
    results = []
    with VideoFile(demo_clip()) as video:
        for ts_ms, image in islice(video.frames(), 60, 70):
            picture = np.ascontiguousarray(image[:, :-1]) if masks else image
            slot.put(Frame(ts_ms + 1, ts_ms, picture))
            wait_until(lambda: slot.empty, "the frame to be taken")
            results.append(stage.next_result(DEADLINE_S))
    slot.close()
    assert stage.stop(DEADLINE_S)
    times = [result.ts_ms for result in results]
    assert times == sorted(set(times))
    assert [len(result.poses) for result in results] == [1] * 10
    for result in results:
        (pose,) = result.poses
        assert (pose.mask.shape == (result.size[1], result.size[0])) if masks else (pose.mask is None)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("landmarker-")]
