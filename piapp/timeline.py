"""Draws postures and events over time. Adapter to matplotlib; decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from piapp.draw import OutputError
from piapp.evaluate import NOBODY, Found, Labels

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


def draw_timelines(path: Path, clips: Sequence[tuple[Labels, Found]]) -> None:
    """Draw each clip's labelled and found postures as bands, its events as marks; the suffix names the format.

    Raises:
        OutputError: The picture cannot be written.
    """
    figure = Figure(figsize=(10, 0.8 + _ROW_INCH * len(clips)), layout="constrained")
    rows = figure.subplots(len(clips), squeeze=False)[:, 0]
    for axes, (labels, found) in zip(rows, clips, strict=True):
        _draw_clip(axes, labels, found)
    rows[-1].set_xlabel("seconds from the clip's start")
    handles = [Patch(facecolor=colour, edgecolor="#666666", label=name) for name, colour in COLOURS.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False, fontsize=8)
    try:
        figure.savefig(path, dpi=120)
    except (OSError, ValueError) as error:
        raise OutputError(f"{path}: the picture cannot be written: {error}") from error


def _draw_clip(axes: Any, labels: Labels, found: Found) -> None:
    end_s = found.postures[-1][0] if found.postures else 1.0
    for start_s, stop_s, posture in labels.spans:
        axes.broken_barh([(start_s, stop_s - start_s)], (1.05, 0.8), facecolor=COLOURS[posture])
    for posture, steps in groupby(zip(found.postures, [*found.postures[1:], (end_s, "")], strict=True), _posture_of):
        pairs = list(steps)
        start_s, stop_s = pairs[0][0][0], pairs[-1][1][0]
        axes.broken_barh([(start_s, stop_s - start_s)], (0.1, 0.8), facecolor=COLOURS[posture])
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


def _posture_of(step: tuple[tuple[float, str], tuple[float, str]]) -> str:
    return step[0][1]
