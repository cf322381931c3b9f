"""Pauses between attempts to connect."""

from __future__ import annotations

import random

from piapp.mqtt.backoff import Backoff


def test_pauses_grow_to_a_limit_with_jitter():
    """Doubled each time, at most half taken off, and short again after a reset."""
    backoff = Backoff(0.5, 30.0, random.Random(1))
    full = [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    drawn = [backoff.next_s() for _ in full]
    assert all(limit / 2 <= pause <= limit for limit, pause in zip(full, drawn, strict=True))
    assert len({pause / limit for limit, pause in zip(full, drawn, strict=True)}) == len(full)
    backoff.reset()
    assert backoff.next_s() <= 0.5
