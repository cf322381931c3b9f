"""Instructions that Python's part of a frame executes: a figure that does not depend on what else the machine does.

Counted by the processor, where `perf` may ask it, or else by valgrind, which plays a processor without AVX-512: figures
of one are comparable with figures of the same, on one machine, and say how much work there is, not how long it takes.
Each part is run with few frames and with more, and what the further frames execute is divided by their number, so that
the start counts for nothing. A part's own is what it adds to the part before it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from piapp.bench.counted import CountedJob, record_outputs
from piapp.bench.frames import SharedFrames
from piapp.bench.protocol import CountedPart, InstructionsFound
from piapp.errors import UsageError

PARTS: dict[CountedPart, str] = {
    "landmarker": "cut the picture, and from the network's numbers to landmarks",
    "posture": "posture and events",
    "message": "encode the frame message",
}
# In the first frames tracking begins.
FEW_FRAMES, MORE_FRAMES = 10, 60

# A counted process takes fifty times as long under valgrind.
RUN_S = 900.0

# The same addresses of names in each run, and no threads whose waiting would count.
_ENVIRONMENT = {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

_PERF_COUNT = re.compile(r"^(\d+),[^,]*,instructions", re.MULTILINE)
_VALGRIND_COUNT = re.compile(r"I\s+refs:\s+([\d,]+)")


@dataclass(frozen=True, slots=True)
class Counter:
    """What counts.

    Attributes:
        name: For people.
        command: What is put before a command; "{file}" is where the count goes.
        pattern: Finds the count there.
    """

    name: str
    command: tuple[str, ...]
    pattern: re.Pattern[str]

    def run(self, command: Sequence[str], fd: int) -> int | None:
        """Instructions that a command executes; None where they cannot be counted.

        Raises:
            UsageError: The command failed.
        """
        with tempfile.TemporaryDirectory(prefix="piapp-count-") as folder:
            file = Path(folder) / "count"
            before = [word.format(file=file) for word in self.command]
            done = subprocess.run(  # noqa: S603 - a counter and this very program
                [*before, *command], env=os.environ | _ENVIRONMENT, pass_fds=(fd,), capture_output=True, text=True,
                timeout=RUN_S, check=False,
            )  # fmt: skip
            found = self.pattern.search(file.read_text()) if file.exists() else None
        if found and done.returncode:
            raise UsageError(f"--instructions: the counted process failed: {done.stderr.strip().splitlines()[-1:]}")
        return int(found[1].replace(",", "")) if found else None


COUNTERS = (
    Counter("perf", ("perf", "stat", "-x,", "-e", "instructions:u", "-o", "{file}", "--"), _PERF_COUNT),
    Counter(
        "valgrind",
        ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", "--log-file={file}"),
        _VALGRIND_COUNT,
    ),
)


def usable_counter() -> Counter:
    """The first that is installed and can count here.

    Raises:
        UsageError: There is none.
    """
    for counter in COUNTERS:
        if shutil.which(counter.command[0]) and counter.run([sys.executable, "-c", "pass"], 0) is not None:
            return counter
    raise UsageError(
        "--instructions: needs perf, with a kernel that lets it count (kernel.perf_event_paranoid at most 2), or "
        "valgrind; on Debian: apt install valgrind"
    )


def count_instructions(
    counter: Counter, frames: SharedFrames, progress: Callable[[str], None]
) -> list[InstructionsFound]:
    """Count each part; minutes under valgrind.

    Raises:
        UsageError: A counted process failed.
        ModelError: The bundle cannot be loaded.
    """
    found: list[InstructionsFound] = []
    before = 0.0
    with tempfile.TemporaryDirectory(prefix="piapp-count-") as folder:
        outputs = Path(folder) / "outputs.npz"
        record_outputs(frames, MORE_FRAMES, outputs)
        for part, title in PARTS.items():
            progress(f"count instructions with {counter.name}: {title}")
            jobs = [
                CountedJob(part, frames.fd, frames.shape, str(outputs), count) for count in (FEW_FRAMES, MORE_FRAMES)
            ]
            few, more = (_count(counter, job) for job in jobs)
            millions = (more - few) / (MORE_FRAMES - FEW_FRAMES) / 1e6
            found.append(InstructionsFound(part, counter.name, millions - before))
            before = millions
    return found


def _count(counter: Counter, job: CountedJob) -> int:
    command = [sys.executable, "-m", "piapp.bench.counted", msgspec.json.encode(job).decode()]
    counted = counter.run(command, job.frames_fd)
    if counted is None:
        raise UsageError(f"--instructions: {counter.name} counted nothing; try `{' '.join(command[:3])}` by hand")
    return counted
