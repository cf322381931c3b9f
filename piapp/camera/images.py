"""The pictures of a folder as a camera: `images:DIR`."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from piapp.camera.base import SourceStatus
from piapp.camera.orientation import Orientation
from piapp.camera.pictures import read_image
from piapp.config.sections import CameraConfig
from piapp.errors import CameraError, CameraNotFoundError, MediaError
from piapp.types import Frame, ImageArray

log = logging.getLogger(__name__)


class ImagesCamera:
    """Plays the pictures of a folder once, in the order of their names, at `camera.fps`; then ends.

    What cannot be read is logged and skipped; hidden files and folders inside are left out. Pictures keep their own
    sizes. None is dropped for being late: a picture that takes long to decode moves the ones behind it.

    Raises:
        CameraNotFoundError: There is no such folder.
        MediaError: It is not a folder, or no picture is in it.
    """

    lockstep = False

    def __init__(self, folder: str, config: CameraConfig) -> None:
        self._folder = Path(folder)
        self._paths = _files_in(self._folder)
        self._period_ns = int(1e9 / config.fps)
        self._orientation = Orientation.of(config)
        self._closed = threading.Event()
        self.description = f"{len(self._paths)} files of {folder}, {config.fps:g} a second"

    def frames(self) -> Iterator[Frame]:
        """Yield one frame for each picture.

        Raises:
            MediaError: None of the files is a picture.
        """
        due_ns = None
        for image in self._images():
            now_ns = time.monotonic_ns()
            due_ns = now_ns if due_ns is None else max(due_ns + self._period_ns, now_ns)
            if self._closed.wait((due_ns - now_ns) / 1e9):
                return
            yield Frame(due_ns // 1_000_000, due_ns, self._orientation.apply(image))
        if due_ns is None and not self._closed.is_set():
            raise MediaError(f"{self._folder}: none of its {len(self._paths)} files is a picture that can be read")

    def close(self) -> None:
        """Stop playing."""
        self._closed.set()

    def status(self) -> SourceStatus:
        """How the source is now; any thread."""
        return SourceStatus()

    def _images(self) -> Iterator[ImageArray]:
        for path in self._paths:
            if self._closed.is_set():
                return
            try:
                yield read_image(path)
            except CameraError as error:
                log.warning("skipped: %s", error)


def _files_in(folder: Path) -> list[Path]:
    if not folder.exists():
        raise CameraNotFoundError(f"{folder}: there is no such folder")
    if not folder.is_dir():
        raise MediaError(f"{folder}: is not a folder; expected a folder of pictures")
    try:
        paths = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError as error:
        raise MediaError(f"{folder}: cannot be listed: {error.strerror}") from error
    if not paths:
        raise MediaError(f"{folder}: holds no files; expected pictures")
    return paths
