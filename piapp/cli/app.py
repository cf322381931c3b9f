"""The command line: reads arguments, calls the parts, turns errors into words and exit codes (CONTRACT section 2).

Data goes to standard output, everything else to standard error.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
import threading
import traceback
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer

from piapp import __version__
from piapp.config.live import LiveSettings
from piapp.config.load import LoadedConfig, defaults_text, flatten, load_config
from piapp.config.schema import json_schema
from piapp.errors import ConfigError, PiappError, UsageError
from piapp.node.state_folder import settings_file, state_folder
from piapp.service.identity import default_node_id
from piapp.service.systemd import journal_handler, notifier

log = logging.getLogger("piapp")

EXIT_SOME_FAILED = 1
EXIT_INTERNAL = 70

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A posture sensor: camera frames through MediaPipe's Pose Landmarker, landmarks and events over MQTT.",
)
config_app = typer.Typer(no_args_is_help=True, help="Show and check the configuration.")
model_app = typer.Typer(no_args_is_help=True, help="List, verify and fetch model bundles.")
fleet_app = typer.Typer(no_args_is_help=True, help="Simulate many nodes; list those that are there.")
app.add_typer(config_app, name="config")
app.add_typer(model_app, name="model")
app.add_typer(fleet_app, name="fleet")


class LogLevel(StrEnum):
    """How much the log says."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Format(StrEnum):
    """Forms of `piapp detect`'s output."""

    JSONL = "jsonl"
    CSV = "csv"


class Frames(StrEnum):
    """Forms of simulated nodes' frames."""

    JSON = "json"
    MSGPACK = "msgpack"
    OFF = "off"


class Split(StrEnum):
    """Parts of a manifest."""

    TUNE = "tune"
    CHECK = "check"


class DetectMode(StrEnum):
    """What `piapp detect` takes files for."""

    AUTO = "auto"
    IMAGE = "image"
    VIDEO = "video"


ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="F", help="Configuration file instead of /etc/piapp/piapp.toml.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set one key, such as camera.fps=10; repeatable."),
]
LogOption = Annotated[LogLevel, typer.Option("--log-level", help="How much to say on standard error.")]


