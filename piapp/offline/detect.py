"""`piapp detect`: landmarks, postures and events of picture and video files.

Owns what a file is taken for, the order of work and the forms of output. Stills go through IMAGE mode, each frame of a
video through VIDEO mode, and both through the same posture logic as the daemon's frames.
"""

from __future__ import annotations

import csv
import itertools
import logging
import mimetypes
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, Self, TextIO

import msgspec

from piapp import draw
from piapp.camera.pictures import read_image
from piapp.camera.video import VideoFile
from piapp.config.sections import Config
from piapp.errors import CameraError, MediaError, PiappError
from piapp.fall_model import monitor_of
from piapp.landmarker.model import ModelFile
from piapp.landmarker.offline import OfflineStage
from piapp.mqtt.clock import TimeLine
from piapp.mqtt.payload import PayloadWriter
from piapp.posture.monitor import Monitor
from piapp.types import LANDMARK_NAMES, ImageArray, PoseLabel, PoseResult, PostureEvent

log = logging.getLogger(__name__)

Mode = Literal["auto", "image", "video"]
Advance = Callable[[int], None]
"""Told after each frame how many frames the file holds (0: unknown)."""

# The posture logic decides over time: a still counts as a clip of one second that shows nothing else.
STILL_TIMES_MS = range(0, 1001, 100)

_PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
_FALLBACK_FPS = 25.0

# By name, where the system's own table of types may know nothing of them.
_VIDEO_SUFFIXES = (".mjpeg", ".mjpg", ".h264", ".264", ".h265", ".265", ".hevc", ".mkv", ".ts", ".m2ts")
_IMAGE_SUFFIXES = (*_PICTURE_SUFFIXES, ".avif", ".heic", ".heif")

# Files of a folder that are named when they are passed over.
_SHOWN_SKIPPED = 5


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One frame of a file and what was found in it.

    Attributes:
        result: `ts_ms` counts from the file's start.
        fps: The video's rate; 0 for a still.
    """

    file: Path
    image: ImageArray
    result: PoseResult
    labels: tuple[PoseLabel, ...]
    events: tuple[PostureEvent, ...]
    fps: float = 0.0


class Output(Protocol):
    """Somewhere for detections to go."""

    def write(self, detection: Detection) -> None:
        """Take the next detection; those of one file come one after another."""
        ...

    def end_file(self) -> None:
        """Finish what belongs to the present file, which may have given nothing."""
        ...


class Detector:
    """Detects poses in files; a context manager. One model serves all stills, each video gets its own.

    Args:
        config: What was configured.
        model: The landmarker's.
        fps: Frames a second of videos that hold no times; None takes their nominal rate.
    """

    def __init__(self, config: Config, model: ModelFile, fps: float | None = None) -> None:
        self._config = config
        self._fps = fps
        self._model = model
        self._stills: OfflineStage | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._open.close()

    def file(self, path: Path, mode: Mode = "auto", advance: Advance | None = None) -> Iterator[Detection]:
        """Yield what one file holds, frame by frame.

        Raises:
            CameraNotFoundError: There is no such file.
            MediaError: It is not a picture or video, or is cut off.
        """
        if path.is_dir():
            raise MediaError(f"{path}: this folder holds no pictures or videos, by their names")
        if mode == "auto":
            mode = kind_of(path)
        yield from self._video(path, advance) if mode == "video" else self._still(path, advance)

    def _still(self, path: Path, advance: Advance | None) -> Iterator[Detection]:
        image = read_image(path)
        if self._stills is None:
            self._stills = self._open.enter_context(self._stage(video=False))
        poses = self._stills.detect(image)
        size = (image.shape[1], image.shape[0])
        monitor = self._monitor()
        for ts_ms in STILL_TIMES_MS:
            state, _ = monitor.update(PoseResult(ts_ms, 0, size, poses))
        if advance:
            advance(1)
        yield Detection(path, image, PoseResult(0, 0, size, poses), state.labels, ())

    def _video(self, path: Path, advance: Advance | None) -> Iterator[Detection]:
        aspect = self._config.camera.pixel_aspect
        with VideoFile(path, fps=self._fps, pixel_aspect=aspect) as video, self._stage(video=True) as stage:
            monitor = self._monitor()
            for ts_ms, image in video.frames():
                size = (image.shape[1], image.shape[0])
                result = PoseResult(ts_ms, ts_ms * 1_000_000, size, stage.detect(image, ts_ms))
                state, events = monitor.update(result)
                if advance:
                    advance(video.frame_count)
                yield Detection(path, image, result, state.labels, events, video.fps or _FALLBACK_FPS)

    def _stage(self, *, video: bool) -> OfflineStage:
        return OfflineStage(self._config.landmarker, self._model.path, video=video)

    def _monitor(self) -> Monitor:
        return monitor_of(self._config)


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Replace each folder by the pictures and videos in it, in the order of their names; one without any stays.

    What a folder holds besides is named in the log.
    """
    files: list[Path] = []
    for path in paths:
        found = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else []
        inside = [file for file in found if _media_type(file)]
        if skipped := [str(file.relative_to(path)) for file in found if not _media_type(file)]:
            shown = ", ".join(skipped[:_SHOWN_SKIPPED]) + (", ..." if len(skipped) > _SHOWN_SKIPPED else "")
            log.warning("%s: skipped what is no picture or video by its name: %s (%d files)", path, shown, len(skipped))
        files += inside or [path]
    return files


def kind_of(path: Path) -> Literal["image", "video"]:
    """What a file is, by its name; an unknown name counts as a picture when it can be read as one."""
    if kind := _media_type(path):
        return kind
    try:
        read_image(path)
    except MediaError:
        return "video"
    return "image"


