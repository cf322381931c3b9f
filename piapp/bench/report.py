"""What a benchmark found, as data. `table` shows it to people."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from piapp.bench.protocol import (
    Encoding,
    IdleFound,
    InstructionsFound,
    PartsFound,
    Percentiles,
    StageFound,
    Variant,
    Window,
)
from piapp.bench.statistics import Spread, percentiles, ratios, spread

SCHEMA_VERSION = 1

# What each must reach, in the words of the bars' names.
ONE_WORKER_RATIO = 1.3
TWO_WORKERS_RATIO = 2.3
LITERT_ONE_WORKER_RATIO = 1.9
LITERT_TWO_WORKERS_RATIO = 3.6
LITERT_OF_MODEL = 0.8
LITERT_CPU_RATIO = 0.5
LITERT_RSS_MB = 100.0
LITERT_START_RATIO = 0.4
# With all cores busy, and at a camera's rate.
ADDED_P50_MS, ADDED_P99_MS = 2.0, 10.0
RATED_ADDED_P50_MS, RATED_ADDED_P99_MS = 1.5, 5.0
RSS_GROWTH_MB = 5.0
UPDATE_MS = 0.5
IDLE_CPU_RATIO = 0.2


class Measured(Struct, frozen=True):
    """All rounds of one variant; `startup_s` is of each round's start."""

    variant: Variant
    startup_s: list[float]
    windows: list[Window]

    @property
    def fps(self) -> list[float]:
        """Of each round."""
        return [window.frames / window.elapsed_s for window in self.windows]

    @property
    def cpu_ms(self) -> list[float]:
        """Processor time a frame, of each round."""
        return [window.cpu_s * 1000 / window.frames for window in self.windows]


class VariantFound(Struct, frozen=True):
    """One variant in numbers.

    Attributes:
        fps: Frames a second.
        cpu_ms: Processor time a frame, all threads together.
        ratio: Frames a second over those of MediaPipe's bare loop in the same round; None for that loop, without it,
            and at a camera's rate.
        cpu_ratio: The same of processor time.
        latency_ms: From a frame's hand-over to the landmarker to its callback.
        added_ms: What the pipeline adds until PUBLISH is written; None where nothing is published.
        lost: Frames handed over and not published.
        startup_s: From the start of the process to the first result.
        own_mb: What of `rss_mb` is in no file: the least that the kernel must find memory for.
    """

    variant: Variant
    fps: Spread
    cpu_ms: Spread
    ratio: Spread | None
    cpu_ratio: Spread | None
    latency_ms: Percentiles
    added_ms: Percentiles | None
    lost: int
    rss_mb: float
    startup_s: Spread
    own_mb: float = 0.0


class Soaked(Struct, frozen=True):
    """Memory over many frames.

    Attributes:
        frames: In all.
        warm_mb: Resident memory after the first ones.
        end_mb: After the last one.
        growth_mb: Between the two.
    """

    variant: str
    frames: int
    warm_mb: float
    end_mb: float
    growth_mb: float


class Bar(Struct, frozen=True):
    """A promise and what became of it. `least` tells whether `limit` is the least or the most that is allowed."""

    name: str
    value: float
    limit: float
    least: bool
    met: bool


class BenchReport(Struct, frozen=True):
    """Everything, as `piapp bench --json` prints it.

    Attributes:
        others_percent: How much of all processors other programs used during the rounds; much of it makes latencies
            those of waiting for a processor, while ratios and processor time hold.
    """

    v: int
    machine: dict[str, str | int | None]
    broker: str
    frames: dict[str, int]
    rounds: int
    seconds: float
    others_percent: float
    variants: list[VariantFound]
    update_ms: Percentiles | None
    encodings: list[Encoding]
    idle: IdleFound | None
    soak: list[Soaked]
    bars: list[Bar]
    stages: list[StageFound] = []
    instructions: list[InstructionsFound] = []


def summed_up(measured: Sequence[Measured]) -> list[VariantFound]:
    """Each variant beside MediaPipe's bare loop, which is the one of kind "bare"."""
    bare = next((one for one in measured if one.variant.kind == "bare"), None)
    return [_summed_up(one, bare) for one in measured]


