"""Nodes, brokers and clips for tests that start real processes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import cv2
import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

from piapp.camera.source import demo_clip
from piapp.camera.video import VideoFile
from tests.e2e.node import NodeProcess
from tests.mosquitto import Mosquitto, Subscriber
from tests.support.browsers import PAGE_MS, launch_chromium

CLIP_FRAMES = 60
# Where somebody stands in the bundled clip.
CLIP_START = 45


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of the bundled clip."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with VideoFile(demo_clip()) as video:
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), video.fps, video.size)
        for _, image in islice(video.frames(), CLIP_START, CLIP_START + CLIP_FRAMES):
            writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        writer.release()
    return path


@pytest.fixture
def strace(request: pytest.FixtureRequest) -> str:
    """A strace that may trace."""
    command = shutil.which("strace")
    what = f"NOT TESTED: {request.node.name}"
    if command is None:
        pytest.skip(f"{what}; strace is not installed (apt install strace)")
    probe = subprocess.run([command, "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"{what}; this machine does not permit tracing: {probe.stderr.strip()}")
    return command


@pytest.fixture
def broker(start_mosquitto: Callable[..., Mosquitto]) -> Iterator[Mosquitto]:
    """A broker of the test's own, to be harmed."""
    broker = start_mosquitto()
    yield broker
    broker.stop()


@pytest.fixture
def subscribe() -> Iterator[Callable[..., Subscriber]]:
    """Start subscribers that end with the test."""
    subscribers: list[Subscriber] = []

    def start(broker: Mosquitto) -> Subscriber:
        subscribers.append(Subscriber(broker.port))
        return subscribers[-1]

    yield start
    for subscriber in subscribers:
        subscriber.close()


@pytest.fixture
def run_node(tmp_path: Path) -> Iterator[Callable[..., NodeProcess]]:
    """Start nodes that end with the test: `run_node(port, *options, program=...)`."""
    nodes: list[NodeProcess] = []

    def start(port: int, *options: str, **how: object) -> NodeProcess:
        nodes.append(NodeProcess(tmp_path, port, options, **how))
        return nodes[-1]

    yield start
    for node in nodes:
        node.kill()


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """What drives browsers."""
    expect.set_options(timeout=PAGE_MS)
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """One Chromium for all tests of a module."""
    browser = launch_chromium(playwright)
    yield browser
    browser.close()
