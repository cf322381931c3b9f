"""A process full of simulated nodes. It ends when its parent says so, or is no more."""

from __future__ import annotations

import heapq
import logging
import random
import resource
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

from piapp.config.sections import Config
from piapp.errors import PiappError, UsageError
from piapp.fleet.node import LightNode
from piapp.fleet.script import make_script
from piapp.offline.replay import Step
from piapp.operate.forget import clear

# Of a thread that serves one connection; the system's own 8 MB would only be reserved, yet a thousand of them count.
THREAD_STACK_BYTES = 512 * 1024

# A node's socket and its wake-up's two ends; a fourth while it connects anew (name look-up).
FILES_PER_NODE = 4
# What Python, libraries and the parent's pipe hold.
FILES_BESIDES = 64

REPORT_PERIOD_S = 0.25

# No node's camera is exact, and nodes must not march in step.
JITTER = 0.2

# Steps that are later than this are left out: a machine that cannot keep up must not pile them up.
MAX_LATE_S = 1.0

STOP_S = 2.0
_STOPPERS = 32


@dataclass(frozen=True, slots=True)
class Share:
    """What one worker simulates.

    Attributes:
        config: Every node's.
        names: The nodes.
        rate_hz: Steps a second of each node.
        spread_s: Time over which the nodes start.
    """

    config: Config
    names: tuple[str, ...]
    rate_hz: float
    spread_s: float


@dataclass(frozen=True, slots=True)
class Report:
    """How a worker does; counts are totals since the start, of all its nodes.

    Attributes:
        connected: Nodes that are.
        problem: Why a node is not, the newest reason; empty when there never was one.
        failed: What ended the worker, else empty.
        skipped: Steps left out because the machine did not keep up.
    """

    connected: int = 0
    frames_sent: int = 0
    events_sent: int = 0
    events_dropped: int = 0
    skipped: int = 0
    problem: str = ""
    failed: str = ""


def require_files(nodes: int) -> None:
    """Raise this process's limit of open files to what so many nodes need.

    Raises:
        UsageError: The hard limit is lower.
    """
    wanted = nodes * FILES_PER_NODE + FILES_BESIDES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and wanted > hard:
        raise UsageError(
            f"{nodes} nodes in one process need {wanted} open files and the limit is {hard}; "
            f"raise it (ulimit -Hn {wanted}) or simulate fewer nodes"
        )
    if soft != resource.RLIM_INFINITY and wanted > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def work(share: Share, pipe: Connection) -> None:
    """Run nodes until something arrives on `pipe` or its other end is closed; report through it meanwhile."""
    # Ctrl-C reaches every process of the terminal; the parent says when nodes are to say goodbye.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A thousand nodes that lose one broker would say the same a thousand times; the report says it once.
    logging.getLogger("piapp").setLevel(logging.ERROR)
    threading.stack_size(THREAD_STACK_BYTES)
    with suppress(BrokenPipeError):
        try:
            _Worker(share, pipe).run()
        except (PiappError, OSError, RuntimeError) as error:
            pipe.send(Report(failed=str(error)))


class _Worker:
    def __init__(self, share: Share, pipe: Connection) -> None:
        require_files(len(share.names))
        self._share = share
        self._pipe = pipe
        self._rng = random.Random()  # noqa: S311 - jitter needs no secrecy
        script = make_script(share.config)
        self._nodes = [self._node(name, script) for name in share.names]
        self._skipped = 0

    def run(self) -> None:
        due = list(self._starts())
        heapq.heapify(due)
        report_s = time.monotonic()
        try:
            while not self._stopped(min(due[0][0], report_s)):
                now_s = time.monotonic()
                if now_s >= report_s:
                    self._pipe.send(self._report())
                    report_s = now_s + REPORT_PERIOD_S
                while due[0][0] <= now_s:
                    due_s, index, health_s = due[0]
                    heapq.heapreplace(due, self._act(self._nodes[index], index, due_s, health_s))
        finally:
            self._stop()

    def _node(self, name: str, script: Sequence[Step]) -> LightNode:
        return LightNode(self._share.config, name, script, self._rng.randrange(len(script)))

    def _starts(self) -> Iterator[tuple[float, int, float]]:
        """When each node acts first, its index, and when it speaks of its health next: 0 for one that must start."""
        now_s = time.monotonic()
        for index in range(len(self._nodes)):
            yield now_s + self._share.spread_s * (index + self._rng.random()) / len(self._nodes), index, 0.0

    def _act(self, node: LightNode, index: int, due_s: float, health_s: float) -> tuple[float, int, float]:
        """Do what a node has to do now; when it acts next."""
        now_s = time.monotonic()
        if not health_s:
            node.publisher.start()
            health_s = now_s + self._rng.random() * self._share.config.health.period_s
        elif now_s - due_s > MAX_LATE_S:
            self._skipped += 1
            due_s = now_s
        else:
            node.play()
        if now_s >= health_s:
            node.report_health()
            health_s = now_s + self._share.config.health.period_s
        period_s = self._rng.uniform(1 - JITTER, 1 + JITTER) / self._share.rate_hz
        return due_s + period_s, index, health_s

    def _stopped(self, until_s: float) -> bool:
        return self._pipe.poll(max(until_s - time.monotonic(), 0.0))

    def _report(self) -> Report:
        publishers = [node.publisher for node in self._nodes]
        for publisher in publishers:
            publisher.raise_if_failed()
        counts = [publisher.counts() for publisher in publishers]
        return Report(
            connected=sum(publisher.state.connected for publisher in publishers),
            frames_sent=sum(count.frames_sent for count in counts),
            events_sent=sum(count.events_sent for count in counts),
            events_dropped=sum(count.events_dropped for count in counts),
            skipped=self._skipped,
            problem=next((str(error) for publisher in publishers if (error := publisher.state.last_error)), ""),
        )

    def _stop(self) -> None:
        """Have every node say goodbye, and take back what they left at the broker."""
        with ThreadPoolExecutor(_STOPPERS) as stoppers:
            list(stoppers.map(lambda node: node.publisher.stop(STOP_S), self._nodes))
        with suppress(PiappError):  # a broker that is away keeps what it has; `piapp forget` takes it later
            clear(self._share.config.mqtt, [node.topics for node in self._nodes])
