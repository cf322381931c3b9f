"""A camera that is closed while the node is paused."""

from __future__ import annotations

import threading

import pytest

from piapp.errors import CameraNotFoundError
from piapp.node.pausable_camera import PausableCamera
from piapp.testing.camera import FakeCamera
from tests.mosquitto import DEADLINE_S, wait_until


class Device:
    """A device that can be open once: gives fake cameras, and remembers them."""

    def __init__(self, **options):
        self._options = {"fps": 100.0} | options
        self.cameras: list[FakeCamera] = []
        self.busy = False

    def open(self):
        """Open it."""
        if self.busy:
            raise CameraNotFoundError("busy")
        assert all(camera.closed for camera in self.cameras), "the device is busy"
        self.cameras.append(FakeCamera(**self._options))
        return self.cameras[-1]


@pytest.fixture
def read():
    """Read a camera in a thread, as the node does; the frames so far."""
    threads = []

    def start(camera):
        frames = []

        def run():
            for frame in camera.frames():
                frames.append(frame)  # noqa: PERF402 - the list is looked at meanwhile

        threads.append((threading.Thread(target=run), camera))
        threads[-1][0].start()
        return frames

    yield start
    for thread, camera in threads:
        camera.close()
        thread.join(DEADLINE_S)
        assert not thread.is_alive()


def test_a_pause_closes_the_device_and_resuming_opens_it_anew(read):
    """Meanwhile there are no frames and nobody misses any; afterwards the time line goes on."""
    device = Device()
    camera = PausableCamera(device.open)
    assert camera.open() is camera
    assert camera.description == device.cameras[0].description
    frames = read(camera)
    wait_until(lambda: len(frames) >= 3, "frames")
    assert not camera.status().renews
    camera.pause()
    wait_until(lambda: device.cameras[0].closed, "the device to be closed")
    assert camera.status().renews
    wait_until(
        lambda: "camera-pause" not in {thread.name for thread in threading.enumerate()}, "the closing thread to end"
    )
    count = len(frames)
    camera.resume()
    assert camera.status().renews
    wait_until(lambda: len(frames) >= count + 3, "frames again")
    assert not camera.status().renews
    assert len(device.cameras) == 2
    times_ms = [frame.ts_ms for frame in frames]
    assert times_ms == sorted(set(times_ms))


def test_many_quick_pauses_leave_one_open_device(read):
    """Whatever comes first; the device is never opened twice at once."""
    device = Device()
    camera = PausableCamera(device.open)
    camera.open()
    frames = read(camera)
    for _ in range(20):
        camera.pause()
        camera.resume()
    count = len(frames)
    wait_until(lambda: len(frames) >= count + 3, "frames again")
    assert [each.closed for each in device.cameras] == [True] * (len(device.cameras) - 1) + [False]


def test_a_file_goes_on_after_a_pause(read):
    """Its own time begins at 0 again, but the line does not."""

    class File(FakeCamera):
        def frames(self):
            for number, frame in enumerate(super().frames()):
                yield type(frame)(number * 10, frame.captured_ns, frame.image)

    cameras = []
    camera = PausableCamera(lambda: cameras.append(File(fps=100.0)) or cameras[-1])
    camera.open()
    frames = read(camera)
    wait_until(lambda: len(frames) >= 5, "frames")
    camera.pause()
    wait_until(lambda: cameras[0].closed, "the file to be closed")
    count = len(frames)
    camera.resume()
    wait_until(lambda: len(frames) >= count + 5, "frames again")
    times_ms = [frame.ts_ms for frame in frames]
    assert times_ms == sorted(set(times_ms))
    assert times_ms[-1] - times_ms[-2] == 10


def test_it_may_begin_paused(read):
    """The device is then not opened at all until it is wanted."""
    device = Device()
    camera = PausableCamera(device.open)
    camera.pause()
    camera.open()
    frames = read(camera)
    assert device.cameras == []
    camera.resume()
    wait_until(lambda: len(frames) >= 3, "frames")
    assert camera.description == device.cameras[0].description


def test_a_source_that_ends_ends(read):
    """As without a pause."""
    device = Device(count=5, paced=False)
    camera = PausableCamera(device.open)
    camera.open()
    assert len(list(camera.frames())) == 5


def test_a_device_that_others_use_meanwhile_is_an_error():
    """It comes out of `frames`, where the capture thread hands it on."""
    device = Device()
    camera = PausableCamera(device.open)
    camera.open()
    frames = camera.frames()
    next(frames)
    camera.pause()
    device.busy = True
    camera.resume()
    with pytest.raises(CameraNotFoundError, match="busy"):
        next(frames)


def test_closing_wakes_whoever_waits_in_a_pause():
    """The capture thread can be stopped while paused."""
    camera = PausableCamera(Device().open)
    camera.pause()
    thread = threading.Thread(target=lambda: list(camera.frames()))
    thread.start()
    camera.close()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()
