"""Arithmetic of counts: intervals, medians and trade-offs. Pure; knows nothing of clips or poses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any

# Quantile of the normal distribution for two-sided 95 %.
Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole, counted.

    Attributes:
        count: How many have the property.
        of: How many were looked at.
    """

    count: int
    of: int

    @property
    def value(self) -> float | None:
        """The share; None of nothing."""
        return self.count / self.of if self.of else None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with the 95 % interval."""
        low, high = wilson(self.count, self.of)
        return {"count": self.count, "of": self.of, "low": round(low, 4), "high": round(high, 4)}

    def text(self) -> str:
        """For people: `52 of 71 (62 to 82 %)`; a dash of nothing."""
        if not self.of:
            return "-"
        low, high = wilson(self.count, self.of)
        return f"{self.count} of {self.of} ({100 * low:.0f} to {100 * high:.0f} %)"


@dataclass(frozen=True, slots=True)
class WorkingPoint:
    """What one threshold brings.

    Attributes:
        threshold: Least score of an alarm that counts.
        recall: Share of falls found.
        false: Share of calm clips with an alarm.
    """

    threshold: float
    recall: float
    false: float


def wilson(count: int, of: int, z: float = Z_95) -> tuple[float, float]:
    """Score interval of a binomial share: Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953.

    Returns:
        The lower and upper bound; (0, 1) when nothing was looked at.

    Raises:
        ValueError: More have the property than were looked at, or a count is negative.
    """
    if not 0 <= count <= of:
        raise ValueError(f"{count} of {of} is no share: the count must lie between 0 and the whole")
    if not of:
        return 0.0, 1.0
    share, square = count / of, z * z
    middle = share + square / (2 * of)
    half = z * sqrt(share * (1 - share) / of + square / (4 * of * of))
    whole = 1 + square / of
    # At the ends rounding can pass the exact bound.
    low = 0.0 if count == 0 else (middle - half) / whole
    high = 1.0 if count == of else (middle + half) / whole
    return low, high


def quantile(values: Iterable[float], share: float) -> float | None:
    """The smallest value that at least this share of the values does not exceed; None of nothing."""
    ordered = sorted(values)
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None


def trade_off(falls: Sequence[float | None], calm: Sequence[float | None]) -> list[WorkingPoint]:
    """How recall and false alarms change as the threshold rises.

    Args:
        falls: The best score of an alarm for each fall; None when there was no alarm.
        calm: Likewise for each calm clip.

    Returns:
        One point for each different score, lowest threshold first.
    """
    scores = sorted({score for score in (*falls, *calm) if score is not None})
    return [WorkingPoint(score, _at_least(falls, score), _at_least(calm, score)) for score in scores]


def _at_least(scores: Sequence[float | None], threshold: float) -> float:
    count = sum(score is not None and score >= threshold for score in scores)
    return count / len(scores) if scores else 0.0
