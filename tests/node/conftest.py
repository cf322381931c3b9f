"""Fixtures of the node's tests."""

from __future__ import annotations

import pytest

from tests.mosquitto import Subscriber


@pytest.fixture
def subscriber(start_mosquitto):
    """A subscriber of a broker of the test's own; its `port` is the broker's."""
    broker = start_mosquitto()
    subscriber = Subscriber(broker.port)
    subscriber.port = broker.port
    yield subscriber
    subscriber.close()
    broker.stop()
