"""Recorded landmarks: results of the landmarker in one small file, to be fed to the posture logic again.

Owns the file format and nothing else. A recording is one `.npz` archive or several, one after the other, so that it can
grow for days, and a crash costs the archive that was being collected. Each holds a run of results:

- `ts_ms` (n,) int64, increasing over all archives; `size` (2,) int32, width and height in pixels;
- `offsets` (n + 1,) int32: result i has the poses `offsets[i]` to `offsets[i + 1]`;
- `landmarks` and `world_landmarks` of m poses, as in `piapp.types.Pose`: (m, 33, 5) float16, which is half a pixel at
  1280 pixels, a millimetre at two metres; or the same as (2, 165, m) uint8, see `_coded`, in half the space.
  `world_landmarks` may have 99 in place of 165: positions alone, with visibility and presence as in `landmarks`;
- where they are known, `latency_ms` (n,) float16, and `utc_ms` () int64, the first result's time of day;
- where not all are "tracked", `found` (m,) uint8: the place of each pose's `found` in `piapp.types.Found`.

Masks are not kept.
"""

from __future__ import annotations

import io
import logging
import lzma
import mmap
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan, nan, prod
from pathlib import Path
from typing import Any, Self, get_args

import numpy as np
import numpy.typing as npt

from piapp.errors import MediaError, PiappError
from piapp.types import LANDMARK_COUNT, FloatArray, Found, Pose, PoseResult

# What an archive holds at most; more saves little space, and is lost when the power goes.
MAX_RESULTS = 900
MAX_SPAN_MS = 60_000

# A result has no more people than `landmarker.num_poses` may be, so an archive's arrays take 6 MB at most. What says
# that it holds more was made to fill the memory: a backup from anywhere may bring recordings.
_MAX_POSES = 10
_MAX_ARCHIVE_BYTES = 8_000_000

# Kinds of numbers (`numpy.dtype.kind`) and dimensions of each array.
_FORMS = {
    "ts_ms": ("i", 1),
    "size": ("i", 1),
    "offsets": ("i", 1),
    "landmarks": ("fu", 3),
    "world_landmarks": ("fu", 3),
    "found": ("u", 1),
    "latency_ms": ("f", 1),
    "utc_ms": ("i", 0),
}

_SHAPE = (LANDMARK_COUNT, 5)
_POSITION = 3  # the first values of a landmark; visibility and presence follow
_FOUND: tuple[Found, ...] = get_args(Found)

# PKWARE's APPNOTE, 4.3.16: the last record of a ZIP archive; at 12 bytes from its start the directory's size and offset
# and the length of a comment that follows.
_END_OF_ARCHIVE = b"PK\x05\x06"
_DIRECTORY = struct.Struct("<12xIIH")

_log = logging.getLogger(__name__)

_UNREADABLE = (
    OSError, EOFError, ValueError, KeyError, IndexError, MemoryError, NotImplementedError, RuntimeError,
    zipfile.BadZipFile, zlib.error, lzma.LZMAError,
)  # fmt: skip


class RecordingError(PiappError, OSError):
    """A recording cannot be written."""

    exit_code = 1

    @staticmethod
    def exists(path: Path) -> RecordingError:
        """The file is there, and may not be replaced."""
        return RecordingError(f"{path}: is there already; choose another name, or give --force")


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """One result of a recording.

    Attributes:
        result: `captured_ns` is `ts_ms` in nanoseconds when it was read.
        latency_ms: From capture to when the result left; None when unknown.
        utc_ms: When it was captured, ms since the epoch; None for what was not live.
    """

    result: PoseResult
    latency_ms: float | None = None
    utc_ms: int | None = None


