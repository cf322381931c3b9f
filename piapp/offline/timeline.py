"""Draws postures and events over time. Adapter to matplotlib; decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from piapp.draw import OutputError
from piapp.offline.evaluate.labels import NOBODY, Found, Labels
from piapp.offline.history import Band, History, lanes

# Okabe and Ito's colours, which the colour-blind can tell apart.
COLOURS = {
    "standing": "#56b4e9",
    "sitting": "#009e73",
    "lying": "#d55e00",
    "bending": "#f0e442",
    "squatting": "#cc79a7",
    "unknown": "#999999",
    NOBODY: "#ffffff",
}

# Marked with a line through the bands; the others are told in the text output.
_MARKED = ("fall", "fallen", "recovered", "sit_down", "stand_up", "lie_down", "hand_raised", "wave", "repetition")
_ROW_INCH = 1.15

# Rows of events from top to bottom, what matters most first; others follow, and postures have their bands.
_EVENT_ROWS = (
    "fall", "fallen", "recovered", "person_entered", "person_left", "sit_down", "stand_up", "lie_down", "hand_raised",
    "hand_lowered", "wave", "repetition", "zone_entered", "zone_left", "inactive", "active",
)  # fmt: skip
_ALARMS = ("fall", "fallen")
_ALARM_COLOUR = "#b30000"
_CURVE_COLOUR = "#0072b2"

_LANE_INCH, _EVENT_INCH, _CURVE_INCH, _MARGIN_INCH = 0.45, 0.2, 1.0, 1.2
_WIDTH_INCH = 10
_DPI = 120

# Points of the curves: one for about two pixels.
_MAX_BINS = 400
_MIN_BIN_S = 1.0

# Of the width; narrower bands are drawn as wide, so that ten seconds of a day can be seen.
_NARROWEST = 1 / 800

# Later ones lie on top where bands of a day overlap for that: a short fall must not vanish under what followed.
_DEPTH = ("unknown", "standing", "sitting", "squatting", "bending", "lying")

# More marks of one kind are small, and alarms' lines would hide everything.
_FEW = 60

_SECONDS_PER_DAY = 86_400


def draw_timelines(path: Path, clips: Sequence[tuple[Labels, Found]]) -> None:
    """Draw each clip's labelled and found postures as bands, its events as marks; the suffix names the format.

    Raises:
        OutputError: The picture cannot be written.
    """
    figure = Figure(figsize=(_WIDTH_INCH, 0.8 + _ROW_INCH * len(clips)), layout="constrained")
    rows = figure.subplots(len(clips), squeeze=False)[:, 0]
    for axes, (labels, found) in zip(rows, clips, strict=True):
        _draw_clip(axes, labels, found)
    rows[-1].set_xlabel("seconds from the clip's start")
    _legend(figure, COLOURS)
    _save(figure, path)


def draw_history(path: Path, history: History, title: str) -> None:
    """Draw a recording: a band of postures for each person, events, results a second and latency; as PNG or SVG.

    The axis is the local time of day where the recording knows it, else seconds.

    Raises:
        OutputError: The picture cannot be written.
    """
    lane_of = lanes(history.bands)
    kinds = _event_rows(history)
    heights = [_LANE_INCH * max(1, len(set(lane_of.values()))), _EVENT_INCH * max(1, len(kinds)), _CURVE_INCH]
    with_latency = bool(np.isfinite(history.latency_ms).any())
    heights += [_CURVE_INCH] if with_latency else []
    figure = Figure(figsize=(_WIDTH_INCH, _MARGIN_INCH + sum(heights)), layout="constrained")
    rows = figure.subplots(len(heights), sharex=True, height_ratios=heights)
    place = _TimeAxis(history)
    _draw_bands(rows[0], history.bands, lane_of, place)
    _draw_events(rows[1], history, kinds, rows[0], place)
    _draw_rate(rows[2], history, place)
    if with_latency:
        _draw_latency(rows[3], history, place)
    for axes in rows:
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
        for start_s, end_s in history.gaps:
            axes.axvspan(place(start_s), place(end_s), facecolor="none", edgecolor="#cccccc", hatch="///", linewidth=0)
    place.label(rows[-1])
    rows[0].set_title(title, fontsize=10, loc="left")
    postures = {band.posture for band in history.bands}
    _legend(figure, {name: colour for name, colour in COLOURS.items() if name in postures})
    _save(figure, path)


class _TimeAxis:
    """Seconds of a recording to positions on the axis: days of the calendar, or seconds again."""

    def __init__(self, history: History) -> None:
        times_s = history.times_s
        self._start_utc_ms = history.start_utc_ms
        self.first_s, self.last_s = (times_s[0], max(times_s[-1], times_s[0] + 0.1)) if times_s else (0.0, 1.0)

    def __call__(self, at_s: Any) -> Any:
        if self._start_utc_ms is None:
            return at_s
        start = datetime.fromtimestamp(self._start_utc_ms / 1000, UTC)
        return date2num(start) + np.asarray(at_s) / _SECONDS_PER_DAY

    def label(self, axes: Any) -> None:
        """Mark the axis that all panels share."""
        axes.set_xlim(self(self.first_s), self(self.last_s))
        if self._start_utc_ms is None:
            axes.set_xlabel("seconds", fontsize=8)
            return
        start = datetime.fromtimestamp((self._start_utc_ms + self.first_s * 1000) / 1000, UTC).astimezone()
        zone: tzinfo | None = start.tzinfo
        locator = AutoDateLocator(tz=zone, minticks=5, maxticks=12)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=zone, show_offset=False))
        axes.set_xlabel(f"{start:%Y-%m-%d}, local time ({start:%Z})", fontsize=8)


def _draw_bands(axes: Any, bands: Sequence[Band], lane_of: dict[int, int], place: _TimeAxis) -> None:
    narrowest_s = (place.last_s - place.first_s) * _NARROWEST

    def key(band: Band) -> tuple[int, int]:
        return lane_of[band.person], _DEPTH.index(band.posture)

    for (lane, depth), group in groupby(sorted(bands, key=key), key):
        spans = [(band.start_s, max(band.end_s - band.start_s, narrowest_s)) for band in group]
        _bars(axes, spans, (lane - 0.4, 0.8), COLOURS[_DEPTH[depth]], place)
    count = len(set(lane_of.values()))
    axes.set_ylim(max(1, count) - 0.5, -0.5)
    axes.set_yticks(range(count), [_lane_name(lane, lane_of) for lane in range(count)])
    if not bands:
        axes.set_yticks([])
        axes.text(0.5, 0.5, "nobody", transform=axes.transAxes, ha="center", va="center", color="#666666")


def _lane_name(lane: int, lane_of: dict[int, int]) -> str:
    """Whom a lane shows: one person by id, or how many one after another."""
    persons = [person for person, where in lane_of.items() if where == lane]
    return f"person {persons[0]}" if len(persons) == 1 else f"{len(persons)} persons"


def _event_rows(history: History) -> list[str]:
    present = {kind for _, kind in history.events} - {"posture_changed"}
    return sorted(present, key=lambda kind: (_EVENT_ROWS.index(kind) if kind in _EVENT_ROWS else 99, kind))


def _draw_events(axes: Any, history: History, kinds: Sequence[str], bands: Any, place: _TimeAxis) -> None:
    for row, kind in enumerate(kinds):
        times = place(np.array([at_s for at_s, each in history.events if each == kind]))
        colour = _ALARM_COLOUR if kind in _ALARMS else "#333333"
        size = 5 if len(times) <= _FEW else 3
        axes.plot(times, [row] * len(times), marker="d", markersize=size, linestyle="", color=colour, clip_on=False)
        if kind in _ALARMS and len(times) <= _FEW:
            for panel in (axes, bands):
                for at in times:
                    panel.axvline(at, color=colour, linewidth=1, alpha=0.6, zorder=3)
    axes.set_ylim(max(1, len(kinds)) - 0.5, -0.5)
    axes.set_yticks(range(len(kinds)), [kind.replace("_", " ") for kind in kinds])
    axes.grid(axis="y", color="#eeeeee")
    axes.set_axisbelow(True)


def _draw_rate(axes: Any, history: History, place: _TimeAxis) -> None:
    edges_s = _bins(place)
    counts, _ = np.histogram(history.times_s, edges_s)
    rates = counts / np.diff(edges_s)
    axes.stairs(rates, place(edges_s), baseline=None, color=_CURVE_COLOUR, linewidth=1.2)
    axes.set_ylim(0, 1.15 * rates.max() or 1.0)
    axes.set_ylabel("results/s", fontsize=8)


def _draw_latency(axes: Any, history: History, place: _TimeAxis) -> None:
    edges_s = _bins(place)
    times_s, latency_ms = np.array(history.times_s), np.array(history.latency_ms)
    parts = np.split(latency_ms, np.searchsorted(times_s, edges_s[1:-1]))
    known = [part[np.isfinite(part)] for part in parts]
    middle, high = (
        np.array([np.percentile(part, percent) if part.size else np.nan for part in known]) for percent in (50, 95)
    )
    axes.stairs(high, place(edges_s), baseline=middle, fill=True, color=_CURVE_COLOUR, alpha=0.25, label="p95")
    axes.stairs(middle, place(edges_s), baseline=None, color=_CURVE_COLOUR, linewidth=1.2, label="median")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("latency, ms", fontsize=8)
    axes.legend(loc="lower right", fontsize=7, frameon=False, ncols=2)


def _bins(place: _TimeAxis) -> Any:
    """Edges of the curves' bins, equally far apart."""
    span_s = place.last_s - place.first_s
    count = int(min(_MAX_BINS, max(1.0, span_s // _MIN_BIN_S)))
    return np.linspace(place.first_s, place.last_s, count + 1)


def _draw_clip(axes: Any, labels: Labels, found: Found) -> None:
    end_s = found.postures[-1][0] if found.postures else 1.0
    for start_s, stop_s, posture in labels.spans:
        _bars(axes, [(start_s, stop_s - start_s)], (1.05, 0.8), COLOURS[posture])
    for posture, steps in groupby(zip(found.postures, [*found.postures[1:], (end_s, "")], strict=True), _posture_of):
        pairs = list(steps)
        start_s, stop_s = pairs[0][0][0], pairs[-1][1][0]
        _bars(axes, [(start_s, stop_s - start_s)], (0.1, 0.8), COLOURS[posture])
    for expected in labels.events:
        if expected.event_type in _MARKED:
            axes.plot(expected.at_s, 1.45, marker="v", color="black", markersize=5)
    for event in found.events:
        if event.event_type in _MARKED:
            at_s = event.ts_ms / 1000
            axes.axvline(at_s, 0.03, 0.47, color="black", linewidth=1)
            axes.text(at_s, 0.5, f" {event.event_type}", fontsize=6, va="center", rotation=30)
    axes.set(xlim=(0, end_s), ylim=(0, 1.95), yticks=[0.5, 1.45], yticklabels=["found", "label"])
    axes.set_title(labels.name, fontsize=8, loc="left", pad=2)
    axes.tick_params(labelsize=7)


def _bars(
    axes: Any,
    spans: Iterable[tuple[float, float]],
    row: tuple[float, float],
    colour: str,
    place: Callable[[float], Any] = float,
) -> None:
    """Draw (start, length) spans in seconds; `row` is (lower edge, height)."""
    placed = [(place(start_s), place(start_s + length_s) - place(start_s)) for start_s, length_s in spans]
    axes.broken_barh(placed, row, facecolor=colour)


def _legend(figure: Figure, colours: dict[str, str]) -> None:
    handles = [Patch(facecolor=colour, edgecolor="#666666", label=name) for name, colour in colours.items()]
    if handles:
        figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False, fontsize=8)


def _save(figure: Figure, path: Path) -> None:
    try:
        figure.savefig(path, dpi=_DPI)
    except (OSError, ValueError) as error:
        raise OutputError(f"{path}: the picture cannot be written: {error}") from error


def _posture_of(step: tuple[tuple[float, str], tuple[float, str]]) -> str:
    return step[0][1]
