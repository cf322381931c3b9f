"""Recordings through the posture logic again."""

from __future__ import annotations

from pathlib import Path

import pytest

from piapp.config.load import changed, default_config
from piapp.errors import MediaError
from piapp.offline.replay import replay

ROOM = Path(__file__).parents[1] / "recordings" / "room_demo.npz"


def test_events_follow_the_configuration():
    """The same recording with another threshold gives other events, and every result is told."""
    told = []
    usual = [event.event_type for step in replay(ROOM, default_config(), told.append) for event in step.events]
    hasty = changed(default_config(), {"posture.fallen_after_s": 1.0}, "test")
    quick = [event.event_type for step in replay(ROOM, hasty) for event in step.events]
    assert "fall" in usual
    assert "fallen" not in usual
    assert "fallen" in quick
    assert len(told) == sum(1 for _ in replay(ROOM, default_config())) > 300


def test_steps_hold_what_was_recorded():
    """Result, state and labels belong together."""
    steps = list(replay(ROOM, default_config()))
    assert all(step.state.ts_ms == step.result.ts_ms == step.recorded.result.ts_ms for step in steps)
    assert all(len(step.state.labels) == len(step.result.poses) for step in steps)


def test_what_is_not_there_is_named():
    """As by whoever reads it."""
    with pytest.raises(MediaError, match="no such recording"):
        next(replay(Path("/nowhere.npz"), default_config()))
