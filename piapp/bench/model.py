"""The limit: nothing but the landmark network, again and again on one input."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from piapp.bench.loop import GatedLoop
from piapp.bench.tally import Tally
from piapp.landmarker.bundle import read_bundle


class ModelLoop(GatedLoop):
    """Interpreters side by side, one thread each, in LiteRT with XNNPACK.

    Args:
        model: The bundle without the segmentation head.
        workers: How many interpreters.
        tally: Notes every inference.
    """

    def __init__(self, model: Path, workers: int, tally: Tally) -> None:
        super().__init__(
            tally, names=[f"model-{number}" for number in range(1, workers + 1)], title="the network alone"
        )
        _detector, self._network = read_bundle(model.read_bytes())

    def work(self) -> None:
        """Run one interpreter."""
        interpreter = self._interpreter()
        while self.gate.passes():
            started_ns = time.monotonic_ns()
            interpreter.invoke()
            self.tally.add_latency(started_ns, time.monotonic_ns())

    def _interpreter(self) -> Any:
        from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 - opens libraries

        interpreter = Interpreter(model_content=self._network, num_threads=1)
        interpreter.allocate_tensors()
        return interpreter
