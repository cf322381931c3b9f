"""Results from a camera by way of the landmarkers, with fakes for both."""

from __future__ import annotations

import threading
import time
from functools import partial
from pathlib import Path

import pytest

from piapp.config.load import load_config
from piapp.errors import CameraNotFoundError, CameraTimeoutError
from piapp.result_source import DeferredCamera, ResultSource
from piapp.testing.camera import FakeCamera
from piapp.testing.landmarker import FakeLandmarker
from tests.mosquitto import DEADLINE_S, wait_until

STOP_S = 5.0


def source_of(camera, *settings, factory=FakeLandmarker, **options):
    """An opened source, with landmarkers that work at once unless others are given."""
    overrides = [("landmarker.workers", "1"), *settings]
    config = load_config(Path("/dev/null"), overrides=overrides, environ={}).config
    source = ResultSource(lambda: camera, factory, config, **options)
    source.begin_load()
    assert source.open(threading.Event())
    source.load(threading.Event())
    return source


def drain(source):
    """All results until the source ends."""
    results = []
    while not source.ended:
        result = source.next(0.1)
        if result is not None:
            results.append(result)
            source.frame_done()
    return results


@pytest.fixture
def stopped():
    """A list of sources that are stopped at the end."""
    sources = []
    yield sources
    for source in sources:
        assert source.stop_camera(STOP_S)
        assert source.stop_landmarker(STOP_S)


def test_every_frame_in_lockstep_and_then_the_end(stopped):
    """Nothing is dropped, and the end comes after the last result."""
    source = source_of(FakeCamera(paced=False, lockstep=True, count=12))
    stopped.append(source)
    source.start()
    assert source.lockstep
    assert len(drain(source)) == 12
    assert source.counts().frames == 12
    assert set(source.counts().dropped.values()) == {0}


def test_the_camera_is_described_once_it_is_open(stopped):
    """Before, there is no camera to describe."""
    config = load_config(Path("/dev/null"), environ={}).config
    source = ResultSource(FakeCamera, FakeLandmarker, config)
    stopped.append(source)
    assert source.description == ""
    source.open(threading.Event())
    assert source.description == FakeCamera().description


def test_frames_wait_while_it_is_not_enabled(stopped):
    """None is given to a landmarker; the newest one comes first afterwards."""
    enabled = threading.Event()
    camera = FakeCamera(fps=100)
    source = source_of(camera, enabled=enabled)
    stopped.append(source)
    source.start()
    wait_until(lambda: camera.delivered > 5, "frames")
    assert source.next(0.2) is None
    enabled.set()
    assert source.next(DEADLINE_S) is not None
    assert source.counts().dropped["waiting"] >= 4


def test_a_limited_rate_spares_frames(stopped):
    """Those in between are counted, and no result comes of them."""
    source = source_of(FakeCamera(paced=False, count=200))
    stopped.append(source)
    source.limit_rate(1.0)
    source.start()
    results = drain(source)
    assert source.counts().dropped["spared"] > 0
    assert len(results) < 200


@pytest.mark.parametrize(("fps", "inference_s", "landmarkers"), [(5.0, 0.0, 1), (50.0, 0.2, 3)])
def test_as_many_landmarkers_as_the_camera_needs(fps, inference_s, landmarkers, monkeypatch, stopped):
    """Where none is configured there is one, and others are added while frames find none that is free."""
    monkeypatch.setattr("piapp.landmarker.live.os.sched_getaffinity", lambda _: range(4))
    monkeypatch.setattr("piapp.landmarker.demand.PERIOD_S", 0.3)
    factory = partial(FakeLandmarker, inference_s=inference_s)
    source = source_of(FakeCamera(fps=fps), ("landmarker.workers", "0"), factory=factory)
    stopped.append(source)
    source.start()
    until_s = time.monotonic() + (DEADLINE_S if landmarkers > 1 else 0.8)
    while time.monotonic() < until_s and len(workers()) < 3:
        source.next(0.1)
    assert len(workers()) == landmarkers


def workers():
    """Names of the landmarkers' threads."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("landmarker-")]


def test_a_camera_that_fails_or_falls_silent_ends_it(stopped):
    """Its own error comes out of `next`, after the results that are there."""
    camera = FakeCamera(fps=100, frame_timeout_s=60.0)
    source = source_of(camera, ("camera.frame_timeout_s", "0.3"))
    stopped.append(source)
    source.start()
    assert source.next(DEADLINE_S) is not None
    camera.freeze()
    with pytest.raises(CameraTimeoutError):
        drain(source)


def test_a_camera_that_cannot_be_opened():
    """The adapter's error comes out on the caller's thread."""

    def fail():
        raise CameraNotFoundError("no camera here")

    camera = DeferredCamera(fail)
    with pytest.raises(CameraNotFoundError, match="no camera here"):
        camera.open(threading.Event())
    assert list(camera.frames()) == []
    assert camera.wait(0.0)


def test_a_camera_that_is_opened_after_it_was_closed_is_released():
    """Whoever gave up waiting leaves no camera open."""
    release, stop = threading.Event(), threading.Event()
    inner = FakeCamera()

    def open_late():
        release.wait()
        return inner

    camera = DeferredCamera(open_late)
    stop.set()
    assert not camera.open(stop)
    assert not camera.wait(0.0)
    camera.close()
    release.set()
    assert camera.wait(DEADLINE_S)
    assert inner.closed
