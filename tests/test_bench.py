"""The benchmark: sums, choices, and one small run of everything."""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import msgspec
import numpy as np
import psutil
import pytest

from piapp.bench import broker as broker_module
from piapp.bench import session
from piapp.bench.broker import Broker, running_broker
from piapp.bench.compare import changes, read_report
from piapp.bench.counted import CountedJob
from piapp.bench.frames import PERIOD_MS, SharedFrames
from piapp.bench.instructions import COUNTERS, FEW_FRAMES, Counter, count_instructions, usable_counter
from piapp.bench.pipeline import FeedCamera, fed
from piapp.bench.process import Child
from piapp.bench.protocol import InstructionsFound, Measure, Percentiles, StageFound, Variant, Window
from piapp.bench.rated import RatedCamera
from piapp.bench.report import BenchReport, Measured, Soaked, bars, summed_up
from piapp.bench.session import chosen_variants
from piapp.bench.stages import CUT, DETECTOR, ENCODE, LANDMARKS, NUMBERS, POSTURE, measure_stages
from piapp.bench.statistics import percentiles, ratios, spread
from piapp.bench.table import share_text
from piapp.bench.tally import WARM_UP, Tally
from piapp.camera.capture import CaptureThread, FrameSlot
from piapp.camera.source import demo_clip
from piapp.cli.app import run_command
from piapp.config.load import default_config
from piapp.errors import BrokerError, LandmarkerError, MediaError, UsageError
from piapp.mqtt.subscriber import Subscriber
from piapp.types import Frame, PoseResult
from tests.mosquitto import DEADLINE_S, wait_until

BARE = Variant("bare", "bare", "bare", "mediapipe", 1)
OURS = Variant("mediapipe-1", "ours", "pipeline", "mediapipe", 1)


def window(frames: int, *, cpu_s: float = 1.0, added_ms: tuple[float, ...] = (), rss_mb: float = 100.0) -> Window:
    """One second's measurement."""
    return Window(frames, 0, 1.0, cpu_s, [10.0] * frames, list(added_ms), rss_mb)


@pytest.fixture(scope="module")
def frames() -> SharedFrames:
    """A few pictures of the bundled clip."""
    return SharedFrames.decode(demo_clip(), first=60, count=4)


def test_spread_and_percentiles_of_known_samples():
    """Medians and extremes are those of the samples."""
    assert msgspec.structs.astuple(spread([3.0, 1.0, 2.0])) == (2.0, 1.0, 3.0)
    assert msgspec.structs.astuple(percentiles([float(n) for n in range(101)])) == (50.0, 95.0, 99.0)


def test_ratios_are_within_rounds():
    """A slow round slows both, and leaves no trace in the ratio."""
    assert msgspec.structs.astuple(ratios([20.0, 2.0, 21.0], [10.0, 1.0, 10.0])) == (2.0, 2.0, 2.1)


def test_variants_are_summed_up_beside_the_bare_loop():
    """Rates, ratios, pooled latencies, the highest memory; the bare loop has no ratio to itself."""
    ours = Measured(
        OURS, [2.0, 4.0, 3.0], [window(20, added_ms=(1.0, 3.0)), window(30, cpu_s=0.6, added_ms=(2.0,), rss_mb=120.0)]
    )
    bare, found = summed_up([Measured(BARE, [1.0], [window(10), window(10)]), ours])
    assert bare.ratio is None
    assert bare.added_ms is None
    assert found.ratio is not None
    assert msgspec.structs.astuple(found.ratio) == (2.5, 2.0, 3.0)
    assert found.cpu_ms.low == pytest.approx(20.0)
    assert found.added_ms is not None
    assert found.added_ms.p50 == 2.0
    assert found.rss_mb == 120.0
    assert msgspec.structs.astuple(found.startup_s) == (3.0, 2.0, 4.0)


