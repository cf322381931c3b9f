"""The network that tells a fall from ordinary life, in NumPy.

Owns inference. Several small temporal convolution networks of one shape see the same window; their logits are averaged.
How they are trained, and on what, is in `models/falls`. Reading the file is not done here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from piapp.posture.fall_features import CHANNELS, STEPS
from piapp.types import FloatArray

DILATIONS = (2, 4, 8)
_LAST_STEPS = 4
_LAYERS = ("first", "block0", "block1", "block2", "hidden", "last")
NAMES = ("mean", "scale", *(f"{layer}.{part}" for layer in _LAYERS for part in ("weight", "bias")))


class FallNet:
    """Networks of one shape; immutable, so that all persons can share one.

    Args:
        weights: The arrays called `NAMES`, each with the networks along its first axis: mean and scale (n, CHANNELS),
            first.weight (n, 32, 3 * CHANNELS), block*.weight (n, 32, 96), hidden.weight (n, 32, 96), last.weight
            (n, 1, 32), and their biases.

    Raises:
        ValueError: An array is missing or has another shape.
    """

    __slots__ = ("_biases", "_first", "_hidden", "_last", "_weights")

    def __init__(self, weights: Mapping[str, npt.NDArray[np.float32]]) -> None:
        if missing := [name for name in NAMES if name not in weights]:
            raise ValueError(f"the fall detector lacks the arrays {', '.join(missing)}")
        if weights["mean"].shape[1:] != (CHANNELS,):
            raise ValueError(
                f"the fall detector is for {weights['mean'].shape[1:]} channels, this program has {CHANNELS}"
            )
        arrays = {name: np.asarray(weights[name], np.float32) for name in NAMES}
        self._first = _normalised_first(arrays)
        self._weights = [arrays[f"block{i}.weight"] for i in range(len(DILATIONS))]
        self._biases = [arrays[f"block{i}.bias"][..., np.newaxis] for i in range(len(DILATIONS))]
        self._hidden = arrays["hidden.weight"], arrays["hidden.bias"][..., np.newaxis]
        self._last = arrays["last.weight"], arrays["last.bias"]

    def probability(self, channels: FloatArray) -> float:
        """Probability of a fall, 0..1, of (CHANNELS, STEPS) float32."""
        return 1.0 / (1.0 + math.exp(-min(max(self.logit(channels), -60.0), 60.0)))

    def logit(self, channels: FloatArray) -> float:
        """The same as a logit."""
        mean, scale, weight, bias = self._first
        x = np.matmul(weight, _stacked((channels - mean) * scale, 1))
        x += bias
        np.maximum(x, 0.0, out=x)
        for dilation, block, offset in zip(DILATIONS, self._weights, self._biases, strict=True):
            change = np.matmul(block, _stacked(x, dilation))
            change += offset
            x += np.maximum(change, 0.0, out=change)
        pooled = np.concatenate((_mean(x[..., -_LAST_STEPS:]), np.maximum.reduce(x, axis=-1), _mean(x)), axis=1)
        hidden = np.maximum(np.matmul(self._hidden[0], pooled[..., np.newaxis]) + self._hidden[1], 0.0)
        logits = np.matmul(self._last[0], hidden)[..., 0] + self._last[1]
        return float(np.add.reduce(logits, axis=None) / np.float32(logits.size))


def _normalised_first(
    arrays: dict[str, npt.NDArray[np.float32]],
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Mean, scale, weight and bias of the first convolution, ready to be broadcast."""
    mean, scale = arrays["mean"][..., np.newaxis], arrays["scale"][..., np.newaxis]
    return mean, scale, arrays["first.weight"], arrays["first.bias"][..., np.newaxis]


def _stacked(x: FloatArray, dilation: int) -> FloatArray:
    """(n, 3 * channels, STEPS): each step with those `dilation` before and after it, and zeros beyond the ends."""
    count, channels, _ = x.shape
    result = np.empty((count, 3 * channels, STEPS), np.float32)
    result[:, :channels, :dilation] = 0.0
    result[:, :channels, dilation:] = x[..., :-dilation]
    result[:, channels : 2 * channels] = x
    result[:, 2 * channels :, :-dilation] = x[..., dilation:]
    result[:, 2 * channels :, -dilation:] = 0.0
    return result


def _mean(x: FloatArray) -> FloatArray:
    """Over the steps; an array's method `mean` takes twice as long."""
    mean: FloatArray = np.add.reduce(x, axis=-1) / np.float32(x.shape[-1])
    return mean