def bars(
    variants: Sequence[VariantFound], parts: PartsFound | None, idle: IdleFound | None, soak: Sequence[Soaked]
) -> list[Bar]:
    """Every bar that what was measured can tell about."""
    by_name = {found.variant.name: found for found in variants}
    made: list[Bar] = []
    _ratio_bar(made, by_name, "mediapipe-1", ONE_WORKER_RATIO)
    _ratio_bar(made, by_name, "mediapipe-2", TWO_WORKERS_RATIO)
    _ratio_bar(made, by_name, "litert-1", LITERT_ONE_WORKER_RATIO)
    _ratio_bar(made, by_name, "litert-2", LITERT_TWO_WORKERS_RATIO)
    _litert_bars(made, by_name)
    for found in variants:
        _latency_bars(made, found)
    if parts is not None:
        made.append(_most("posture update of one person p95, ms", parts.update_ms.p95, UPDATE_MS))
    if idle is not None:
        ratio = idle.idle_percent / idle.active_percent
        made.append(_most("CPU while nobody is there, over somebody there", ratio, IDLE_CPU_RATIO))
    made += [
        _most(f"{one.variant}: RSS growth over {one.frames} frames, MB", one.growth_mb, RSS_GROWTH_MB) for one in soak
    ]
    return made


def _summed_up(one: Measured, bare: Measured | None) -> VariantFound:
    compared = bare if bare is not one and one.variant.kind != "rated" else None
    added = [value for window in one.windows for value in window.added_ms]
    return VariantFound(
        variant=one.variant,
        fps=spread(one.fps),
        cpu_ms=spread(one.cpu_ms),
        ratio=ratios(one.fps, compared.fps) if compared else None,
        cpu_ratio=ratios(one.cpu_ms, compared.cpu_ms) if compared else None,
        latency_ms=percentiles([value for window in one.windows for value in window.latency_ms]),
        added_ms=percentiles(added) if added else None,
        lost=sum(window.lost for window in one.windows),
        rss_mb=max(window.rss_mb for window in one.windows),
        startup_s=spread(one.startup_s),
        own_mb=max(window.own_mb for window in one.windows),
    )


def _latency_bars(made: list[Bar], found: VariantFound) -> None:
    if found.added_ms is None:
        return
    rated = found.variant.kind == "rated"
    p50_ms, p99_ms = (RATED_ADDED_P50_MS, RATED_ADDED_P99_MS) if rated else (ADDED_P50_MS, ADDED_P99_MS)
    made.append(_most(f"{found.variant.name}: added latency p50, ms", found.added_ms.p50, p50_ms))
    made.append(_most(f"{found.variant.name}: added latency p99, ms", found.added_ms.p99, p99_ms))


def _ratio_bar(made: list[Bar], by_name: dict[str, VariantFound], name: str, limit: float) -> None:
    found = by_name.get(name)
    if found is not None and found.ratio is not None:
        made.append(_least(f"{name}: frames a second over the bare loop's", found.ratio.median, limit))


def _litert_bars(made: list[Bar], by_name: dict[str, VariantFound]) -> None:
    for workers in (1, 2):
        litert, model = by_name.get(f"litert-{workers}"), by_name.get(f"model-{workers}")
        if litert and model:
            share = litert.fps.median / model.fps.median
            made.append(_least(f"litert-{workers}: share of the network's own rate", share, LITERT_OF_MODEL))
        if litert and litert.cpu_ratio:
            cpu = litert.cpu_ratio.median
            made.append(_most(f"litert-{workers}: CPU a frame over the bare loop's", cpu, LITERT_CPU_RATIO))
    litert, mediapipe = by_name.get("litert-1"), by_name.get("mediapipe-1")
    if litert:
        made.append(_most("litert-1: RSS, MB", litert.rss_mb, LITERT_RSS_MB))
    if litert and mediapipe:
        start = litert.startup_s.median / mediapipe.startup_s.median
        made.append(_most("litert-1: start-up over mediapipe-1's", start, LITERT_START_RATIO))


def _least(name: str, value: float, limit: float) -> Bar:
    return Bar(name, value, limit, least=True, met=value >= limit)


def _most(name: str, value: float, limit: float) -> Bar:
    return Bar(name, value, limit, least=False, met=value <= limit)