def test_the_text_to_share_names_the_board_and_nobody():
    """A table that Markdown renders, with the board, the version and a row a variant; not the machine's name."""
    machine = {"board": "Raspberry Pi 5", "machine": "aarch64", "cores": 4, "memory_mb": 4045, "system": "Debian 13"}
    variants = summed_up([Measured(BARE, [1.0], [window(10)]), Measured(OURS, [2.0], [window(20, added_ms=(1.0,))])])
    report = BenchReport(1, machine, "mosquitto", {"count": 1}, 1, 1.0, 3.0, variants, None, [], None, [], [])
    text = share_text(report, "1.2.3")
    assert text.startswith("**Raspberry Pi 5**, 4 cores, 4045 MB, Debian 13; piapp 1.2.3; other programs used 3 %")
    assert "| ours | 20.0 | 50.0 | 100 | 2.00 |" in text.splitlines()
    assert socket.gethostname() not in text


def test_without_the_bare_loop_there_is_no_ratio():
    """On processors that MediaPipe does not run on, rates stand alone."""
    (found,) = summed_up([Measured(OURS, [1.0], [window(10, added_ms=(1.0,))])])
    assert found.ratio is None
    assert found.fps.median == 10.0


@pytest.mark.parametrize(
    ("frames_a_second", "added_ms", "growth_mb", "met"), [(14, 1.0, 1.0, True), (12, 3.0, 9.0, False)]
)
def test_bars(frames_a_second, added_ms, growth_mb, met):
    """Each bar tells whether it is met, from the right side."""
    variants = summed_up(
        [
            Measured(BARE, [1.0], [window(10)]),
            Measured(OURS, [1.0], [window(frames_a_second, added_ms=(added_ms, added_ms * 5))]),
        ]
    )
    found = {
        bar.name: bar.met
        for bar in bars(variants, None, None, [Soaked("mediapipe-1", 20_000, 100.0, 100.0, growth_mb)])
    }
    assert found == {
        "mediapipe-1: frames a second over the bare loop's": met,
        "mediapipe-1: added latency p50, ms": met and added_ms * 3 <= 2.0,
        "mediapipe-1: added latency p99, ms": met,
        "mediapipe-1: RSS growth over 20000 frames, MB": met,
    }


def test_frames_are_shared_and_go_on_for_ever(frames):
    """Another mapping of the descriptor shows the same pictures; times rise through every round."""
    again = SharedFrames(frames.fd, frames.shape)
    assert np.array_equal(again.images, frames.images)
    assert not again.images.flags.writeable
    assert frames.images.any()
    times, images = zip(*itertools.islice(again.endless(), 9), strict=True)
    assert list(times) == [PERIOD_MS * number for number in range(1, 10)]
    assert np.array_equal(images[0], images[8])


def test_a_short_clip_is_refused():
    """The message says how long the clip is."""
    with pytest.raises(MediaError, match="has 375 frames; expected at least 400"):
        SharedFrames.decode(demo_clip(), first=300, count=100)


class Landmarkers:
    """Landmarkers that give a result when told to."""

    def __init__(self) -> None:
        self.frames = []
        self.came = threading.Semaphore(0)

    def factory(self, on_result, _on_compute):
        """A landmarker."""
        self.on_result = on_result
        return self

    def submit(self, frame):
        """Keep the frame."""
        self.frames.append(frame)
        self.came.release()

    def raise_if_failed(self):
        """It never fails."""

    def close(self):
        """Nothing to do."""


def test_a_frame_waits_for_the_next_landmarker_that_is_idle(frames):
    """One and no more, so that none is pushed out of the slot; none while paused."""
    tally, inner, slot = Tally(), Landmarkers(), FrameSlot()
    camera = FeedCamera(frames, tally)
    landmarker = fed(inner.factory, camera)(lambda ts_ms, poses: None, lambda: None)
    capture = CaptureThread(camera, slot)
    capture.start()
    assert slot.take(0.05) is None, "a frame came before the start"
    camera.run(running=True)
    taken = slot.take(30.0)
    assert taken is not None
    assert slot.take(0.05) is None, "a second frame came before the first was handed over"
    landmarker.submit(taken)
    wait_until(lambda: not slot.empty, "the next frame to wait")
    camera.run(running=False)
    landmarker.submit(slot.take(0.0))
    assert slot.take(0.05) is None, "a frame came while paused"
    assert [frame.ts_ms for frame in inner.frames] == [PERIOD_MS, 2 * PERIOD_MS]
    assert slot.dropped == 0
    assert capture.stop(30.0)


