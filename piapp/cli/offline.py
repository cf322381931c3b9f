"""Commands that work on files: detect, evaluate, record, replay, plot."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from piapp.cli.options import ConfigOption, LogOption, SetOption, begin
from piapp.cli.process import EXIT_SOME_FAILED, LogLevel, stop_on_signals, write_line
from piapp.errors import PiappError, UsageError
from piapp.extras import extra

app = typer.Typer(rich_markup_mode=None)


class Format(StrEnum):
    """Forms of `piapp detect`'s output."""

    JSONL = "jsonl"
    CSV = "csv"


class DetectMode(StrEnum):
    """What `piapp detect` takes files for."""

    AUTO = "auto"
    IMAGE = "image"
    VIDEO = "video"


class Split(StrEnum):
    """Parts of a manifest."""

    TUNE = "tune"
    CHECK = "check"


@app.command(epilog="Example: piapp detect holiday.mp4 pictures/ --annotate out > poses.jsonl")
def detect(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Pictures, videos, or folders of them.")],
    events: Annotated[bool, typer.Option("--events", help="Print events instead of frames.")] = False,
    annotate: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also write pictures and videos with the skeleton drawn.")
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="Form of the frames on standard output.")] = Format.JSONL,
    mode: Annotated[DetectMode, typer.Option(help="What to take the files for.")] = DetectMode.AUTO,
    fps: Annotated[
        float | None, typer.Option(min=0.01, max=1000, help="Frames a second of videos without times (.h264, .mjpeg).")
    ] = None,
    config: ConfigOption = None,
    set_: SetOption = None,
    log_level: LogOption = LogLevel.WARNING,
) -> None:
    """Find poses in pictures (IMAGE mode) and videos (VIDEO mode); one JSON line a frame."""
    if events and format_ is Format.CSV:
        raise UsageError("--events prints JSON lines; leave --format csv out")
    loaded = begin(config, set_, {}, log_level)
    from piapp.model_choice import choose_model  # noqa: PLC0415
    from piapp.offline import detect as detection  # noqa: PLC0415
    from piapp.progress import files_progress  # noqa: PLC0415

    landmarker = loaded.config.landmarker
    model = choose_model(landmarker, masks=landmarker.output_segmentation_masks)
    files = detection.find_files(paths)
    rows = detection.CsvRows if format_ is Format.CSV else detection.JsonLines
    outputs: list[detection.Output] = [detection.EventLines(sys.stdout) if events else rows(sys.stdout)]
    outputs += [detection.AnnotatedFiles(annotate, files)] if annotate else []
    with detection.Detector(loaded.config, model, fps) as detector, files_progress(len(files)) as advance:
        errors = detection.run_detection(detector, files, outputs, mode.value, advance)
    if errors:
        raise typer.Exit(EXIT_SOME_FAILED)


@app.command(
    epilog="Example: piapp evaluate clips/ --picture timelines.png"
    "\n\nExample: piapp evaluate recordings/ --manifest tests/footage/manifest.json --perturbed 4"
)
def evaluate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Clips or recordings with labels.")],
    labels: Annotated[Path | None, typer.Option(metavar="F", help="Labels instead of DIR/segments.json.")] = None,
    tolerance: Annotated[
        float, typer.Option(metavar="S", min=0.0, help="How far an event may be from its label.")
    ] = 1.0,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    picture: Annotated[
        Path | None,
        typer.Option(metavar="F", help="Draw postures and events over time, or the manifest's trade-off (.png, .svg)."),
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(metavar="F", help="Judge falls on this manifest's clips in DIR/SET/NAME.")
    ] = None,
    split: Annotated[Split | None, typer.Option(help="Only this part of the manifest.")] = None,
    footage: Annotated[str | None, typer.Option(metavar="SET", help="Only this set of the manifest.")] = None,
    degrade: Annotated[
        str | None,
        typer.Option(metavar="KIND=X", help="Worsen videos: small, dark, blurred, grey, askew (manifest)."),
    ] = None,
    rate: Annotated[
        float, typer.Option(metavar="HZ", min=1.0, max=60.0, help="Frames a second, taken by their times (manifest).")
    ] = 15.0,
    perturbed: Annotated[
        int, typer.Option(metavar="N", min=0, max=40, help="Also judge N changed copies of each clip (manifest).")
    ] = 0,
    sheets: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write random frames with skeletons to look at (manifest).")
    ] = None,
    record: Annotated[
        Path | None, typer.Option("--record", metavar="DIR", help="Keep the videos' landmarks (manifest).")
    ] = None,
    config: ConfigOption = None,
    set_: SetOption = None,
    log_level: LogOption = LogLevel.WARNING,
) -> None:
    """Compare with labelled clips: events and postures, or with --manifest the falls of many clips with intervals."""
    if manifest and labels:
        raise UsageError("evaluate: --manifest and --labels exclude each other; a manifest holds its own labels")
    if not manifest and (split or perturbed or sheets or record or footage or degrade):
        raise UsageError("evaluate: --split, --footage, --degrade, --perturbed, --sheets, --record need a --manifest")
    loaded = begin(config, set_, {}, log_level)
    if manifest:
        from piapp.cli.footage import Wanted, evaluate_footage  # noqa: PLC0415

        wanted = Wanted(
            rate, perturbed, split.value if split else None, sheets, record, picture, json_, footage, degrade
        )
        evaluate_footage(folder, manifest, loaded.config, wanted)
        return
    from piapp.model_choice import choose_model  # noqa: PLC0415
    from piapp.offline.detect import Detector  # noqa: PLC0415
    from piapp.offline.evaluate import labels as evaluation  # noqa: PLC0415

    gap_s = loaded.config.posture.gap_s
    clips = evaluation.read_labels(folder, tolerance_s=tolerance, gap_s=gap_s, labels_file=labels)
    total, scores, found = evaluation.Score("total"), [], []
    with Detector(loaded.config, choose_model(loaded.config.landmarker, masks=False)) as detector:
        for clip in clips:
            found.append(evaluation.observe(clip, loaded.config, detector))
            scores.append(evaluation.score(clip, found[-1]))
            total.add(scores[-1])
    if json_:
        tree = {"clips": [each.as_dict() for each in scores], "total": total.as_dict()}
        typer.echo(msgspec.json.encode(tree).decode())
    else:
        typer.echo("\n".join(evaluation.report(scores, total)))
    if picture:
        _timeline("evaluate --picture").draw_timelines(picture, list(zip(clips, found, strict=True)))


