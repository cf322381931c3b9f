"""Fixtures that several packages' tests share."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.mosquitto import MOSQUITTO, Mosquitto, mosquitto_factory

# First, so that while one worker is at it the other does the rest.
LONGEST = ("tests/e2e/test_soak.py", "tests/e2e/appliance")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_is_heard() -> None:
    """A shell puts programs into the background with Ctrl-C ignored, which what tests start would inherit."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def start_mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Mosquitto]]:
    """Start real brokers: `start_mosquitto(users=..., tls=..., lines=...)`; all end with the session."""
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed; `apt install mosquitto` runs these tests")
    directory: Path = tmp_path_factory.mktemp("mosquitto")
    yield from mosquitto_factory(directory)


@pytest.fixture(scope="session")
def mosquitto(start_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    """A broker for all tests that do not harm it."""
    return start_mosquitto()