@pytest.mark.parametrize(("rss_mb", "met"), [(99.0, True), (101.0, False)])
def test_the_bar_of_a_node_s_memory(rss_mb, met):
    """Of LiteRT with one worker, whether or not MediaPipe can run here."""
    ours = Variant("litert-1", "ours", "pipeline", "litert", 1)
    variants = summed_up([Measured(ours, [1.0], [window(10, rss_mb=rss_mb)])])
    assert [(bar.name, bar.met) for bar in bars(variants, None, None, [])] == [("litert-1: RSS, MB", met)]


@pytest.mark.parametrize(("p50_ms", "met"), [(1.4, True), (1.6, False)])
def test_bars_at_a_camera_s_rate(p50_ms, met):
    """They are narrower than those at full rate; the camera's rate is not compared with the bare loop's."""
    rated = Variant("litert-1-rated", "rated", "rated", "litert", 1)
    variants = summed_up(
        [Measured(BARE, [1.0], [window(100)]), Measured(rated, [1.0], [window(15, added_ms=(p50_ms,))])]
    )
    assert variants[1].ratio is None
    found = {bar.name: bar.met for bar in bars(variants, None, None, [])}
    assert found == {"litert-1-rated: added latency p50, ms": met, "litert-1-rated: added latency p99, ms": True}


def test_a_camera_that_keeps_a_rate_pauses_between_measurements(frames):
    """No frame comes before a measurement begins, and none in a bunch after a pause; then a frame a period."""
    camera, fps = RatedCamera(frames, 50.0, Tally()), 50.0
    slot = FrameSlot()
    capture = CaptureThread(camera, slot)
    capture.start()
    assert slot.take(0.05) is None
    camera.run(running=True)
    taken = [slot.take(30.0) for _ in range(4)]
    times_ns = [frame.captured_ns for frame in taken if frame is not None]
    assert len(times_ns) == 4
    assert times_ns[-1] - times_ns[0] > 2 / fps * 1e9
    camera.run(running=False)
    assert capture.stop(30.0)


class RecordingTally(Tally):
    """Keeps the times that are added to it."""

    def __init__(self) -> None:
        super().__init__()
        self.added_ns: list[int] = []

    def add_added(self, added_ns: int) -> None:
        """Note one."""
        self.added_ns.append(added_ns)


def test_what_the_pipeline_adds_is_counted_from_the_hand_over_without_the_inference(frames):
    """A frame that waits for an idle landmarker waits for no part of the pipeline; a dropped message counts not."""
    tally, inner = RecordingTally(), Landmarkers()
    camera = FeedCamera(frames, tally)
    landmarker = fed(inner.factory, camera)(lambda ts_ms, poses: None, lambda: None)
    before_ns = time.monotonic_ns()
    for ts_ms in (1, 2):
        landmarker.submit(Frame(ts_ms, 0, frames.images[0]))
    waited_ms = (time.monotonic_ns() - before_ns) / 1e6
    camera.sent(PoseResult(1, 0, (1, 1), (), inference_ns=3_000_000), before_ns + 8_000_000)
    camera.sent(PoseResult(2, 0, (1, 1), (), inference_ns=3_000_000), None)
    (added_ns,) = tally.added_ns
    assert 5.0 - waited_ms <= added_ns / 1e6 <= 5.0


def test_at_a_camera_s_rate_it_is_counted_from_the_capture(frames):
    """The way to the landmarker is part of it; a dropped message counts not."""
    tally = RecordingTally()
    camera = RatedCamera(frames, 15.0, tally)
    camera.sent(PoseResult(1, 1_000_000, (1, 1), (), inference_ns=3_000_000), 6_000_000)
    camera.sent(PoseResult(2, 1_000_000, (1, 1), (), inference_ns=3_000_000), None)
    assert tally.added_ns == [2_000_000]
    assert tally.first_ns == 6_000_000


