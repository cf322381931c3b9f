"""The limit of a rate."""

from __future__ import annotations

import pytest

from piapp.token_bucket import TokenBucket


def test_keeps_the_rate():
    """Over ten seconds of asking all the time: the burst, and the rate."""
    now_s = 0.0
    bucket = TokenBucket(5.0, 20, lambda: now_s)
    passed = 0
    for tick in range(10_000):
        now_s = tick / 1000
        passed += bucket.take()
    assert passed == pytest.approx(20 + 10 * 5.0, abs=1)
