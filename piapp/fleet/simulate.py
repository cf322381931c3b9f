"""`piapp fleet simulate`: starts the processes, listens at the broker as a consumer would, and sums up."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

import msgspec
import numpy as np

from piapp.config.sections import Config
from piapp.errors import BrokerError, PiappError
from piapp.fleet.worker import STOP_S, Report, Share, require_files, work
from piapp.mqtt.payload import ONLINE, EventPayload
from piapp.mqtt.subscriber import Subscriber

# A process serves so many connections with one interpreter; more would wait for each other (measured: see fleet.md).
NODES_PER_PROCESS = 250

# Percentiles are over at most so many events, the newest.
WINDOW_EVENTS = 500_000

POLL_S = 0.2
# Every node says goodbye and its topics are taken back.
WORKERS_STOP_S = 30.0 + STOP_S

OnNews = Callable[[str], None]
"""Called with what is going on, in a line."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to simulate.

    Attributes:
        config: Every node's: broker, encoding, thresholds.
        nodes: How many.
        rate_hz: Results a second of each node; the recording was made at 15.
        spread_s: Time over which the nodes start.
        duration_s: How long to run; None until stopped.
        prefix: What the nodes' ids start with.
    """

    config: Config
    nodes: int
    rate_hz: float
    spread_s: float = 10.0
    duration_s: float | None = None
    prefix: str = "sim"

    def shares(self) -> Iterator[Share]:
        """The nodes, dealt to processes."""
        names = [f"{self.prefix}-{number:04d}" for number in range(1, self.nodes + 1)]
        processes = -(-self.nodes // NODES_PER_PROCESS)
        for index in range(processes):
            yield Share(self.config, tuple(names[index::processes]), self.rate_hz, self.spread_s)


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which nodes that had been connected were not.

    Attributes:
        nodes: Most that were away at a time.
        settled_s: From the moment when they began to come back to the last one.
    """

    nodes: int
    settled_s: float


@dataclass(slots=True)
class Presence:
    """How many of the nodes are connected over time; finds outages."""

    nodes: int
    outages: list[Outage] = field(default_factory=list)  # bounded by the time that they take
    _complete: bool = False
    _fewest: int = 0
    _turn_s: float = 0.0

    def update(self, now_s: float, connected: int) -> str:
        """Take the newest number; what is worth telling about it, else empty."""
        if connected == self.nodes:
            return self._all_there(now_s)
        before = self._fewest
        if connected <= before:
            self._fewest, self._turn_s = connected, now_s
        if before and not connected:
            return "no node is connected any more"
        if before == self.nodes:
            return f"{self.nodes - connected} nodes are away"
        return ""

    def _all_there(self, now_s: float) -> str:
        before, self._fewest = self._fewest, self.nodes
        if not self._complete:
            self._complete = True
            return f"all {self.nodes} nodes are connected"
        if before == self.nodes:
            return ""
        outage = Outage(self.nodes - before, now_s - self._turn_s)
        self.outages.append(outage)
        return f"{outage.nodes} nodes were away; all are back {outage.settled_s:.1f} s after the first"


