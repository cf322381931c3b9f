"""Pictures on MQTT: when they come, what is in them, and above all what is not."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager

import cv2
import msgspec
import numpy as np
import pytest

from piapp import draw
from piapp.errors import ConfigError, PiappError
from piapp.mqtt.payload import FramePayload
from piapp.node.outlets import Outlet
from piapp.node.picture_feed import MAX_ASKED, PictureFeed
from piapp.testing.camera import FakeCamera
from piapp.testing.landmarker import standing_pose
from piapp.types import Pose, PoseLabel, PoseResult
from tests.mosquitto import DEADLINE_S, wait_until
from tests.support.nodes import config_of, node_of

MAGENTA, GREEN = (255, 0, 255), (0, 255, 0)

# JPEG smears colours; no colour of a person or label is nearer to magenta or green than this.
NEAR = 120


def scene(size=(640, 480)):
    """Squares at random in two colours that nothing else in a picture has; large enough to survive JPEG."""
    choice = np.random.default_rng(1).integers(0, 2, (size[1] // 16, size[0] // 16, 1), np.uint8)
    choice = choice.repeat(16, axis=0).repeat(16, axis=1)
    return np.where(choice, np.array(MAGENTA, np.uint8), np.array(GREEN, np.uint8))


def like_the_scene(picture):
    """How many pixels are near one of the scene's colours, their mean included."""
    colours = np.array([MAGENTA, GREEN])
    distance = np.linalg.norm(picture[:, :, np.newaxis].astype(float) - colours, axis=3).min(axis=2)
    return int((distance < NEAR).sum())


def decoded(jpeg):
    """A JPEG file as an RGB picture."""
    assert jpeg.startswith(b"\xff\xd8\xff")
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def result(ts_ms=0, image=None):
    """Somebody who stands."""
    return PoseResult(ts_ms, ts_ms * 1_000_000, (640, 480), (standing_pose(),), image=image)


class Feed:
    """A started feed and what it has published and answered."""

    def __init__(self, kind="skeleton", period_s=0.0, **more):
        self.sent, self.answers = [], []
        self.feed = PictureFeed(kind, period_s, "piapp/x/image", self.sent.append, lambda ns: f"at {ns}", **more)

    def __enter__(self):
        self.feed.start()
        return self

    def __exit__(self, *_):
        assert self.feed.stop(DEADLINE_S)

    def ask(self):
        """Ask for a picture."""
        self.feed.ask(lambda data, error: self.answers.append((data, error)))


def test_nothing_is_sent_unasked_without_a_period():
    """Period 0 means on request alone; one picture answers all who wait."""
    with Feed() as it:
        it.feed.offer(result(1), ())
        it.ask()
        it.ask()
        it.feed.offer(result(2), ())
        wait_until(lambda: len(it.answers) == 2, "answers")
        it.feed.offer(result(3), ())
    (message,) = it.sent
    assert (message.topic, message.qos, message.retain, message.content_type) == (
        "piapp/x/image",
        0,
        False,
        "image/jpeg",
    )
    size = len(message.payload)
    data = {"topic": "piapp/x/image", "bytes": size, "size": [640, 480], "t": "at 2000000", "ts_ms": 2}
    assert it.answers == [(data, None), (data, None)]


def test_pictures_come_at_their_period():
    """Of results that come much faster only those that are due are drawn: three take two periods, or longer."""
    with Feed(period_s=0.2) as it:
        offered, begin_s = 0, time.monotonic()
        while len(it.sent) < 3:
            it.feed.offer(result(offered), ())
            offered += 1
            threading.Event().wait(0.005)
        assert time.monotonic() - begin_s >= 0.4


def test_the_newest_result_is_drawn():
    """What waits is replaced: a slow encoder skips, and never falls behind."""
    it = Feed()
    it.ask()
    it.feed.offer(result(1), ())
    it.feed.offer(result(2), ())
    with it:
        wait_until(lambda: it.answers, "an answer")
    assert it.answers[0][0]["ts_ms"] == 2
    assert len(it.sent) == 1


def test_who_asks_is_told_when_no_frame_comes():
    """After the stated time, and not before everything else."""
    with Feed(snapshot_wait_s=0.05) as it:
        it.ask()
        wait_until(lambda: it.answers, "an answer")
    assert it.answers == [(None, "no frame came within 0.05 s; see `health`")]


def test_who_asks_is_told_of_the_end():
    """A node that stops leaves nobody waiting."""
    with Feed() as it:
        it.ask()
    assert it.answers == [(None, "the node is stopping")]


def test_more_than_a_few_do_not_wait():
    """They are refused with a reason."""
    it = Feed()
    for _ in range(MAX_ASKED):
        it.ask()
    with pytest.raises(ConfigError, match="busy"):
        it.ask()


def test_a_failure_is_surfaced():
    """The main thread raises it, and who asked is told."""
    with Feed("photo") as it:
        it.ask()
        it.feed.offer(result(), ())  # without its picture
        wait_until(lambda: it.answers, "an answer")
    assert "could not be made" in it.answers[0][1]
    with pytest.raises(PiappError, match="pictures thread ended"):
        it.feed.raise_if_failed()


def test_a_feed_that_was_never_started_stops():
    """When another part failed first."""
    assert Feed().feed.stop(0.0)


class Given(Outlet):
    """Keeps the results that outlets are given."""

    def __init__(self):
        self.results = []

    def offer(self, observation):
        """Keep one."""
        self.results.append(observation.result)

    def newest(self):
        """One that came after the call."""
        before = len(self.results)
        wait_until(lambda: len(self.results) > before, "a result")
        return self.results[-1]


