"""The parent of a benchmark: starts one process a variant, has them measured in turns, makes the report."""

from __future__ import annotations

import compileall
import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil
from msgspec import Struct

import piapp
from piapp.bench.broker import Broker, running_broker
from piapp.bench.frames import SharedFrames
from piapp.bench.instructions import count_instructions, usable_counter
from piapp.bench.process import Child
from piapp.bench.protocol import IdleFound, Measure, PartsFound, StageFound, Variant, Window
from piapp.bench.report import SCHEMA_VERSION, BenchReport, Measured, Soaked, bars, summed_up
from piapp.camera.source import demo_clip
from piapp.errors import UsageError
from piapp.landmarker.runtime import half_precision_runs_here, mediapipe_runs_here
from piapp.service import hardware

VARIANTS = (
    Variant("bare", "MediaPipe's own loop", "bare", "mediapipe", 1),
    Variant("mediapipe-1", "piapp, MediaPipe, 1 worker", "pipeline", "mediapipe", 1),
    Variant("mediapipe-2", "piapp, MediaPipe, 2 workers", "pipeline", "mediapipe", 2),
    Variant("litert-1", "piapp, LiteRT, 1 worker", "pipeline", "litert", 1),
    Variant("litert-2", "piapp, LiteRT, 2 workers", "pipeline", "litert", 2),
    Variant("litert-1-half", "piapp, LiteRT, 1 worker, half precision", "pipeline", "litert", 1, "half"),
    Variant("litert-1-rated", "piapp, LiteRT, 1 worker, 15 frames/s", "rated", "litert", 1),
    Variant("litert-1-rated-2t", "piapp, LiteRT, 1 worker on 2 threads, 15 frames/s", "rated", "litert", 1, threads=2),
    Variant("litert-2-rated", "piapp, LiteRT, 2 workers, 15 frames/s", "rated", "litert", 2),
    Variant("mediapipe-1-rated", "piapp, MediaPipe, 1 worker, 15 frames/s", "rated", "mediapipe", 1),
    Variant("model-1", "the network alone, 1 thread", "model", "litert", 1),
    Variant("model-2", "the network alone, 2 threads", "model", "litert", 2),
)

LEAST_IDLE_S = 4.0

# Of a soak: frames until memory should not grow any more (issue 2).
SOAK_WARM_FRAMES = 2_000

Progress = Callable[[str], None]
"""Told what is done now."""


class BenchOptions(Struct, frozen=True):
    """What to measure.

    Attributes:
        rounds: How often the variants take turns.
        seconds: How long each is measured in a round.
        soak_frames: Over how many frames memory is watched; 0 leaves that out.
        variants: Names of variants; empty for all that this machine can run.
        stages: Also measure the stages of a frame in LiteRT's pipeline.
        instructions: Also count the instructions that a frame executes there beside the networks.
    """

    rounds: int
    seconds: float
    soak_frames: int = 0
    variants: tuple[str, ...] = ()
    stages: bool = False
    instructions: bool = False


def run_bench(options: BenchOptions, progress: Progress) -> BenchReport:
    """Run a benchmark; blocks for about rounds x variants x seconds, and as many starts.

    Raises:
        UsageError: Unknown variants, or none that this machine can run; nothing that counts instructions.
        BrokerError: No broker starts.
        LandmarkerError: A variant failed.
    """
    variants = chosen_variants(options.variants)
    counter = usable_counter() if options.instructions else None
    progress("decode the clip")
    frames = SharedFrames.decode(demo_clip())
    with running_broker() as broker, ExitStack() as running:
        progress("compile, and read libraries into the page cache")
        # As an installer does; else each start would be that of a checkout where Python may not keep what it compiled.
        compileall.compile_dir(Path(piapp.__file__).parent, quiet=2)
        _start(variants[0], frames, broker)
        # At another rate the same node starts the same way.
        once = [variant for variant in variants if variant.kind != "rated"]
        starts = _starts(once, frames, broker, options.rounds, progress)
        children = []
        for variant in variants:
            progress(f"start {variant.title}")
            child = running.enter_context(Child(variant, frames, broker))
            started_s = child.wait_started()
            starts.setdefault(variant.name, [started_s])
            children.append(child)
        findings = _findings(children, starts, options, progress)
        idle = _idle(variants, frames, broker, options, progress)
    report = _report(options, broker.name, frames, findings, idle)
    if counter is None:
        return report
    return msgspec.structs.replace(report, instructions=count_instructions(counter, frames, progress))


def chosen_variants(names: Sequence[str]) -> list[Variant]:
    """The variants of these names, or all that this machine can run; those with more workers than cores left out.

    Raises:
        UsageError: There are none such.
    """
    known = [variant.name for variant in VARIANTS]
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"--variant {unknown[0]}: there are {', '.join(known)}")
    chosen = [variant for variant in VARIANTS if (not names or variant.name in names) and _runs_here(variant)]
    if not chosen:
        raise UsageError(f"none of the variants {', '.join(names or known)} can run on this machine")
    return chosen


def _runs_here(variant: Variant) -> bool:
    if variant.workers * max(1, variant.threads) > len(os.sched_getaffinity(0)):
        return False
    if variant.precision == "half" and not half_precision_runs_here():
        return False
    if variant.runtime == "mediapipe":
        return importlib.util.find_spec("mediapipe") is not None and mediapipe_runs_here()
    return importlib.util.find_spec("ai_edge_litert") is not None