@app.command(
    epilog="Example: piapp record hall.npz --node hall --broker mqtt://broker.lan --duration 86400"
    "\n\nExample: piapp record clip.npz --source file:clip.mp4"
)
def record(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The recording to write, such as hall.npz.")],
    source: Annotated[
        str | None, typer.Option(metavar="S", help="Sets camera.source; of a file every frame is recorded.")
    ] = None,
    node: Annotated[str | None, typer.Option(metavar="ID", help="Record what this node sends to the broker.")] = None,
    broker: Annotated[str | None, typer.Option(metavar="URL", help="Sets mqtt.url.")] = None,
    duration: Annotated[float | None, typer.Option(metavar="S", min=0.0, help="Stop after so many seconds.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    config: ConfigOption = None,
    set_: SetOption = None,
    log_level: LogOption = LogLevel.WARNING,
) -> None:
    """Record landmarks, no pictures, of a camera, a file or a distant node, until Ctrl-C or for a time."""
    if source and (node or broker):
        raise UsageError("record: name either a --source here, or a --node at a --broker")
    loaded = begin(config, set_, {"camera.source": source, "mqtt.url": broker}, log_level)
    from piapp.offline import record as recorder  # noqa: PLC0415
    from piapp.progress import amount_progress  # noqa: PLC0415

    stop = stop_on_signals()
    if broker and not (node or loaded.config.node.id):
        raise UsageError("record --broker: which node? add --node ID")
    expected = 0
    if node or broker:
        results = recorder.node_results(loaded.config, node or loaded.config.node.id, stop)
    else:
        expected = recorder.expected_results(loaded.config)
        results = recorder.source_results(loaded.config, stop)
    with amount_progress() as progress:
        done = recorder.record(out, results, overwrite=force, duration_s=duration, expected=expected, progress=progress)
    if not done.results:
        raise PiappError("nothing came to be recorded")
    write_line(f"{out}: {done.results} results over {done.seconds:.1f} s, {done.written_bytes / 1000:.1f} kB")


@app.command(epilog="Example: piapp replay hall.npz --set posture.fallen_after_s=5")
def replay(
    recordings: Annotated[list[Path], typer.Argument(metavar="RECORDING...", help="Files that record has written.")],
    config: ConfigOption = None,
    set_: SetOption = None,
    log_level: LogOption = LogLevel.WARNING,
) -> None:
    """Run the posture logic over recordings, as it is configured now; one JSON line an event."""
    loaded = begin(config, set_, {}, log_level)
    from piapp.offline.detect import EventLines  # noqa: PLC0415
    from piapp.offline.replay import replay_files  # noqa: PLC0415
    from piapp.progress import files_progress  # noqa: PLC0415

    with files_progress(len(recordings)) as advance:
        errors = replay_files(recordings, loaded.config, EventLines(sys.stdout), advance)
    if errors:
        raise typer.Exit(EXIT_SOME_FAILED)


@app.command(epilog="Example: piapp plot hall.npz -o day.png")
def plot(
    recording: Annotated[Path, typer.Argument(metavar="RECORDING", help="A file that record has written.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="F", help="The picture (.png, .svg).")],
    config: ConfigOption = None,
    set_: SetOption = None,
    log_level: LogOption = LogLevel.WARNING,
) -> None:
    """Draw a recording over time: everybody's postures, events, results a second, latency."""
    loaded = begin(config, set_, {}, log_level)
    timeline = _timeline("plot")
    from piapp.offline.history import collect  # noqa: PLC0415
    from piapp.offline.replay import replay as replayed  # noqa: PLC0415
    from piapp.progress import files_progress  # noqa: PLC0415

    with files_progress(1) as advance:
        history = collect(replayed(recording, loaded.config, advance(recording)))
    timeline.draw_history(out, history, recording.name)


def _timeline(command: str) -> Any:
    """The module that draws; its library is an extra.

    Raises:
        UsageError: The library is not installed.
    """
    with extra("plot", command):
        from piapp.offline import timeline  # noqa: PLC0415
    return timeline
