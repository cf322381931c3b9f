"""Compares a benchmark with an earlier one, of the same machine or of an earlier version of this program."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from piapp.bench.report import BenchReport, VariantFound
from piapp.bench.statistics import Spread
from piapp.errors import UsageError

Verdict = Literal["better", "worse", "unclear", "no interval"]


class Change(Struct, frozen=True):
    """One quantity in both reports.

    Attributes:
        ratio: New over old; its interval is that of the extremes of both reports' rounds.
        verdict: "unclear" where the interval has 1 in it; "no interval" where either report has a single value, which
            the machine's other work may have made.
    """

    name: str
    old: Spread
    new: Spread
    ratio: Spread
    verdict: Verdict


def read_report(path: Path) -> BenchReport:
    """A report that `piapp bench --json` printed.

    Raises:
        UsageError: There is no such file, or it holds something else.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=BenchReport)
    except OSError as error:
        raise UsageError(f"--compare {path}: cannot be read: {error.strerror}") from error
    except (msgspec.MsgspecError, ValueError) as error:
        raise UsageError(f"--compare {path}: expected what `piapp bench --json` prints: {error}") from error


def changes(old: BenchReport, new: BenchReport) -> list[Change]:
    """What both reports have, with what changed; rates beside MediaPipe's loop where both have it, else absolute."""
    earlier = {found.variant.name: found for found in old.variants}
    made = [
        change
        for found in new.variants
        if found.variant.name in earlier
        for change in _of_variant(earlier[found.variant.name], found)
    ]
    if old.update_ms is not None and new.update_ms is not None:
        made.append(_change("posture update p95, ms", _exact(old.update_ms.p95), _exact(new.update_ms.p95), less=True))
    stages = {stage.name: stage.mean_ms for stage in old.stages}
    made += [
        _change(f"{stage.name}, ms", _exact(stages[stage.name]), _exact(stage.mean_ms), less=True)
        for stage in new.stages
        if stages.get(stage.name) and stage.mean_ms
    ]
    counted = {(one.part, one.counter): one.millions for one in old.instructions}
    made += [
        _change(f"{one.part}, million instructions", _exact(millions), _exact(one.millions), less=True)
        for one in new.instructions
        if (millions := counted.get((one.part, one.counter)))
    ]
    return made


def _of_variant(old: VariantFound, new: VariantFound) -> Iterator[Change]:
    name = new.variant.name
    if old.ratio is not None and new.ratio is not None:
        yield _change(f"{name}: frames a second over the bare loop's", old.ratio, new.ratio, less=False)
    else:
        yield _change(f"{name}: frames a second", old.fps, new.fps, less=False)
    yield _change(f"{name}: CPU ms a frame", old.cpu_ms, new.cpu_ms, less=True)
    yield _change(f"{name}: RSS, MB", _exact(old.rss_mb), _exact(new.rss_mb), less=True)
    if old.own_mb and new.own_mb:
        yield _change(f"{name}: memory in no file, MB", _exact(old.own_mb), _exact(new.own_mb), less=True)
    if old.added_ms is not None and new.added_ms is not None:
        yield _change(f"{name}: added latency p50, ms", _exact(old.added_ms.p50), _exact(new.added_ms.p50), less=True)
        yield _change(f"{name}: added latency p99, ms", _exact(old.added_ms.p99), _exact(new.added_ms.p99), less=True)
    yield _change(f"{name}: start, s", old.startup_s, new.startup_s, less=True)


def _change(name: str, old: Spread, new: Spread, *, less: bool) -> Change:
    """`less` says that less is better."""
    ratio = Spread(new.median / old.median, new.low / old.high, new.high / old.low)
    return Change(name, old, new, ratio, _verdict(old, new, ratio, less=less))


def _verdict(old: Spread, new: Spread, ratio: Spread, *, less: bool) -> Verdict:
    if old.low == old.high or new.low == new.high:
        return "no interval"
    if ratio.low <= 1 <= ratio.high:
        return "unclear"
    return "better" if (ratio.high < 1) == less else "worse"


def _exact(value: float) -> Spread:
    return Spread(value, value, value)
