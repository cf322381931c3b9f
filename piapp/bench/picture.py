"""Draws a report: bars with the spread over the rounds. Adapter to matplotlib; decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from piapp.bench.report import BenchReport, VariantFound
from piapp.bench.statistics import Spread
from piapp.draw import OutputError

# Okabe and Ito's colours, which the colour-blind can tell apart: others' loop, this project, the limit.
COLOURS = {"bare": "#999999", "pipeline": "#0072b2", "model": "#e69f00"}

_ROW_INCH = 0.35


def draw_report(path: Path, report: BenchReport) -> None:
    """Draw frames a second and processor time a frame of each variant; the suffix names the format.

    Raises:
        OutputError: The picture cannot be written.
    """
    # At a camera's rate all are alike. The first row is drawn lowest.
    found = [one for one in report.variants if one.variant.kind != "rated"][::-1]
    figure = Figure(figsize=(9, 1.3 + _ROW_INCH * len(found)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    _bars(left, found, [one.fps for one in found], "frames a second (more is better)")
    _bars(right, found, [one.cpu_ms for one in found], "processor time a frame, ms (less is better)")
    machine = f"{report.machine['board']}, {report.machine['cores']} cores"
    figure.suptitle(f"{machine}: median of {report.rounds} rounds, lines from least to most", fontsize=9)
    try:
        figure.savefig(path, dpi=120)
    except (OSError, ValueError) as error:
        raise OutputError(f"{path}: the picture cannot be written: {error}") from error


def _bars(axes: Any, found: Sequence[VariantFound], values: Sequence[Spread], title: str) -> None:
    medians = [value.median for value in values]
    below = [value.median - value.low for value in values]
    above = [value.high - value.median for value in values]
    names = [one.variant.title for one in found]
    axes.barh(names, medians, color=[COLOURS[one.variant.kind] for one in found], height=0.7)
    axes.errorbar(medians, names, xerr=(below, above), fmt="none", ecolor="black", elinewidth=1, capsize=2)
    for name, value in zip(names, values, strict=True):
        axes.text(0, name, f" {value.median:.3g}", va="center", fontsize=8, color="white", fontweight="bold")
    axes.set_title(title, fontsize=8)
    axes.tick_params(labelsize=8)