class Consumer:
    """Hears events and who is online, as one more subscriber. Messages come on its own thread."""

    def __init__(self, base: str, prefix: str, nodes: int) -> None:
        self.topic_filters = (f"{base}/+/status", f"{base}/+/event")
        self._start = f"{base}/{prefix}-"
        self._nodes = nodes
        self._online: set[str] = set()  # bounded by the nodes that are simulated
        self._started_s = time.monotonic()
        self._latency_ms: deque[int] = deque(maxlen=WINDOW_EVENTS)  # full: the oldest is forgotten
        self._decoder = msgspec.json.Decoder(EventPayload)
        self.events = self.late_events = 0
        self.all_online_s: float | None = None

    @property
    def online(self) -> int:
        """Nodes that the broker has called online at some time."""
        return len(self._online)

    def message(self, topic: str, payload: bytes) -> None:
        """Take one message of the fleet; others' are left alone."""
        if not topic.startswith(self._start):
            return
        if topic.endswith("/event"):
            with suppress(msgspec.DecodeError):  # somebody else's, who uses our names
                self._event(self._decoder.decode(payload))
        elif payload == ONLINE:
            self._online.add(topic)
            if self.all_online_s is None and len(self._online) == self._nodes:
                self.all_online_s = time.monotonic() - self._started_s

    def percentiles_ms(self) -> tuple[float, float, float] | None:
        """p50, p99 and the longest time from publish to receipt of live events; None when there were none."""
        latency_ms = np.array(list(self._latency_ms))
        if not latency_ms.size:
            return None
        p50, p99, longest = np.percentile(latency_ms, (50, 99, 100)).tolist()
        return p50, p99, longest

    def _event(self, event: EventPayload) -> None:
        self.events += 1
        if event.historical:
            self.late_events += 1  # it waited for the broker, not in it
        else:
            self._latency_ms.append(time.monotonic_ns() // 1_000_000 - event.ts_ms)


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of a run.

    Attributes:
        processes: That the nodes lived in.
        online: Nodes that a subscriber has seen online.
        all_online_s: From the start until it had seen all; None when it never did.
        seconds: How long the run took, from the first node's start.
        frames_sent: Written to the broker.
        events_sent: Acknowledged by the broker; each is followed by a trigger unless it is late.
        events_dropped: Given up by nodes whose queue was full.
        events_received: By the subscriber, repeated ones included.
        late_events: Of these, those that had waited for the broker.
        event_ms: p50, p99 and the longest, from publish to receipt; None without live events.
        skipped: Steps left out because this machine did not keep up: above zero, the figures say more of it than of
            the broker.
    """

    nodes: int
    processes: int
    online: int
    all_online_s: float | None
    seconds: float
    frames_sent: int
    events_sent: int
    events_dropped: int
    events_received: int
    late_events: int
    event_ms: tuple[float, float, float] | None
    outages: tuple[Outage, ...]
    skipped: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        tree: dict[str, Any] = msgspec.to_builtins(self)
        return tree

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"nodes    {self.nodes} in {self.processes} processes, for {self.seconds:.0f} s"
        when = f"after {self.all_online_s:.1f} s" if self.all_online_s is not None else "never all at once"
        yield f"online   {self.online} of {self.nodes}, {when}"
        frames, events = (count / self.seconds for count in (self.frames_sent, self.events_sent))
        yield f"sent     {frames:.1f} frames and {events:.1f} events a second; {self.events_dropped} events dropped"
        yield f"events   {self.events_received} received, {self.late_events} of them late; {self._latency()}"
        for outage in self.outages:
            yield f"outage   {outage.nodes} nodes away; all back {outage.settled_s:.1f} s after the first"
        if self.skipped:
            yield f"machine  too slow: {self.skipped} steps left out; take fewer nodes or a lower rate"

    def _latency(self) -> str:
        if self.event_ms is None:
            return "no live one"
        p50, p99, longest = self.event_ms
        return f"from publish to receipt p50 {p50:.0f} ms, p99 {p99:.0f} ms, longest {longest:.0f} ms"


def simulate(plan: Plan, stop: threading.Event, on_news: OnNews) -> Figures:
    """Run the nodes until `stop` is set or the time is over.

    Raises:
        BrokerError: The broker cannot be reached, or no node could connect.
        UsageError: This system allows too few open files.
        PiappError: A process of nodes has failed.
    """
    shares = list(plan.shares())
    require_files(len(shares[0].names))
    mqtt = plan.config.mqtt
    consumer = Consumer(mqtt.base_topic, plan.prefix, plan.nodes)
    presence = Presence(plan.nodes)
    with Subscriber(mqtt.url, consumer.topic_filters, consumer.message, login=mqtt):
        started_s = time.monotonic()
        end_s = started_s + plan.duration_s if plan.duration_s is not None else None
        with _workers(shares) as pipes:
            reports = _Reports(pipes)
            while not stop.is_set() and (end_s is None or time.monotonic() < end_s):
                reports.read(POLL_S)
                if news := presence.update(time.monotonic(), reports.total("connected")):
                    on_news(news)
            seconds = time.monotonic() - started_s
    if not consumer.online:
        raise BrokerError(f"no node came online: {reports.problem or 'the broker passed on no status'}")
    return Figures(
        nodes=plan.nodes,
        processes=len(shares),
        online=consumer.online,
        all_online_s=consumer.all_online_s,
        seconds=seconds,
        frames_sent=reports.total("frames_sent"),
        events_sent=reports.total("events_sent"),
        events_dropped=reports.total("events_dropped"),
        events_received=consumer.events,
        late_events=consumer.late_events,
        event_ms=consumer.percentiles_ms(),
        outages=tuple(presence.outages),
        skipped=reports.total("skipped"),
    )


class _Reports:
    """The newest report of each worker."""

    def __init__(self, pipes: Sequence[Connection]) -> None:
        self._latest = dict.fromkeys(pipes, Report())

    @property
    def problem(self) -> str:
        return next((report.problem for report in self._latest.values() if report.problem), "")

    def read(self, timeout_s: float) -> None:
        """Take what has come, within `timeout_s`.

        Raises:
            PiappError: A worker has failed or ended.
        """
        for pipe in wait(list(self._latest), timeout_s):
            assert isinstance(pipe, Connection)
            try:
                report: Report = pipe.recv()
            except EOFError as error:
                raise PiappError("a process of simulated nodes has ended; its last words are above") from error
            if report.failed:
                raise PiappError(f"a process of simulated nodes has failed: {report.failed}")
            self._latest[pipe] = report

    def total(self, name: str) -> int:
        """A count, over all workers."""
        return sum(getattr(report, name) for report in self._latest.values())


@contextmanager
def _workers(shares: Sequence[Share]) -> Iterator[list[Connection]]:
    """One process a share; on leaving they are told to stop, and ended when they do not."""
    # Forking a process that has threads can deadlock; a fresh interpreter cannot.
    context = multiprocessing.get_context("spawn")
    pipes: list[Connection] = []
    processes: list[BaseProcess] = []
    try:
        for share in shares:
            ours, theirs = context.Pipe()
            process = context.Process(target=work, args=(share, theirs), name="piapp-fleet", daemon=True)
            process.start()
            theirs.close()
            pipes.append(ours)
            processes.append(process)
        yield pipes
    finally:
        _stop_workers(pipes, processes)


def _stop_workers(pipes: Sequence[Connection], processes: Sequence[BaseProcess]) -> None:
    for pipe in pipes:
        pipe.close()
    deadline_s = time.monotonic() + WORKERS_STOP_S
    for process in processes:
        process.join(max(deadline_s - time.monotonic(), 0.0))
        if process.is_alive():
            process.kill()
            process.join()
