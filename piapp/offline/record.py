"""`piapp record`: results of a camera, a file or a distant node on their way into a recording.

Owns where results come from and how their times become one line from 0. `piapp.offline.recording` owns the file.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from pathlib import Path

import numpy as np

from piapp.camera import Camera, open_camera
from piapp.camera.source import parse_source
from piapp.camera.video import VideoFile
from piapp.config.sections import Config
from piapp.errors import BrokerError, ConfigError
from piapp.landmarker.live import LandmarkerFactory
from piapp.landmarker.model import ModelFile
from piapp.landmarker.runtime import live_factory
from piapp.model_choice import choose_model
from piapp.mqtt.payload import FramePayload, Row, decode_frame
from piapp.mqtt.subscriber import Subscriber
from piapp.mqtt.topics import Topics
from piapp.offline.detect import Detector
from piapp.offline.recording import Recorded, RecordingError, RecordingWriter
from piapp.result_source import ResultSource
from piapp.types import LANDMARK_COUNT, FloatArray, Pose, PoseResult

POLL_S = 0.2
STOP_S = 1.0

# Some seconds of frames; a disk that needs longer than that loses what comes meanwhile.
MAX_WAITING = 256

# A node that is there sends its first frame sooner, also while it idles.
FIRST_FRAME_S = 15.0

log = logging.getLogger(__name__)

Results = Generator[Recorded | None]
"""Results with times from 0; None now and then while nothing comes."""

Progress = Callable[[str, int, int], None]
"""Called with what is done, how much of it, and of how much (0: unknown)."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What was recorded.

    Attributes:
        seconds: From the first to the last result.
    """

    results: int
    seconds: float
    written_bytes: int


def record(
    path: Path,
    source: Results,
    *,
    overwrite: bool = False,
    duration_s: float | None = None,
    expected: int = 0,
    progress: Progress,
) -> Summary:
    """Write what comes until the source ends or the time is over; closes the source.

    The file is made when the first result is there, so that a source that fails costs no older recording.

    Args:
        path: Where to.
        source: What to write.
        overwrite: Replace a file that is there.
        duration_s: In time of the results, or when none come on the clock; None for all.
        expected: How many results there will be; 0 when nobody knows.
        progress: Told after each result.

    Raises:
        RecordingError: There is such a file, or it cannot be written.
    """
    if path.exists() and not overwrite:
        raise RecordingError.exists(path)
    with closing(source):
        first = next((recorded for recorded in source if recorded), None)
        if first is None:
            return Summary(0, 0.0, 0)
        with RecordingWriter(path, overwrite=overwrite) as writer:
            began_s = time.monotonic()
            last_s = start_s = first.result.ts_ms / 1000
            for recorded in chain([first], source):
                if recorded is None:
                    if duration_s is not None and time.monotonic() - began_s > duration_s:
                        break
                    continue
                at_s = recorded.result.ts_ms / 1000
                if duration_s is not None and at_s - start_s > duration_s:
                    break
                last_s = at_s
                writer.add(recorded)
                if duration_s is None:
                    progress("results", writer.results, expected)
                else:
                    progress("seconds", round(at_s - start_s), round(duration_s))
    return Summary(writer.results, last_s - start_s, writer.written_bytes)


def source_results(config: Config, stop: threading.Event) -> Results:
    """Results of the configured source: of a file every frame's, as `piapp detect` sees it; of others what is live.

    Raises:
        UsageError: The source is not understood.
        CameraError: It cannot be read, or is lost.
        ModelError: The model cannot be used.
    """
    spec = parse_source(config.camera.source)
    model = choose_model(config.landmarker, masks=False)
    if spec.kind == "file":
        return _file_results(config, model, Path(spec.target), stop)
    return camera_results(config, open_camera(config.camera), live_factory(config.landmarker, model.path), stop)


def expected_results(config: Config) -> int:
    """How many results `source_results` will give: a file's frames; 0 for what is live.

    Raises:
        CameraError: The file cannot be read.
    """
    spec = parse_source(config.camera.source)
    if spec.kind != "file":
        return 0
    with VideoFile(spec.target) as video:
        return video.frame_count


def _file_results(config: Config, model: ModelFile, path: Path, stop: threading.Event) -> Results:
    with Detector(config, model) as detector:
        for detection in detector.file(path, "video"):
            if stop.is_set():
                return
            yield Recorded(detection.result)


def camera_results(config: Config, camera: Camera, factory: LandmarkerFactory, stop: threading.Event) -> Results:
    """Results of a camera that is open, as they come; closes it.

    Raises:
        CameraError: The camera is lost.
        LandmarkerError: The landmarker cannot be loaded or is stuck.
    """
    workers = 1 if camera.lockstep else None
    source = ResultSource(lambda: camera, factory, config, workers=workers)
    with ExitStack() as running:
        running.callback(source.stop_camera, STOP_S)
        running.callback(source.stop_landmarker, STOP_S)
        source.begin_load()
        if not source.open(stop):
            return
        source.load(stop)
        source.start()
        line = _TimeLine()
        while not (stop.is_set() or source.ended):
            result = source.next(POLL_S)
            if result is None:
                yield None
            else:
                source.frame_done()
                yield _placed(result, line)


def _placed(result: PoseResult, line: _TimeLine) -> Recorded:
    """A live result with its place on the line, its age now and its time of day."""
    age_ns = time.monotonic_ns() - result.captured_ns
    utc_ms = (time.time_ns() - age_ns) // 1_000_000
    return Recorded(replace(result, ts_ms=line.place("", result.ts_ms, utc_ms)), age_ns / 1e6, utc_ms)


def node_results(config: Config, node: str, stop: threading.Event) -> Results:
    """Results that a node sends to the broker on `frame`, in either encoding, over its restarts and the broker's.

    Raises:
        BrokerError: The broker cannot be reached, or nothing comes from the node.
        ConfigError: The node sends landmarks that postures cannot be judged by.
    """
    topics = Topics(config.mqtt.base_topic, node)
    waiting: queue.Queue[bytes] = queue.Queue(MAX_WAITING)  # full: what comes is dropped, and logged
    line, heard, dropped = _TimeLine(), False, 0

    def take(_topic: str, payload: bytes) -> None:
        nonlocal dropped
        try:
            waiting.put_nowait(payload)
        except queue.Full:
            dropped += 1

    with Subscriber(config.mqtt.url, [topics.frame], take, login=config.mqtt):
        started_s = time.monotonic()
        while not stop.is_set():
            try:
                recorded = _recorded(decode_frame(waiting.get(timeout=POLL_S), FramePayload), line)
            except queue.Empty:
                yield None
                if not heard and time.monotonic() - started_s > FIRST_FRAME_S:
                    raise BrokerError(
                        f"{topics.frame} at {config.mqtt.url}: nothing came within {FIRST_FRAME_S:g} s; is the node "
                        'online, not paused, and its publish.frames not "off"? (`piapp fleet watch` lists nodes)'
                    ) from None
            except ConfigError:
                raise
            except ValueError as error:  # MsgspecError is one
                log.warning("%s: a message is left out, for it is no frame of piapp's: %s", topics.frame, error)
            else:
                heard = True
                yield recorded
    if dropped:
        log.warning("%d frames came faster than they could be written, and are missing", dropped)


def _recorded(frame: FramePayload, line: _TimeLine) -> Recorded:
    poses = []
    for pose in frame.poses:
        if not pose.world_landmarks:
            raise ConfigError(
                f"{frame.node} sends no landmarks in metres, which postures are judged by; "
                "set publish.world_landmarks = true there"
            )
        poses.append(Pose(_array(pose.landmarks), _array(pose.world_landmarks)))
    # Last, for a message that is left out must not move the line.
    utc_ms = round(datetime.fromisoformat(frame.t).timestamp() * 1000)
    ts_ms = line.place(frame.boot, frame.ts_ms, utc_ms)
    result = PoseResult(ts_ms, ts_ms * 1_000_000, frame.size, tuple(poses))
    return Recorded(result, frame.latency_ms, utc_ms)


def _array(rows: Sequence[Row]) -> FloatArray:
    """(33, 5) float32; None becomes NaN.

    Raises:
        ValueError: There are more or fewer.
    """
    return np.array(rows, np.float32).reshape(LANDMARK_COUNT, 5)


@dataclass(slots=True)
class _TimeLine:
    """Puts logical times of several boots on one line from 0, apart as their times of day are."""

    _boot: str | None = None
    _offset_ms: int = 0
    _last_ms: int = -1
    _last_utc_ms: int = 0

    def place(self, boot: str, ts_ms: int, utc_ms: int) -> int:
        """The time on the line, later than the last one."""
        if boot != self._boot or ts_ms + self._offset_ms <= self._last_ms:
            apart_ms = 1 if self._boot is None else max(1, utc_ms - self._last_utc_ms)
            self._offset_ms = self._last_ms + apart_ms - ts_ms
            self._boot = boot
        self._last_ms, self._last_utc_ms = ts_ms + self._offset_ms, utc_ms
        return self._last_ms
