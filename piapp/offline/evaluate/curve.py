"""Draws the trade-off between falls found and false alarms. Adapter to matplotlib; decides nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from piapp.draw import OutputError

_BLUE = "#0072b2"
_DPI = 120
_INCHES = (6.0, 4.5)


def draw_trade_off(path: Path, figures: dict[str, Any]) -> None:
    """Draw recall over the share of calm clips with a false fall, as the threshold rises from the configured one.

    Args:
        path: The picture to write; its suffix names the format.
        figures: As `piapp.offline.evaluate.figures.tables` gives them.

    Raises:
        OutputError: The picture cannot be written there or in this format.
    """
    points = figures["trade_off"]
    figure = Figure(figsize=_INCHES, dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    false = [100 * point["false"] for point in points]
    recall = [100 * point["recall"] for point in points]
    axes.step(false, recall, where="pre", color=_BLUE, marker=".")
    for point in (points[0], points[-1]) if points else ():
        place = (100 * point["false"], 100 * point["recall"])
        axes.annotate(
            f"score {point['threshold']:.2f}", place, xytext=(0, -14), textcoords="offset points", ha="center"
        )
    axes.set(xlabel="calm clips with a false fall (%)", ylabel="falls found (%)", ylim=(0, 101))
    axes.set_xlim(0, 1.2 * max([1.0, *false]))
    axes.grid(alpha=0.3)
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise OutputError(f"{path}: the picture cannot be written: {error}") from error
