"""Which adapter opens a source. An adapter brings its vendor's library along, so only the needed one is loaded."""

from __future__ import annotations

from piapp.camera.base import Camera
from piapp.camera.source import parse_source
from piapp.config.sections import CameraConfig


def open_camera(config: CameraConfig) -> Camera:
    """Open the source that the configuration names.

    Raises:
        UsageError: The source's text is not understood.
        ConfigError: The camera has no such control as `[camera.controls]` names.
        CameraError: It cannot be opened (not there, busy, unreadable).
    """
    spec = parse_source(config.source)
    match spec.kind:
        case "picamera2":
            from piapp.camera.picamera2 import Picamera2Camera  # noqa: PLC0415

            return Picamera2Camera(int(spec.target), config)
        case "v4l2":
            from piapp.camera.v4l2 import open_v4l2  # noqa: PLC0415

            return open_v4l2(spec.target, config)
        case "rtsp":
            from piapp.camera.stream import open_rtsp  # noqa: PLC0415

            return open_rtsp(spec.target, config)
        case "file":
            from piapp.camera.file import FileCamera  # noqa: PLC0415

            return FileCamera(spec, config)
        case "images":
            from piapp.camera.images import ImagesCamera  # noqa: PLC0415

            return ImagesCamera(spec.target, config)
