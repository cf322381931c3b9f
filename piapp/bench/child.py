"""One variant in a process of its own: does what lines on standard input say, answers on standard output."""

from __future__ import annotations

import os
import sys
from io import RawIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import msgspec
from msgspec import Struct

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
    Window,
)
from piapp.bench.tally import Tally
from piapp.config.load import load_config
from piapp.errors import PiappError
from piapp.landmarker.model import find_model

if TYPE_CHECKING:
    from piapp.bench.pipeline import Pipeline
    from piapp.bench.rated import RatedPipeline


class Loop(Protocol):
    """What can be measured."""

    def start(self) -> None:
        """Load, and wait for the first frames."""
        ...

    def measure(self, wanted: Measure) -> Window:
        """Run for a while."""
        ...

    def stop(self) -> None:
        """End."""
        ...


def main() -> None:
    """Serve one parent until it closes standard input."""
    job = msgspec.json.decode(sys.argv[1], type=Job)
    # Native libraries that print must not disturb the conversation.
    with os.fdopen(os.dup(1), "wb", buffering=0) as answers:
        os.dup2(2, 1)
        try:
            _serve(job, answers)
        except PiappError as error:
            sys.exit(str(error))


def _serve(job: Job, answers: RawIOBase) -> None:
    tally = Tally()
    loop = _make_loop(job, tally)
    loop.start()
    answers.write(_line(Started(tally.first_ns)))
    for line in sys.stdin.buffer:
        tally.clear()
        answers.write(_line(_answer(loop, msgspec.json.decode(line, type=Command))))
    loop.stop()


def _answer(loop: Loop, command: Command) -> Window | PartsFound | StagesFound | IdleFound:
    """Each command is sent to the kinds that know it."""
    match command:
        case Idle():
            return cast("RatedPipeline", loop).compare(command.seconds)
        case Measure():
            return loop.measure(command)
        case MeasureParts():
            from piapp.bench.parts import measure_parts  # noqa: PLC0415 - only one variant is asked

            pipeline = cast("Pipeline", loop)
            return measure_parts(pipeline.config, pipeline.results)
        case MeasureStages():
            from piapp.bench.stages import measure_stages  # noqa: PLC0415 - likewise

            pipeline = cast("Pipeline", loop)
            return StagesFound(measure_stages(pipeline.config, pipeline.frames))


def _make_loop(job: Job, tally: Tally) -> Loop:
    """Only what the variant needs is imported."""
    config = load_config(Path(os.devnull), overrides=job.settings, environ={}).config
    name = config.landmarker.model
    if job.variant.kind == "model":
        from piapp.bench.model import ModelLoop  # noqa: PLC0415

        return ModelLoop(find_model(name, masks=False).path, job.variant.workers, tally)
    frames = SharedFrames(job.frames_fd, job.shape)
    if job.variant.kind == "bare":
        from piapp.bench.bare import BareLoop  # noqa: PLC0415

        return BareLoop(config.landmarker, find_model(name, masks=True).path, frames, tally)
    if job.variant.kind == "rated":
        from piapp.bench.rated import RatedPipeline  # noqa: PLC0415

        return RatedPipeline(config, frames, tally)
    from piapp.bench.pipeline import Pipeline  # noqa: PLC0415

    return Pipeline(config, frames, tally)


def _line(message: Struct) -> bytes:
    return msgspec.json.encode(message) + b"\n"


if __name__ == "__main__":
    main()
