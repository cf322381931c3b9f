from collections.abc import Callable

import msgspec
import numpy as np

from piapp.config.sections import PostureConfig
from piapp.posture import Monitor
from piapp.types import PostureEvent
from tests.support import stick
from tests.support.stick import SIT, STAND, Stance, film

Watch = Callable[..., tuple[list, list[PostureEvent]]]


def _told(config: PostureConfig, results: list) -> list[tuple[str, int]]:
    monitor = Monitor(msgspec.structs.replace(config, inactive_after_s=5.0))
    events = [event for result in results for event in monitor.update(result)[1]]
    return [(event.event_type, event.ts_ms) for event in events if event.event_type in ("inactive", "active")]


def test_inactive_after_the_time_and_active_at_the_next_movement(config: PostureConfig) -> None:
    """Each once."""
    told = _told(config, list(film([(12, SIT), (1, STAND), (2, STAND)], start=SIT)))
    assert [name for name, _ in told] == ["inactive", "active"]
    assert 5000 <= told[0][1] < 5200
    assert 12_000 < told[1][1] < 13_000


def test_noise_and_breathing_are_stillness(config: PostureConfig) -> None:
    """Jitter of two pixels does not make anybody active."""
    rng = np.random.default_rng(7)
    results = list(film([(12, SIT)], start=SIT))
    for result in results:
        result.poses[0].landmarks[:, :2] += rng.normal(0, 0.003, (33, 2))
    assert [name for name, _ in _told(config, results)] == ["inactive"]


def test_slow_drift_is_movement(config: PostureConfig) -> None:
    """Somebody who moves by centimetres a second is not inactive."""
    assert _told(config, list(film([(15, Stance(x=0.8))], camera=stick.SIDE))) == []


def test_the_state_counts_still_seconds(watch: Watch) -> None:
    """From the last movement on."""
    states, _ = watch(film([(1, Stance(x=0.5)), (4, Stance(x=0.5))], camera=stick.SIDE))
    assert 3.5 < states[-1].persons[0].still_s <= 4.6
