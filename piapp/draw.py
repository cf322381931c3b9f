"""Draws what was seen into pictures and writes pictures and videos. Adapter to OpenCV's drawing and PyAV's encoder.

Owns nothing that decides; colours and line widths scale with the picture.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Self

import av
import cv2
import numpy as np

from piapp.errors import PiappError
from piapp.types import MIN_DRAWN_VISIBILITY, SKELETON, FloatArray, ImageArray, Pose, PoseLabel

# RGB, one colour a person in turn; distinct for the colour-blind too (Okabe and Ito 2008).
COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (213, 94, 0), (204, 121, 167))


# What a skeleton without a picture is drawn on.
EMPTY = (16, 18, 22)

# The longer side of pictures that are sent, as wide as a telephone shows them.
MAX_SENT_PX = 640
JPEG_QUALITY = 80

# Of pictures of edges: wide enough for beds and doors, and too blurred for faces. Limits of Canny's two thresholds.
EDGE_WIDTH_PX = 400
EDGE_BLUR_PX = 1.6
EDGE_LIMITS = (30.0, 75.0)
EDGE_GREY = 150


class OutputError(PiappError, OSError):
    """A picture or video cannot be written."""

    exit_code = 1


def annotate(image: ImageArray, poses: tuple[Pose, ...], labels: tuple[PoseLabel, ...] = ()) -> ImageArray:
    """Return a copy of an RGB picture with each pose's mask, skeleton and label drawn.

    Args:
        image: (height, width, 3) uint8 RGB.
        poses: What to draw.
        labels: One a pose, or none at all.
    """
    canvas = image.copy()
    for index, pose in enumerate(poses):
        label = labels[index] if labels else None
        colour = COLOURS[(label.id if label else index) % len(COLOURS)]
        if pose.mask is not None:
            _tint(canvas, pose.mask, colour)
        _skeleton(canvas, pose.landmarks, colour)
        if label is not None:
            _text(canvas, pose, f"{label.id} {label.posture}", colour)
    return canvas


def skeleton_picture(size: tuple[int, int], poses: tuple[Pose, ...], labels: tuple[PoseLabel, ...] = ()) -> ImageArray:
    """Draw skeletons and labels on an empty ground: nothing in it but the landmarks came from a camera.

    Masks are left out, for they are the outline of a body.

    Args:
        size: (width, height) of the frame in pixels; the picture has its shape and `MAX_SENT_PX` at most.
        poses: What to draw.
        labels: One a pose, or none at all.
    """
    width, height = _sent_size(size)
    ground = np.full((height, width, 3), EMPTY, np.uint8)
    return annotate(ground, tuple(replace(pose, mask=None) for pose in poses), labels)


def photo_picture(image: ImageArray, poses: tuple[Pose, ...], labels: tuple[PoseLabel, ...] = ()) -> ImageArray:
    """Draw skeletons, masks and labels into a copy of a picture that has `MAX_SENT_PX` at most; as `annotate`."""
    size = (image.shape[1], image.shape[0])
    sent = _sent_size(size)
    return annotate(image if sent == size else cv2.resize(image, sent, interpolation=cv2.INTER_AREA), poses, labels)


def narrowed(image: ImageArray, max_width: int) -> ImageArray:
    """The picture itself, or a smaller one of this width when it is wider."""
    height, width = image.shape[:2]
    if width <= max_width:
        return image
    size = (max_width, max(1, round(height * max_width / width)))
    smaller: ImageArray = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return smaller


def encode_jpeg(image: ImageArray) -> bytes:
    """An RGB picture as a JPEG file."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))
    return data.tobytes()


def edge_picture(image: ImageArray) -> bytes:
    """Where an RGB picture has edges, as a PNG file of lines in one grey: no pixel of the picture is in it.

    Small and blurred before the edges are looked for (Canny), so that furniture shows and faces do not.
    """
    grey = cv2.GaussianBlur(cv2.cvtColor(narrowed(image, EDGE_WIDTH_PX), cv2.COLOR_RGB2GRAY), (0, 0), EDGE_BLUR_PX)
    lines = cv2.Canny(grey, *EDGE_LIMITS)
    _, data = cv2.imencode(".png", (lines > 0).astype(np.uint8) * EDGE_GREY)
    return data.tobytes()


