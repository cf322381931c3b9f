"""When fewer frames are worth their electricity: times and observations in, a rate out."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from piapp.config.load import load_config
from piapp.config.sections import PowerConfig
from piapp.errors import ConfigError
from piapp.service.power import STEP_S, WAKE_S, Power

FPS = 15.0


def power(*, idle_fps: float = 2.0, idle_after_s: float = 60.0, max_temp_c: float = 78.0) -> Power:
    return Power(PowerConfig(idle_fps=idle_fps, idle_after_s=idle_after_s, max_temp_c=max_temp_c), FPS, 0.0)


def test_nobody_for_long_lowers_the_rate() -> None:
    """The idle rate begins idle_after_s after the last person, not before."""
    node = power()
    node.seen(30.0, poses=1, persons=1)
    node.seen(89.9, poses=0, persons=0)
    assert node.max_fps is None
    node.seen(90.0, poses=0, persons=0)
    assert node.idle
    assert node.max_fps == 2.0


def test_start_counts_as_somebody_there() -> None:
    """A node that sees nobody from the start idles after idle_after_s."""
    node = power(idle_after_s=10.0)
    node.seen(9.9, poses=0, persons=0)
    assert not node.idle
    node.seen(10.0, poses=0, persons=0)
    assert node.idle


def test_one_find_brings_the_full_rate_back() -> None:
    """The first idle frame with a pose in it ends idling, before the posture logic knows a person."""
    node = power(idle_after_s=10.0)
    node.seen(20.0, poses=0, persons=0)
    node.seen(20.5, poses=1, persons=0)
    assert node.max_fps is None
    node.seen(21.0, poses=1, persons=1)
    node.seen(30.9, poses=0, persons=0)
    assert node.max_fps is None


def test_a_thing_taken_for_a_person_does_not_keep_it_awake() -> None:
    """A find that never becomes a person wakes for moments only."""
    node = power(idle_after_s=10.0)
    node.seen(20.0, poses=0, persons=0)
    node.seen(20.5, poses=1, persons=0)
    node.seen(20.5 + WAKE_S - 0.1, poses=1, persons=0)
    assert not node.idle
    node.seen(20.5 + WAKE_S, poses=1, persons=0)
    assert node.idle


def test_idle_rate_zero_means_never() -> None:
    """idle_fps = 0 keeps the full rate."""
    node = power(idle_fps=0.0)
    node.seen(1e6, poses=0, persons=0)
    assert node.max_fps is None


def test_other_values_take_effect_while_it_runs() -> None:
    """Each live key changes what happens next, with nothing else happening in between."""
    node = power(idle_fps=2.0, idle_after_s=60.0, max_temp_c=78.0)
    node.seen(10.0, poses=0, persons=0)
    assert not node.idle
    node.use(PowerConfig(idle_fps=2.0, idle_after_s=10.0, max_temp_c=78.0))
    node.seen(10.1, poses=0, persons=0)
    assert node.max_fps == 2.0
    node.use(PowerConfig(idle_fps=5.0, idle_after_s=10.0, max_temp_c=78.0))
    assert node.max_fps == 5.0
    node.use(PowerConfig(idle_fps=0.0, idle_after_s=10.0, max_temp_c=78.0))
    node.seen(10.2, poses=0, persons=0)
    node.update_machine(20.0, temperature_c=70.0, throttled=())
    assert node.max_fps is None
    node.use(PowerConfig(idle_fps=0.0, idle_after_s=10.0, max_temp_c=60.0))
    node.update_machine(20.0 + STEP_S, temperature_c=70.0, throttled=())
    assert node.slowed


@pytest.mark.parametrize(("idle_fps", "allowed"), [("0", True), ("0.2", True), ("0.1", False), ("-1", False)])
def test_idle_rate_must_feed_the_watchdog(idle_fps: str, *, allowed: bool) -> None:
    """A rate at which systemd would strike between two results is refused, with the reason."""
    load = partial(load_config, Path(os.devnull), overrides=[("power.idle_fps", idle_fps)], environ={})
    if allowed:
        assert load().config.power.idle_fps == float(idle_fps)
    else:
        with pytest.raises(ConfigError, match=r"power\.idle_fps"):
            load()


def test_heat_slows_in_steps_and_ends() -> None:
    """Each step waits for the temperature to follow; the rate comes back when it is clearly cooler."""
    node = power()
    node.update_machine(0.0, temperature_c=80.0, throttled=())
    first = node.max_fps
    assert first is not None
    assert first < FPS
    node.update_machine(STEP_S - 1, temperature_c=80.0, throttled=())
    assert node.max_fps == first
    node.update_machine(STEP_S, temperature_c=80.0, throttled=())
    assert node.max_fps is not None
    assert node.max_fps < first
    node.update_machine(2 * STEP_S, temperature_c=76.0, throttled=())
    second = node.max_fps
    assert second is not None
    assert second < first
    for step in range(3, 6):
        node.update_machine(step * STEP_S, temperature_c=60.0, throttled=())
    assert node.max_fps is None


def test_heat_leaves_the_idle_rate() -> None:
    """However hot, the node goes on looking as often as it does when idle."""
    node = power()
    for step in range(100):
        node.update_machine(step * STEP_S, temperature_c=99.0, throttled=())
    assert node.max_fps == pytest.approx(2.0)


@pytest.mark.parametrize("complaint", ["throttled", "soft_temperature_limit", "frequency_capped", "under_voltage"])
def test_firmware_in_need_slows_at_any_temperature(complaint: str) -> None:
    """What the firmware complains of counts also where there is no thermometer, or no limit."""
    node = power(max_temp_c=0.0)
    node.update_machine(0.0, temperature_c=None, throttled=[complaint])
    assert node.slowed
    node.update_machine(STEP_S, temperature_c=50.0, throttled=[])
    assert not node.slowed


def test_no_limit_no_heat() -> None:
    """max_temp_c = 0 ignores the thermometer."""
    node = power(max_temp_c=0.0)
    node.update_machine(0.0, temperature_c=105.0, throttled=())
    assert node.max_fps is None
