"""Shared by the tests of the posture logic."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from piapp.config.load import default_config
from piapp.config.sections import PostureConfig
from piapp.posture import Monitor
from piapp.types import PoseResult, PostureEvent, State

PersonTracker = tuple[list[State], list[PostureEvent]]


@pytest.fixture(scope="session")
def config() -> PostureConfig:
    """The shipped thresholds."""
    return default_config().posture


@pytest.fixture
def watch(config: PostureConfig) -> Callable[..., PersonTracker]:
    """Feed results to a new monitor; states and events come back."""

    def run(results: Iterable[PoseResult], **options: object) -> PersonTracker:
        monitor = Monitor(config, **options)
        states: list[State] = []
        events: list[PostureEvent] = []
        for result in results:
            state, new = monitor.update(result)
            states.append(state)
            events += new
        return states, events

    return run
