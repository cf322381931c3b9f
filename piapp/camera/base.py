"""What a source of frames is, how one is named, and which adapter opens it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol
from urllib.parse import parse_qsl, urlsplit

from piapp.config import CameraConfig
from piapp.errors import UsageError
from piapp.types import Frame

Kind = Literal["picamera2", "v4l2", "rtsp", "file", "images"]

FORMS = (
    "picamera2: or picamera2:1, v4l2:/dev/video0, rtsp://HOST/PATH, images:DIR, file:PATH?pace=realtime|lockstep&loop=N"
)


class Camera(Protocol):
    """A source that is open and gives frames.

    Attributes:
        description: One line for people and `info`, such as "imx708 2304x1296 -> 640x480".
        lockstep: True when the next frame may be asked for only after the last one's result is in.
    """

    description: str
    lockstep: bool

    def frames(self) -> Iterator[Frame]:
        """Yield frames until the source ends or `close` is called; called once, by the capture thread.

        `ts_ms` increases strictly. Blocks while waiting for the next frame; wakes within 0.5 s of `close`
        unless the device hangs inside its driver.

        Raises:
            CameraError: The source failed; the message says what to do.
        """
        ...

    def close(self) -> None:
        """Release the source; idempotent, from any thread, also while `frames` waits."""
        ...


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """A parsed source.

    Attributes:
        target: Camera number, device, URL, file or folder; what follows the kind.
        lockstep: For files: hand over the next frame only when the last result is in.
        loop: For files: how often to play; 0 means for ever.
    """

    kind: Kind
    target: str
    lockstep: bool = False
    loop: int = 1


def parse_source(text: str) -> SourceSpec:
    """Read a source as CONTRACT section 2 writes it.

    Raises:
        UsageError: Unknown kind, missing target or unknown option, naming the forms that exist.
    """
    raise NotImplementedError


def open_camera(config: CameraConfig) -> Camera:
    """Open the source that the configuration names.

    Raises:
        UsageError: The source's text is not understood.
        CameraError: It cannot be opened (not there, busy, unreadable).
    """
    raise NotImplementedError
