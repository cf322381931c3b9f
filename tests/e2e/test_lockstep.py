"""A file in lockstep through the whole node: every frame leaves, and is what MediaPipe itself says."""

from __future__ import annotations

import itertools
import json

import msgspec
import numpy as np
import pytest

from piapp.camera.video import VideoFile
from piapp.config.load import default_config
from piapp.landmarker.model import find_model
from piapp.landmarker.offline import OfflineStage
from piapp.mqtt.payload import FramePayload
from tests.e2e.conftest import CLIP_FRAMES
from tests.e2e.node import NODE
from tests.support.media import MEDIA

TOLERANCE = 1e-4

# The node's own start may take long on a busy machine; nothing here depends on how fast frames go.
RUNTIME = ("landmarker.runtime=mediapipe", "landmarker.workers=1")


@pytest.fixture
def play(broker, subscribe, run_node):
    """Play a file in lockstep to its end; what a subscriber got."""

    def run(path, *settings):
        subscriber = subscribe(broker)
        options = [part for setting in (*RUNTIME, *settings) for part in ("--set", setting)]
        node = run_node(broker.port, "--source", f"file:{path}?pace=lockstep", *options)
        assert node.wait() == 0, node.log
        subscriber.wait_for("status", payload=b"offline")
        return subscriber

    return run


def frames_of(subscriber, decoder=msgspec.json):
    """The frame messages, checked for their structure."""
    return [decoder.decode(message.payload, type=FramePayload) for message in subscriber.of("frame")]


def reference(path, times_ms):
    """(landmarks, world landmarks) of each frame's poses by MediaPipe's VIDEO mode, nothing of the node involved.

    The frames get the times that they had in the node: MediaPipe's smoothing takes a first time of 0 for "no frame
    yet", and then differs by up to 0.01 from what it gives for the same distances from any other start.
    """
    config = default_config().landmarker
    model = find_model("lite", masks=False)
    mediapipe = msgspec.structs.replace(config, runtime="mediapipe")
    with VideoFile(path) as video, OfflineStage(mediapipe, model.path, video=True) as stage:
        return [
            [(pose.landmarks, pose.world_landmarks) for pose in stage.detect(image, ts_ms)]
            for ts_ms, (_, image) in zip(times_ms, video.frames(), strict=True)
        ]


def assert_equal_to_mediapipe(frames, path):
    """Every frame, in order, with the reference's landmarks."""
    expected = reference(path, [frame.ts_ms for frame in frames])
    assert [frame.seq for frame in frames] == list(range(1, len(expected) + 1))
    assert all(later.ts_ms > earlier.ts_ms for earlier, later in itertools.pairwise(frames))
    assert any(expected)
    for frame, poses in zip(frames, expected, strict=True):
        assert len(frame.poses) == len(poses)
        for got, (landmarks, world_landmarks) in zip(frame.poses, poses, strict=True):
            assert np.shape(got.landmarks) == np.shape(got.world_landmarks) == (33, 5)
            np.testing.assert_allclose(got.landmarks, landmarks, atol=TOLERANCE)
            np.testing.assert_allclose(got.world_landmarks, world_landmarks, atol=TOLERANCE)


def test_every_frame_of_a_file_leaves_as_mediapipe_sees_it(play, clip):
    """One message a frame, in order, equal to MediaPipe's own VIDEO mode; and the topics around them."""
    subscriber = play(clip)
    assert_equal_to_mediapipe(frames_of(subscriber), clip)

    statuses = [message.payload for message in subscriber.of("status")]
    assert statuses == [b"online", b"offline"]
    info = json.loads(subscriber.of("info")[-1].payload)
    assert info["node"] == NODE
    assert info["model"]["sha256"] == find_model("lite", masks=False).sha256
    assert info["config"]["landmarker"]["workers"] == 1
    assert info["versions"].keys() >= {"piapp", "mediapipe", "python"}
    state, stopped = (json.loads(message.payload) for message in subscriber.of("state")[-2:])
    assert state["count"] == 1
    assert (stopped["occupied"], stopped["count"]) == (None, 0)
    assert "person_entered" in [json.loads(message.payload)["event_type"] for message in subscriber.of("event")]
    frame = subscriber.of("frame")[0]
    assert not frame.retain
    assert frame.properties.ContentType == "application/json"


def test_msgpack_carries_the_same_structure(play, clip):
    """The same frames in the other encoding; both hold what MediaPipe says."""
    subscriber = play(clip, "publish.frames=msgpack")
    assert subscriber.of("frame")[0].properties.ContentType == "application/msgpack"
    frames = frames_of(subscriber, msgspec.msgpack)
    assert len(frames) == CLIP_FRAMES
    assert_equal_to_mediapipe(frames, clip)


@pytest.mark.media
def test_real_footage_arrives_complete_and_equal(play):
    """The squats of the development media: 65 frames, 33 landmarks each."""
    path = MEDIA / "clips" / "pose_squats.mp4"
    if not path.exists():
        pytest.skip(f"NOT TESTED: real footage; {path} is not here")
    frames = frames_of(play(path))
    assert len(frames) == 65
    assert all(len(pose.landmarks) == 33 for frame in frames for pose in frame.poses)
    assert_equal_to_mediapipe(frames, path)


def test_two_workers_keep_the_order_and_lose_nothing(play, clip):
    """In lockstep each frame is processed whatever the number of workers."""
    frames = frames_of(play(clip, "landmarker.workers=2"))
    assert [frame.seq for frame in frames] == list(range(1, CLIP_FRAMES + 1))
    assert [frame.ts_ms for frame in frames] == sorted({frame.ts_ms for frame in frames})
