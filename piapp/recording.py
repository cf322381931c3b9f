"""Recorded landmarks: results of the landmarker in one small file, to be fed to the posture logic again.

Owns the file format and nothing else. A recording is an `.npz` with
`ts_ms` (n,) int64; `size` (2,) int32, width and height in pixels; `offsets` (n + 1,) int32, so that result i has the
poses `offsets[i]` to `offsets[i + 1]`; `landmarks` and `world_landmarks` (m, 33, 5), as in `piapp.types.Pose`.
Landmarks are kept as float16: half a pixel at 1280 pixels, a millimetre at two metres. Masks are not kept.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from piapp.errors import MediaError
from piapp.types import LANDMARK_COUNT, FloatArray, Pose, PoseResult

_SHAPE = (LANDMARK_COUNT, 5)


def write_recording(path: Path, results: Sequence[PoseResult]) -> None:
    """Write results, in their order, to `path`, which is replaced when it exists.

    Raises:
        OSError: The file cannot be written.
    """
    poses = [pose for result in results for pose in result.poses]
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            ts_ms=np.array([result.ts_ms for result in results], np.int64),
            size=np.array(results[0].size if results else (0, 0), np.int32),
            offsets=np.cumsum([0, *(len(result.poses) for result in results)], dtype=np.int32),
            landmarks=_packed([pose.landmarks for pose in poses]),
            world_landmarks=_packed([pose.world_landmarks for pose in poses]),
        )


def read_recording(path: Path) -> list[PoseResult]:
    """Read a recording; `captured_ns` is `ts_ms` in nanoseconds.

    Raises:
        MediaError: The file is not there, or is not a recording.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return _results({name: arrays[name] for name in arrays.files})
    except FileNotFoundError as error:
        raise MediaError(f"{path}: there is no such recording") from error
    except (OSError, EOFError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
        raise MediaError(f"{path}: is not a recording of landmarks: {error}") from error


def _packed(landmarks: list[FloatArray]) -> npt.NDArray[np.float16]:
    limit = float(np.finfo(np.float16).max)
    return np.clip(np.array(landmarks, np.float32).reshape(-1, *_SHAPE), -limit, limit).astype(np.float16)


def _results(arrays: dict[str, npt.NDArray[np.generic]]) -> list[PoseResult]:
    landmarks = arrays["landmarks"].astype(np.float32).reshape(-1, *_SHAPE)
    world = arrays["world_landmarks"].astype(np.float32).reshape(-1, *_SHAPE)
    width, height = arrays["size"].tolist()
    offsets = arrays["offsets"].tolist()
    return [
        PoseResult(
            ts_ms=ts_ms,
            captured_ns=ts_ms * 1_000_000,
            size=(width, height),
            poses=tuple(Pose(landmarks[k], world[k]) for k in range(offsets[i], offsets[i + 1])),
        )
        for i, ts_ms in enumerate(arrays["ts_ms"].tolist())
    ]
