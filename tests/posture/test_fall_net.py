"""The network in NumPy, against a plain computation of the same."""

from __future__ import annotations

import math

import numpy as np
import pytest

from piapp.posture.fall_features import CHANNELS, STEPS
from piapp.posture.fall_net import DILATIONS, NAMES, FallNet

WIDTH = 32
SHAPES = {
    "mean": (CHANNELS,), "scale": (CHANNELS,), "first.weight": (WIDTH, 3 * CHANNELS),
    "hidden.weight": (WIDTH, 3 * WIDTH), "hidden.bias": (WIDTH,),
    "last.weight": (1, WIDTH), "last.bias": (1,), "first.bias": (WIDTH,),
    **{f"block{i}.weight": (WIDTH, 3 * WIDTH) for i in range(3)}, **{f"block{i}.bias": (WIDTH,) for i in range(3)},
}  # fmt: skip


def random_weights(seed: int, nets: int = 2) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(0, 0.2, (nets, *shape)).astype(np.float32) for name, shape in SHAPES.items()}


def convolution(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, dilation: int) -> np.ndarray:
    """One output at a time, straight from the definition."""
    channels, steps = x.shape
    kernel = weight.reshape(len(weight), 3, channels)
    result = np.empty((len(weight), steps))
    for step in range(steps):
        total = bias.astype(np.float64).copy()
        for tap in range(3):
            at = step + (tap - 1) * dilation
            if 0 <= at < steps:
                total += kernel[:, tap] @ x[:, at]
        result[:, step] = np.maximum(total, 0)
    return result


def plain_logit(weights: dict[str, np.ndarray], channels: np.ndarray) -> float:
    logits = []
    for n in range(len(weights["mean"])):
        w = {name: array[n] for name, array in weights.items()}
        x = convolution((channels - w["mean"][:, None]) * w["scale"][:, None], w["first.weight"], w["first.bias"], 1)
        for i, dilation in enumerate(DILATIONS):
            x = x + convolution(x, w[f"block{i}.weight"], w[f"block{i}.bias"], dilation)
        pooled = np.concatenate((x[:, -4:].mean(1), x.max(1), x.mean(1)))
        hidden = np.maximum(w["hidden.weight"] @ pooled + w["hidden.bias"], 0)
        logits.append(float(w["last.weight"][0] @ hidden + w["last.bias"][0]))
    return float(np.mean(logits))


@pytest.mark.parametrize("nets", [1, 3])
def test_logits_are_what_the_definition_gives(nets: int):
    """Convolutions, pooling and the mean over networks."""
    weights = random_weights(nets, nets)
    channels = np.random.default_rng(5).normal(0, 1, (CHANNELS, STEPS)).astype(np.float32)
    expected = plain_logit(weights, channels)
    assert FallNet(weights).logit(channels) == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_a_probability_is_the_logistic_of_the_logit():
    """Also for logits that would overflow."""
    weights = random_weights(1)
    channels = np.zeros((CHANNELS, STEPS), np.float32)
    net = FallNet(weights)
    assert net.probability(channels) == pytest.approx(1 / (1 + math.exp(-net.logit(channels))))
    weights["last.bias"] = np.full((2, 1), 1e9, np.float32)
    assert FallNet(weights).probability(channels) == pytest.approx(1.0)


def test_missing_arrays_are_named():
    """A file of another kind is refused with what it lacks."""
    weights = random_weights(1)
    del weights["block1.bias"]
    with pytest.raises(ValueError, match=r"lacks the arrays block1\.bias"):
        FallNet(weights)
    assert set(NAMES) == set(SHAPES)


def test_another_number_of_channels_is_refused():
    """Weights of another version of the features do not run."""
    weights = random_weights(1)
    weights["mean"] = weights["mean"][:, :-1]
    with pytest.raises(ValueError, match=f"this program has {CHANNELS}"):
        FallNet(weights)
