"""When the network's answers amount to a fall."""

from __future__ import annotations

import numpy as np
import pytest

from piapp.posture.fall_decision import FALL_THRESHOLDS, FallDecision, LearntFall, Probability
from piapp.posture.fall_features import CHANNELS, STEPS, Motion
from piapp.posture.fall_window import Window

CHANNELS_OF_NOBODY = np.zeros((CHANNELS, STEPS), np.float32)


def window_of(ts_ms: int, **numbers: float) -> Window:
    """A window of an ordinary fall; `numbers` replace what the body did."""
    body = {"drop_m": 1.0, "speed_m_s": 2.0, "bone_error": 0.1, "top_m": 1.2, "shoulders_m": 0.2, "hips_m": 0.1}
    body["edge_m"] = 0.5
    return Window(ts_ms, CHANNELS_OF_NOBODY, Motion(**{**body, **numbers}))


def sure(probability: float) -> Probability:
    """A network that answers this."""
    return lambda: probability


def run(probabilities: list[float], gap_ms: int = 100, *, bent: bool = False, **numbers: float) -> list[LearntFall]:
    """Falls found in windows with these probabilities; `numbers` replace those of an ordinary fall."""
    decision = FallDecision(0.9)
    windows = [window_of(i * gap_ms, **numbers) for i in range(len(probabilities))]
    steps = (decision.step(window, sure(p), bent=bent) for window, p in zip(windows, probabilities, strict=True))
    return [fall for fall in steps if fall is not None]


def test_three_sure_windows_are_a_fall():
    """The evidence holds the least of the three and how long they took."""
    assert run([0.1, 0.95, 0.97, 0.92]) == [LearntFall(1.0, 2.0, 0.2, 0.1, 0.92, 0.2)]


@pytest.mark.parametrize("probabilities", [[0.99, 0.99], [0.99, 0.99, 0.89, 0.99, 0.99]])
def test_fewer_are_none(probabilities: list[float]):
    """One unsure window begins the count anew."""
    assert run(probabilities) == []


@pytest.mark.parametrize("numbers", [{"drop_m": 0.2}, {"speed_m_s": 0.35}])
def test_who_came_down_little_or_slowly_has_not_fallen(numbers: dict[str, float]):
    """However sure the network is."""
    assert run([0.99] * 5, **numbers) == []


@pytest.mark.parametrize("numbers", [{"shoulders_m": 0.9}, {"hips_m": 0.8}, {"edge_m": -0.1}])
def test_who_ends_high_or_leaves_has_not_fallen(numbers: dict[str, float]):
    """Whoever bends has high hips, whoever walks away high shoulders, and whoever leaves is cut off at the side."""
    assert run([0.99] * 5, **numbers) == []


def test_the_network_must_be_surer_of_somebody_who_is_bent():
    """By two logits: those who exercise, or lie down, are on their arms or bent over their legs for a while."""
    assert run([0.98] * 5, bent=True) == []
    assert len(run([0.99] * 5, bent=True)) == 1


def test_the_network_must_be_surer_of_somebody_who_was_not_seen_up():
    """By two and a half logits; of a skeleton that hardly sank or whose bones fit no body it is not believed at all."""
    assert run([0.98] * 5, top_m=0.6) == []
    assert len(run([0.995] * 5, top_m=0.6)) == 1
    assert run([0.995] * 5, top_m=0.6, bone_error=0.3) == []
    assert run([0.995] * 5, top_m=0.6, drop_m=0.35) == []


@pytest.mark.parametrize(("top_m", "found"), [(1.2, 1), (0.6, 0)])
def test_rules_that_agree_help_only_where_somebody_was_seen_up(top_m: float, found: int):
    """A skeleton that wavers over somebody who gets up deceives network and rules alike."""
    decision = FallDecision(0.9)
    decision.agree(0)
    assert sum(decision.step(window_of(100 * i, top_m=top_m), sure(0.75)) is not None for i in range(1, 6)) == found


@pytest.mark.parametrize("numbers", [{"drop_m": 4.0}, {"speed_m_s": 9.0}, {"bone_error": 0.6}])
def test_a_skeleton_that_jumps_or_fits_no_body_has_not_fallen(numbers: dict[str, float]):
    """Nobody falls four metres or at nine metres a second, or has bones of such lengths."""
    assert run([0.99] * 5, **numbers) == []


def test_a_fall_is_found_once():
    """Until the network was unsure again."""
    assert len(run([0.99] * 30)) == 1
    assert len(run([0.99] * 5 + [0.1] + [0.99] * 5)) == 2


def test_windows_far_apart_are_not_in_a_row():
    """Three sure windows in two seconds say little."""
    assert run([0.99] * 5, gap_ms=1000) == []


def test_the_network_need_be_less_sure_when_the_rules_agree():
    """For three seconds; a network that sees no fall at all is not overruled."""
    decision = FallDecision(0.9)
    window = [window_of(i * 100) for i in range(60)]
    assert not any(decision.step(window[i], sure(0.6)) for i in range(5))
    decision.agree(500)
    assert not any(decision.step(window[i], sure(0.3)) for i in range(5, 10))
    assert sum(decision.step(window[i], sure(0.6)) is not None for i in range(10, 15)) == 1
    late = FallDecision(0.9)
    late.agree(0)
    assert not any(late.step(window[i], sure(0.6)) for i in range(32, 60))


def test_more_sensitivity_means_a_lower_threshold():
    """Each setting finds what the one before finds."""
    assert 1 > FALL_THRESHOLDS["low"] > FALL_THRESHOLDS["normal"] > FALL_THRESHOLDS["high"] > 0.2
