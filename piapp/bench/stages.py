"""Where a frame's processor time goes: each stage of the LiteRT pipeline, measured in one thread on the same frames."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from piapp.bench.frames import SharedFrames
from piapp.bench.protocol import StageFound
from piapp.bench.statistics import percentiles
from piapp.config.sections import Config
from piapp.fall_model import monitor_of
from piapp.landmarker.litert.network import DETECTOR_ENTRY, LANDMARKS_ENTRY, Model, Network, read_models
from piapp.landmarker.litert.pipeline import PosePipeline
from piapp.landmarker.litert.turn import Turn
from piapp.landmarker.model import find_model
from piapp.mqtt.payload import PayloadWriter
from piapp.types import FloatArray, PoseResult

# Enough for a 99th percentile, after those in which tracking begins and caches fill.
FRAMES, WARM_FRAMES = 300, 20

CUT, DETECTOR, LANDMARKS, NUMBERS, POSTURE, ENCODE = (
    "cut and scale the picture", "detector network", "landmark network", "from their numbers to landmarks",
    "posture and events", "encode the frame message",
)  # fmt: skip


def measure_stages(config: Config, frames: SharedFrames, count: int = FRAMES) -> list[StageFound]:
    """Measure on so many frames, in their own time; blocks for some seconds.

    Raises:
        ModelError: The bundle cannot be loaded.
    """
    watch = _Watch()
    pipeline = _timed_pipeline(config, watch)
    monitor = monitor_of(config)
    writer = PayloadWriter(
        config.node.id, "00000000", frame_format="json", world_landmarks=config.publish.world_landmarks
    )
    for number, (ts_ms, image) in enumerate(islice(frames.endless(), WARM_FRAMES + count)):
        if number == WARM_FRAMES:
            watch.forget()
        watch.next_frame()
        with watch.stage(NUMBERS):
            poses = pipeline.process(image, ts_ms)
        result = PoseResult(ts_ms, 0, (image.shape[1], image.shape[0]), poses)
        with watch.stage(POSTURE):
            state, _ = monitor.update(result)
        with watch.stage(ENCODE):
            writer.frame(result, state.labels, seq=number)
    return _found(watch.frames)


class _Watch:
    """Processor time of this thread by stage, for each frame.

    Attributes:
        frames: One dictionary a frame, milliseconds by stage.
    """

    def __init__(self) -> None:
        self.frames: list[dict[str, float]] = []
        self._inner_ms = 0.0  # of stages within the one that runs

    def forget(self) -> None:
        """Drop what was measured so far."""
        self.frames.clear()

    def next_frame(self) -> None:
        """Begin a frame."""
        self.frames.append(defaultdict(float))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time within this block for a stage, without that of stages within it."""
        outer_ms, self._inner_ms = self._inner_ms, 0.0
        started_ns = time.thread_time_ns()
        yield
        took_ms = (time.thread_time_ns() - started_ns) / 1e6
        self.frames[-1][name] += took_ms - self._inner_ms
        self._inner_ms = outer_ms + took_ms


class _TimedNetwork(Network):
    """A network on one thread whose filling and running count as stages."""

    def __init__(self, model: Model, name: str, *, outputs: int, watch: _Watch, stage: str) -> None:
        super().__init__(model, name, threads=1, outputs=outputs)
        self._watch = watch
        self._stage = stage

    def fill(self, write: Callable[[FloatArray], None]) -> None:
        """Have the input written."""
        with self._watch.stage(CUT):
            super().fill(write)

    def run(self) -> None:
        """Infer."""
        with self._watch.stage(self._stage):
            super().run()


def _timed_pipeline(config: Config, watch: _Watch) -> PosePipeline:
    models = read_models(find_model(config.landmarker.model, masks=False).path)
    detector = _TimedNetwork(models.detector, DETECTOR_ENTRY, outputs=2, watch=watch, stage=DETECTOR)
    landmarks = _TimedNetwork(models.landmarks, LANDMARKS_ENTRY, outputs=5, watch=watch, stage=LANDMARKS)
    return PosePipeline(config.landmarker, detector, landmarks, Turn(), tracking=True)


def _found(frames: Sequence[dict[str, float]]) -> list[StageFound]:
    """Each stage over all frames; its share is that of the mean frame's time."""
    stages = (CUT, DETECTOR, LANDMARKS, NUMBERS, POSTURE, ENCODE)
    samples = {stage: [frame.get(stage, 0.0) for frame in frames] for stage in stages}
    total_ms = sum(map(sum, samples.values()))
    return [
        StageFound(stage, percentiles(times_ms), sum(times_ms) / len(times_ms), sum(times_ms) / total_ms)
        for stage, times_ms in samples.items()
    ]
