"""Sums up samples and rounds. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from piapp.bench.protocol import Percentiles


class Spread(Struct, frozen=True):
    """A quantity over the rounds."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Median, least and most of at least one value."""
    return Spread(float(np.median(values)), float(min(values)), float(max(values)))


def percentiles(samples: Sequence[float]) -> Percentiles:
    """p50, p95 and p99 of at least one sample."""
    p50, p95, p99 = np.percentile(samples, (50, 95, 99))
    return Percentiles(float(p50), float(p95), float(p99))


def ratios(values: Sequence[float], baseline: Sequence[float]) -> Spread:
    """Each round's value over the same round's baseline: what slows the whole machine for a while cancels out."""
    return spread([value / base for value, base in zip(values, baseline, strict=True)])
