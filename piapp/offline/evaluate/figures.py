"""Figures of many outcomes: shares with intervals by footage, view and kind; as JSON and as tables. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import median
from typing import Any

from piapp.offline.evaluate.footage import Outcome
from piapp.offline.evaluate.rates import Share, quantile, trade_off
from piapp.offline.evaluate.seeing import seeing_figures

_HOUR_S = 3600
_TENTHS = 0.9


def summarize(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The figures of a group of outcomes, as plain values.

    Falls that several cameras saw count once in `falls_by_group`: in `count` when at least half of their clips were
    answered rightly, in `any` when at least one was.
    """
    falls = [outcome for outcome in outcomes if outcome.clip.fall]
    calm = [outcome for outcome in outcomes if not outcome.clip.fall]
    on_purpose = [outcome for outcome in calm if outcome.clip.lies_down]
    delays_s = [outcome.delay_s for outcome in falls if outcome.delay_s is not None]
    hours = sum(outcome.seconds for outcome in calm) / _HOUR_S
    false = sum(len(outcome.false) for outcome in calm)
    frames = Share(sum(outcome.seen for outcome in outcomes), sum(outcome.frames for outcome in outcomes))
    return {
        "falls": _share(falls, lambda outcome: outcome.alarmed),
        "falls_by_group": _by_group(falls),
        "false_clips": _share(calm, lambda outcome: outcome.alarmed),
        "false_clips_lying_down": _share(on_purpose, lambda outcome: outcome.alarmed),
        "early_clips": _share(falls, lambda outcome: bool(outcome.false)),
        "found_lying": {
            "falls": _share(falls, lambda outcome: outcome.found_lying),
            "falls_or_found": _share(falls, lambda outcome: outcome.alarmed or outcome.found_lying),
            "calm": _share(calm, lambda outcome: outcome.found_lying),
        },
        "taken_back": _share([each for each in outcomes if each.falls], lambda outcome: outcome.taken_back),
        "calm_hours": round(hours, 3),
        "false_per_hour": round(false / hours, 2) if hours else None,
        "delay_s": _delays(delays_s),
        "frames_seen": frames.as_dict(),
        "seeing": seeing_figures(outcome.seeing for outcome in outcomes),
        "postures": _postures(outcomes),
        "flips": _flips(outcomes),
    }


def tables(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """All figures: in total, by footage, by view, by kind; the trade-off; and each clip's alarms."""
    kinds = _grouped(outcomes, lambda outcome: f"{outcome.clip.footage}: {outcome.clip.kind}")
    return {
        "total": summarize(outcomes),
        "footage": _grouped(outcomes, lambda outcome: outcome.clip.footage),
        "view": _grouped(outcomes, lambda outcome: outcome.clip.view),
        "kind": kinds,
        "trade_off": [
            {"threshold": round(point.threshold, 4), "recall": round(point.recall, 4), "false": round(point.false, 4)}
            for point in trade_off(*scores(outcomes))
        ],
        "answers": {outcome.clip.title: _answer(outcome) for outcome in outcomes},
    }


def scores(outcomes: Iterable[Outcome]) -> tuple[list[float | None], list[float | None]]:
    """The best score of each clip with a fall, and of each calm one; None without an alarm."""
    falls: list[float | None] = []
    calm: list[float | None] = []
    for outcome in outcomes:
        (falls if outcome.clip.fall else calm).append(outcome.best_score)
    return falls, calm


def _answer(outcome: Outcome) -> list[dict[str, Any]]:
    return [
        {"at_s": round(alarm.at_s, 2), "score": round(alarm.score, 4), "found_lying": alarm.found_lying}
        for alarm in outcome.alarms
    ]


def report(figures: dict[str, Any]) -> Iterator[str]:
    """Lines for people."""
    for title in ("footage", "view", "kind"):
        yield from _rows(title, figures[title])
        yield ""
    yield from _rows("total", {"all": figures["total"]})
    yield ""
    yield "postures, where somebody is seen:"
    for kind, row in figures["kind"].items():
        yield f"  {kind:40} " + ", ".join(f"{name} {100 * share:.0f} %" for name, share in row["postures"].items())
    if flips := figures["total"]["flips"]:
        yield ""
        yield "answers that change in perturbed copies:"
        yield from (f"  {kind:15} {share_text(share)}" for kind, share in flips.items())


def markdown(figures: dict[str, Any], title: str = "footage") -> Iterator[str]:
    """One of the tables as Markdown; `docs/accuracy.md` has them."""
    head = ("falls found", "each fall once", "clips with a false fall", "false an hour", "delay p50, p90", "seen")
    yield "| " + " | ".join((title, *head)) + " |"
    yield "|" + "---|" * (len(head) + 1)
    for name, row in figures[title].items():
        yield "| " + " | ".join((name, *_cells(row))) + " |"


def share_text(share: dict[str, Any]) -> str:
    """A share from JSON, for people."""
    return Share(share["count"], share["of"]).text()


def _rows(title: str, rows: dict[str, Any]) -> Iterator[str]:
    lines: list[tuple[str, ...]] = [
        (title, "falls found", "each fall once", "false clips", "an hour", "delay p50, p90", "seen")
    ]
    lines += [(name, *_cells(row)) for name, row in rows.items()]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        yield "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    delay = row["delay_s"]
    hourly = row["false_per_hour"]
    return (
        share_text(row["falls"]),
        share_text(row["falls_by_group"]),
        share_text(row["false_clips"]),
        "-" if hourly is None else f"{hourly:g}",
        f"{delay['p50']:+.1f} s, {delay['p90']:+.1f} s" if delay else "-",
        f"{100 * row['frames_seen']['count'] / max(1, row['frames_seen']['of']):.0f} %",
    )


def _grouped(outcomes: Iterable[Outcome], key: Callable[[Outcome], str]) -> dict[str, Any]:
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(key(outcome), []).append(outcome)
    return {name: summarize(group) for name, group in groups.items()}


def _by_group(falls: Iterable[Outcome]) -> dict[str, Any]:
    groups: dict[tuple[str, str], list[bool]] = {}
    for outcome in falls:
        groups.setdefault((outcome.clip.footage, outcome.clip.group), []).append(outcome.alarmed)
    half = sum(2 * sum(answers) >= len(answers) for answers in groups.values())
    return Share(half, len(groups)).as_dict() | {"any": sum(any(answers) for answers in groups.values())}


def _share(outcomes: Sequence[Outcome], has: Callable[[Outcome], bool]) -> dict[str, Any]:
    return Share(sum(has(outcome) for outcome in outcomes), len(outcomes)).as_dict()


def _delays(delays_s: Sequence[float]) -> dict[str, Any] | None:
    if not delays_s:
        return None
    late_s = quantile(delays_s, _TENTHS)
    assert late_s is not None
    return {"of": len(delays_s), "p50": round(median(delays_s), 2), "p90": round(late_s, 2)}


def _postures(outcomes: Iterable[Outcome]) -> dict[str, float]:
    """Share of each posture in the frames in which somebody is seen."""
    counts: Counter[str] = Counter()
    for outcome in outcomes:
        counts.update(outcome.postures)
    return {posture: round(count / counts.total(), 4) for posture, count in counts.most_common()}


def _flips(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    answers: dict[str, list[bool]] = {}
    for outcome in outcomes:
        for kind, alarmed in outcome.copies:
            answers.setdefault(kind, []).append(alarmed != outcome.alarmed)
    total = {"all": [flip for flips in answers.values() for flip in flips]} if answers else {}
    return {kind: Share(sum(flips), len(flips)).as_dict() for kind, flips in (answers | total).items()}