class CountsFrames(Counter):
    """Says that each frame of a job executes a million instructions for each part up to the job's, and a start nine."""

    def run(self, command, fd):
        """Run nothing."""
        del fd
        job = msgspec.json.decode(command[-1], type=CountedJob)
        parts = ["landmarker", "posture", "message"].index(job.part) + 1
        return (9 + parts * job.count) * 1_000_000


def test_instructions_of_a_frame_are_those_of_the_further_frames(frames):
    """A start counts for nothing, and each part for what it adds to the part before it."""
    counter = CountsFrames("told", (), COUNTERS[0].pattern)
    parts = ("landmarker", "posture", "message")
    assert count_instructions(counter, frames, lambda _: None) == [
        InstructionsFound(part, "told", pytest.approx(1.0)) for part in parts
    ]


# Counts nothing, but runs what it is given.
RUNS = ("sh", "-c", 'echo "I refs: 5" > {file}; exec "$@"', "sh")


def test_counted_processes_run(frames):
    """Each part works on what the networks gave, in a process of its own; one that fails is named."""
    counter = Counter("sh", RUNS, COUNTERS[1].pattern)
    found = count_instructions(counter, frames, lambda _: None)
    assert [one.millions for one in found] == [0.0, 0.0, 0.0]
    job = CountedJob("message", frames.fd, frames.shape, "/nowhere.npz", FEW_FRAMES)
    with pytest.raises(UsageError, match=r"the counted process failed: .*FileNotFoundError"):
        counter.run([sys.executable, "-m", "piapp.bench.counted", msgspec.json.encode(job).decode()], frames.fd)


def test_what_counters_print():
    """Perf's table with commas, and valgrind's line."""
    perf, valgrind = COUNTERS
    perf_line = "# started\n\n78123456,,instructions:u,10312,100.00,,\n"
    assert perf.pattern.search(perf_line)[1] == "78123456"
    assert perf.pattern.search("<not supported>,,instructions:u,0,100.00,,") is None
    assert valgrind.pattern.search("==7== \n==7== I   refs:      41,020,603")[1] == "41,020,603"


