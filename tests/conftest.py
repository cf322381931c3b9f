"""Fixtures that several packages' tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.mosquitto import MOSQUITTO, Mosquitto, mosquitto_factory

# First, so that while one worker is at it the others do the rest, and none is left with a long file at the end.
LONGEST = (
    "tests/e2e/test_soak.py", "tests/e2e/appliance", "tests/test_bench.py", "tests/test_fuzz.py", "tests/e2e/",
    "tests/operate/test_demo.py", "tests/node/test_black_box.py",
)  # fmt: skip


# A loaded machine takes its time; only hangs fail, by pytest's own time limit. PIAPP_HYPOTHESIS=soak tries many more.
settings.register_profile("piapp", deadline=None)
settings.register_profile("soak", deadline=None, max_examples=8_000)
settings.load_profile(os.environ.get("PIAPP_HYPOTHESIS", "piapp"))

# What `make quick` leaves out: whole programs, models, brokers and other machines.
SLOW = (
    "tests/deploy", "tests/docs", "tests/e2e", "tests/fleet", "tests/footage", "tests/landmarker", "tests/operate",
    "tests/preview", "tests/support", "tests/synth", "tests/test_architecture.py", "tests/test_bench.py",
    "tests/cli", "tests/offline", "tests/watch/test_session.py", "tests/watch/test_terminal.py",
    "tests/posture/test_simulated_falls.py", "tests/posture/test_media.py", "tests/camera/test_picamera2.py",
    "tests/camera/test_contract.py", "tests/camera/test_stream.py", "tests/mqtt/test_spool.py",
    "tests/mqtt/test_schema.py", "tests/config/test_extremes.py", "tests/test_reach.py", "tests/test_frame.py",
    "tests/posture/test_snapshot.py", "tests/node/test_black_box.py", "tests/test_fuzz.py",
)  # fmt: skip
SLOW_FIXTURES = {"mosquitto", "start_mosquitto"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--quick`, which `make quick` uses."""
    parser.addoption("--quick", action="store_true", help="only unit tests without broker, model, root or network")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `--quick`, do not even import what it leaves out."""
    name = collection_path.relative_to(config.rootpath).as_posix() if config.getoption("quick") else ""
    return True if name.startswith(SLOW) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest files first; with `--quick`, leave out tests that start a broker."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))
    if config.getoption("quick"):
        items[:] = [item for item in items if SLOW_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))]


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
