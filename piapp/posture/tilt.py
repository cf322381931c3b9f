"""How far the camera looks down: as configured, or learnt from people who stand straight.

Owns the estimate. A standing body's axis is upright, so what it leans to or from the camera is the camera's tilt.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from statistics import median
from typing import Literal

from piapp.config.sections import PostureConfig
from piapp.posture.features import Features
from piapp.posture.tuned import Tuned

# With tilt_deg = "auto": the steepest tilt believed, in degrees. Guess: beyond, "standing" may be lying.
_TILT_MAX_DEG = 50.0
# With tilt_deg = "auto": degrees by which standing people seem to lean away in world landmarks. Measured: 3 to 7.
_TILT_BIAS_DEG = 5.0

_EVERY_MS = 200  # at most one sample in so long, or one long look would be all there is
_SAMPLES, _ENOUGH = 50, 10
_UPWARDS_DEG = -10.0


class Tilt(Tuned):
    """The camera's tilt.

    Attributes:
        deg: The tilt in force: the configured one, or the median of what was seen, drawn to level while it was little.
    """

    __slots__ = ("_learning", "_samples", "_taken_ms", "deg")

    def __init__(self, config: PostureConfig, tilt_deg: float | Literal["auto"]) -> None:
        super().__init__(config)
        self._learning = tilt_deg == "auto"
        self.deg = 0.0 if tilt_deg == "auto" else float(tilt_deg)
        self._samples: deque[float] = deque(maxlen=_SAMPLES)
        self._taken_ms = -_EVERY_MS

    def learn(self, features: Features, ts_ms: int) -> None:
        """Take a sample when a body stands straight and is seen down to the feet."""
        tilt = features.axis_tilt_deg
        if not self._learning or math.isnan(tilt) or features.feet_seen < self._config.min_visibility:
            return
        if ts_ms - self._taken_ms < _EVERY_MS or not _believed(tilt):
            return
        self._taken_ms = ts_ms
        self._samples.append(tilt)
        self._estimate()

    @property
    def samples_deg(self) -> tuple[float, ...]:
        """What was learnt from, oldest first."""
        return tuple(self._samples)

    def restore(self, samples_deg: Sequence[float]) -> None:
        """Go on with what was learnt before; without effect where the tilt is configured."""
        if self._learning and (believed := tuple(filter(_believed, samples_deg))):
            self._samples = deque(believed, maxlen=_SAMPLES)
            self._estimate()

    def _estimate(self) -> None:
        known = min(1.0, len(self._samples) / _ENOUGH)
        self.deg = known * max(0.0, median(self._samples) - _TILT_BIAS_DEG)


def _believed(tilt_deg: float) -> bool:
    """Whether somebody who seems to lean so far may be standing."""
    return _UPWARDS_DEG <= tilt_deg <= _TILT_MAX_DEG
