"""Runs piapp's adapter on libcamera's virtual camera and prints, as JSON, what happened.

usage: scenario.py NAME
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import virtual

from piapp.camera.picamera2 import Picamera2Camera
from piapp.config.load import default_config
from piapp.config.sections import CameraConfig
from piapp.errors import CameraError

FPS = 30.0
sensor = virtual.install(FPS)


def config(**changes: Any) -> CameraConfig:
    """The defaults with changes."""
    tree = msgspec.to_builtins(default_config().camera) | {"fps": FPS, "frame_timeout_s": 5.0}
    return msgspec.convert(tree | changes, CameraConfig)


def error_of(work: Callable[[], object]) -> dict[str, str]:
    """The error that work ends with."""
    try:
        work()
    except CameraError as error:
        return {"error": type(error).__name__, "words": str(error)}
    return {"error": ""}


def frames() -> dict[str, Any]:
    """Thirty frames: shape, times, colours."""
    camera = Picamera2Camera(0, config())
    taken = list(itertools.islice(camera.frames(), 30))
    now_ns = time.monotonic_ns()
    camera.close()
    image = taken[-1].image
    return {
        "description": camera.description,
        "shape": image.shape,
        "contiguous": image.flags.c_contiguous,
        "left": image[240, 100].tolist(),
        "right": image[240, 540].tolist(),
        "rising": all(later.ts_ms > earlier.ts_ms for earlier, later in itertools.pairwise(taken)),
        "age_ms": (now_ns - taken[-1].captured_ns) / 1e6,
    }


def busy() -> dict[str, str]:
    """A second user of the same camera."""
    camera = Picamera2Camera(0, config())
    result = error_of(lambda: Picamera2Camera(0, config()))
    camera.close()
    return result


def absent() -> dict[str, str]:
    """A camera that is not there."""
    return error_of(lambda: Picamera2Camera(7, config()))


def stall() -> dict[str, Any]:
    """Frames stop, as when the cable comes loose."""
    camera = Picamera2Camera(0, config(frame_timeout_s=1.0))
    stream = camera.frames()
    next(stream)
    sensor.stalled.set()
    result: dict[str, Any] = error_of(lambda: list(stream))
    camera.close()
    return result


def close_while_waiting() -> dict[str, Any]:
    """Close from another thread, with frames stalled."""
    camera = Picamera2Camera(0, config(frame_timeout_s=600.0))
    stream = camera.frames()
    next(stream)
    sensor.stalled.set()
    ended: list[dict[str, str]] = []
    reader = threading.Thread(target=lambda: ended.append(error_of(lambda: list(stream))))
    reader.start()
    camera.close()
    reader.join(30)
    return {"ended": ended}


def again() -> dict[str, Any]:
    """Opened and closed time after time: descriptors and threads."""

    def held() -> tuple[int, int]:
        gc.collect()  # Picamera2's objects point at each other in circles
        links = [file.readlink() for file in Path("/proc/self/fd").iterdir() if file.is_symlink()]
        # libcamera's bindings keep the stand-in's buffers, which on a Pi are dma_heap's.
        return sum("memfd" not in str(link) for link in links), threading.active_count()

    counts = []
    for _ in range(5):
        camera = Picamera2Camera(0, config())
        next(iter(camera.frames()))
        camera.close()
        counts.append(held())
    return {"counts": counts}


if __name__ == "__main__":
    name = sys.argv[1]
    outcome = {
        "frames": frames,
        "busy": busy,
        "absent": absent,
        "stall": stall,
        "close_while_waiting": close_while_waiting,
        "again": again,
    }[name]()
    sys.stdout.write("\n" + json.dumps(outcome) + "\n")
    sys.stdout.flush()
    os._exit(0)  # the sensor's thread has no end