@dataclass(frozen=True, slots=True)
class _Findings:
    """What the children found."""

    measured: list[Measured]
    others_percent: float
    parts: PartsFound | None
    stages: list[StageFound]
    soak: list[Soaked]


class _OtherPrograms:
    """Processor time since its creation that went to none of this program's processes."""

    def __init__(self) -> None:
        self._started = self._times()

    def percent(self) -> float:
        """Of all processors, in percent."""
        all_s, busy_s, ours_s = (now - then for now, then in zip(self._times(), self._started, strict=True))
        return max(0.0, busy_s - ours_s) / all_s * 100

    @staticmethod
    def _times() -> tuple[float, float, float]:
        """All processors' seconds, those in which they were busy, and those for this program's processes."""
        times = psutil.cpu_times()
        all_s = sum(times)
        ours = psutil.Process()
        spent = [process.cpu_times() for process in (ours, *ours.children(recursive=True))]
        return all_s, all_s - times.idle - times.iowait, sum(one.user + one.system for one in spent)


def _starts(
    variants: Sequence[Variant], frames: SharedFrames, broker: Broker, rounds: int, progress: Progress
) -> dict[str, list[float]]:
    """Start-up times in seconds, one a round, by the variants' names.

    Alone: a process that starts while others keep their memory may have to wait for the machine to find it some.
    """
    found: dict[str, list[float]] = {variant.name: [] for variant in variants}
    for number in range(rounds):
        for variant in variants:
            progress(f"start {number + 1} of {rounds}: {variant.title}")
            found[variant.name].append(_start(variant, frames, broker))
    return found


def _start(variant: Variant, frames: SharedFrames, broker: Broker) -> float:
    """Start a variant and end it; what the start took in seconds."""
    with Child(variant, frames, broker) as child:
        return child.wait_started()


def _findings(
    children: Sequence[Child], starts: Mapping[str, list[float]], options: BenchOptions, progress: Progress
) -> _Findings:
    others = _OtherPrograms()
    windows = _take_turns(children, options, progress)
    measured = [Measured(child.variant, starts[child.variant.name], windows[child.variant.name]) for child in children]
    others_percent = others.percent()
    soak = _soak(children, options.soak_frames, progress)
    stages = _stages(children, progress) if options.stages else []
    return _Findings(measured, others_percent, _parts(children, progress), stages, soak)


def _idle(
    variants: Sequence[Variant], frames: SharedFrames, broker: Broker, options: BenchOptions, progress: Progress
) -> IdleFound | None:
    """Of the first runtime whose pipeline was measured."""
    runtime = next((variant.runtime for variant in variants if variant.kind == "pipeline"), None)
    if runtime is None:
        return None
    progress("somebody there, then nobody")
    with Child(Variant("rated", "piapp at a camera's rate", "rated", runtime, 1), frames, broker) as child:
        child.wait_started()
        return child.idle(max(options.seconds, LEAST_IDLE_S))


def _take_turns(children: Sequence[Child], options: BenchOptions, progress: Progress) -> dict[str, list[Window]]:
    """Measure in rounds, every other one backwards, so that what drifts hits all alike; by the variants' names."""
    windows: dict[str, list[Window]] = {child.variant.name: [] for child in children}
    for number in range(options.rounds):
        for child in children if number % 2 == 0 else reversed(children):
            progress(f"round {number + 1} of {options.rounds}: {child.variant.title}")
            windows[child.variant.name].append(child.measure(Measure(seconds=options.seconds, frames=2)))
    return windows


def _parts(children: Sequence[Child], progress: Progress) -> PartsFound | None:
    for child in children:
        if child.variant.kind == "pipeline":
            progress("posture, encodings, bytes on the wire")
            return child.parts()
    return None


def _stages(children: Sequence[Child], progress: Progress) -> list[StageFound]:
    for child in children:
        if child.variant.kind == "pipeline" and child.variant.runtime == "litert":
            progress("stages of a frame")
            return child.stages().stages
    return []


def _soak(children: Sequence[Child], frames: int, progress: Progress) -> list[Soaked]:
    """Watch the memory of each pipeline; what it was after the first frames is what counts."""
    found = []
    for child in children:
        if child.variant.kind == "pipeline" and frames > 0:
            warm_frames = min(SOAK_WARM_FRAMES, frames // 2)
            progress(f"{frames} frames: {child.variant.title}")
            warm = child.measure(Measure(frames=warm_frames))
            end = child.measure(Measure(frames=frames - warm_frames))
            growth_mb = end.rss_mb - warm.rss_mb
            found.append(Soaked(child.variant.name, warm.frames + end.frames, warm.rss_mb, end.rss_mb, growth_mb))
    return found


def _report(
    options: BenchOptions, broker: str, frames: SharedFrames, findings: _Findings, idle: IdleFound | None
) -> BenchReport:
    variants = summed_up(findings.measured)
    parts = findings.parts
    count, height, width, _channels = frames.shape
    return BenchReport(
        v=SCHEMA_VERSION,
        machine=hardware.describe(),
        broker=broker,
        frames={"count": count, "width": width, "height": height},
        rounds=options.rounds,
        seconds=options.seconds,
        others_percent=findings.others_percent,
        variants=variants,
        update_ms=parts.update_ms if parts else None,
        encodings=parts.encodings if parts else [],
        idle=idle,
        soak=findings.soak,
        stages=findings.stages,
        bars=bars(variants, parts, idle, findings.soak),
    )
