"""When the network's answers amount to a fall."""

from __future__ import annotations

import numpy as np
import pytest

from piapp.posture.fall_decision import FALL_THRESHOLDS, FallDecision, LearntFall
from piapp.posture.fall_features import CHANNELS, STEPS
from piapp.posture.fall_window import Window

CHANNELS_OF_NOBODY = np.zeros((CHANNELS, STEPS), np.float32)


def run(
    probabilities: list[float], *, drop_m: float = 1.0, speed_m_s: float = 2.0, gap_ms: int = 100
) -> list[LearntFall]:
    decision = FallDecision(0.9)
    steps = (
        decision.step(Window(i * gap_ms, CHANNELS_OF_NOBODY, drop_m, speed_m_s), p) for i, p in enumerate(probabilities)
    )
    return [fall for fall in steps if fall is not None]


def test_three_sure_windows_are_a_fall():
    """The evidence holds the least of the three and how long they took."""
    assert run([0.1, 0.95, 0.97, 0.92]) == [LearntFall(1.0, 2.0, 0.92, 0.2)]


@pytest.mark.parametrize("probabilities", [[0.99, 0.99], [0.99, 0.99, 0.89, 0.99, 0.99]])
def test_fewer_are_none(probabilities: list[float]):
    """One unsure window begins the count anew."""
    assert run(probabilities) == []


@pytest.mark.parametrize(("drop_m", "speed_m_s"), [(0.2, 2.0), (1.0, 0.4)])
def test_who_came_down_little_or_slowly_has_not_fallen(drop_m: float, speed_m_s: float):
    """However sure the network is."""
    assert run([0.99] * 5, drop_m=drop_m, speed_m_s=speed_m_s) == []


def test_a_fall_is_found_once():
    """Until the network was unsure again."""
    assert len(run([0.99] * 30)) == 1
    assert len(run([0.99] * 5 + [0.2] + [0.99] * 5)) == 2


def test_windows_far_apart_are_not_in_a_row():
    """Three sure windows in two seconds say little."""
    assert run([0.99] * 5, gap_ms=1000) == []


def test_more_sensitivity_means_a_lower_threshold():
    """Each setting finds what the one before finds."""
    assert 1 > FALL_THRESHOLDS["low"] > FALL_THRESHOLDS["normal"] > FALL_THRESHOLDS["high"] > 0.5
