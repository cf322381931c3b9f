"""A real node at a network camera that GStreamer's RTSP server plays: killed, frozen, stalled, slow, large, UDP alone.

`make test-streams` runs it: each scenario takes its seconds. What each camera shows is known frame by frame, so that
events, `latency_ms` and the age of pictures are held against the film and not against the node's own clock.
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from tests.e2e.node import PIAPP, NodeProcess
from tests.mosquitto import Gate, Mosquitto, Received, Subscriber, wait_until
from tests.support.rtsp import FPS, FPS_4K, LYING_DOWN, RtspCamera, film, missing, number_of, numbered_4k, standing

pytestmark = [
    pytest.mark.skipif("PIAPP_TEST_STREAMS" not in os.environ, reason="NOT TESTED: streams; `make test-streams` does"),
    pytest.mark.timeout(600),
]

# What a camera that is back may take until its pictures are here.
BACK_S = 5.0

# How old a picture may be that a node shows which cannot keep up, and how far from its true age `latency_ms` may be:
# a picture comes up to half a second after its frame, and FFmpeg holds each frame back until the next one comes.
OLDEST_MS = 4000.0
TOLERANCE_MS = 600.0

# The film's last seconds before somebody lies down are shown at 20 s.
LIES_DOWN_S = 20.0


class Viewed:
    """A node at a camera, and what it publishes.

    Attributes:
        node: The process.
        camera: What it watches.
    """

    def __init__(self, node: NodeProcess, camera: RtspCamera, subscriber: Subscriber) -> None:
        self.node, self.camera, self._subscriber = node, camera, subscriber

    @property
    def events(self) -> list[str]:
        """Types of the events so far, in order, but for changes of posture."""
        kinds = [json.loads(message.payload)["event_type"] for message in self._subscriber.of("event")]
        return [kind for kind in kinds if kind != "posture_changed"]

    @property
    def frames(self) -> list[Received]:
        """The frames so far."""
        return self._subscriber.of("frame")

    @property
    def camera_health(self) -> dict[str, float]:
        """How the camera does, as the newest report says."""
        health: dict[str, float] = json.loads(self._subscriber.wait_for("health")[-1].payload)["camera"]
        return health

    def newer_frame(self) -> None:
        """Wait for a frame that comes from now on."""
        seen = len(self.frames)
        wait_until(lambda: len(self.frames) > seen, "a frame")

    def wait_for_event(self, kind: str) -> None:
        """Wait until an event of a type has come."""
        wait_until(lambda: kind in self.events, f"the event {kind}")

    def image(self) -> npt.NDArray[np.uint8]:
        """Wait for the next picture of the camera, in grey."""
        seen = len(self._subscriber.of("image"))
        jpeg = self._subscriber.wait_for("image", seen + 1)[-1].payload
        image: npt.NDArray[np.uint8] = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
        return image


@pytest.fixture
def view(
    tmp_path: Path, broker: Mosquitto, subscribe: Callable[..., Subscriber], run_node: Callable[..., NodeProcess]
) -> Iterator[Callable[..., Viewed]]:
    """Start a camera and a node that watches it: `view(film, *options, through=..., codec=..., transport=...)`."""
    if reason := missing():
        pytest.fail(reason)
    cameras: list[RtspCamera] = []

    def start(
        path: Path,
        *options: str,
        through: Callable[[int], str] | None = None,
        program: tuple[str, ...] = PIAPP,
        **how: str,
    ) -> Viewed:
        camera = RtspCamera(path, **how).start()
        cameras.append(camera)
        subscriber = subscribe(broker)
        url = through(camera.port) if through else camera.url
        node = run_node(broker.port, "--source", url, "--set", "health.period_s=1", *options, program=program)
        viewed = Viewed(node, camera, subscriber)
        subscriber.wait_for("frame", 3)
        return viewed

    yield start
    for camera in cameras:
        camera.kill()


def captured_s(frame: Received) -> float:
    """When a frame was taken, as its message says."""
    return datetime.fromisoformat(json.loads(frame.payload)["t"]).timestamp()


def latency_ms(frame: Received) -> float:
    """How old a frame was when it was sent, as its message says."""
    return float(json.loads(frame.payload)["latency_ms"])


def lost_and_back(viewed: Viewed, end: Callable[[], None], seconds: float, begin: Callable[[], object]) -> None:
    """Let the camera be away for a while; what follows is as it should be, and one process sees it all."""
    viewed.wait_for_event("person_entered")
    end()
    time.sleep(seconds)
    assert viewed.events[-1] == "camera_lost"
    begin()
    back_s = time.monotonic()
    viewed.newer_frame()
    assert time.monotonic() - back_s < BACK_S
    viewed.wait_for_event("camera_back")
    time.sleep(2.0)  # what a wrong time line would report comes soon after
    assert viewed.events[:3] == ["person_entered", "camera_lost", "camera_back"]
    assert "fall" not in viewed.events
    assert viewed.node.running
    assert viewed.camera_health["reconnects"] >= 1


def test_killed_for_twenty_seconds(view: Callable[..., Viewed], tmp_path: Path) -> None:
    """Its power fails: lost, back, and nothing else."""
    viewed = view(film(tmp_path / "film.mp4", standing(120)))
    lost_and_back(viewed, viewed.camera.kill, 20.0, viewed.camera.start)


def test_frozen_for_twelve_seconds(view: Callable[..., Viewed], tmp_path: Path) -> None:
    """It hangs with its connections open: lost, back, and nothing else."""
    viewed = view(film(tmp_path / "film.mp4", standing(120)))
    lost_and_back(viewed, viewed.camera.freeze, 12.0, viewed.camera.thaw)


def test_stalled_for_four_seconds(view: Callable[..., Viewed], tmp_path: Path) -> None:
    """The network holds back how somebody lies down with care, and hands it over at once: no fall, and true times."""
    gates: list[Gate] = []

    def gate(port: int) -> str:
        gates.append(Gate(port).open())
        return f"rtsp://127.0.0.1:{gates[0].port}/live"

    viewed = view(film(tmp_path / "film.mp4", LYING_DOWN), through=gate)
    began_s = viewed.camera.began_s
    wait_until(lambda: time.time() > began_s + LIES_DOWN_S - 0.5, "the film's moment")
    gates[0].hold()
    time.sleep(4.0)
    gates[0].release()
    released_s = time.time()
    viewed.newer_frame()
    assert time.time() - released_s < BACK_S
    viewed.wait_for_event("lie_down")
    gates[0].close()
    assert viewed.events == ["person_entered", "lie_down"]
    assert viewed.camera_health["reconnects"] == 0
    backlog = [frame for frame in viewed.frames if captured_s(frame) < released_s - 0.5][-20:]
    late = [frame for frame in backlog if began_s + LIES_DOWN_S < captured_s(frame)]
    assert all(latency_ms(frame) > 400 for frame in late)
    steps = [later - earlier for earlier, later in itertools.pairwise(map(captured_s, viewed.frames))]
    assert min(steps) > 0.5 / FPS


def test_a_key_frame_every_twenty_seconds(view: Callable[..., Viewed], tmp_path: Path) -> None:
    """Joining waits for the next one without calling the camera lost, and without ending the process."""
    rare = film(tmp_path / "film.mp4", standing(60), gop=20 * FPS)
    viewed = view(rare)
    assert captured_s(viewed.frames[0]) - viewed.camera.began_s == pytest.approx(20.0, abs=1.0)
    assert "pictures come with its next key frame" in viewed.node.log
    viewed.wait_for_event("person_entered")
    assert viewed.events == ["person_entered"]
    assert viewed.camera_health["reconnects"] == 0


def test_udp_alone(view: Callable[..., Viewed], tmp_path: Path) -> None:
    """A camera that knows nothing else is watched, without an option."""
    viewed = view(film(tmp_path / "film.mp4", standing(60)), transport="udp")
    viewed.wait_for_event("person_entered")
    assert viewed.events == ["person_entered"]
    assert viewed.camera_health["reconnects"] == 0
    assert max(map(latency_ms, viewed.frames)) < 2000


def test_four_k_on_one_core(view: Callable[..., Viewed], tmp_path: Path) -> None:
    """More than it can decode: what it shows stays young, it says how old, and names the camera's smaller stream.

    The picture's number, in black and white at its top, tells its true age.
    """
    photos = ("--set", "publish.image=photo", "--set", "publish.image_period_s=0.5")
    one_core = ("taskset", "--cpu-list", "1", *PIAPP)
    viewed = view(numbered_4k(tmp_path / "film.mp4", seconds=32), *photos, codec="h265", program=one_core)
    began_s = viewed.camera.began_s
    until_s = time.time() + 12.0
    assert until_s < began_s + 32.0, "the node took too long to start; the film is over too soon"
    ages_ms, differences_ms = [], []
    while time.time() < until_s:
        image = viewed.image()
        ages_ms.append((time.time() - began_s - number_of(image) / FPS_4K) * 1000)
        differences_ms.append(abs(latency_ms(viewed.frames[-1]) - ages_ms[-1]))
    # This process has its delays, too: one picture may have waited for it.
    assert sorted(ages_ms)[-2] < OLDEST_MS
    assert statistics.median(differences_ms) < TOLERANCE_MS
    assert viewed.node.running
    assert "smaller stream" in viewed.node.log
    assert viewed.camera_health["age_ms"] < OLDEST_MS
    assert viewed.events[:1] == ["person_entered"]
