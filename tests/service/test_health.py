"""What `health` says, from what was counted."""

from __future__ import annotations

import threading

import msgspec
import numpy as np
import pytest

from piapp.service import health as health_module
from piapp.service.health import Counters, Health


@pytest.fixture
def clock(monkeypatch):
    """A clock to be moved by hand."""

    class Clock:
        now_s = 1000.0

    monkeypatch.setattr(health_module.time, "monotonic", lambda: Clock.now_s)
    return Clock


def counters(**changes):
    """Counters, zero but for what is named."""
    fields = {"frames_in": 0, "frames_dropped": {"waiting": 0}, "frames_published": 0, "messages_dropped": {},
              "queue_depth": 0, "spool_depth": 0, "spool_problem": "", "mqtt_reconnects": 0}  # fmt: skip
    return Counters(**(fields | changes))


def test_rates_are_since_the_last_report(clock):
    """Frames in and out a second, and totals beside them."""
    health = Health()
    for _ in range(20):
        health.add_result(1)
    clock.now_s += 10
    report = health.report(counters(frames_in=30))
    assert (report["fps_in"], report["fps_out"], report["frames_processed"]) == (3.0, 2.0, 20)
    assert report["uptime_s"] == 10.0
    clock.now_s += 5
    health.add_result(1)
    report = health.report(counters(frames_in=35))
    assert (report["fps_in"], report["fps_out"], report["frames_processed"]) == (1.0, 0.2, 21)


def test_percentiles_are_of_this_period_in_ms(clock):
    """As numpy computes them; None when nothing was measured."""
    health = Health()
    values_ms = np.random.default_rng(0).uniform(5, 50, 500)
    for value_ms in values_ms:
        health.add_result(int(value_ms * 1e6))
        health.add_latency(int(value_ms * 2e6))
    report = health.report(counters())
    p50, p95, p99 = np.percentile(values_ms, (50, 95, 99))
    assert report["inference_ms"] == pytest.approx({"p50": p50, "p95": p95, "p99": p99}, abs=0.01)
    assert report["latency_ms"]["p99"] == pytest.approx(2 * p99, abs=0.02)
    report = health.report(counters())
    assert report["inference_ms"] is None
    assert report["latency_ms"] is None


def test_counters_are_passed_on_and_fit_a_message():
    """Every fact of `health` is there, and encodes."""
    given = counters(
        frames_dropped={"late": 2}, messages_dropped={"events": 1}, frames_published=7, queue_depth=3,
        spool_depth=4, mqtt_reconnects=5,
    )  # fmt: skip
    report = Health().report(given)
    for name in ("frames_dropped", "messages_dropped", "frames_published", "queue_depth", "spool_depth"):
        assert report[name] == getattr(given, name)
    assert report["mqtt_reconnects"] == 5
    assert report["rss_mb"] > 1
    assert report["cpu_percent"] >= 0
    assert {"temperature_c", "throttled_now", "throttled_since_boot", "uptime_s"} <= report.keys()
    assert msgspec.json.decode(msgspec.json.encode(report)) == report


def test_the_memory_is_bounded_and_threads_may_add():
    """Latencies come from the publisher thread while the main thread reports."""
    health = Health()

    def add():
        for number in range(5000):
            health.add_latency(number)

    threads = [threading.Thread(target=add) for _ in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        health.report(counters())
    for inference_ms in (1000, 1):
        for _ in range(health_module.WINDOW_RESULTS):
            health.add_result(inference_ms * 1_000_000)
    assert health.report(counters())["inference_ms"] == {"p50": 1.0, "p95": 1.0, "p99": 1.0}, "older ones are forgotten"
