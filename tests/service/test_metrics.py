"""Health for Prometheus: what it says, and where."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from piapp.config.load import default_config, load_config
from piapp.errors import ConfigError
from piapp.node import outlets
from piapp.service.health import Counters, Health
from piapp.service.metrics import MetricsEndpoint
from tests.mosquitto import free_port, wait_until


def scrape(bind):
    """Samples as Prometheus reads them: (name, labels) to value."""
    text = urlopen(f"http://{bind}/metrics", timeout=30).read().decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(sample.name, *sorted(sample.labels.items())): sample.value for sample in samples}


def test_a_real_report():
    """In Prometheus's units; before the first report only who it is; afterwards nobody listens."""
    health = Health()
    health.add_result(8_000_000)
    counters = Counters(30, {"waiting": 4}, 25, {"events": 2}, 1, 3, "disk is full", 5)
    report = health.report(counters) | {"throttled_now": ["under_voltage"], "temperature_c": None, "restarts": 2}
    bind = f"127.0.0.1:{free_port()}"
    threads = set(threading.enumerate())
    with MetricsEndpoint(bind, "hall", "1.2") as endpoint:
        assert scrape(bind) == {("piapp_info", ("node", "hall"), ("version", "1.2")): 1.0}
        endpoint.update(report)
        seen = scrape(bind)
    assert seen["piapp_frames_processed_total",] == 1
    assert seen["piapp_frames_dropped_total", ("where", "waiting")] == 4
    assert seen["piapp_messages_dropped_total", ("kind", "events")] == 2
    assert seen["piapp_mqtt_reconnects_total",] == 5
    assert seen["piapp_restarts_total",] == 2
    assert seen["piapp_events_waiting",] == 3
    assert seen["piapp_spool_broken",] == 1
    assert seen["piapp_inference_seconds", ("quantile", "0.99")] == pytest.approx(0.008)
    assert seen["piapp_resident_memory_bytes",] > 1e6
    assert seen["piapp_throttled", ("reason", "under_voltage"), ("when", "now")] == 1
    assert ("piapp_temperature_celsius",) not in seen
    with pytest.raises(OSError, match="refused"):
        scrape(bind)
    wait_until(lambda: set(threading.enumerate()) <= threads, "the threads to end")


def test_an_address_that_is_taken():
    """The key is named."""
    bind = f"127.0.0.1:{free_port()}"
    with (
        MetricsEndpoint(bind, "a", "1"),
        pytest.raises(ConfigError, match=r"health\.prometheus_bind"),
        MetricsEndpoint(bind, "b", "1"),
    ):
        pass


@pytest.mark.parametrize(
    "bind", ["9464", "localhost:9464", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:99999", "::1:9464", "127.0.0.1:1/x"]
)
def test_other_forms_of_an_address(bind):
    """They are errors of the configuration, found before anything starts."""
    with pytest.raises(ConfigError, match=r"health\.prometheus_bind"):
        load_config(Path(os.devnull), overrides=[("health.prometheus_bind", f'"{bind}"')], environ={})


@pytest.mark.parametrize("bind", ["", "127.0.0.1:9464", "[::1]:9464", "0.0.0.0:1"])
def test_good_addresses(bind):
    """Empty is off."""
    loaded = load_config(Path(os.devnull), overrides=[("health.prometheus_bind", f'"{bind}"')], environ={})
    assert loaded.config.health.prometheus_bind == bind


def test_without_the_library(monkeypatch):
    """The way out is named, and nobody needs it who does not ask for metrics."""
    monkeypatch.delitem(sys.modules, "piapp.service.metrics", raising=False)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    assert outlets.metrics_endpoint(default_config(), "hall") is None
    wanted = load_config(Path(os.devnull), overrides=[("health.prometheus_bind", "127.0.0.1:9464")], environ={}).config
    with pytest.raises(ConfigError, match=r"install piapp-node\[metrics\]"):
        outlets.metrics_endpoint(wanted, "hall")
