"""What a counted process does: Python's part of so many frames in one thread, with what the networks gave played back.

Run as a module under a program that counts instructions; `instructions` is its parent. The networks are left out: their
instructions change with the model and with XNNPACK alone, and valgrind takes seconds for each inference.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
from msgspec import Struct

from piapp.bench.frames import SharedFrames
from piapp.bench.protocol import CountedPart
from piapp.config.load import default_config
from piapp.fall_model import monitor_of
from piapp.landmarker.litert.network import Network, open_networks, read_models
from piapp.landmarker.litert.pipeline import PosePipeline
from piapp.landmarker.litert.turn import Turn
from piapp.landmarker.model import find_model
from piapp.mqtt.payload import PayloadWriter
from piapp.types import FloatArray, PoseResult

# The outputs that are read: the landmark model's third is a mask.
_READ = {"detector": (0, 1), "landmarks": (0, 1, 3, 4)}


class CountedJob(Struct, frozen=True):
    """What to do, the only argument.

    Attributes:
        part: How far to go with each frame.
        frames_fd: An open file with the frames' bytes, inherited.
        shape: (count, height, width, 3) of the frames.
        outputs: What `record_outputs` wrote.
        count: On how many frames.
    """

    part: CountedPart
    frames_fd: int
    shape: tuple[int, int, int, int]
    outputs: str
    count: int


class _RecordedNetwork:
    """A network whose outputs are kept."""

    def __init__(self, inner: Network, read: tuple[int, ...]) -> None:
        self.size = inner.size
        self.kept: dict[int, list[FloatArray]] = {index: [] for index in read}
        self.fill, self.output = inner.fill, inner.output
        self._inner = inner

    def run(self) -> None:
        """Infer."""
        self._inner.run()
        for index, kept in self.kept.items():
            kept.append(self._inner.output(index).copy())


class _PlayedNetwork:
    """A network that gives what was recorded, one after the other."""

    def __init__(self, size: int, outputs: dict[int, FloatArray]) -> None:
        self.size = size
        self._input = np.empty((size, size, 3), np.float32)
        self._outputs = outputs
        self._number = -1

    def fill(self, write: Callable[[FloatArray], None]) -> None:
        """Have the input written."""
        write(self._input)

    def run(self) -> None:
        """Go on to the next."""
        self._number += 1

    def output(self, index: int) -> FloatArray:
        """A view of one output."""
        view: FloatArray = self._outputs[index][self._number]
        return view


def record_outputs(frames: SharedFrames, count: int, path: Path) -> None:
    """Run the networks on so many frames, and write what they gave.

    Raises:
        ModelError: The bundle cannot be loaded.
    """
    config = default_config().landmarker
    inner = open_networks(read_models(find_model(config.model, masks=False).path), threads=1)
    networks = [_RecordedNetwork(network, read) for network, read in zip(inner, _READ.values(), strict=True)]
    pipeline = _pipeline(*networks)
    for ts_ms, image in islice(frames.endless(), count):
        pipeline.process(image, ts_ms)
    arrays: dict[str, Any] = {
        f"{name}{index}": np.array(kept)
        for name, network in zip(_READ, networks, strict=True)
        for index, kept in network.kept.items()
    }
    np.savez(path, sizes=np.array([network.size for network in networks]), **arrays)


def main() -> None:
    """Do the job."""
    job = msgspec.json.decode(sys.argv[1], type=CountedJob)
    config = default_config()
    with np.load(job.outputs) as arrays:
        networks = [
            _PlayedNetwork(int(size), {index: arrays[f"{name}{index}"] for index in read})
            for size, (name, read) in zip(arrays["sizes"], _READ.items(), strict=True)
        ]
    pipeline, monitor = _pipeline(*networks), monitor_of(config)
    writer = PayloadWriter.configured(config.publish, "counted", "00000000")
    for ts_ms, image in islice(SharedFrames(job.frames_fd, job.shape).endless(), job.count):
        result = PoseResult(ts_ms, 0, (image.shape[1], image.shape[0]), pipeline.process(image, ts_ms))
        if job.part != "landmarker":
            state, _events = monitor.update(result)
            if job.part == "message":
                writer.frame(result, state.labels, seq=ts_ms)
    # Nothing that is torn down counts.
    os._exit(0)


def _pipeline(
    detector: _RecordedNetwork | _PlayedNetwork, landmarks: _RecordedNetwork | _PlayedNetwork
) -> PosePipeline:
    config = default_config().landmarker
    return PosePipeline(config, cast("Network", detector), cast("Network", landmarks), Turn(), tracking=True)


if __name__ == "__main__":
    main()
