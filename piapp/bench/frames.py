"""Frames in memory, decoded once and shared by all processes of one benchmark."""

from __future__ import annotations

import itertools
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np

from piapp.errors import MediaError
from piapp.types import ImageArray

# The stretch of the bundled clip (15 frames/s) in which somebody stands, raises a hand and sits down.
FIRST_FRAME = 60
FRAME_COUNT = 150
PERIOD_MS = 67


class SharedFrames:
    """Pictures in an anonymous file of the kernel's memory, which other processes map from its descriptor.

    Attributes:
        fd: The file, open as long as this object lives.
        images: (count, height, width, 3) uint8 RGB, read-only.
    """

    def __init__(self, fd: int, shape: tuple[int, int, int, int]) -> None:
        self.fd = fd
        memory = mmap.mmap(fd, int(np.prod(shape)), prot=mmap.PROT_READ)
        self.images: ImageArray = np.frombuffer(memory, np.uint8).reshape(shape)

    @classmethod
    def decode(cls, clip: Path, first: int = FIRST_FRAME, count: int = FRAME_COUNT) -> Self:
        """Read a stretch of a video.

        Raises:
            MediaError: The file cannot be read, or is shorter.
        """
        # Imported here: the processes that are measured only map what this one has decoded.
        from piapp.camera.video import VideoFile  # noqa: PLC0415

        with VideoFile(clip) as video:
            images = [image for _ts_ms, image in itertools.islice(video.frames(), first, first + count)]
        if len(images) < count:
            raise MediaError(f"{clip}: has {first + len(images)} frames; expected at least {first + count}")
        fd = os.memfd_create("piapp-bench")
        with os.fdopen(os.dup(fd), "wb") as file:
            for image in images:
                file.write(image.data)
        height, width, channels = images[0].shape
        return cls(fd, (count, height, width, channels))

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(count, height, width, 3)."""
        count, height, width, channels = self.images.shape
        return count, height, width, channels

    def endless(self) -> Iterator[tuple[int, ImageArray]]:
        """Yield (ts_ms, picture) over and over, in the clip's own time, which goes on."""
        for number, image in enumerate(itertools.cycle(self.images), start=1):
            yield number * PERIOD_MS, image
