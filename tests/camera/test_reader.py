"""The thread that reads a source whose reads cannot be woken."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from piapp.camera.reader import FrameReader
from piapp.errors import CameraBusyError, CameraError, CameraTimeoutError
from piapp.types import Frame

DEADLINE_S = 10.0

Begin = Callable[[Callable[[FrameReader], None]], FrameReader]


def frame(ts_ms: int) -> Frame:
    """A small frame that its time tells from others."""
    return Frame(ts_ms, ts_ms * 1_000_000, np.zeros((2, 2, 3), np.uint8))


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Open a source, let it read once to the end of `reading`, and return its reader, which is closed at the end."""
    readers = []

    def started(reading: Callable[[FrameReader], None]) -> FrameReader:
        done = threading.Event()

        def read() -> None:
            reader.opened()
            try:
                reading(reader)
            finally:
                done.set()
            reader.pause(DEADLINE_S)

        reader = FrameReader("dev", read)
        readers.append(reader)
        reader.start()
        assert done.wait(DEADLINE_S)
        return reader

    yield started
    for reader in readers:
        reader.close()


def test_the_newest_frame_is_taken_once(begin):
    """An older frame that nobody took is gone; after the newest one there is nothing."""

    def reading(reader):
        reader.offer(frame(1))
        reader.offer(frame(2))

    reader = begin(reading)
    assert reader.take(DEADLINE_S).ts_ms == 2
    with pytest.raises(CameraTimeoutError, match=r"dev: no frame for 0\.01 s; look"):
        reader.take(0.01, "look")


def test_a_dropped_frame_is_never_taken(begin):
    """What was kept before the connection was lost is of the past."""

    def reading(reader):
        reader.offer(frame(1))
        reader.drop()

    with pytest.raises(CameraTimeoutError):
        begin(reading).take(0.01)


def test_what_ends_the_reading_is_raised_after_the_last_frame():
    """The last good frame is not lost to the error that came after it, and the error is raised each time."""
    started = threading.Event()

    def read():
        reader.opened()
        assert started.wait(DEADLINE_S)
        reader.offer(frame(1))
        raise CameraError("gone")

    reader = FrameReader("dev", read)
    reader.start()
    started.set()
    assert reader.take(DEADLINE_S).ts_ms == 1
    for _ in range(2):
        with pytest.raises(CameraError, match="gone"):
            reader.take(DEADLINE_S)


def test_a_source_that_does_not_open():
    """The reason is raised where the camera was asked for."""

    def read():
        raise CameraBusyError("held")

    reader = FrameReader("dev", read)
    with pytest.raises(CameraBusyError, match="held"):
        reader.start()
    assert not reader.is_open


def test_close_wakes_whoever_waits():
    """A pause ends and no frame is taken any more, not even one that waits."""
    paused = threading.Event()

    def read():
        reader.opened()
        reader.offer(frame(1))
        reader.pause(DEADLINE_S)
        paused.set()

    reader = FrameReader("dev", read)
    reader.start()
    reader.close()
    assert paused.is_set()
    assert reader.take() is None