def _media_type(path: Path) -> Literal["image", "video"] | None:
    if path.suffix.lower() in _VIDEO_SUFFIXES:
        return "video"
    if path.suffix.lower() in _IMAGE_SUFFIXES:
        return "image"
    kind = (mimetypes.guess_type(path.name)[0] or "").partition("/")[0]
    if kind == "image":
        return "image"
    return "video" if kind == "video" else None


def run_detection(
    detector: Detector, files: Iterable[Path], outputs: Sequence[Output], mode: Mode, advance: Callable[[Path], Advance]
) -> list[PiappError]:
    """Send what all files hold to all outputs; a file that cannot be read is reported and the rest go on.

    Args:
        detector: Reads and detects.
        files: What to read.
        outputs: Where detections go.
        mode: What to take the files for.
        advance: Gives the function that is called with a file's progress.

    Returns:
        What went wrong, one error a file.
    """
    errors: list[PiappError] = []
    for file in files:
        try:
            for detection in detector.file(file, mode, advance(file)):
                for output in outputs:
                    output.write(detection)
        except (CameraError, draw.OutputError) as error:
            log.error("%s", error)  # noqa: TRY400 - the message is for the user, the trace is not
            errors.append(error)
        finally:
            for output in outputs:
                output.end_file()
    return errors


class JsonLines:
    """One JSON line a frame, with poses as in the `frame` topic."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._writer = PayloadWriter("", "")

    def write(self, detection: Detection) -> None:
        """Write one line."""
        result = detection.result
        pairs = zip(result.poses, detection.labels, strict=True)
        line = {
            "file": _name(detection.file),
            "ts_ms": result.ts_ms,
            "size": result.size,
            "poses": [self._writer.pose(pose, label) for pose, label in pairs],
        }
        self._stream.write(msgspec.json.encode(line).decode() + "\n")

    def end_file(self) -> None:
        """Nothing is held back."""


class EventLines:
    """One JSON line an event, as in the `event` topic, with the file and without a time of day."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._writer = PayloadWriter("", "")
        self._numbers = itertools.count(1)

    def write(self, detection: Detection) -> None:
        """Write a line for each event of the frame."""
        self.write_events(detection.file, detection.events)

    def write_events(self, file: Path, events: Iterable[PostureEvent]) -> None:
        """Write a line for each event of a file."""
        for event in events:
            payload = self._writer.event(event, TimeLine(0, 0), event_id=f"detect-{next(self._numbers):06d}")
            line = {"file": _name(file)} | msgspec.to_builtins(payload) | {"t": None, "time_synced": False}
            self._stream.write(msgspec.json.encode(line).decode() + "\n")

    def end_file(self) -> None:
        """Nothing is held back."""


class CsvRows:
    """One row a pose; a frame without poses has one row with empty cells."""

    _AXES = ("x", "y", "z", "visibility", "presence")
    _HEAD = ("file", "ts_ms", "width", "height", "id", "posture", "score", "bbox_x", "bbox_y", "bbox_w", "bbox_h")
    _SETS = ("", "world_")

    def __init__(self, stream: TextIO) -> None:
        self._rows = csv.writer(stream, lineterminator="\n")
        self._writer = PayloadWriter("", "")
        columns = [f"{prefix}{name}_{axis}" for prefix in self._SETS for name in LANDMARK_NAMES for axis in self._AXES]
        self._columns = len(self._HEAD) + len(columns)
        self._rows.writerow((*self._HEAD, *columns))

    def write(self, detection: Detection) -> None:
        """Write the frame's rows."""
        result = detection.result
        head = (_name(detection.file), result.ts_ms, *result.size)
        if not result.poses:
            self._rows.writerow((*head, *[""] * (self._columns - len(head))))
        for pose, label in zip(result.poses, detection.labels, strict=True):
            person = self._writer.pose(pose, label)
            landmarks = itertools.chain.from_iterable((*person.landmarks, *(person.world_landmarks or ())))
            self._rows.writerow((*head, person.id, person.posture, person.score, *person.bbox, *landmarks))

    def end_file(self) -> None:
        """Nothing is held back."""


class AnnotatedFiles:
    """Writes each still and each video with what was found drawn into it.

    Two files of one name get numbers; so does one that would overwrite an input.

    Args:
        folder: Where to; made when it is not there.
        inputs: Files that are read, so never written.

    Raises:
        draw.OutputError: The folder cannot be made.
    """

    def __init__(self, folder: Path, inputs: Iterable[Path]) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise draw.OutputError(f"{folder}: cannot be made: {error.strerror}") from error
        self._folder = folder
        self._taken = {path.resolve() for path in inputs}
        self._video: draw.VideoWriter | None = None

    def write(self, detection: Detection) -> None:
        """Draw one frame."""
        picture = draw.annotate(detection.image, detection.result.poses, detection.labels)
        if not detection.fps:
            suffix = detection.file.suffix.lower()
            draw.write_image(self._path(detection.file, suffix if suffix in _PICTURE_SUFFIXES else ".png"), picture)
            return
        if self._video is None:
            self._video = draw.VideoWriter(self._path(detection.file, ".mp4"), detection.fps, detection.result.size)
        self._video.write(picture)

    def end_file(self) -> None:
        """Finish the video that is being written."""
        if self._video:
            self._video.close()
            self._video = None

    def _path(self, file: Path, suffix: str) -> Path:
        names = (
            f"{file.stem}{suffix}" if number == 1 else f"{file.stem}-{number}{suffix}" for number in itertools.count(1)
        )
        path = next(path for name in names if (path := (self._folder / name).resolve()) not in self._taken)
        self._taken.add(path)
        return path


def _name(path: Path) -> str:
    """A path as text that every encoding takes: bytes of a file name that are not UTF-8 are replaced."""
    return os.fsencode(path).decode("utf-8", "replace")
