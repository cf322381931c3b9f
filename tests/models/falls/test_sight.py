"""What is learnt from is what the node sees."""

from __future__ import annotations

import numpy as np

from models.falls.sight import Sight, results, stream
from piapp.posture.fall_window import FallWindow
from piapp.posture.geometry import read_body


def sinking_sight(seconds: float = 6.0, rate_hz: float = 12.0) -> Sight:
    """A body of random landmarks that sinks, with a gap."""
    rng = np.random.default_rng(3)
    times_s = np.arange(0, seconds, 1 / rate_hz)
    n = len(times_s)
    world = rng.normal(0, 0.3, (1, 33, 3)) + rng.normal(0, 0.01, (n, 33, 3))
    pixels = 300 + 150 * world[..., :2] + np.linspace(0, 100, n)[:, None, None] * [0, 1]
    seen = (times_s < 2.0) | (times_s > 2.8)
    return Sight(times_s, pixels, world, rng.uniform(0, 1, (n, 33)), seen, (640, 480))


def test_training_and_node_make_the_same_windows():
    """Windows made for training equal those that the posture logic makes of the same landmarks as results."""
    sight = sinking_sight()
    learnt = stream(sight)
    window, seen = FallWindow(), []
    for result in results(sight):
        for pose in result.poses:
            body = read_body(pose, result.size)
            assert body is not None
            window.push(body, result.size, result.ts_ms)
        if (one := window.window(result.ts_ms)) is not None:
            seen.append(one)
    assert [one.ts_ms for one in learnt] == [one.ts_ms for one in seen]
    assert len(learnt) > 40
    for one, other in zip(learnt, seen, strict=True):
        assert np.abs(one.channels - other.channels).max() < 1e-3


def test_windows_go_on_for_a_while_after_the_last_frame():
    """A film that ends is held, as a person is who is not seen any more."""
    sight = sinking_sight()
    held = stream(sight, held_s=0.5)
    assert held[-1].ts_ms - stream(sight)[-1].ts_ms == 500
