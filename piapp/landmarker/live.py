"""The live stage: workers that take the newest frame, run a landmarker each, and give results in order.

Owns the worker threads. Each creates its landmarker under the filter of `egress`, and hands it one frame at a time, so
that nothing queues inside the landmarker and latency stays at one inference. A result wakes its reader when the next
frame computes, or at once when none waits. Which runtime does the work is the factory's business.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from piapp.config.sections import LandmarkerConfig
from piapp.errors import LandmarkerTimeoutError
from piapp.landmarker.egress import deny_sockets
from piapp.landmarker.order import ResultOrder
from piapp.landmarker.still_room import StillRoom
from piapp.types import Frame, Pose, PoseResult

log = logging.getLogger(__name__)

# How often a worker that waits for a result checks whether the landmarker has failed or is to stop.
LOOK_PERIOD_S = 0.5

# How long a worker that waits for a frame keeps the turn.
TAKE_S = 0.1

MAX_AUTO_WORKERS = 3  # a fourth core is left to camera, publisher and system on a Pi


class Landmarker(Protocol):
    """A landmarker with MediaPipe's LIVE_STREAM contract."""

    def submit(self, frame: Frame) -> None:
        """Take one frame; no other may be in flight.

        The `OnResult` given at creation is called with the result: later, on a thread of the landmarker's own, or
        before this returns, on the calling thread.
        """
        ...

    def raise_if_failed(self) -> None:
        """Tell that no more results will come; from any thread.

        Raises:
            LandmarkerError: With the reason.
        """
        ...

    def close(self) -> None:
        """Finish the frame in flight and release everything."""
        ...


OnResult = Callable[[int, tuple[Pose, ...]], None]
"""Called with (ts_ms, poses)."""

OnCompute = Callable[[], None]
"""Called, once a frame or more often, when a landmarker leaves Python to others while it computes."""

LandmarkerFactory = Callable[[OnResult, OnCompute], Landmarker]


