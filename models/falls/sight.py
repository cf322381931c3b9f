"""What a landmarker tells of a simulated body, and the windows that the node makes of it.

Owns the step from landmarks to windows: it is the node's own code, so that what is learnt from and what is judged on
the node cannot differ. Needs neither mujoco nor torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from piapp.posture.fall_window import STEP_MS, FallWindow, Window
from piapp.posture.geometry import Body
from piapp.types import Pose, PoseResult


@dataclass(slots=True)
class Sight:
    """What a landmarker tells of a body before a camera.

    Attributes:
        times_s: (n,) of frames.
        pixels: (n, 33, 2).
        world: (n, 33, 3) metres from the hips: right, down, away.
        visibility: (n, 33), 0..1.
        seen: (n,) whether a pose was found at all.
        size: Of the picture.
    """

    times_s: np.ndarray
    pixels: np.ndarray
    world: np.ndarray
    visibility: np.ndarray
    seen: np.ndarray
    size: tuple[int, int]


def stream(sight: Sight, held_s: float = 0.0) -> list[Window]:
    """All windows of a view; `held_s` goes on so long after the last frame without seeing anything."""
    window, found = FallWindow(), []
    times_ms = _milliseconds(sight)
    points = np.concatenate((sight.pixels, sight.world), axis=2)
    for i, ts_ms in enumerate(times_ms):
        if sight.seen[i]:
            window.push(Body(points[i], sight.visibility[i]), sight.size, ts_ms)
        if (one := window.window(ts_ms)) is not None:
            found.append(one)
    after_ms = range(times_ms[-1] + STEP_MS, times_ms[-1] + int(held_s * 1000) + 1, STEP_MS)
    found += [one for ts_ms in after_ms if (one := window.window(ts_ms)) is not None]
    return found


def results(sight: Sight) -> list[PoseResult]:
    """The same as the landmarker's results, which can be recorded and replayed."""
    return [
        PoseResult(ts_ms, ts_ms * 1_000_000, sight.size, (_pose(sight, i),) if sight.seen[i] else ())
        for i, ts_ms in enumerate(_milliseconds(sight))
    ]


def _milliseconds(sight: Sight) -> list[int]:
    times_ms: list[int] = (sight.times_s * 1000).astype(int).tolist()
    return times_ms


def _pose(sight: Sight, i: int) -> Pose:
    landmarks, world = np.zeros((33, 5), np.float32), np.zeros((33, 5), np.float32)
    landmarks[:, :2] = sight.pixels[i] / sight.size
    world[:, :3] = sight.world[i]
    for array in (landmarks, world):
        array[:, 3], array[:, 4] = sight.visibility[i], 0.95
    return Pose(landmarks, world)
