"""The idle rate in the whole pipeline: slow while nobody is there, back to full with the first picture of somebody."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from piapp.config.load import load_config
from piapp.landmarker.live import OnCompute, OnResult
from piapp.landmarker.model import find_model
from piapp.node.app import Node
from piapp.node.assembly import NodeParts
from piapp.testing.camera import FakeCamera
from piapp.testing.landmarker import FakeLandmarker, standing_pose
from piapp.types import Frame, Pose
from tests.mosquitto import free_port, wait_until

FPS = 20.0
IDLE_FPS = 4.0


class Room:
    """Somebody comes and goes on command; every look is remembered by the camera's time."""

    def __init__(self) -> None:
        self.somebody = False
        self.looks_ms: list[tuple[int, bool]] = []

    def poses(self, frame: Frame) -> tuple[Pose, ...]:
        """What a landmarker sees."""
        self.looks_ms.append((frame.ts_ms, self.somebody))
        return (standing_pose(),) if self.somebody else ()

    def gaps_ms(self, start: int) -> list[int]:
        """Milliseconds of the camera's clock from each look to the next."""
        times = [ts_ms for ts_ms, _ in self.looks_ms[start:]]
        return [later - earlier for earlier, later in itertools.pairwise(times)]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """A node that watches a room, on fakes; its broker is away."""
    room = Room()
    settings = {
        "mqtt.url": f"mqtt://127.0.0.1:{free_port()}",
        "camera.fps": str(FPS),
        "power.idle_fps": str(IDLE_FPS),
        "power.idle_after_s": "0.5",
        "landmarker.workers": "1",
        "spool.dir": str(tmp_path),
    }
    config = load_config(Path(os.devnull), overrides=list(settings.items()), environ={}).config

    def factory(on_result: OnResult, on_compute: OnCompute) -> FakeLandmarker:
        return FakeLandmarker(on_result, on_compute, poses=room.poses)

    node = Node(config, NodeParts(lambda: FakeCamera(fps=FPS), factory, find_model("lite", masks=False)))
    stop = threading.Event()
    thread = threading.Thread(target=node.run, args=(stop,), name="node")
    thread.start()
    yield room
    stop.set()
    thread.join()


def idle(room: Room) -> None:
    """Wait until the last looks were far apart."""
    far_ms = 0.9 * 1000 / IDLE_FPS
    wait_until(lambda: len(room.looks_ms) > 5 and min(room.gaps_ms(-4)) > far_ms, "the idle rate")


def test_nobody_slows_it_and_the_first_sight_ends_that(room: Room) -> None:
    """An idle node takes every so many-th picture; with the first that shows somebody it takes each again."""
    idle(room)
    room.somebody = True
    wait_until(lambda: sum(seen for _, seen in room.looks_ms) > 5, "looks at somebody")
    first = next(number for number, (_, seen) in enumerate(room.looks_ms) if seen)
    to_first_ms, *after_ms = room.gaps_ms(first - 1)
    assert to_first_ms <= 1.1 * 1000 / IDLE_FPS
    # The picture after the first sight was perhaps on its way when the result came; a busy machine may lose one more.
    assert sorted(after_ms[:5])[2] <= 2.1 * 1000 / FPS


def test_somebody_keeps_the_full_rate_and_leaving_ends_it(room: Room) -> None:
    """Idle comes back when the person has gone."""
    room.somebody = True
    wait_until(lambda: len(room.looks_ms) > 2 * FPS, "looks at somebody")
    assert sorted(room.gaps_ms(-20))[10] <= 2.1 * 1000 / FPS
    room.somebody = False
    idle(room)