@contextmanager
def running(subscriber, *settings, **landmarker):
    """A node in front of the coloured scene; what its outlets are given."""
    stop = threading.Event()
    given = Given()
    quick = ("power.idle_fps", "0")
    node = node_of(
        config_of(subscriber.port, quick, *settings), FakeCamera([scene()], fps=30), observers=(given,), **landmarker
    )
    thread = threading.Thread(target=node.run, args=(stop,))
    thread.start()
    try:
        subscriber.wait_for("frame", 3)
        yield given
    finally:
        stop.set()
        thread.join(DEADLINE_S)
    assert node.hung == []


def asked(subscriber, command, request=b"{}"):
    """Send a request; its answer."""
    before = len(subscriber.of(command))
    subscriber.publish(f"piapp/app/request/{command}", request)

    def answers():
        return [one for one in subscriber.of(command)[before:] if "/response/" in one.topic]

    wait_until(answers, f"an answer to {command}")
    return json.loads(answers()[0].payload)


def frame_at(subscriber, ts_ms):
    """The frame message of a time."""
    frames = (msgspec.json.decode(message.payload, type=FramePayload) for message in subscriber.of("frame"))
    return next((frame for frame in frames if frame.ts_ms == ts_ms), None)


def drawn_from(frame):
    """What a stranger draws from nothing but a frame message."""
    poses = tuple(
        Pose(np.array(pose.landmarks, np.float32), np.array(pose.world_landmarks, np.float32)) for pose in frame.poses
    )
    labels = tuple(PoseLabel(pose.id, pose.posture) for pose in frame.poses)
    return draw.skeleton_picture(frame.size, poses, labels)


def test_a_skeleton_holds_no_pixel_of_the_camera_s_picture(subscriber):
    """It equals what anybody draws from the published landmarks, and has none of the scene's colours."""
    with running(subscriber, ("publish.image", "skeleton")) as given:
        assert given.newest().image is None
        data = asked(subscriber, "snapshot", b'{"transaction": 7}')
        (message,) = subscriber.wait_for("image")
        wait_until(lambda: frame_at(subscriber, data["data"]["ts_ms"]), "the frame of the picture")
    assert (data["status"], data["transaction"]) == ("ok", 7)
    assert data["data"]["bytes"] == len(message.payload)
    assert data["data"]["topic"] == message.topic == "piapp/app/image"
    assert (message.retain, message.properties.ContentType) == (False, "image/jpeg")
    frame = frame_at(subscriber, data["data"]["ts_ms"])
    assert frame.t == data["data"]["t"]
    assert frame.poses
    picture = decoded(message.payload)
    np.testing.assert_array_equal(picture, decoded(draw.encode_jpeg(drawn_from(frame))))
    assert like_the_scene(picture) == 0
    assert (np.abs(picture.astype(int) - draw.EMPTY).max(axis=2) < 24).mean() > 0.8, "most of it is empty"


def test_a_photo_is_the_camera_s_picture(subscriber):
    """With the skeleton in it; so the test above would see a pixel of the scene."""
    with running(subscriber, ("publish.image", "photo"), ("publish.image_period_s", "0.2")):
        pictures = [decoded(message.payload) for message in subscriber.wait_for("image", 2)]
    for picture in pictures:
        assert like_the_scene(picture) > 0.5 * picture.shape[0] * picture.shape[1]
        person = np.linalg.norm(picture.astype(float) - draw.COLOURS[1], axis=2) < 60
        assert person.any()


def test_off_sends_nothing_and_says_so(subscriber):
    """No picture by a request, by `set`, or by itself; results carry none."""
    with running(subscriber) as given:
        assert given.newest().image is None
        answer = asked(subscriber, "snapshot")
        assert (answer["status"], answer["data"]) == ("error", None)
        assert "publish.image is off" in answer["error"]
        for key, value in (("publish.image", '"photo"'), ("publish.image_period_s", "1")):
            request = f'{{"values": {{"{key}": {value}}}}}'.encode()
            assert "cannot change while the node runs" in asked(subscriber, "set", request)["error"]
        subscriber.wait_for("frame", len(subscriber.of("frame")) + 10)
    assert subscriber.of("image") == []
    assert not any(thread.name == "pictures" for thread in threading.enumerate())


def test_paused_or_misspelt_requests_get_no_picture(subscriber):
    """Errors with a way out; a parameter that there is not is refused."""
    with running(subscriber, ("publish.image", "photo")):
        assert asked(subscriber, "snapshot", b'{"size": 10}')["status"] == "error"
        assert asked(subscriber, "pause")["status"] == "ok"
        assert "paused" in asked(subscriber, "snapshot")["error"]
        assert asked(subscriber, "resume")["status"] == "ok"
        assert asked(subscriber, "snapshot")["status"] == "ok"


def test_a_skeleton_of_nobody_is_empty(subscriber):
    """Pictures come also when nobody is there."""
    with running(subscriber, ("publish.image", "skeleton"), ("publish.image_period_s", "0.1"), poses=lambda _: ()):
        picture = decoded(subscriber.wait_for("image", 2)[-1].payload)
    assert (np.abs(picture.astype(int) - draw.EMPTY) < 4).all()


@pytest.mark.parametrize("period_s", ["0.05", "-1", "1e9"])
def test_pictures_are_no_video(period_s):
    """A period that is too short, or none, is a mistake of the configuration."""
    with pytest.raises(ConfigError, match=r"publish\.image_period_s"):
        config_of(1883, ("publish.image_period_s", period_s))
    assert config_of(1883, ("publish.image_period_s", "0.1")).publish.image_period_s == 0.1
