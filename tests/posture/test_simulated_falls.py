"""The shipped fall detector on simulated bodies that it was not trained on; `models/falls/examples.py` writes them."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from piapp.fall_model import load_fall_net
from piapp.offline.recording import read_recording
from piapp.posture.fall_decision import FALL_THRESHOLDS, FallDecision
from piapp.posture.fall_window import FallWindow
from piapp.posture.geometry import read_body
from piapp.types import PoseResult

FOLDER = Path(__file__).parents[1] / "recordings" / "simulated"
TRUTH: dict[str, dict[str, float | None]] = json.loads((FOLDER / "truth.json").read_text())
FALLS = [name for name, truth in TRUTH.items() if truth["impact_s"] is not None]
CALM = [name for name, truth in TRUTH.items() if truth["impact_s"] is None]


def found_s(results: list[PoseResult]) -> list[float]:
    """When falls are found, in seconds."""
    net, window, decision = load_fall_net(), FallWindow(), FallDecision(FALL_THRESHOLDS["normal"])
    found = []
    for result in results:
        for pose in result.poses:
            body = read_body(pose, result.size)
            assert body is not None
            window.push(body, result.size, result.ts_ms)
        one = window.window(result.ts_ms)
        if one is not None and decision.step(one, partial(net.probability, one.channels)) is not None:
            found.append(one.ts_ms / 1000)
    return found


@pytest.mark.parametrize("name", FALLS)
def test_falls_are_found(name: str):
    """Once, not before they begin, and within three seconds of the impact."""
    onset_s, impact_s = TRUTH[name]["onset_s"], TRUTH[name]["impact_s"]
    assert onset_s is not None
    assert impact_s is not None
    (when_s,) = found_s(read_recording(FOLDER / f"{name}.npz"))
    assert onset_s < when_s < impact_s + 3.0


@pytest.mark.parametrize("name", CALM)
def test_ordinary_life_is_no_fall(name: str):
    """Walking, dropping into a seat, bending, squatting, kneeling, sitting down on the floor."""
    assert found_s(read_recording(FOLDER / f"{name}.npz")) == []