class RecordingWriter:
    """Writes a recording, archive by archive; a context manager.

    Args:
        path: Where to.
        overwrite: Replace a file that is there.
        append: Go on with a file that is there; what is added is later than all in it.
        compression: Of `zipfile`: deflate is quick, LZMA takes an eighth less space and ten times as long.

    Attributes:
        results: How many were added.
        written_bytes: Size of the file so far.

    Raises:
        RecordingError: There is such a file, or it cannot be written.
    """

    def __init__(
        self,
        path: Path,
        *,
        overwrite: bool = False,
        append: bool = False,
        compression: int = zipfile.ZIP_DEFLATED,
    ) -> None:
        self._path = path
        self._compression = compression
        self._waiting: list[Recorded] = []  # at most MAX_RESULTS: then they are written
        self.results = 0
        self.written_bytes = 0
        try:
            self._file = path.open("ab" if append else "wb" if overwrite else "xb")
        except FileExistsError as error:
            raise RecordingError.exists(path) from error
        except OSError as error:
            raise self._failed(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def add(self, recorded: Recorded) -> None:
        """Append a result, which is later than all before.

        Raises:
            RecordingError: The disk is full, or gone.
        """
        if self._waiting and self._belongs_to_the_next(recorded.result):
            self._write()
        self._waiting.append(recorded)
        self.results += 1

    def close(self) -> None:
        """Write what waits and close the file; idempotent.

        Raises:
            RecordingError: The disk is full, or gone.
        """
        if not self._file.closed:
            if self._waiting or not self.written_bytes:
                self._write()
            self._file.close()

    def _belongs_to_the_next(self, result: PoseResult) -> bool:
        first = self._waiting[0].result
        full = len(self._waiting) >= MAX_RESULTS or result.ts_ms - first.ts_ms >= MAX_SPAN_MS
        return full or result.size != first.size

    def _write(self) -> None:
        archive = _archive(self._waiting, self._compression)
        self._waiting = []
        try:
            self._file.write(archive)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._failed(error) from error
        self.written_bytes += len(archive)

    def _failed(self, error: OSError) -> RecordingError:
        return RecordingError(f"{self._path}: cannot be written: {error.strerror}")


def write_recording(path: Path, results: Sequence[PoseResult]) -> None:
    """Write results, in their order, to `path`, which is replaced when it exists.

    Raises:
        RecordingError: The file cannot be written.
    """
    with RecordingWriter(path, overwrite=True) as writer:
        for result in results:
            writer.add(Recorded(result))


def read_recording(path: Path) -> list[PoseResult]:
    """Read a recording as a whole; `captured_ns` is `ts_ms` in nanoseconds.

    Raises:
        MediaError: The file is not there, or is not a recording.
    """
    return [recorded.result for recorded in iterate_recording(path)]


def iterate_recording(path: Path) -> Iterator[Recorded]:
    """Yield a recording's results, with no more than one archive of them in memory.

    An end that is missing, as after a crash, is logged.

    Raises:
        MediaError: The file is not there, or is not a recording.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            end = 0
            for start, end in _archives(content):
                if end - start > _MAX_ARCHIVE_BYTES:
                    raise ValueError(f"an archive in it is longer than {_MAX_ARCHIVE_BYTES} bytes")
                yield from _results(_loaded(content[start:end]))
            if not end:
                raise ValueError("it holds no complete archive")
            if end < len(content):
                lost = len(content) - end
                _log.warning("%s: its last %d bytes are not complete, as after a crash; left out", path, lost)
    except FileNotFoundError as error:
        raise MediaError(f"{path}: there is no such recording") from error
    except _UNREADABLE as error:
        raise MediaError(f"{path}: is not a recording of landmarks: {error}") from error


def _archives(content: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Where each complete archive starts and ends.

    The last record of each tells where its directory is; that must be right before it, or the bytes only look like one.
    """
    start, search = 0, 0
    while (at := content.find(_END_OF_ARCHIVE, search)) >= 0 and at + _DIRECTORY.size <= len(content):
        size, offset, comment = _DIRECTORY.unpack_from(content, at)
        search = at + 1
        if start + offset + size == at:
            yield start, at + _DIRECTORY.size + comment
            start = search = at + _DIRECTORY.size + comment


def _loaded(archive: bytes) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an archive, whoever has made it.

    Raises:
        ValueError: It is longer than any recording's, or an array has another form.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as members:
        if sum(member.file_size for member in members.infolist()) > _MAX_ARCHIVE_BYTES:
            raise ValueError(f"an archive in it holds more than {_MAX_ARCHIVE_BYTES} bytes")
    with np.load(io.BytesIO(archive), allow_pickle=False) as members:
        arrays = {name: members[name] for name in _FORMS if name in members.files}
    for name, array in arrays.items():
        kinds, dimensions = _FORMS[name]
        if array.dtype.kind not in kinds or array.ndim != dimensions:
            raise ValueError(f"its {name} are {array.dtype}, {array.ndim}-dimensional")
    return arrays


def _archive(run: Sequence[Recorded], compression: int) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", compression) as members:
        for name, array in _arrays(run).items():
            with members.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return archive.getvalue()


def _arrays(run: Sequence[Recorded]) -> dict[str, npt.NDArray[Any]]:
    results = [recorded.result for recorded in run]
    poses = [pose for result in results for pose in result.poses]
    landmarks, world = (_half([getattr(pose, kind) for pose in poses]) for kind in ("landmarks", "world_landmarks"))
    arrays: dict[str, Any] = {
        "ts_ms": np.array([result.ts_ms for result in results], np.int64),
        "size": np.array(results[0].size if results else (0, 0), np.int32),
        "offsets": np.cumsum([0, *(len(result.poses) for result in results)], dtype=np.int32),
        "landmarks": _coded(landmarks),
        "world_landmarks": _coded(world[..., :_POSITION] if _same_visibility(landmarks, world) else world),
    }
    if any(pose.found != "tracked" for pose in poses):
        arrays["found"] = np.array([_FOUND.index(pose.found) for pose in poses], np.uint8)
    if any(recorded.latency_ms is not None for recorded in run):
        arrays["latency_ms"] = np.array([recorded.latency_ms for recorded in run], np.float16)
    if run and run[0].utc_ms is not None:
        arrays["utc_ms"] = np.array(run[0].utc_ms, np.int64)
    return arrays


def _half(landmarks: list[FloatArray]) -> npt.NDArray[np.float16]:
    """(m, 33, 5) with every value within float16's limits."""
    limit = float(np.finfo(np.float16).max)
    return np.array(landmarks, np.float32).reshape(-1, *_SHAPE).clip(-limit, limit).astype(np.float16)


def _same_visibility(landmarks: npt.NDArray[np.float16], world: npt.NDArray[np.float16]) -> bool:
    return np.array_equal(landmarks[..., _POSITION:], world[..., _POSITION:], equal_nan=True)


def _coded(landmarks: npt.NDArray[np.float16]) -> npt.NDArray[np.uint8]:
    """Landmarks as (2, values of a pose, m) uint8: what compression makes least of, without loss.

    People move little from frame to frame, so the differences of the floats' bit patterns to those of the pose before
    are small. Their sign goes to the lowest bit; all low bytes come first, then all high ones, value by value.
    """
    bits = np.ascontiguousarray(landmarks).reshape(len(landmarks), prod(landmarks.shape[1:])).view(np.uint16)
    steps = np.diff(bits, axis=0, prepend=np.zeros_like(bits, shape=(1, bits.shape[1]))).view(np.int16)
    folded = ((steps << 1) ^ (steps >> 15)).view(np.uint16)
    planes = np.stack((folded & 0xFF, folded >> 8)).astype(np.uint8)
    return np.ascontiguousarray(planes.transpose(0, 2, 1))


def _decoded(array: npt.NDArray[Any]) -> FloatArray:
    """(m, 33, 5) float32 of either form; (m, 33, 3) where there are positions alone."""
    if array.dtype == np.uint8:
        low, high = array.transpose(0, 2, 1).astype(np.uint16)
        folded = low | (high << 8)
        steps = (folded >> 1) ^ (-(folded & 1).astype(np.int16)).view(np.uint16)
        array = np.cumsum(steps, axis=0, dtype=np.uint16).view(np.float16)
        array = array.reshape(len(array), LANDMARK_COUNT, array.shape[1] // LANDMARK_COUNT)
    return array.astype(np.float32)


def _check_offsets(offsets: npt.NDArray[Any], *, results: int, poses: int) -> None:
    """Refuse offsets that do not give each pose to one result."""
    counts = np.diff(offsets)
    if len(counts) != results or (offsets[0], offsets[-1]) != (0, poses):
        raise ValueError(f"its {len(offsets)} offsets do not divide {poses} poses among {results} results")
    if results and not 0 <= counts.min() <= counts.max() <= _MAX_POSES:
        raise ValueError(f"a result in it has {counts.min()} to {counts.max()} poses, expected 0 to {_MAX_POSES}")


def _results(arrays: dict[str, npt.NDArray[Any]]) -> Iterator[Recorded]:
    landmarks, world = _decoded(arrays["landmarks"]), _decoded(arrays["world_landmarks"])
    world = np.concatenate((world, landmarks[..., world.shape[-1] :]), axis=-1)
    if landmarks.shape[1:] != _SHAPE or world.shape != landmarks.shape:
        raise ValueError(f"its landmarks are {landmarks.shape} and {world.shape}, expected (n, 33, 5)")
    width, height = arrays["size"].tolist()
    offsets, times_ms = arrays["offsets"].tolist(), arrays["ts_ms"].tolist()
    _check_offsets(arrays["offsets"], results=len(times_ms), poses=len(landmarks))
    latencies = arrays["latency_ms"].tolist() if "latency_ms" in arrays else [nan] * len(times_ms)
    utc_ms = int(arrays["utc_ms"]) if "utc_ms" in arrays else None
    numbers = arrays["found"].tolist() if "found" in arrays else [_FOUND.index("tracked")] * len(landmarks)
    found = [_FOUND[number] for number in numbers]
    for i, ts_ms in enumerate(times_ms):
        poses = tuple(Pose(landmarks[k], world[k], None, found[k]) for k in range(offsets[i], offsets[i + 1]))
        yield Recorded(
            PoseResult(ts_ms, ts_ms * 1_000_000, (width, height), poses),
            None if isnan(latencies[i]) else latencies[i],
            None if utc_ms is None else utc_ms + ts_ms - times_ms[0],
        )
