"""What every source does, whatever it reads: the fake, files, pictures, and real Picamera2 on a fake libcamera."""

import contextlib
import itertools
import threading
import time

import cv2
import numpy as np
import pytest

from piapp.camera import open_camera
from piapp.camera.v4l2 import LiveCamera
from piapp.testing.camera import FakeCamera
from tests.support.libcamera import installed

pytestmark = pytest.mark.usefixtures("no_leaks")

ENDING = ("fake", "file-realtime", "file-lockstep", "images")
LIVE = ("fake-endless", "file-endless", "opencv", "picamera2-vc4", "picamera2-pisp")


@pytest.fixture
def camera(request, config, make_video, tmp_path):
    """One open source of each kind, closed afterwards; those of ENDING give eight frames."""
    with contextlib.ExitStack() as stack:
        opened = stack.enter_context(_open(request.param, config, make_video, tmp_path))
        yield opened
        opened.close()


@contextlib.contextmanager
def _open(kind, config, make_video, tmp_path):
    match kind:
        case "fake":
            yield FakeCamera(fps=50, count=8)
        case "fake-endless":
            yield FakeCamera(fps=50)
        case "file-realtime":
            yield open_camera(config(f"file:{make_video(count=8, fps=50)}"))
        case "file-lockstep":
            yield open_camera(config(f"file:{make_video(count=8, fps=50)}?pace=lockstep"))
        case "file-endless":
            yield open_camera(config(f"file:{make_video(count=8, fps=50)}?loop=0"))
        case "images":
            for number in range(8):
                cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((48, 64, 3), number, np.uint8))
            yield open_camera(config(f"images:{tmp_path}", fps=50))
        case "opencv":
            path = str(make_video("long.avi", count=500, fps=50))
            yield LiveCamera("test", lambda: _Slow(path), config(frame_timeout_s=10.0), way_out="wait")
        case _:
            with installed(kind.removeprefix("picamera2-")):
                yield open_camera(config("picamera2:", fps=50))


class _Slow:
    """A clip that OpenCV reads at the pace of a device."""

    def __init__(self, path):
        self._capture = cv2.VideoCapture(path)
        self.get, self.retrieve, self.release = self._capture.get, self._capture.retrieve, self._capture.release

    def grab(self):
        """One frame each 10 ms."""
        time.sleep(0.01)
        return self._capture.grab()


@pytest.mark.parametrize("camera", ENDING + LIVE, indirect=True)
def test_frames(camera):
    """Pictures are contiguous RGB of uint8, and time only moves forward."""
    started_ms = time.monotonic_ns() // 1_000_000
    frames = list(itertools.islice(camera.frames(), 6))
    assert len(frames) == 6
    for frame in frames:
        assert frame.image.dtype == np.uint8
        assert frame.image.ndim == 3
        assert frame.image.shape[2] == 3
        assert frame.image.flags.c_contiguous
        assert frame.captured_ns <= time.monotonic_ns()
    assert all(later.ts_ms > earlier.ts_ms for earlier, later in itertools.pairwise(frames))
    assert abs(frames[0].ts_ms - started_ms) < 5_000
    assert camera.description


@pytest.mark.parametrize("camera", ENDING + LIVE, indirect=True)
def test_frames_own_their_memory(camera):
    """A frame that is kept does not change when the next ones come."""
    frames = camera.frames()
    first = next(frames)
    copy = first.image.copy()
    for _ in itertools.islice(frames, 5):
        pass
    assert np.array_equal(first.image, copy)


@pytest.mark.parametrize("camera", ENDING, indirect=True)
def test_ends(camera):
    """A source that has an end ends there, without an error."""
    assert len(list(camera.frames())) == 8


@pytest.mark.parametrize("camera", ENDING + LIVE, indirect=True)
def test_close_without_frames(camera):
    """A camera that nobody read closes, twice."""
    camera.close()
    camera.close()


@pytest.mark.parametrize("camera", LIVE, indirect=True)
def test_close_wakes_frames(camera, wait_for):
    """Closing from another thread ends `frames` without an error."""
    seen, failures = [], []

    def read():
        try:
            for frame in camera.frames():
                seen.append(frame.ts_ms)  # noqa: PERF401 - the other thread watches it grow
        except Exception as error:  # noqa: BLE001 - reported below
            failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    wait_for(lambda: seen or failures, "the first frame")
    camera.close()
    reader.join(20)
    assert not reader.is_alive()
    assert failures == []
    assert seen


@pytest.mark.parametrize("camera", LIVE, indirect=True)
def test_frames_after_close_end(camera):
    """A closed camera gives nothing and does not hang."""
    camera.close()
    assert list(camera.frames()) == []
