"""What the loops without a pipeline share: threads that work while a gate is open, and how they are measured."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod

from piapp.bench.protocol import Measure, Window
from piapp.bench.tally import LoopGate, Tally
from piapp.errors import LandmarkerError

STOP_S = 5.0


class GatedLoop(ABC):
    """Threads that do the same work again and again, each in `work`.

    Args:
        tally: Notes every round.
        names: Names of the threads; one is started for each.
        title: What failed, for the message.
    """

    def __init__(self, tally: Tally, *, names: list[str], title: str) -> None:
        self.tally = tally
        self.gate = LoopGate()
        self._title = title
        self._error: BaseException | None = None
        self._threads = [threading.Thread(target=self._run, name=name, daemon=True) for name in names]

    @abstractmethod
    def work(self) -> None:
        """Load, then work while `gate.passes`; in each thread."""

    def start(self) -> None:
        """Load, and wait for the first result."""
        for thread in self._threads:
            thread.start()
        self.measure(Measure())

    def measure(self, wanted: Measure) -> Window:
        """Run for a while.

        Raises:
            LandmarkerError: A thread failed.
        """
        self.gate.open()
        try:
            return self.tally.measure(wanted, published=False, check=self._check)
        finally:
            self.gate.close()

    def stop(self) -> None:
        """End the threads."""
        self.gate.end()
        for thread in self._threads:
            thread.join(STOP_S)

    def _check(self) -> None:
        if self._error is not None:
            raise LandmarkerError(f"{self._title} failed: {self._error}") from self._error

    def _run(self) -> None:
        try:
            self.work()
        except BaseException as error:  # noqa: BLE001 - raised again by _check
            self._error = error
