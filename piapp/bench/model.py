"""The limit: nothing but the landmark network, again and again on one input."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from piapp.bench.protocol import Measure, Window
from piapp.bench.tally import Gate, Tally
from piapp.errors import LandmarkerError
from piapp.landmarker.bundle import read_bundle

STOP_S = 5.0


class ModelLoop:
    """Interpreters side by side, one thread each, in LiteRT with XNNPACK.

    Args:
        model: The bundle without the segmentation head.
        workers: How many interpreters.
        tally: What is told of every inference.
    """

    def __init__(self, model: Path, workers: int, tally: Tally) -> None:
        _detector, self._network = read_bundle(model.read_bytes())
        self._tally = tally
        self._gate = Gate()
        self._error: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._run, name=f"model-{number}", daemon=True) for number in range(1, workers + 1)
        ]

    def start(self) -> None:
        """Load, and wait for the first inference."""
        for thread in self._threads:
            thread.start()
        self.measure(Measure())

    def measure(self, wanted: Measure) -> Window:
        """Run for a while."""
        self._gate.open()
        try:
            return self._tally.measure(wanted, published=False, check=self._check)
        finally:
            self._gate.close()

    def stop(self) -> None:
        """End the loops."""
        self._gate.end()
        for thread in self._threads:
            thread.join(STOP_S)

    def _check(self) -> None:
        if self._error is not None:
            raise LandmarkerError(f"the network alone failed: {self._error}") from self._error

    def _run(self) -> None:
        try:
            interpreter = self._interpreter()
            while self._gate.passes():
                started_ns = time.monotonic_ns()
                interpreter.invoke()
                self._tally.add_latency(started_ns, time.monotonic_ns())
        except BaseException as error:  # noqa: BLE001 - raised again by _check
            self._error = error

    def _interpreter(self) -> Any:
        from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 - opens libraries

        interpreter = Interpreter(model_content=self._network, num_threads=1)
        interpreter.allocate_tensors()
        return interpreter
