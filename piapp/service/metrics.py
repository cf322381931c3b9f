"""`health` for Prometheus: the newest report in its exposition format, at an address of this machine.

Owns the names of metrics and the server. Imports prometheus-client, which only `health.prometheus_bind` asks for.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any, Self

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from piapp.config.addresses import metrics_address
from piapp.errors import ConfigError

# The server looks twice a second whether it is to end; the daemon does not wait longer for it.
STOP_S = 0.5

# Key of the report: name, description, and what one of the report's units is in Prometheus's.
_GAUGES = {
    "uptime_s": ("uptime_seconds", "Time since the daemon started.", 1.0),
    "fps_in": ("camera_frames_per_second", "Frames that the camera gave.", 1.0),
    "fps_out": ("processed_frames_per_second", "Frames that were processed.", 1.0),
    "cpu_percent": ("cpu_ratio", "Processor time of the daemon; 1 is one core.", 0.01),
    "rss_mb": ("resident_memory_bytes", "Memory of the daemon.", 2.0**20),
    "temperature_c": ("temperature_celsius", "Of the processor.", 1.0),
    "queue_depth": ("results_waiting", "Results that wait for their turn.", 1.0),
    "spool_depth": ("events_waiting", "Events that wait for the broker.", 1.0),
}
_COUNTERS = {
    "frames_processed": ("frames_processed", "Frames that went through the landmarker."),
    "frames_published": ("frames_published", "Frame messages written to the broker."),
    "mqtt_reconnects": ("mqtt_reconnects", "Connections to the broker after the first."),
    "restarts": ("restarts", "Starts of the daemon after the first since the machine booted."),
}
_LABELLED_COUNTERS = {
    "frames_dropped": ("frames_dropped", "Frames that were not processed.", "where"),
    "messages_dropped": ("messages_dropped", "Messages that were not sent.", "kind"),
    "requests": ("requests_turned_away", "Requests that were refused or ignored.", "how"),
}
_QUANTILES = {
    "inference_ms": ("inference_seconds", "Landmarker time of a frame, in the last period."),
    "latency_ms": ("latency_seconds", "From capture to PUBLISH, in the last period."),
}
_FLAGS = {"throttled_now": "now", "throttled_since_boot": "since_boot"}


class HealthCollector(Collector):
    """The newest health report as metrics. `update` is for the main loop; scrapes come on the server's threads."""

    def __init__(self, node: str, version: str) -> None:
        self._labels = {"node": node, "version": version}
        self._report: Mapping[str, Any] = {}

    def update(self, report: Mapping[str, Any]) -> None:
        """Show this report from now on; it must not change any more."""
        self._report = report

    def collect(self) -> Iterable[Metric]:
        """The metrics; what this machine does not know is left out."""
        report = self._report
        info = GaugeMetricFamily("piapp_info", "Which node this is, and its version.", labels=list(self._labels))
        info.add_metric(list(self._labels.values()), 1)
        yield info
        for key, (name, text, factor) in _GAUGES.items():
            if (value := report.get(key)) is not None:
                yield GaugeMetricFamily(f"piapp_{name}", text, value=value * factor)
        for key, (name, text) in _COUNTERS.items():
            if (value := report.get(key)) is not None:
                yield CounterMetricFamily(f"piapp_{name}", text, value=value)
        for key, (name, text, label) in _LABELLED_COUNTERS.items():
            yield _labelled(CounterMetricFamily(f"piapp_{name}", text, labels=[label]), report.get(key) or {})
        for key, (name, text) in _QUANTILES.items():
            # "p99" is Prometheus's quantile="0.99".
            values = {str(int(p[1:]) / 100): ms / 1000 for p, ms in (report.get(key) or {}).items()}
            yield _labelled(GaugeMetricFamily(f"piapp_{name}", text, labels=["quantile"]), values)
        yield from _throttled(report)
        if "spool_problem" in report:
            text = "1 when events that wait would not survive the daemon."
            yield GaugeMetricFamily("piapp_spool_broken", text, value=bool(report["spool_problem"]))


class MetricsEndpoint:
    """Serves the newest report over HTTP, in threads named by prometheus-client; a context manager.

    Raises:
        ConfigError: On entering: the address is not this machine's, or taken.
    """

    def __init__(self, bind: str, node: str, version: str) -> None:
        self._bind = bind
        self._collector = HealthCollector(node, version)
        self._registry = CollectorRegistry()
        self._registry.register(self._collector)

    def update(self, report: Mapping[str, Any]) -> None:
        """Serve this report from now on; it must not change any more."""
        self._collector.update(report)

    def __enter__(self) -> Self:
        host, port = metrics_address(self._bind)
        try:
            self._server, self._thread = start_http_server(port, host, self._registry)
        except OSError as error:
            raise ConfigError(
                f"health.prometheus_bind = {self._bind!r}: cannot listen there: {error}; "
                "take another port, or leave it empty"
            ) from error
        return self

    def __exit__(self, *_exc: object) -> None:
        threading.Thread(target=self._server.shutdown, name="metrics-stop", daemon=True).start()
        self._thread.join(STOP_S)
        self._server.server_close()


def _labelled(family: Any, values: Mapping[str, float]) -> Metric:
    for label, value in values.items():
        family.add_metric([label], value)
    metric: Metric = family
    return metric


def _throttled(report: Mapping[str, Any]) -> Iterable[Metric]:
    """One sample a flag that is set; none on machines that have no such flags."""
    text = "What the firmware complains of (vcgencmd get_throttled)."
    family = GaugeMetricFamily("piapp_throttled", text, labels=["reason", "when"])
    for key, when in _FLAGS.items():
        for reason in report.get(key) or ():
            family.add_metric([reason, when], 1)
    yield family
