import itertools
import threading
import time

import numpy as np
import pytest

from piapp.errors import CameraError, CameraTimeoutError
from piapp.testing.camera import FakeCamera, moving_pattern


def times(camera, count):
    """`ts_ms` of the next frames."""
    return [frame.ts_ms for frame in itertools.islice(camera.frames(), count)]


def test_rate():
    """Frames come at their rate, counted from the first."""
    started = time.monotonic()
    stamps = times(FakeCamera(fps=50), 6)
    assert time.monotonic() - started >= 0.1
    assert (stamps[-1] - stamps[0]) % 20 in (0, 1, 19)


def test_unpaced_is_fast_and_regular():
    """Without pacing the time line is that of the rate and the pace that of the consumer."""
    started = time.monotonic()
    stamps = times(FakeCamera(fps=10, paced=False), 500)
    assert time.monotonic() - started < 20
    assert stamps[-1] - stamps[0] == 49_900


def test_pictures_take_turns():
    """Given pictures are shown in order, and again."""
    pictures = [np.full((2, 2, 3), number, np.uint8) for number in range(3)]
    camera = FakeCamera(pictures, paced=False, count=5)
    assert [int(frame.image[0, 0, 0]) for frame in camera.frames()] == [0, 1, 2, 0, 1]
    assert camera.delivered == 5


def test_missed_frames_are_lost():
    """A consumer that sleeps gets the frame of now."""
    frames = FakeCamera(fps=50).frames()
    first = next(frames)
    time.sleep(0.2)
    next(frames)
    assert next(frames).ts_ms - first.ts_ms >= 180


def test_freeze_and_thaw():
    """A frozen camera gives nothing until it thaws."""
    camera = FakeCamera(fps=100, frame_timeout_s=30)
    frames = camera.frames()
    next(frames)
    camera.freeze()
    threading.Timer(0.1, camera.thaw).start()
    started = time.monotonic()
    next(frames)
    assert time.monotonic() - started >= 0.09
    assert list(camera.history) == ["frames", "freeze", "thaw"]


def test_frozen_for_good():
    """Frozen for longer than the deadline means lost."""
    camera = FakeCamera(fps=100, frame_timeout_s=0.1)
    camera.freeze()
    with pytest.raises(CameraTimeoutError):
        next(camera.frames())


def test_unplug():
    """Unplugging fails the next frame, also while somebody waits for it."""
    camera = FakeCamera(fps=0.01, frame_timeout_s=60)
    frames = camera.frames()
    next(frames)
    threading.Timer(0.05, camera.unplug).start()
    with pytest.raises(CameraError, match="unplugged"):
        next(frames)


def test_slow_down():
    """Frames take longer by the factor."""
    camera = FakeCamera(fps=100)
    camera.slow_down(10)
    stamps = times(camera, 3)
    assert stamps[2] - stamps[0] >= 199


def test_hang_on_close():
    """A close that hangs returns when released; `frames` ends all the same."""
    camera = FakeCamera(fps=100)
    camera.hang_on_close()
    closer = threading.Thread(target=camera.close)
    closer.start()
    assert list(camera.frames()) == [] or camera.closed
    assert closer.is_alive()
    camera.release_close()
    closer.join(20)
    assert not closer.is_alive()


def test_pattern():
    """The pattern has colours, moves, and is fit for a landmarker."""
    pictures = moving_pattern(64, 48)
    assert all(picture.shape == (48, 64, 3) and picture.flags.c_contiguous for picture in pictures)
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)
    assert tuple(pictures[0][0, 0]) == (255, 0, 0)