def main() -> NoReturn:
    """Run the command line and exit."""
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: list[str]) -> int:
    """Run one command and return its exit code; every error is told on standard error."""
    try:
        app(arguments, prog_name="piapp", standalone_mode=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else EXIT_SOME_FAILED
    except BrokenPipeError:
        # Whoever read standard output has gone; Python must not complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_SOME_FAILED
    except Exception as error:  # noqa: BLE001 - the last resort of CONTRACT section 2
        return _tell(error)
    return 0


def _tell(error: BaseException) -> int:
    """Say what ended the program, to `systemctl status` as well; its exit code."""
    words = str(error) if isinstance(error, PiappError) else f"internal error: {error!r}"
    notifier()("STATUS=" + "; ".join(line.strip() for line in words.splitlines()))
    if isinstance(error, PiappError):
        _say(f"piapp: {error}")
        return error.exit_code
    _say("".join(traceback.format_exception(error)) + "piapp: internal error; please report it with the lines above")
    return EXIT_INTERNAL


def _say_to_people(text: str) -> None:
    """What is going on, when somebody looks."""
    if sys.stderr.isatty():
        _say(text)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer's callback
    if wanted:
        typer.echo(f"piapp {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that come before a command."""


@app.command(epilog="Example: piapp run --source v4l2:/dev/video0 --broker mqtt://broker.lan --node hall")
def run(
    config: ConfigOption = None,
    set_: SetOption = None,
    source: Annotated[str | None, typer.Option(metavar="S", help="Sets camera.source.")] = None,
    broker: Annotated[str | None, typer.Option(metavar="URL", help="Sets mqtt.url.")] = None,
    node: Annotated[str | None, typer.Option(metavar="ID", help="Sets node.id.")] = None,
    duration: Annotated[float | None, typer.Option(metavar="S", min=0.0, help="Stop after so many seconds.")] = None,
    log_level: LogOption = LogLevel.INFO,
) -> None:
    """Run the node: camera, landmarker, posture, MQTT. Ctrl-C or SIGTERM stops it."""
    shortcuts = {"camera.source": source, "mqtt.url": broker, "node.id": node}
    loaded = _load(config, set_, shortcuts)
    stop = _stop_on_signals()
    start_logging(log_level, node=loaded.config.node.id or default_node_id())
    # Imported here, so that `piapp --help` and `piapp config` answer at once.
    from piapp.node.app import Node, make_parts  # noqa: PLC0415

    running = Node(loaded.config, make_parts(loaded.config), loaded.file)
    try:
        running.run(stop, duration)
    except BaseException as error:
        if running.hung:
            _leave(error)
        raise
    if running.hung:
        _leave(None)


def _leave(error: BaseException | None) -> NoReturn:
    """End the process while threads of ours hang in a driver or library, which Python would wait for."""
    code = 0
    if error is not None:
        code = _tell(error)
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)


@app.command(epilog="Example: piapp demo --loop --open")
def demo(
    loop: Annotated[bool, typer.Option("--loop", help="Play the clip until Ctrl-C.")] = False,
    open_: Annotated[bool, typer.Option("--open", help="Also serve the live page, and open it in a browser.")] = False,
    log_level: LogOption = LogLevel.WARNING,
) -> None:
    """Play the bundled clip through the real pipeline to an embedded broker; print what a subscriber sees."""
    start_logging(log_level)
    from piapp.operate.demo import run_demo  # noqa: PLC0415

    run_demo(_stop_on_signals(), loop=loop, page=open_)


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
    loaded = _begin(config, set_, {}, log_level)
    from piapp.landmarker.model import find_model  # noqa: PLC0415
    from piapp.offline import detect as detection  # noqa: PLC0415
    from piapp.progress import files_progress  # noqa: PLC0415

    landmarker = loaded.config.landmarker
    model = find_model(landmarker.model, masks=landmarker.output_segmentation_masks)
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
        str | None, typer.Option(metavar="KIND=X", help="Make videos worse: small, dark, blurred, askew (manifest).")
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
    loaded = _begin(config, set_, {}, log_level)
    if manifest:
        from piapp.cli.footage import Wanted, evaluate_footage  # noqa: PLC0415

        wanted = Wanted(
            rate, perturbed, split.value if split else None, sheets, record, picture, json_, footage, degrade
        )
        evaluate_footage(folder, manifest, loaded.config, wanted)
        return
    from piapp.landmarker.model import find_model  # noqa: PLC0415
    from piapp.offline.detect import Detector  # noqa: PLC0415
    from piapp.offline.evaluate import labels as evaluation  # noqa: PLC0415

    gap_s = loaded.config.posture.gap_s
    clips = evaluation.read_labels(folder, tolerance_s=tolerance, gap_s=gap_s, labels_file=labels)
    total, scores, found = evaluation.Score("total"), [], []
    with Detector(loaded.config, find_model(loaded.config.landmarker.model, masks=False)) as detector:
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
    loaded = _begin(config, set_, {"camera.source": source, "mqtt.url": broker}, log_level)
    from piapp.offline import record as recorder  # noqa: PLC0415
    from piapp.progress import amount_progress  # noqa: PLC0415

    stop = _stop_on_signals()
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
    _say(f"{out}: {done.results} results over {done.seconds:.1f} s, {done.written_bytes / 1000:.1f} kB")


@app.command(epilog="Example: piapp replay hall.npz --set posture.fallen_after_s=5")
def replay(
    recordings: Annotated[list[Path], typer.Argument(metavar="RECORDING...", help="Files that record has written.")],
    config: ConfigOption = None,
    set_: SetOption = None,
    log_level: LogOption = LogLevel.WARNING,
) -> None:
    """Run the posture logic over recordings, as it is configured now; one JSON line an event."""
    loaded = _begin(config, set_, {}, log_level)
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
    loaded = _begin(config, set_, {}, log_level)
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
    try:
        from piapp.offline import timeline  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(
            f"{command} needs matplotlib, which is not installed: {error}; install piapp with its extra 'plot'"
        ) from error
    return timeline


@app.command(epilog="Example: piapp bench --rounds 3 --json > bench.json")
def bench(
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    rounds: Annotated[int, typer.Option(min=1, metavar="N", help="How often the variants take turns.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.1, metavar="S", help="How long each is measured in a round.")] = 3.0,
    frames: Annotated[
        int, typer.Option(min=0, metavar="N", help="Also watch memory over so many frames; 20000 takes minutes.")
    ] = 0,
    variant: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Measure only this, such as bare or litert-2; repeatable.")
    ] = None,
    picture: Annotated[Path | None, typer.Option(metavar="F", help="Draw bars with their spread (.png, .svg).")] = None,
) -> None:
    """Measure this pipeline beside MediaPipe's own loop, in turns on the same frames: speed, latency, memory."""
    from piapp.bench.session import Options, run_bench  # noqa: PLC0415
    from piapp.bench.table import print_report  # noqa: PLC0415

    # As Ctrl-C does, so that the processes that it has started end with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    report = run_bench(Options(rounds, seconds, frames, tuple(variant or ())), _say_to_people)
    if json_:
        typer.echo(msgspec.json.encode(report).decode())
    else:
        print_report(report, sys.stdout)
    if picture:
        from piapp.bench.picture import draw_report  # noqa: PLC0415

        draw_report(picture, report)


@app.command(epilog="Example: piapp provision --node hall --broker mqtts://broker.lan:8884 --out hall")
def provision(
    node: Annotated[str, typer.Option(metavar="ID", help="The node; becomes the certificate's common name.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the files go; made if need be.")],
    broker: Annotated[str, typer.Option(metavar="URL", help="The broker, mqtts://host[:port].")],
    base: Annotated[str, typer.Option(metavar="TOPIC", help="mqtt.base_topic of the node.")] = "piapp",
) -> None:
    """Make a node's private key, certificate request, configuration snippet and access rules (deploy/mosquitto)."""
    from piapp.mqtt.topics import Topics  # noqa: PLC0415
    from piapp.operate import provision as provisioning  # noqa: PLC0415

    made = provisioning.provision(Topics(base, node), out, url=broker)
    typer.echo(f"{made.key}: private key; for the node alone")
    typer.echo(f"{made.request}: certificate request; have the broker's authority sign it")
    typer.echo(f"{made.config}: belongs into the node's /etc/piapp/piapp.toml")
    typer.echo(f"{made.rules}: belongs into the broker's access rules")


@app.command("watch", epilog="Example: piapp watch --broker mqtt://broker.lan --node hall")
def watch_nodes(
    broker: Annotated[str | None, typer.Option(metavar="URL", help="Sets mqtt.url.")] = None,
    node: Annotated[
        str | None, typer.Option(metavar="ID", help="Begin with this node alone; in a pipe, hear no other.")
    ] = None,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Watch what a broker's nodes see: who is there, postures, events, a node's skeleton; in a pipe a line each."""
    loaded = _load(config, set_, {"mqtt.url": broker})
    from piapp.watch.session import watch  # noqa: PLC0415

    watch(loaded.config.mqtt, node, _stop_on_signals(), sys.stdout, sys.stdin)


@app.command(epilog="Example: sudo piapp check")
def check(config: ConfigOption = None, set_: SetOption = None, log_level: LogOption = LogLevel.ERROR) -> None:
    """Look at camera, model, broker, clock, temperature, disk, service and egress; a line each, exit 1 if one fails."""
    loaded = _begin(config, set_, {}, log_level)
    from piapp.operate import check as doctor  # noqa: PLC0415

    typer.echo(f"{'OK':4}  {'config':11}  {loaded.file or 'built-in defaults'}")
    failed = False
    for finding in doctor.check(loaded.config):
        typer.echo(finding.line())
        failed = failed or finding.verdict == "FAIL"
    if failed:
        raise typer.Exit(EXIT_SOME_FAILED)


@app.command("test-alert", epilog="Example: piapp test-alert --node hall --broker mqtt://broker.lan")
def alert_test(
    node: Annotated[str | None, typer.Option(metavar="ID", help="The node; default: this machine's.")] = None,
    broker: Annotated[str | None, typer.Option(metavar="URL", help="Sets mqtt.url.")] = None,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Have a running node send a fall, marked as a test, the way a real one goes: to see that somebody would come."""
    loaded = _load(config, set_, {"mqtt.url": broker})
    from piapp.mqtt.topics import Topics  # noqa: PLC0415
    from piapp.operate.ask import ask  # noqa: PLC0415

    name = node or loaded.config.node.id or default_node_id()
    ask(loaded.config.mqtt, Topics(loaded.config.mqtt.base_topic, name), "test")
    typer.echo(f"{name}: sent fall, fallen and recovered, marked as a test")


@app.command("forget", epilog="Example: piapp forget --node hall --broker mqtt://broker.lan")
def forget_node(
    node: Annotated[str, typer.Option("--node", metavar="ID", help="The node that is no more.")],
    broker: Annotated[str | None, typer.Option(metavar="URL", help="Sets mqtt.url.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Even while it is online.")] = False,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Take what a node has left at the broker, and with it its device in Home Assistant."""
    loaded = _load(config, set_, {"mqtt.url": broker})
    from piapp.operate.forget import forget  # noqa: PLC0415

    for topic in forget(loaded.config, node, force=force):
        typer.echo(topic)


@app.command("schema", epilog="Example: piapp schema state > state.schema.json")
def schema(
    name: Annotated[
        str, typer.Argument(help="A payload, such as frame, event or request/set; asyncapi for all topics at once.")
    ] = "",
) -> None:
    """Print the JSON Schema of a payload; without NAME those of all payloads, by name."""
    from piapp.mqtt.asyncapi import asyncapi  # noqa: PLC0415 - brings numpy along
    from piapp.mqtt.schema import payload_schema, payloads  # noqa: PLC0415

    if name == "asyncapi":
        found = asyncapi()
    else:
        found = payload_schema(name) if name else {each: payload_schema(each) for each in payloads()}
    typer.echo(msgspec.json.format(msgspec.json.encode(found)).decode())


@config_app.command("show", epilog="Example: piapp config show --set camera.fps=10")
def config_show(config: ConfigOption = None, set_: SetOption = None) -> None:
    """Print the configuration in force, secrets masked, and where each value comes from."""
    loaded = _load(config, set_, {})
    node = loaded.config.node.id or default_node_id()
    settings = LiveSettings(loaded.config, settings_file(state_folder(loaded.config.spool), node))
    values = flatten(settings.config)
    lines = [f"{key} = {msgspec.json.encode(value).decode()}" for key, value in values.items()]
    width = max(len(line) for line in lines)
    for key, line in zip(values, lines, strict=True):
        origin = f"kept by {settings.file}" if key in settings.kept else _origin(loaded, key)
        typer.echo(f"{line:<{width}}  # {origin}")


@config_app.command("check", epilog="Example: piapp config check /etc/piapp/piapp.toml")
def config_check(
    file: Annotated[Path | None, typer.Argument(metavar="[F]", help="The file; default as for run.")] = None,
) -> None:
    """Check a configuration file and name everything that is wrong with it."""
    loaded = load_config(file)
    typer.echo(f"{loaded.file or 'built-in defaults'}: OK")


@config_app.command("schema", epilog="Example: piapp config schema > piapp.schema.json")
def config_schema() -> None:
    """Print the JSON Schema of the configuration file."""
    typer.echo(msgspec.json.format(msgspec.json.encode(json_schema())).decode())


@config_app.command("default", epilog="Example: piapp config default > piapp.toml")
def config_default() -> None:
    """Print the shipped configuration file: every key with its default and what it means."""
    typer.echo(defaults_text(), nl=False)


@model_app.command("list", epilog="Example: piapp model list")
def model_list() -> None:
    """List the models and where their files are."""
    from piapp.landmarker.model import list_models  # noqa: PLC0415

    typer.echo(f"{'model':6} {'variant':10} {'state':10} file")
    for status in list_models():
        typer.echo(f"{status.name:6} {status.variant:10} {status.state:10} {status.path}")


@model_app.command("verify", epilog="Example: piapp model verify")
def model_verify() -> None:
    """Compare the models that are here with their checksums."""
    from piapp.landmarker.model import verify_models  # noqa: PLC0415

    statuses = verify_models()
    for status in statuses:
        typer.echo(status.describe())
    if any(status.state != "ok" for status in statuses):
        raise typer.Exit(EXIT_SOME_FAILED)


@model_app.command("fetch", epilog="Example: piapp model fetch full")
def model_fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="lite, full or heavy.")],
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="PATH", help="Take it from a downloaded package, its folder, or a .task file."),
    ] = None,
) -> None:
    """Build or download a model, and verify it."""
    from piapp.landmarker.model import fetch_model  # noqa: PLC0415
    from piapp.progress import amount_progress  # noqa: PLC0415

    with amount_progress() as progress:
        files = fetch_model(name, source=source, progress=progress)
    for file in files:
        typer.echo(f"{file.path}  {file.variant}  sha256 {file.sha256}")


@fleet_app.command("simulate", epilog="Example: piapp fleet simulate --nodes 1000 --rate 2 --broker mqtt://test.lan")
def fleet_simulate(
    nodes: Annotated[int, typer.Option(min=1, max=9_999, metavar="N", help="How many nodes.")] = 100,
    rate: Annotated[
        float, typer.Option(min=0.01, max=60.0, metavar="R", help="Results a second of each; 15 plays in real time.")
    ] = 1.0,
    frames: Annotated[Frames, typer.Option(help="Form of `frame`; off sends events, state and health only.")] = (
        Frames.JSON
    ),
    duration: Annotated[
        float | None, typer.Option(metavar="S", min=0.0, help="Stop after so many seconds, not on Ctrl-C.")
    ] = None,
    spread: Annotated[float, typer.Option(metavar="S", min=0.0, help="Time over which the nodes start.")] = 10.0,
    broker: Annotated[str | None, typer.Option(metavar="URL", help="Sets mqtt.url.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Run light nodes, with the real client and payloads, against a broker; sum up times, rates and outages."""
    loaded = _load(config, set_, {"mqtt.url": broker, "publish.frames": frames.value, "mqtt.client_id": ""})
    from piapp.fleet.simulate import Plan, simulate  # noqa: PLC0415

    plan = Plan(loaded.config, nodes, rate_hz=rate, spread_s=spread, duration_s=duration)
    figures = simulate(plan, _stop_on_signals(), _say)
    typer.echo(msgspec.json.encode(figures.as_dict()).decode() if json_ else "\n".join(figures.lines()))
    if figures.all_online_s is None:
        raise typer.Exit(EXIT_SOME_FAILED)


@fleet_app.command("watch", epilog="Example: piapp fleet watch --broker mqtt://broker.lan")
def fleet_watch(
    broker: Annotated[str | None, typer.Option(metavar="URL", help="Sets mqtt.url.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Print the table once, as when this is no terminal.")] = False,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """List the nodes that a broker knows: status, version, last sign of life, rate, temperature, problems."""
    loaded = _load(config, set_, {"mqtt.url": broker})
    from piapp.fleet.watch import watch  # noqa: PLC0415

    watch(loaded.config.mqtt, _stop_on_signals(), sys.stdout, once=once)


def _begin(
    path: Path | None, sets: list[str] | None, shortcuts: dict[str, str | None], log_level: LogLevel
) -> LoadedConfig:
    """Load the configuration, then start to log; what every command that works with one begins with."""
    loaded = _load(path, sets, shortcuts)
    start_logging(log_level)
    return loaded


def _load(path: Path | None, sets: list[str] | None, shortcuts: dict[str, str | None]) -> LoadedConfig:
    """Load the configuration with the command line's values on top."""
    overrides = []
    for text in sets or []:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--set {text}: expected KEY=VALUE, such as --set camera.fps=10")
        overrides.append((key.strip(), value.strip()))
    overrides += [(key, msgspec.json.encode(value).decode()) for key, value in shortcuts.items() if value is not None]
    if path is not None and not path.exists():
        raise ConfigError(f"{path}: there is no such file")
    return load_config(path, overrides=overrides)


def _origin(loaded: LoadedConfig, key: str) -> str:
    return loaded.origins.get(key) or loaded.origins.get(key.rpartition(".")[0], "default")


def start_logging(level: LogLevel, *, node: str = "") -> None:
    """Log to standard error, or as a service to the journal; native libraries' words join the log.

    Args:
        level: The least that is said.
        node: The node id that journal entries carry.
    """
    from piapp.service.folding import FoldRepeats  # noqa: PLC0415
    from piapp.service.native_stderr import catch_native_stderr  # noqa: PLC0415

    catch_native_stderr()
    handler = journal_handler({"PIAPP_NODE": node} if node else {})
    if handler is None:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S"))
    handler.addFilter(FoldRepeats())
    logging.basicConfig(level=level.upper(), handlers=[handler])
    # It comes along with mediapipe, and tells of the fonts it has found.
    logging.getLogger("matplotlib").setLevel(logging.WARNING)
    # A watchdog's SIGABRT and a crash in a native library leave every thread's stack in the log.
    faulthandler.enable(sys.stderr)


def _stop_on_signals() -> threading.Event:
    """An event that SIGTERM and Ctrl-C set."""
    stop = threading.Event()

    def handle(number: int, _frame: Any) -> None:
        log.info("stopping on %s", signal.Signals(number).name)
        stop.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
    return stop