def test_nothing_that_counts(monkeypatch, capsys):
    """A usage error before anything is measured, with what to install."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match="apt install valgrind"):
        usable_counter()
    assert run_command(["bench", "--instructions"]) == 2
    assert capsys.readouterr().out == ""


def test_a_measurement_leaves_the_warm_up_out():
    """Frames before the loop is warm are not counted; the wanted ones are."""
    tally = Tally()
    calls = itertools.count()

    def one_more_frame():
        next(calls)
        tally.add_latency(0, 2_000_000)

    found = tally.measure(Measure(frames=10), published=False, check=one_more_frame)
    assert found.frames == 10
    assert found.latency_ms == [2.0] * 10
    assert next(calls) >= 10 + WARM_UP.frames
    assert found.rss_mb > 1.0


def test_a_failed_loop_ends_the_measurement():
    """What `check` raises comes through instead of a wait."""

    def fail():
        raise LandmarkerError("broken")

    with pytest.raises(LandmarkerError, match="broken"):
        Tally().measure(Measure(seconds=100.0), published=False, check=fail)


def test_every_stage_of_a_frame_takes_its_share(frames):
    """Somebody is tracked, so the landmark network takes most of it and the detector nothing; shares make one whole."""
    found = {stage.name: stage for stage in measure_stages(default_config(), frames, count=30)}
    assert list(found) == [CUT, DETECTOR, LANDMARKS, NUMBERS, POSTURE, ENCODE]
    assert sum(stage.share for stage in found.values()) == pytest.approx(1.0)
    assert max(found.values(), key=lambda stage: stage.share).name == LANDMARKS
    assert found[DETECTOR].mean_ms == 0.0
    for name in (CUT, LANDMARKS, NUMBERS, POSTURE, ENCODE):
        assert 0.0 < found[name].ms.p50 <= found[name].ms.p95 <= found[name].ms.p99


def report_of(frames_a_second: list[int], *, update_ms: float = 0.4, rss_mb: float = 100.0) -> BenchReport:
    """A report of one variant without the bare loop, a round for each rate."""
    measured = [Measured(OURS, [1.0], [window(rate, rss_mb=rss_mb) for rate in frames_a_second])]
    stage = StageFound(POSTURE, Percentiles(update_ms, update_ms, update_ms), update_ms, 1.0)
    return BenchReport(
        v=1, machine={}, broker="", frames={}, rounds=1, seconds=1.0, others_percent=0.0,
        variants=summed_up(measured), update_ms=Percentiles(update_ms, update_ms, update_ms), encodings=[], idle=None,
        soak=[], bars=[], stages=[stage],
    )  # fmt: skip


def test_what_changed_since_an_earlier_report():
    """A change counts where the rounds of both reports do not overlap; less time is better, and more frames are."""
    found = {change.name: change for change in changes(report_of([90, 100, 110]), report_of([120, 150, 130]))}
    rate = found["mediapipe-1: frames a second"]
    assert (rate.old.median, rate.new.median, rate.verdict) == (100.0, 130.0, "better")
    assert rate.ratio.low == pytest.approx(120 / 110)
    assert found["mediapipe-1: CPU ms a frame"].verdict == "better"
    worse = {change.name: change for change in changes(report_of([120, 130]), report_of([90, 100]))}
    assert worse["mediapipe-1: frames a second"].verdict == worse["mediapipe-1: CPU ms a frame"].verdict == "worse"
    (unclear, *_) = changes(report_of([90, 110]), report_of([100, 90]))
    assert unclear.verdict == "unclear"


def test_single_values_give_no_verdict():
    """One round, or what is measured once, may be the machine's other work: its ratio is shown without a judgement."""
    found = {change.name: change for change in changes(report_of([100]), report_of([50], update_ms=0.8))}
    assert found["posture update p95, ms"].ratio.median == found["posture and events, ms"].ratio.median == 2.0
    assert {change.verdict for change in found.values()} == {"no interval"}


def test_an_earlier_report_is_read_as_it_was_printed(tmp_path):
    """Also one from before stages were measured."""
    report = report_of([100])
    path = tmp_path / "old.json"
    path.write_bytes(msgspec.json.encode(report))
    assert read_report(path) == report
    tree = msgspec.to_builtins(report)
    del tree["stages"], tree["variants"][0]["variant"]["precision"]
    path.write_text(json.dumps(tree))
    assert read_report(path) == msgspec.structs.replace(report, stages=[])


