"""Reads video files with PyAV, as fast as asked for: the base of the `file:` camera and of `detect`. Does not pace.

PyAV gives what OpenCV's own reader hides: presentation times, whether there are any, display matrices with mirrors,
the shape of pixels, and codecs such as AV1. Colours are converted as OpenCV does, to the same bits.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import av
import numpy as np
from av.sidedata.sidedata import Type as SideData

from piapp.camera.clock import DEFAULT_PERIOD_MS, MAX_FPS, FileClock
from piapp.camera.files import check_file, check_not_text
from piapp.camera.orientation import Orientation, Shape
from piapp.errors import MediaError
from piapp.types import ImageArray

av.logging.set_level(None)  # errors come as exceptions; what FFmpeg thinks of odd files is no message of ours

_log = logging.getLogger(__name__)

# Where a file says how long it lasts, so much may be missing before its end counts as cut off: containers round, and an
# edit list may end within a group of pictures.
_MISSING_FRACTION = 0.1
_MISSING_FRAMES = 2

# Formats without any times: frames follow each other at a nominal rate, if even that is in the stream.
_WITHOUT_TIMES = frozenset({"h264", "hevc", "mjpeg", "m4v", "mpegvideo", "obu", "ivf_raw", "h263", "vvc"})


class VideoFile:
    """A video file that is open for reading; a context manager. Used by one thread.

    Pictures come turned and mirrored as the file's display matrix says (phones), with square pixels.

    Args:
        path: Where it is.
        fps: Frames a second of a file that holds no times, such as a raw `.h264`. None: the nominal one, warned.
        pixel_aspect: Width of a pixel by its height where the file does not say it truly; 0 takes what it says.

    Attributes:
        path: Where it is.
        fps: Frames a second, 0 when the file does not tell.
        frame_count: How many frames the file claims to hold, for a progress bar; 0 when unknown.
        size: (width, height) in pixels of the pictures that come.
        grabbed: How many frames were grabbed since the file's start.

    Raises:
        CameraNotFoundError: There is no such file.
        MediaError: It is not a video, or is cut off.
    """

    def __init__(self, path: str | Path, *, fps: float | None = None, pixel_aspect: float = 0.0) -> None:
        self.path = Path(path)
        self._pixel_aspect = pixel_aspect
        check_file(self.path, "a video")
        check_not_text(self.path)
        self._frame: av.VideoFrame | None = None
        self._ahead: av.VideoFrame | None = None
        self._decoding: Iterator[av.VideoFrame] = iter(())
        self._last_ms = 0.0
        self.grabbed = 0
        self._open()
        self.frame_count = self._stream.frames
        self._has_times = self._container.format.name not in _WITHOUT_TIMES
        nominal = float(self._stream.guessed_rate or self._stream.average_rate or 0)
        self.fps = (None if self._has_times else fps) or (nominal if 0.0 < nominal <= MAX_FPS else 0.0)
        if not self._has_times and fps is None:
            _log.warning(
                "%s: holds no times; %g frames a second are assumed (give the rate with --fps, or ?fps= in a source)",
                self.path, self.fps or 1000.0 / DEFAULT_PERIOD_MS,
            )  # fmt: skip
        self._read_ahead()

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
            yield clock.stamp(presentation_ms), self.retrieve()
        self.check_complete()

    def grab(self) -> float | None:
        """Go to the next frame without converting it: its presentation time in ms, None at the end."""
        frame, self._ahead = self._ahead or self._decoded(), None
        if frame is None:
            return None
        self._frame = frame
        number, self.grabbed = self.grabbed, self.grabbed + 1
        if not self._has_times or frame.time is None:
            self._last_ms = number * (1000.0 / self.fps if self.fps else DEFAULT_PERIOD_MS)
        else:
            self._last_ms = float(frame.time) * 1000.0 - self._start_ms
        return self._last_ms

    def retrieve(self) -> ImageArray:
        """The grabbed frame as (height, width, 3) uint8 RGB in an array of its own, turned and with square pixels."""
        assert self._frame is not None, "grab comes first"
        return self._shape.apply(to_rgb(self._frame))

    def rewind(self) -> None:
        """Start again with the first frame, by opening the file anew: not every format can seek exactly."""
        self._container.close()
        self._open()

    def check_complete(self) -> None:
        """Compare, at the end, what came with what the file says that it holds.

        Raises:
            MediaError: It held no frame, or lasted clearly shorter than it says.
        """
        if self.grabbed == 0:
            raise MediaError(f"{self.path}: holds no video frame that can be decoded; it is cut off or damaged")
        if self._stream.duration is None or self._stream.time_base is None or not self.fps:
            return
        lasts_ms = float(self._stream.duration * self._stream.time_base) * 1000.0
        missing_ms = lasts_ms - self._last_ms - 1000.0 / self.fps
        if missing_ms > max(_MISSING_FRAMES * 1000.0 / self.fps, _MISSING_FRACTION * lasts_ms):
            raise MediaError(
                f"{self.path}: ends after {self._last_ms / 1000.0:.1f} of {lasts_ms / 1000.0:.1f} s; "
                "it is cut off or damaged"
            )

    def close(self) -> None:
        """Close the file; idempotent."""
        self._container.close()

    def _open(self) -> None:
        try:
            # A named protocol cannot be replaced by one in the file's name ("concat:...") or content.
            self._container = av.open(f"file:{self.path.absolute()}", options={"protocol_whitelist": "file"})
        except (av.FFmpegError, ValueError) as error:
            raise self._unreadable() from error
        if not self._container.streams.video:
            self._container.close()
            raise self._unreadable()
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        if self._stream.codec_context is None:
            self._container.close()
            raise MediaError(f"{self.path}: there is no decoder here for its codec; convert it to H.264")
        start, base = self._stream.start_time, self._stream.time_base
        self._start_ms = float(start * base) * 1000.0 if start is not None and base is not None else 0.0
        self._packets = self._container.demux(self._stream)
        self._decoding = iter(())
        self._ahead = self._frame = None
        self._last_ms = 0.0
        self.grabbed = 0

    def _read_ahead(self) -> None:
        """Decode the first frame: it carries the display matrix and the shape of its pixels."""
        self._ahead = self._decoded()
        codec = self._stream.codec_context
        self._shape = Shape()
        self.size = (codec.width, codec.height)
        if self._ahead is not None:
            self._shape = frame_shape(self._ahead, self._pixel_aspect or float(self._stream.sample_aspect_ratio or 0))
            self.size = self._shape.size(self._ahead.width, self._ahead.height)

    def _decoded(self) -> av.VideoFrame | None:
        """The next frame; packets that cannot be decoded are passed over."""
        while True:
            frame = next(self._decoding, None)
            if frame is not None:
                return frame
            try:
                packet = next(self._packets, None)
            except av.FFmpegError:
                return None  # the container is damaged from here on
            if packet is None:
                return None
            try:
                self._decoding = iter(packet.decode())
            except av.FFmpegError:
                continue

    def _unreadable(self) -> MediaError:
        return MediaError(
            f"{self.path}: is not a video that can be decoded; expected a complete file such as MP4, MKV or AVI "
            "(an MP4 file whose recording was cut off has no index and cannot be read)"
        )


def to_rgb(frame: av.VideoFrame) -> ImageArray:
    """A decoded frame as (height, width, 3) uint8 RGB in an array of its own, to the bit as OpenCV converts it."""
    image: ImageArray = np.ascontiguousarray(frame.reformat(format="rgb24", interpolation="BICUBIC").to_ndarray())
    return image


def frame_shape(frame: av.VideoFrame, pixel_aspect: float) -> Shape:
    """How a decoded frame is to be shown: its display matrix and the shape of its pixels.

    Args:
        frame: With its side data.
        pixel_aspect: Width of a pixel by its height; 0 when unknown, which is square.
    """
    matrix = frame.side_data.get(SideData.DISPLAYMATRIX)  # type: ignore[call-overload]
    orientation = Orientation() if matrix is None else Orientation.of_matrix(np.frombuffer(bytes(matrix), np.int32))
    return Shape(orientation, pixel_aspect or 1.0)
