"""How small somebody may be in the picture: what README's guide for mounting the camera says."""

from __future__ import annotations

import cv2
import msgspec
import numpy as np
import pytest

from piapp.camera.source import demo_clip
from piapp.camera.video import VideoFile
from piapp.config.load import default_config
from piapp.landmarker.litert import OfflineLandmarker, read_models
from piapp.landmarker.model import find_model
from piapp.posture.monitor import Monitor
from piapp.types import ImageArray, PoseResult, PostureEvent

SIZE = (640, 480)

# As labelled in tests/recordings/room_demo.json.
FALL_S = 17.1


def shrunk(image: ImageArray, share: float) -> ImageArray:
    """The picture at a share of its size, in the middle of a grey one: somebody farther away."""
    width, height = (round(length * share) for length in SIZE)
    left, upper = (SIZE[0] - width) // 2, (SIZE[1] - height) // 2
    canvas = np.full((SIZE[1], SIZE[0], 3), 128, np.uint8)
    canvas[upper : upper + height, left : left + width] = cv2.resize(
        image, (width, height), interpolation=cv2.INTER_AREA
    )
    return canvas


@pytest.mark.parametrize("share", [0.7, 0.5])
def test_the_fall_is_found_though_people_are_small(share: float) -> None:
    """In the demo clip somebody who stands fills 55 % of the picture's height: at half of that it still works."""
    config = default_config()
    landmarker_config = msgspec.structs.replace(config.landmarker, runtime="litert")
    landmarker = OfflineLandmarker(landmarker_config, read_models(find_model("lite", masks=False).path), video=True)
    monitor = Monitor(config.posture)
    events: list[PostureEvent] = []
    tallest = 0.0
    with VideoFile(demo_clip()) as video:
        for ts_ms, image in video.frames():
            poses = landmarker.detect(shrunk(image, share), int(ts_ms) + 1)
            tallest = max([tallest, *(pose.bbox[3] for pose in poses)])
            events += monitor.update(PoseResult(int(ts_ms) + 1, 0, SIZE, poses))[1]
    landmarker.close()
    assert tallest < 0.6 * share
    falls_s = [event.ts_ms / 1000 for event in events if event.event_type == "fall"]
    assert falls_s == pytest.approx([FALL_S], abs=1.0)
