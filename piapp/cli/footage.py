"""`piapp evaluate --manifest`: from clips to printed figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import typer

from piapp.config.sections import Config
from piapp.errors import MediaError, UsageError
from piapp.extras import extra
from piapp.model_choice import choose_model
from piapp.offline.evaluate.degrade import DEGRADATIONS
from piapp.offline.evaluate.figures import report, tables
from piapp.offline.evaluate.footage import Bench
from piapp.offline.evaluate.manifest import Clip, locate, read_manifest
from piapp.offline.evaluate.sheets import Sheets
from piapp.progress import files_progress
from piapp.types import ImageArray


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command was asked for; see its options."""

    rate_hz: float
    copies: int
    split: str | None
    sheets: Path | None
    record: Path | None
    picture: Path | None
    json: bool
    footage: str | None = None
    degrade: str | None = None


def evaluate_footage(folder: Path, manifest: Path, config: Config, wanted: Wanted) -> None:
    """Judge the manifest's clips that are in the folder, and print the figures.

    Raises:
        MediaError: Manifest or clips cannot be read, or there is none.
        UsageError: A picture is wanted and its library is not installed.
    """
    degrade = _degradation(wanted.degrade) if wanted.degrade else None
    clips = [clip for clip in read_manifest(manifest) if _is_wanted(clip, wanted)]
    if not clips:
        raise MediaError(f"{manifest}: names no clips to judge")
    draw = _drawing() if wanted.picture else None
    found = locate(clips, folder)
    sheets = Sheets(wanted.sheets) if wanted.sheets else None
    model = choose_model(config.landmarker, masks=False)
    bench = Bench(config, model, wanted.rate_hz, wanted.copies, wanted.record, sheets, degrade)
    outcomes = []
    with files_progress(len(found)) as advance:
        for clip, path in found:
            advance(path)
            outcomes.append(bench.run(clip, path))
    figures = {
        "clips": len(outcomes),
        "absent": len(clips) - len(outcomes),
        "rate_hz": wanted.rate_hz,
        "degrade": wanted.degrade,
    }
    figures |= tables(outcomes)
    typer.echo(msgspec.json.encode(figures).decode() if wanted.json else "\n".join(report(figures)))
    if sheets:
        sheets.write()
    if draw and wanted.picture:
        draw(wanted.picture, figures)


def _is_wanted(clip: Clip, wanted: Wanted) -> bool:
    return wanted.split in {None, clip.split} and wanted.footage in {None, clip.footage}


def _degradation(text: str) -> Callable[[ImageArray], ImageArray]:
    """What makes pictures worse, from `KIND=FACTOR`."""
    kind, _, factor = text.partition("=")
    try:
        change, number = DEGRADATIONS[kind], float(factor)
    except (KeyError, ValueError) as error:
        kinds = ", ".join(DEGRADATIONS)
        raise UsageError(f"--degrade {text}: expected KIND=FACTOR, such as small=0.5; kinds are {kinds}") from error
    return lambda image: change(image, number)


def _drawing() -> Callable[[Path, dict[str, Any]], None]:
    """What draws the trade-off; its library is an extra."""
    with extra("plot", "evaluate --picture"):
        from piapp.offline.evaluate.curve import draw_trade_off  # noqa: PLC0415
    return draw_trade_off
