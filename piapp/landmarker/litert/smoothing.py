"""Smoothing of one person's landmarks over time, as MediaPipe's for num_poses = 1. Time is passed in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from piapp.landmarker.region import Region
from piapp.types import FloatArray

_Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OneEuroOptions:
    """Parameters of the filter (Casiez et al., CHI 2012), in Hz but for `beta`."""

    min_cutoff: float
    beta: float
    derivate_cutoff: float = 1.0


# OneEuroFilterConfig and low_pass_filter_alpha in pose_landmarks_detector_graph.cc.
LANDMARKS = OneEuroOptions(min_cutoff=0.05, beta=80.0)
WORLD_LANDMARKS = OneEuroOptions(min_cutoff=0.1, beta=40.0)
VISIBILITY_ALPHA = 0.1
# min_allowed_object_scale and frequency: defaults in landmarks_smoothing_calculator.proto.
MIN_OBJECT_SCALE = 1e-6
FIRST_FREQUENCY_HZ = 30.0


class OneEuroFilter:
    """Smooths each number of an array by its own speed: util/filtering/one_euro_filter.cc."""

    def __init__(self, options: OneEuroOptions) -> None:
        self._options = options
        self._frequency_hz = FIRST_FREQUENCY_HZ
        self._last_ms: int | None = None
        self._raw: _Array | None = None
        self._value: _Array | None = None
        self._speed: _Array | None = None

    def apply(self, values: _Array, ts_ms: int, value_scale: float) -> _Array:
        """Smooth the values of one frame; the first ones pass unchanged.

        Args:
            values: Of any shape, the same at each call.
            ts_ms: The frame's time, increasing.
            value_scale: Makes speeds comparable: 1 / the object's size in the values' unit.
        """
        if self._raw is None or self._value is None or self._speed is None:
            self._last_ms = ts_ms
            self._raw = self._value = values
            self._speed = np.zeros_like(values)
            return values
        if self._last_ms and ts_ms != self._last_ms:  # upstream takes time 0 for none, and then keeps the frequency
            self._frequency_hz = 1000.0 / (ts_ms - self._last_ms)
        self._last_ms = ts_ms
        speed = (values - self._raw) * (value_scale * self._frequency_hz)
        self._raw = values
        self._speed = self._speed + self._alpha(self._options.derivate_cutoff) * (speed - self._speed)
        cutoff = self._options.min_cutoff + self._options.beta * np.abs(self._speed)
        self._value = self._value + self._alpha(cutoff) * (values - self._value)
        return self._value

    def _alpha(self, cutoff: float | _Array) -> float | _Array:
        turns = 2 * np.pi * cutoff / self._frequency_hz
        return turns / (turns + 1.0)


class PersonSmoothing:
    """The three filters of one person."""

    def __init__(self) -> None:
        self._landmarks = OneEuroFilter(LANDMARKS)
        self._world = OneEuroFilter(WORLD_LANDMARKS)
        self._visibility: FloatArray | None = None

    def lost(self) -> None:
        """Nobody was seen in this frame.

        Upstream forgets only the landmarks then: the other two filters get no input but landmarks, so do not run.
        """
        self._landmarks = OneEuroFilter(LANDMARKS)

    def apply(
        self, points: FloatArray, world: FloatArray, ts_ms: int, size: tuple[int, int], following: Region
    ) -> None:
        """Smooth one frame in place.

        Args:
            points: (33, 5): x, y, z as fractions of the picture, visibility, presence.
            world: (33, 3) in metres.
            ts_ms: The frame's time, increasing.
            size: The picture's (width, height) in pixels.
            following: The person's next region, whose size tells how fast is fast.
        """
        pixels = np.array([size[0], size[1], size[0]], np.float64)
        object_scale = (float(following.width) * size[0] + float(following.height) * size[1]) / 2
        if object_scale >= MIN_OBJECT_SCALE:
            points[:, :3] = self._landmarks.apply(points[:, :3] * pixels, ts_ms, 1 / object_scale) / pixels
        world[:] = self._world.apply(world.astype(np.float64), ts_ms, 1.0)
        if self._visibility is None:
            self._visibility = points[:, 3].copy()
        else:
            self._visibility += np.float32(VISIBILITY_ALPHA) * (points[:, 3] - self._visibility)
        points[:, 3] = self._visibility
