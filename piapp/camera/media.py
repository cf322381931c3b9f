"""Reading picture and video files, as fast as asked for: the base of the `file:` and `images:` cameras and of `detect`.

Owns decoding, colour order, orientation marks in files, and clear words about files that cannot be read. Does not pace.
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Self

# FFmpeg inside OpenCV reads this once and writes its opinion of every odd file to stderr unless told to be quiet.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import cv2
import numpy as np

from piapp.camera.clock import FileClock
from piapp.errors import CameraError, CameraNotFoundError, MediaError
from piapp.types import ImageArray

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

_SNIFF_BYTES = 4096
# An edit list may hide a few frames that an MP4 file counts; more missing means that its end was cut off.
_MISSING_FRACTION = 0.1
_MISSING_FRAMES = 2


def to_rgb(bgr: ImageArray) -> ImageArray:
    """A (height, width, 3) uint8 picture in OpenCV's order B, G, R as a new C-contiguous array in R, G, B."""
    rgb: ImageArray = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    return rgb


def read_image(path: str | Path) -> ImageArray:
    """Read any picture that OpenCV knows: 1, 3 or 4 channels (alpha is dropped), 8 or 16 bit, turned as its EXIF says.

    Returns:
        (height, width, 3) uint8, R, G, B, C-contiguous.

    Raises:
        CameraNotFoundError: There is no such file.
        MediaError: It is not a picture, or is cut off.
    """
    path = Path(path)
    _check_file(path, "a picture")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MediaError(f"{path}: cannot be read: {error.strerror}") from error
    if _is_cut_off_jpeg(data):
        raise MediaError(f"{path}: is a JPEG picture whose end is missing; copy it again")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        raise MediaError(f"{path}: cannot be decoded as a picture: {error.err}") from error
    if image is None:
        raise MediaError(
            f"{path}: is not a picture that can be decoded; expected a complete JPEG, PNG, WebP, BMP, TIFF"
        )
    return np.ascontiguousarray(image)


class VideoFile:
    """A video file that is open for reading; a context manager. Used by one thread.

    Turned as the file's orientation mark says (phones), in the file's own size.

    Attributes:
        path: Where it is.
        fps: Frames a second as the file tells, 0 when it does not.
        frame_count: How many frames the file claims to hold, for a progress bar; 0 when unknown.
        size: (width, height) in pixels.
        grabbed: How many frames were grabbed since the file's start.

    Raises:
        CameraNotFoundError: There is no such file.
        MediaError: It is not a video, or is cut off.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        _check_file(self.path, "a video")
        _check_not_text(self.path)
        # An absolute path cannot be taken for a protocol ("concat:...").
        self._capture = cv2.VideoCapture(str(self.path.absolute()), cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            raise MediaError(
                f"{self.path}: is not a video that can be decoded; expected a complete file such as MP4, MKV or AVI "
                "(an MP4 file whose recording was cut off has no index and cannot be read)"
            )
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        self.fps = self._positive(cv2.CAP_PROP_FPS)
        self.frame_count = int(self._positive(cv2.CAP_PROP_FRAME_COUNT))
        self.size = tuple(int(self._positive(key)) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        self.grabbed = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def frames(self) -> Iterator[tuple[int, ImageArray]]:
        """Yield (ms from the file's start, (height, width, 3) uint8 RGB picture) of every frame.

        Raises:
            MediaError: Nothing in it can be decoded, or, after the frames that are there, its end is missing.
        """
        clock = FileClock(self.fps)
        while (presentation_ms := self.grab()) is not None:
            image = self.retrieve()
            if image is not None:
                yield clock.stamp(presentation_ms), image
        self.check_complete()

    def grab(self) -> float | None:
        """Go to the next frame without converting it: its presentation time in ms, None at the end."""
        if not self._capture.grab():
            return None
        self.grabbed += 1
        return float(self._capture.get(cv2.CAP_PROP_POS_MSEC))

    def retrieve(self) -> ImageArray | None:
        """The grabbed frame as (height, width, 3) uint8 RGB in an array of its own; None when it is damaged."""
        ok, bgr = self._capture.retrieve()
        return to_rgb(bgr) if ok else None

    def rewind(self) -> None:
        """Start again with the first frame, by opening the file anew: not every format can seek exactly."""
        self._capture.release()
        self._capture.open(str(self.path.absolute()), cv2.CAP_FFMPEG)
        self.grabbed = 0

    def check_complete(self) -> None:
        """Called at the end: did the file hold what it said?

        Only MP4 and MOV count their frames; other formats estimate.

        Raises:
            MediaError: It held no frame, or clearly fewer than it says.
        """
        if self.grabbed == 0:
            raise MediaError(f"{self.path}: holds no video frame that can be decoded; it is cut off or damaged")
        missing = self.frame_count - self.grabbed
        if missing > max(_MISSING_FRAMES, _MISSING_FRACTION * self.frame_count) and _head(self.path)[4:8] == b"ftyp":
            raise MediaError(
                f"{self.path}: ends after {self.grabbed} of {self.frame_count} frames; it is cut off or damaged"
            )

    def close(self) -> None:
        """Close the file; idempotent."""
        self._capture.release()

    def _positive(self, key: int) -> float:
        value = float(self._capture.get(key))
        return value if 0.0 < value < float("inf") else 0.0


def _check_file(path: Path, expected: str) -> None:
    """Refuse what is no file with bytes in it before a decoder sees it."""
    try:
        if path.is_dir():
            raise MediaError(f"{path}: is a folder; expected {expected} (images:{path} plays a folder's pictures)")
        if not path.exists():
            raise CameraNotFoundError(f"{path}: there is no such file; expected {expected}")
        if not path.is_file():
            raise MediaError(f"{path}: is not a regular file; expected {expected}")
        if path.stat().st_size == 0:
            raise MediaError(f"{path}: is empty (0 bytes); expected {expected}")
        if not os.access(path, os.R_OK):
            raise MediaError(f"{path}: this user may not read it; expected {expected}")
    except CameraError:
        raise
    except (OSError, ValueError) as error:
        raise CameraNotFoundError(f"{path}: cannot be looked up: {error}") from error


def _check_not_text(path: Path) -> None:
    """Refuse text: FFmpeg draws it as a teletype's picture, and follows the addresses in a playlist."""
    head = _head(path)
    try:
        # Incremental, because a character may be cut at the end.
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return
    if "\0" not in text:
        raise MediaError(f"{path}: is text; expected a video")


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_SNIFF_BYTES)
    except OSError as error:
        raise MediaError(f"{path}: cannot be read: {error.strerror}") from error


def _is_cut_off_jpeg(data: bytes) -> bool:
    """Whether the end marker is missing after the last scan; decoders fill the rest with grey and say nothing."""
    return data.startswith(b"\xff\xd8\xff") and data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda")