def worker_count(config: LandmarkerConfig, *, nodes: int = 1) -> int:
    """How many workers run at most: as configured, or one less than there are cores, 1 to 3.

    Args:
        config: What is in force.
        nodes: How many nodes share this machine's cores.
    """
    cores = len(os.sched_getaffinity(0))
    return config.workers or max(1, min(MAX_AUTO_WORKERS, cores - 1) // nodes)


@dataclass(slots=True, eq=False)
class _Worker:
    """One thread and what it is doing; `frame` is written under the stage's lock."""

    name: str
    thread: threading.Thread
    ready: threading.Event = field(default_factory=threading.Event)
    idle: threading.Event = field(default_factory=threading.Event)
    frame: Frame | None = None
    submitted_ns: int = 0


def _raise_if_stuck(workers: Iterable[_Worker], max_result_age_s: float) -> None:
    now_ns = time.monotonic_ns()
    for worker in workers:
        age_s = (now_ns - worker.submitted_ns) / 1e9
        if worker.frame is not None and age_s > max_result_age_s:
            raise LandmarkerTimeoutError(
                f"{worker.name} gave no result for {age_s:.1f} s (landmarker.max_result_age_s = "
                f"{max_result_age_s:g}); the program ends so that it can be started afresh"
            )


class LiveStage:
    """Runs landmarkers on the frames that `take` gives, in threads named "landmarker-1" and so on.

    Args:
        factory: Creates a landmarker for its two callbacks; called once in each worker's thread.
        take: Waits so many seconds for a frame; None when there is none.
        workers: How many landmarkers take frames in turn, at most. Each tracks people on its own.
        at_first: How many of these are loaded at the start; `add_worker` loads one more. None for all.
        max_result_age_s: A frame without a result for longer than this means that a landmarker is stuck.
        keep_images: Whether results carry their pictures. Without, nothing refers to a picture once it was processed.

    Attributes:
        resting: Nobody has been there for long: frames in which nothing moved get an empty result without inference.
            Set by any thread.
    """

    def __init__(
        self,
        factory: LandmarkerFactory,
        take: Callable[[float], Frame | None],
        *,
        workers: int,
        max_result_age_s: float,
        at_first: int | None = None,
        keep_images: bool = False,
    ) -> None:
        self._factory = factory
        self._take = take
        self._max_result_age_s = max_result_age_s
        self._keep_images = keep_images
        self._turn = threading.Lock()  # held while waiting for a frame, so that frames are registered in their order
        self._changed = threading.Condition()
        self._order = ResultOrder(limit=4 * workers)
        self._results: deque[PoseResult] = deque()
        self._max_results = 4 * workers  # full when the reader sleeps: the oldest result is dropped and counted
        self._stopping = False
        self._error: BaseException | None = None
        self._workers = [self._worker(number) for number in range(1, workers + 1)]
        self._started = workers if at_first is None else at_first
        self._room = StillRoom()
        self.resting = False
        self.dropped = 0
        self.unexpected = 0

    @property
    def late(self) -> int:
        """Results that came after newer ones had gone, and were dropped."""
        return self._order.late

    @property
    def waiting(self) -> int:
        """Results that wait to be read."""
        return len(self._results)

    @property
    def busy(self) -> bool:
        """True while a frame is in flight or a result waits to be read."""
        with self._changed:
            return bool(self._results) or any(worker.frame is not None for worker in self._workers)

    def start(self) -> None:
        """Start the workers; landmarkers load in their threads."""
        for worker in self._workers[: self._started]:
            worker.thread.start()

    def add_worker(self) -> int | None:
        """Start one more; how many there are then, None when all have been started. Only after `start`."""
        if self._started == len(self._workers):
            return None
        self._started += 1
        self._workers[self._started - 1].thread.start()
        return self._started

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until all landmarkers are loaded; False when the time is over.

        Raises:
            ModelError: A landmarker could not be created.
        """
        with self._changed:
            ready = self._changed.wait_for(lambda: self._error or self._all_ready(), timeout_s)
            if self._error is not None:
                raise self._error
            return bool(ready)

    def next_result(self, timeout_s: float) -> PoseResult | None:
        """Wait for the next result in order; None when the time is over.

        Raises:
            LandmarkerTimeoutError: A landmarker has a frame and gives no result.
            LandmarkerError: A landmarker has failed.
            ModelError: A landmarker could not be created.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._results or self._error, timeout_s)
            if self._error is not None:
                raise self._error
            _raise_if_stuck(self._workers, self._max_result_age_s)
            return self._results.popleft() if self._results else None

    def stop(self, timeout_s: float) -> bool:
        """Let frames in flight finish and end the workers; False when one still hangs after the time."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            self._stopping = True
        started = [worker for worker in self._workers if worker.thread.ident is not None]
        for worker in started:
            worker.thread.join(max(0.0, deadline - time.monotonic()))
        return not any(worker.thread.is_alive() for worker in started)

    def _worker(self, number: int) -> _Worker:
        name = f"landmarker-{number}"
        thread = threading.Thread(target=lambda: self._run(worker), name=name, daemon=True)
        worker = _Worker(name, thread)
        return worker

    def _all_ready(self) -> bool:
        return all(worker.ready.is_set() for worker in self._workers[: self._started])

    def _run(self, worker: _Worker) -> None:
        try:
            deny_sockets()
            landmarker = self._factory(partial(self._on_result, worker), self._wake_reader)
            with self._changed:
                worker.ready.set()
                self._changed.notify_all()
            try:
                while (frame := self._next_frame(worker)) is not None:
                    if self.resting and self._room.unchanged(frame.image, frame.ts_ms):
                        self._on_result(worker, frame.ts_ms, ())
                        continue
                    landmarker.submit(frame)
                    self._wait_for_result(worker, landmarker)
            finally:
                landmarker.close()
        except BaseException as error:  # noqa: BLE001 - surfaced on the main thread
            with self._changed:
                self._error = self._error or error
                self._changed.notify_all()

    def _next_frame(self, worker: _Worker) -> Frame | None:
        """A frame that waits already, or else this worker's turn and a frame; None when stopping."""
        frame = self._take_next(worker, blocking=False)
        while frame is None and not self._stopping:
            self._wake_reader()
            frame = self._take_next(worker, blocking=True)
        return frame

    def _take_next(self, worker: _Worker, *, blocking: bool) -> Frame | None:
        if not self._turn.acquire(blocking=blocking):
            return None
        try:
            frame = None if self._stopping else self._take(TAKE_S if blocking else 0.0)
            if frame is not None:
                with self._changed:
                    self._order.submitted(frame.ts_ms)
                    worker.idle.clear()
                    worker.submitted_ns = time.monotonic_ns()
                    worker.frame = frame
            return frame
        finally:
            self._turn.release()

    def _wake_reader(self) -> None:
        """Tell the reader of results that wait.

        Not done as soon as they are in: the reader would take Python's own lock just when the next frame needs it to
        get to its network, which leaves a core idle (a sixth of the frame rate with one worker, measured).
        """
        with self._changed:
            if self._results:
                self._changed.notify_all()

    def _wait_for_result(self, worker: _Worker, landmarker: Landmarker) -> None:
        while not worker.idle.wait(LOOK_PERIOD_S):
            landmarker.raise_if_failed()
            if self._stopping:
                return

    def _on_result(self, worker: _Worker, ts_ms: int, poses: tuple[Pose, ...]) -> None:
        """Store a result; runs on whatever thread the landmarker calls back."""
        finished_ns = time.monotonic_ns()
        with self._changed:
            frame = worker.frame
            if frame is None or frame.ts_ms != ts_ms:
                self.unexpected += 1  # MediaPipe has been seen to call back twice (upstream issue 5457)
                return
            worker.frame = None
            inference_ns = finished_ns - worker.submitted_ns
            image = frame.image if self._keep_images else None
            result = PoseResult(ts_ms, frame.captured_ns, frame.size, poses, inference_ns, image)
            self._results.extend(self._order.finished(result))
            while len(self._results) > self._max_results:
                self._results.popleft()
                self.dropped += 1
        worker.idle.set()
