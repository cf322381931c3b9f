"""Nothing leaks and every failure is recovered from, at full rate, for as long as PIAPP_SOAK_S says.

A minute in `make test`, half an hour in `make soak`: the broker is killed again and again, the camera half as
often.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.e2e.node import NodeProcess
from tests.mosquitto import Mosquitto, Subscriber

SOAK_S = float(os.environ.get("PIAPP_SOAK_S", "60"))

# The broker dies once a minute in half an hour; in a short soak often enough to die a few times.
PERIOD_S = max(SOAK_S / 30, 6.0)
SAMPLE_S = 0.25

RUNTIMES = ("litert", "mediapipe")

CAMERA_FAILED = 69
PROGRAM = (sys.executable, str(Path(__file__).with_name("soak_node.py")))

# The allocators' pools breathe; a leak of one picture a second exceeds this within the shortest period.
RSS_SHARE = 1.03
RSS_SLACK_MB = 3.0

pytestmark = pytest.mark.timeout(SOAK_S * 3 + 300)


@dataclass(frozen=True)
class Sample:
    """What a process holds at one moment."""

    rss_mb: float
    threads: int
    descriptors: int


def watch(process: psutil.Process, seconds: float) -> list[Sample]:
    """Look at a process for a while."""
    samples = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        samples.append(Sample(process.memory_info().rss / 2**20, process.num_threads(), process.num_fds()))
        time.sleep(SAMPLE_S)
    return samples


def wait_for_frames(broker: Mosquitto) -> None:
    """Wait until somebody who subscribes now gets frames with people in them."""
    subscriber = Subscriber(broker.port)
    try:
        subscriber.wait_for("status", payload=b"online")
        subscriber.wait_for("frame", 3)
    finally:
        subscriber.close()


def judge(periods: list[list[Sample]]) -> None:
    """Compare what a node held in its first period, once warm, with what it held in its last."""
    first, last = periods[0][len(periods[0]) // 2 :], periods[-1]
    rss = [statistics.median(sample.rss_mb for sample in samples) for samples in (first, last)]
    assert rss[1] <= rss[0] * RSS_SHARE + RSS_SLACK_MB, f"RSS rose from {rss[0]:.1f} to {rss[1]:.1f} MB"
    for name in ("threads", "descriptors"):
        least = [min(getattr(sample, name) for sample in samples) for samples in (first, last)]
        assert least[1] <= least[0], f"{name} rose from {least[0]} to {least[1]}"


def test_it_lasts(run_node: Callable[..., NodeProcess], broker: Mosquitto) -> None:
    """RSS, threads and descriptors stay flat in each life of the node, and every failure is followed by frames.

    The runtimes take turns.
    """
    end = time.monotonic() + SOAK_S
    lives = 0
    while time.monotonic() < end or lives < len(RUNTIMES):
        runtime = RUNTIMES[lives % len(RUNTIMES)]
        node = run_node(broker.port, "--set", f"landmarker.runtime={runtime}", program=PROGRAM)
        process = psutil.Process(node.pid)
        wait_for_frames(broker)
        periods = [watch(process, PERIOD_S)]
        for _ in range(2):
            broker.kill()
            broker.start()
            wait_for_frames(broker)
            periods.append(watch(process, PERIOD_S / 2))
        judge(periods)
        node.switch("camera unplug")
        assert node.wait() == CAMERA_FAILED
        lives += 1
    assert lives >= 2
