"""What tests of this folder share."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from piapp.types import Frame
from tests.mosquitto import wait_until


@pytest.fixture
def no_leaks() -> Iterator[None]:
    """Fail a test that leaves threads or descriptors behind."""
    gc.collect()
    threads, descriptors = set(threading.enumerate()), len(list(Path("/proc/self/fd").iterdir()))
    yield
    wait_until(lambda: gc.collect() >= 0 and set(threading.enumerate()) <= threads, f"no thread but {threads}")
    assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors


def frame(ts_ms: int, size: tuple[int, int] = (8, 6)) -> Frame:
    """A black frame; `captured_ns` tells it from others."""
    return Frame(ts_ms, ts_ms * 1_000_000 + 7, np.zeros((size[1], size[0], 3), np.uint8))
