"""One variant's process as its parent sees it: started, asked to measure, ended."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
import time
from typing import Self, TypeVar

import msgspec
from msgspec import Struct

from piapp.bench.broker import Broker
from piapp.bench.frames import SharedFrames
from piapp.bench.protocol import (
    Command,
    Idle,
    IdleFound,
    Job,
    Measure,
    MeasureParts,
    MeasureStages,
    PartsFound,
    StagesFound,
    Started,
    Variant,
    Window,
)
from piapp.errors import LandmarkerError

# A usual camera's rate, for what a node costs while nobody is there; idling, it processes one frame a second.
RATED_FPS = 15.0

# Loading from a slow SD card takes tens of seconds; a measurement takes its time besides. For what hangs.
ANSWER_S = 180.0
STOP_S = 10.0

# How much of a child's standard error a message repeats.
LAST_LINES = 8

_MessageT = TypeVar("_MessageT", bound=Struct)


class Child:
    """One variant's process, from start to end; a context manager."""

    def __init__(self, variant: Variant, frames: SharedFrames, broker: Broker) -> None:
        self.variant = variant
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._folder = tempfile.TemporaryDirectory(prefix="piapp-bench-")
        job = Job(variant, frames.fd, frames.shape, _settings(variant, broker, self._folder.name))
        self._started_ns = time.monotonic_ns()
        # A session of its own: Ctrl-C is this process's, which then ends the others.
        self._process = subprocess.Popen(  # noqa: S603 - this very program
            [sys.executable, "-m", "piapp.bench.child", msgspec.json.encode(job).decode()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            pass_fds=(frames.fd,),
            start_new_session=True,
            bufsize=0,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_exc: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        if kind is not None:
            self._process.kill()  # it may be in the middle of a measurement that nobody waits for any more
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()
        self._folder.cleanup()

    def wait_started(self) -> float:
        """Wait for its first result; seconds from the start of the process to it.

        Raises:
            LandmarkerError: It has ended; with the last lines that it printed.
        """
        started = self._answer(Started, 0.0)
        return (started.first_result_ns - self._started_ns) / 1e9

    def measure(self, wanted: Measure) -> Window:
        """Run it for a while."""
        return self._ask(wanted, Window, wanted.seconds + wanted.frames)

    def parts(self) -> PartsFound:
        """Have it measure its parts."""
        return self._ask(MeasureParts(), PartsFound, 0.0)

    def stages(self) -> StagesFound:
        """Have it measure the stages of a frame."""
        return self._ask(MeasureStages(), StagesFound, 0.0)

    def idle(self, seconds: float) -> IdleFound:
        """Have it compare somebody there with nobody there."""
        return self._ask(Idle(seconds), IdleFound, 2 * seconds)

    def _ask(self, command: Command, kind: type[_MessageT], takes_s: float) -> _MessageT:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(msgspec.json.encode(command) + b"\n")
        except BrokenPipeError as error:
            raise self._ended() from error
        return self._answer(kind, takes_s)

    def _answer(self, kind: type[_MessageT], takes_s: float) -> _MessageT:
        """Wait for a line, `ANSWER_S` longer than it should take."""
        assert self._process.stdout is not None
        until_s = time.monotonic() + takes_s + ANSWER_S
        line = bytearray()
        while not line.endswith(b"\n"):
            left_s = until_s - time.monotonic()
            if not select.select([self._process.stdout], [], [], max(0.0, left_s))[0]:
                raise LandmarkerError(f"{self.variant.title}: no answer within {takes_s + ANSWER_S:g} s")
            data = os.read(self._process.stdout.fileno(), 65_536)
            if not data:
                raise self._ended()
            line += data
        return msgspec.json.decode(line, type=kind)

    def _ended(self) -> LandmarkerError:
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return LandmarkerError(f"{self.variant.title}: ended with code {code}: " + "\n  ".join(lines[-LAST_LINES:]))


def _settings(variant: Variant, broker: Broker, folder: str) -> list[tuple[str, str]]:
    """Over the shipped configuration: broker, what runs, a camera that may pause; no saving of power unless rated."""
    rate = (
        [("camera.fps", str(RATED_FPS)), ("power.idle_after_s", "1.0")]
        if variant.kind == "rated"
        else [("camera.fps", "240.0"), ("power.idle_fps", "0.0")]
    )
    return [
        ("node.id", f"bench-{variant.name}"),
        ("mqtt.url", broker.url),
        ("mqtt.protocol", f'"{broker.protocol}"'),
        ("landmarker.runtime", variant.runtime),
        ("landmarker.workers", str(variant.workers)),
        ("landmarker.precision", variant.precision),
        ("landmarker.threads", str(variant.threads)),
        ("camera.frame_timeout_s", "600.0"),
        ("power.max_temp_c", "0.0"),
        *rate,
        ("spool.dir", msgspec.json.encode(folder).decode()),
    ]