@pytest.mark.parametrize(("text", "reason"), [("{}", "what `piapp bench --json` prints"), (None, "No such file")])
def test_an_earlier_report_that_is_none(text, reason, tmp_path, capsys):
    """A usage error before anything is measured."""
    path = tmp_path / "old.json"
    if text is not None:
        path.write_text(text)
    assert run_command(["bench", "--compare", str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert reason in captured.err


def test_half_precision_is_measured_where_the_processor_has_it(monkeypatch):
    """Beside full precision, by its own name; elsewhere asking for it is an error."""
    with pytest.raises(UsageError, match="none of the variants litert-1-half can run"):
        chosen_variants(["litert-1-half"])
    monkeypatch.setattr(session, "half_precision_runs_here", lambda: True)
    (half,) = chosen_variants(["litert-1-half"])
    assert (half.runtime, half.precision) == ("litert", "half")


def test_unknown_variants_are_named():
    """The message lists those that exist."""
    with pytest.raises(UsageError, match="--variant warp: there are bare, mediapipe-1"):
        chosen_variants(["warp"])


def test_a_child_that_dies_tells_its_last_words(frames):
    """No wait for an answer that cannot come."""
    nonsense = Broker("nobody", "mqtt://127.0.0.1:1", "5 and a half")
    with Child(BARE, frames, nonsense) as child, pytest.raises(LandmarkerError, match=r"(?s)code 1: .*mqtt\.protocol"):
        child.wait_started()


@pytest.mark.parametrize("installed", [True, False])
def test_brokers(installed, monkeypatch):
    """Mosquitto and, where that is missing, the embedded broker take a subscriber, and are gone afterwards."""
    if installed and not shutil.which("mosquitto", path="/usr/sbin:/usr/bin"):
        pytest.skip("mosquitto is not installed; `apt install mosquitto` runs this test")
    if not installed:
        monkeypatch.setattr(broker_module.shutil, "which", lambda *_, **__: None)
    with running_broker() as broker:
        assert broker.name == ("mosquitto" if installed else "embedded amqtt")
        with Subscriber(broker.url, ["#"], lambda *_: None):
            pass
    with pytest.raises(BrokerError), Subscriber(broker.url, ["#"], lambda *_: None):
        pass


@pytest.mark.timeout(600)  # four starts of MediaPipe on a machine that may be busy
def test_one_small_run(tmp_path):
    """`piapp bench --json` compares this pipeline with the bare loop, and without the mask's work it is faster."""
    arguments = ["--rounds", "3", "--seconds", "0.4", "--frames", "60", "--variant", "bare", "--variant", "mediapipe-1"]
    arguments += ["--picture", str(tmp_path / "bench.svg")]
    done = subprocess.run(
        [sys.executable, "-m", "piapp", "bench", "--json", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    bare, ours = report["variants"]
    assert (bare["variant"]["kind"], ours["variant"]["kind"]) == ("bare", "pipeline")
    # 0.7 to 0.88 by machine (measured), 1.1 to 1.3 with the mask's work. Time on the wall would tell of the machine's
    # other work.
    assert ours["cpu_ratio"]["median"] < 0.9
    assert ours["ratio"]["low"] <= ours["ratio"]["median"] <= ours["ratio"]["high"]
    assert ours["fps"]["median"] > 1
    assert bare["added_ms"] is None
    assert 0 < ours["added_ms"]["p50"] <= ours["added_ms"]["p95"] <= ours["added_ms"]["p99"]
    assert ours["lost"] < 20  # of some hundred; none on a quiet machine
    for found in (bare, ours):
        assert 20 < found["rss_mb"] < 1000
        assert 0.1 < found["startup_s"]["low"] <= found["startup_s"]["median"] <= found["startup_s"]["high"]
    sizes = {one["name"]: one["wire_bytes"] for one in report["encodings"]}
    assert sizes["json"] > sizes["msgpack"] > sizes["msgpack, no world landmarks"] > 33 * 5 * 5
    for one in report["encodings"]:
        assert 10 < one["wire_bytes"] - one["payload_bytes"] < 128
    assert report["update_ms"]["p50"] > 0
    assert 0 < report["idle"]["idle_percent"] < 0.5 * report["idle"]["active_percent"]
    picture = (tmp_path / "bench.svg").read_text()
    assert "<svg" in picture
    assert "frames a second" in picture
    (soak,) = report["soak"]
    assert soak["frames"] >= 60
    assert {"name", "value", "limit", "least", "met"} == set(report["bars"][0])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_every_process(number):
    """Whoever stops a benchmark halfway finds neither its broker nor its variants running."""
    bench = psutil.Popen([sys.executable, "-m", "piapp", "bench", "--variant", "bare", "--rounds", "1000"])
    wait_until(lambda: len(bench.children()) >= 2, "broker and first variant")
    started = bench.children(recursive=True)
    bench.send_signal(number)
    assert bench.wait(DEADLINE_S) == 130
    wait_until(lambda: not any(process.is_running() for process in started), "its processes to end")


def test_bench_says_what_is_wrong(capsys):
    """A wrong variant is a usage error on standard error."""
    assert run_command(["bench", "--variant", "warp"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "there are bare" in captured.err
