"""Lets the unmodified Picamera2 drive libcamera's virtual pipeline, which differs from a Pi's in four things.

No DRM preview, no dma_heap, no sensor modes, and NV12 only, which is turned into red, green, blue where Picamera2
copies it. Requests, jobs, events, time stamps, locks and errors are libcamera's and Picamera2's own.
"""

from __future__ import annotations

import mmap
import os
import queue
import sys
import threading
import time
from typing import Any
from unittest import mock

import numpy as np

sys.modules["pykms"] = sys.modules["kms"] = mock.MagicMock()  # imported for a preview that nobody opens

import libcamera  # noqa: E402
import picamera2.picamera2 as module  # noqa: E402
from picamera2 import Picamera2  # noqa: E402
from picamera2.allocators.allocator import Allocator, Sync  # noqa: E402
from picamera2.request import CompletedRequest  # noqa: E402

WANTED, NATIVE = "BGR888", "NV12"


class MemoryAllocator(Allocator):
    """Buffers in ordinary shared memory, two planes each, as the virtual pipeline fills them."""

    def __init__(self) -> None:
        super().__init__()
        self.mapped: dict[Any, mmap.mmap] = {}
        self.frame_buffers: dict[Any, list[Any]] = {}
        self.descriptors: list[int] = []
        self.sync = MappedSync

    def allocate(self, configuration: Any, _use_case: Any) -> None:
        """Make the buffers of every stream."""
        self.close()
        for stream in configuration:
            self.frame_buffers[stream.stream] = [self._buffer(stream) for _ in range(stream.buffer_count)]

    def buffers(self, stream: Any) -> list[Any]:
        """A stream's buffers."""
        return self.frame_buffers[stream]

    def close(self) -> None:
        """Free everything."""
        for memory in self.mapped.values():
            memory.close()
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors, self.mapped, self.frame_buffers = [], {}, {}

    def _buffer(self, stream: Any) -> Any:
        size, luma = stream.frame_size, stream.stride * stream.size.height
        descriptor = os.memfd_create("picamera2")
        os.ftruncate(descriptor, size)
        self.descriptors.append(descriptor)
        planes = []
        for offset, length in ((0, luma), (luma, size - luma)):
            plane = libcamera.FrameBuffer.Plane()
            plane.fd, plane.offset, plane.length = descriptor, offset, length
            planes.append(plane)
        buffer = libcamera.FrameBuffer(planes)
        self.mapped[buffer] = mmap.mmap(descriptor, size)
        return buffer


class MappedSync(Sync):
    """Access to a buffer's memory, which needs no synchronisation here."""

    def __init__(self, allocator: MemoryAllocator, buffer: Any, _write: Any) -> None:
        self._memory = allocator.mapped[buffer]

    def __enter__(self) -> mmap.mmap:
        return self._memory

    def __exit__(self, *_exc: object) -> None:
        """Nothing to do."""


class Sensor:
    """The rate of a sensor, which the virtual pipeline lacks: it completes requests as fast as they are queued.

    Attributes:
        stalled: While set, no request completes, as when the cable is loose.
    """

    def __init__(self, fps: float) -> None:
        self.stalled = threading.Event()
        self._period_s = 1.0 / fps
        self._waiting: queue.SimpleQueue[tuple[Any, Any, int]] = queue.SimpleQueue()
        self._generation = 0
        self._queue_request, stop = libcamera.Camera.queue_request, libcamera.Camera.stop

        def stop_camera(camera: Any) -> Any:
            self._generation += 1
            return stop(camera)

        libcamera.Camera.queue_request = lambda camera, request: self._waiting.put((camera, request, self._generation))
        libcamera.Camera.stop = stop_camera
        threading.Thread(target=self._run, name="sensor", daemon=True).start()

    def _run(self) -> None:
        while True:
            camera, request, generation = self._waiting.get()
            time.sleep(self._period_s)
            while self.stalled.is_set() and generation == self._generation:
                time.sleep(0.01)
            if generation == self._generation:
                self._queue_request(camera, request)


def rgb(nv12: np.ndarray, width: int, height: int) -> np.ndarray:
    """NV12 with full-range BT.601 colours to (height, width, 3) red, green, blue."""
    luma = nv12[:height, :width].astype(np.float32)
    chroma = nv12[height : height + height // 2, :width].reshape(height // 2, width // 2, 2).astype(np.float32) - 128
    cb, cr = (np.repeat(np.repeat(chroma[..., plane], 2, axis=0), 2, axis=1) for plane in (0, 1))
    picture = np.stack([luma + 1.402 * cr, luma - 0.344 * cb - 0.714 * cr, luma + 1.772 * cb], axis=-1)
    return np.clip(picture, 0, 255).astype(np.uint8)


def install(fps: float) -> Sensor:
    """Put all of it in place."""
    module.DmaAllocator = MemoryAllocator
    # The virtual camera has no raw modes, and upstream has no other place to say so.
    Picamera2._get_raw_modes = lambda _camera: [{"format": NATIVE, "size": (640, 480)}]  # noqa: SLF001
    Picamera2.sensor_modes = []  # as with USB cameras
    create, configuration, make_array = (
        Picamera2.create_video_configuration,
        Picamera2.camera_configuration,
        CompletedRequest.make_array,
    )

    def create_native(camera: Any, **options: Any) -> Any:
        return create(camera, **options | {"main": options.get("main", {}) | {"format": NATIVE}})

    def told(camera: Any, *names: Any) -> Any:
        found = configuration(camera, *names)
        return found | {"main": found["main"] | {"format": WANTED}}

    def make_rgb(request: CompletedRequest, name: str) -> np.ndarray:
        width, height = configuration(request.picam2)["main"]["size"]
        return np.ascontiguousarray(rgb(make_array(request, name), width, height))

    Picamera2.create_video_configuration = create_native
    Picamera2.camera_configuration = told
    CompletedRequest.make_array = make_rgb
    return Sensor(fps)
