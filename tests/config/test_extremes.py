"""Whatever a request may set, and keep, leaves a node that starts and goes on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from piapp.config.live import LiveSettings
from piapp.config.load import changed, default_config
from piapp.errors import ConfigError
from piapp.mqtt.frame_limiter import FrameLimiter
from piapp.offline.recording import read_recording
from piapp.posture.monitor import Monitor
from piapp.service.power import Power

FALL = read_recording(Path(__file__).parents[1] / "recordings" / "fall_back_front.npz")[::2]
NUMBERS = {
    key: value
    for key, value in LiveSettings(default_config(), None).values().items()
    if isinstance(value, int | float) and not isinstance(value, bool)
}
LEAST = 5e-324  # whose inverse is beyond all numbers


def allowed(key):
    """The values of a key that are most likely to break something, as far as its range admits them."""
    for value in (0, 2, LEAST, 1e-310, 1e-9, sys.float_info.max, 1e9, *(10**n for n in range(-3, 6)), -90, -45):
        try:
            yield changed(default_config(), {key: value}, "test")
        except ConfigError:
            continue


@pytest.mark.parametrize("key", NUMBERS)
def test_no_allowed_value_breaks_anything(key):
    """Posture logic, power saving and the limit of frames work at the ends of every range."""
    configs = list(allowed(key))
    assert configs, "a key without any allowed value"
    for config in configs:
        monitor = Monitor(config.posture, config.zones)
        for result in FALL if key.startswith("posture.") else FALL[:3]:
            monitor.update(result)
        power = Power(config.power, config.camera.fps, 0.0)
        for second in range(0, 200, 20):
            power.seen(second, poses=0, persons=0)
            assert power.max_fps is None or power.max_fps > 0
        limiter = FrameLimiter(config.publish.max_frame_hz)
        assert isinstance(limiter.passes(10**18), bool)


@pytest.mark.parametrize("key", ["publish.max_frame_hz", "camera.fps", "preview.max_fps"])
def test_a_rate_whose_period_overflows_is_refused(key):
    """It would end the node at every start once it is kept."""
    with pytest.raises(ConfigError, match=key):
        changed(default_config(), {key: 1e-310}, "request")
