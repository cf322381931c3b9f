"""The capture thread and the slot: the newest frame wins, errors surface, the end is in time."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from piapp.camera.capture import CaptureThread, FrameSlot
from piapp.errors import CameraError, CameraTimeoutError
from piapp.testing.camera import FakeCamera
from piapp.types import Frame

pytestmark = pytest.mark.usefixtures("no_leaks")

LONG_S = 20.0


def frame(ts_ms):
    """A small frame."""
    return Frame(ts_ms, ts_ms, np.zeros((2, 2, 3), np.uint8))


@pytest.fixture
def capture():
    """Start capture threads that end with the test."""
    running = []

    def start(camera, slot=None):
        thread = CaptureThread(camera, slot or FrameSlot())
        running.append((camera, thread))
        thread.start()
        return thread

    yield start
    for camera, thread in running:
        camera.release_close()
        camera.thaw()
        assert thread.stop(LONG_S)


def test_the_slot_keeps_the_newest_frame():
    """Older ones are dropped and counted; a frame goes to one taker."""
    slot = FrameSlot()
    assert slot.empty
    for ts_ms in (1, 2, 3):
        slot.put(frame(ts_ms))
    assert slot.dropped == 2
    assert slot.take(0).ts_ms == 3
    assert slot.empty
    assert slot.take(0.01) is None


def test_a_waiting_taker_is_woken_by_a_frame_and_by_the_end(wait_for):
    """No polling: a frame wakes one, `close` wakes all, and nothing is handed out after it."""
    slot = FrameSlot()
    taken = []
    takers = [threading.Thread(target=lambda: taken.append(slot.take(LONG_S))) for _ in range(3)]
    for taker in takers:
        taker.start()
    slot.put(frame(1))
    wait_for(lambda: len(taken) == 1)
    slot.close()
    for taker in takers:
        taker.join(LONG_S)
    assert [result.ts_ms if result else None for result in taken] == [1, None, None]
    slot.put(frame(2))
    assert slot.take(0) is None


def test_many_takers_share_every_frame():
    """Under contention no frame is given twice, and given plus dropped is all."""
    slot = FrameSlot()
    taken = []

    def take():
        while (result := slot.take(0.2)) is not None:
            taken.append(result.ts_ms)

    takers = [threading.Thread(target=take) for _ in range(4)]
    for taker in takers:
        taker.start()
    for ts_ms in range(2000):
        slot.put(frame(ts_ms))
    for taker in takers:
        taker.join(LONG_S)
    assert len(taken) == len(set(taken))
    assert len(taken) + slot.dropped == 2000


def test_frames_reach_the_slot_and_the_end_shows(capture, wait_for):
    """A source that ends leaves its last frame, and no error."""
    slot = FrameSlot()
    thread = capture(FakeCamera(fps=200, count=5), slot)
    wait_for(lambda: thread.ended)
    assert thread.frames == 5
    assert slot.take(0) is not None
    assert slot.dropped == 4
    thread.raise_if_failed()


def test_lockstep_waits_for_each_result(capture, wait_for):
    """The next frame is asked for when the last is dealt with; none is dropped."""
    camera, slot = FakeCamera(paced=False, lockstep=True, count=4), FrameSlot()
    thread = capture(camera, slot)
    seen = []
    for number in range(1, 5):
        seen.append(slot.take(LONG_S).ts_ms)
        assert camera.delivered == number
        assert slot.take(0.02) is None
        thread.frame_done()
    wait_for(lambda: thread.ended)
    assert seen == sorted(set(seen))
    assert slot.dropped == 0


@pytest.mark.parametrize(("fail", "error"), [(FakeCamera.unplug, CameraError), (FakeCamera.freeze, CameraTimeoutError)])
def test_a_cameras_error_is_raised_on_the_callers_thread(capture, wait_for, fail, error):
    """Kept until asked for, again and again."""
    camera = FakeCamera(fps=100, frame_timeout_s=0.2)
    thread = capture(camera)
    wait_for(lambda: thread.frames)
    thread.raise_if_failed()
    fail(camera)
    wait_for(lambda: thread.ended)
    for _ in range(2):
        with pytest.raises(error):
            thread.raise_if_failed()
    assert thread.silent_s == 0.0, "a camera that has failed owes nothing more"


def test_silence_is_measured_while_a_frame_is_owed(capture, wait_for):
    """It grows behind a frozen camera and ends with the next frame."""
    camera = FakeCamera(fps=100, frame_timeout_s=LONG_S)
    thread = capture(camera)
    wait_for(lambda: thread.frames)
    camera.freeze()
    wait_for(lambda: thread.silent_s > 0.3)
    camera.thaw()
    wait_for(lambda: thread.silent_s < 0.1)


def test_waiting_for_a_result_is_no_silence(capture, wait_for):
    """In lockstep the camera is not asked while the last frame is worked on."""
    slot = FrameSlot()
    thread = capture(FakeCamera(paced=False, lockstep=True), slot)
    assert slot.take(LONG_S)
    wait_for(lambda: thread.silent_s == 0.0)
    assert thread.silent_s == 0.0


@pytest.mark.parametrize("lockstep", [False, True])
def test_stop_ends_the_thread_and_closes_the_camera(wait_for, lockstep):
    """Also while it waits for a frame, or for a result in lockstep."""
    camera = FakeCamera(fps=100, lockstep=lockstep)
    thread = CaptureThread(camera, FrameSlot())
    thread.start()
    wait_for(lambda: thread.frames)
    assert thread.stop(LONG_S)
    assert camera.closed
    assert thread.ended


def test_a_camera_that_does_not_close_is_left_behind(capture, wait_for):
    """Stop returns in its time and says so."""
    camera = FakeCamera(fps=100)
    thread = capture(camera)
    wait_for(lambda: thread.frames)
    camera.hang_on_close()
    started = time.monotonic()
    assert thread.stop(0.2) is False
    assert time.monotonic() - started < 5


def test_stop_without_start_closes_the_camera():
    """What was opened is closed though nothing was read."""
    camera = FakeCamera()
    thread = CaptureThread(camera, FrameSlot())
    assert thread.stop(LONG_S)
    assert camera.closed
    assert not thread.ended


def test_an_error_while_closing_is_logged(caplog):
    """It does not keep the rest from stopping."""
    camera = FakeCamera()

    def broken():
        raise RuntimeError("driver")

    camera.close = broken
    assert CaptureThread(camera, FrameSlot()).stop(LONG_S)
    assert "closing the camera failed" in caplog.text