def write_image(path: Path, image: ImageArray) -> None:
    """Write an RGB picture; the suffix names the format.

    Raises:
        OutputError: It cannot be written there or in this format.
    """
    try:
        ok, data = cv2.imencode(path.suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    except cv2.error as error:
        raise OutputError(f"{path}: {path.suffix or 'no suffix'} is not a picture format; use .jpg or .png") from error
    if not ok:
        raise OutputError(f"{path}: the picture could not be encoded")
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class _Form:
    container: str
    codec: str
    pixels: str
    options: dict[str, str]


_MP4 = _Form("mp4", "libx264", "yuv420p", {"preset": "veryfast", "crf": "20"})
_GIF = _Form("gif", "gif", "rgb8", {})


class VideoWriter:
    """Writes RGB pictures into an .mp4 file (H.264, which browsers play) or a .gif; a context manager.

    A file that could not be finished is removed: it has no index and nothing could play it.

    Args:
        path: Where to.
        fps: Frames a second; the file has a constant rate.
        size: (width, height) of every picture; odd ones are written one pixel smaller.

    Raises:
        OutputError: The file cannot be opened for writing.
    """

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        self._path = path
        self._width, self._height = (max(2, length - length % 2) for length in size)
        rate = Fraction(fps).limit_denominator(1000)
        try:
            form = _GIF if path.suffix == ".gif" else _MP4
            self._container: av.container.OutputContainer | None = av.open(str(path), "w", format=form.container)
            stream = self._container.add_stream(form.codec, rate=rate, options=form.options)
            assert isinstance(stream, av.VideoStream), "the codecs named above are for videos"
            self._stream = stream
            stream.width, stream.height, stream.pix_fmt = self._width, self._height, form.pixels
            self._container.start_encoding()
        except (av.FFmpegError, OSError) as error:
            raise OutputError(
                f"{path}: cannot be written ({error.strerror}); is the folder there and is it writable?"
            ) from error

    def write(self, image: ImageArray) -> None:
        """Append one picture.

        Raises:
            OutputError: It cannot be written; the file is removed.
        """
        picture = np.ascontiguousarray(image[: self._height, : self._width])
        self._mux(av.VideoFrame.from_ndarray(picture, format="rgb24"))

    def close(self) -> None:
        """Finish the file; idempotent.

        Raises:
            OutputError: It cannot be finished; it is removed.
        """
        if self._container is None:
            return
        if self._stream.codec_context.is_open:
            self._mux(None)
        container, self._container = self._container, None
        try:
            container.close()
        except (av.FFmpegError, OSError) as error:
            raise self._given_up(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _mux(self, frame: av.VideoFrame | None) -> None:
        assert self._container is not None, "the file is closed"
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except (av.FFmpegError, OSError) as error:
            container, self._container = self._container, None
            with suppress(av.FFmpegError, OSError):
                container.close()
            raise self._given_up(error) from error

    def _given_up(self, error: Exception) -> OutputError:
        self._path.unlink(missing_ok=True)
        return OutputError(f"{self._path}: cannot be written: {getattr(error, 'strerror', error)}; it was removed")


def _sent_size(size: tuple[int, int]) -> tuple[int, int]:
    scale = min(1.0, MAX_SENT_PX / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _line_px(canvas: ImageArray) -> int:
    shorter_side: int = min(canvas.shape[:2])
    return max(1, round(shorter_side / 160))


def _tint(canvas: ImageArray, mask: FloatArray, colour: tuple[int, int, int]) -> None:
    if mask.shape != canvas.shape[:2]:
        mask = cv2.resize(mask, (canvas.shape[1], canvas.shape[0]), interpolation=cv2.INTER_AREA)
    weight = 0.45 * mask[:, :, np.newaxis]
    canvas[:] = (canvas * (1 - weight) + np.array(colour) * weight).astype(np.uint8)


def _skeleton(canvas: ImageArray, landmarks: FloatArray, colour: tuple[int, int, int]) -> None:
    height, width = canvas.shape[:2]
    points = np.nan_to_num(landmarks[:, :2] * (width, height)).clip(-(2**14), 2**14).round().astype(int).tolist()
    hidden = landmarks[:, 3] < MIN_DRAWN_VISIBILITY  # False for NaN: not known to be hidden
    line_px = _line_px(canvas)
    for start, end in SKELETON:
        if not (hidden[start] or hidden[end]):
            cv2.line(canvas, points[start], points[end], colour, line_px, cv2.LINE_AA)
    for point, is_hidden in zip(points, hidden, strict=True):
        if not is_hidden:
            cv2.circle(canvas, point, line_px + 1, (255, 255, 255), cv2.FILLED, cv2.LINE_AA)
            cv2.circle(canvas, point, line_px, colour, cv2.FILLED, cv2.LINE_AA)


def _text(canvas: ImageArray, pose: Pose, text: str, colour: tuple[int, int, int]) -> None:
    """Write a label at the upper left of a pose, on a dark ground, inside the picture."""
    height, width = canvas.shape[:2]
    scale, thickness = min(height, width) / 700, max(1, round(min(height, width) / 400))
    (text_width, text_height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
    left, upper, _, tall = np.nan_to_num(pose.bbox)
    x = int(np.clip(left * width, 0, max(0, width - text_width)))
    # The topmost landmarks are the eyes: half a head more leaves the face free.
    top = (upper - 0.07 * tall) * height - base
    y = int(np.clip(top, text_height, height - base))
    cv2.rectangle(canvas, (x, y - text_height - base // 2), (x + text_width, y + base), (16, 16, 16), cv2.FILLED)
    cv2.putText(canvas, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, colour, thickness, cv2.LINE_AA)
