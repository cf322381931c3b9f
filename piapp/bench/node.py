"""The daemon's own `Node` in a thread, measured while its camera runs."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Protocol

import msgspec

from piapp.bench.protocol import Measure, Window
from piapp.bench.tally import Tally
from piapp.camera.base import Camera
from piapp.config.sections import Config
from piapp.errors import BrokerError, PiappError
from piapp.landmarker.live import LandmarkerFactory
from piapp.landmarker.model import ModelFile
from piapp.node.app import Node
from piapp.node.assembly import NodeParts
from piapp.node.outlets import Outlet
from piapp.types import PoseResult

CONNECT_S = 15.0
SETTLE_S = 2.0
STOP_S = 5.0

KEPT_RESULTS = 300


class MeasuredCamera(Camera, Protocol):
    """A camera that gives frames while a measurement runs.

    Attributes:
        given: How many frames it gave.
    """

    given: int

    def run(self, *, running: bool) -> None:
        """Begin or pause."""
        ...

    def sent(self, result: PoseResult, sent_ns: int | None) -> None:
        """A result's message was written at that time, or dropped."""
        ...


class _Measurement(Outlet):
    """Counts frames that leave the node, has the camera time them, and keeps the newest results."""

    name = "measurement"

    def __init__(self, camera: MeasuredCamera) -> None:
        self._camera = camera
        self.results: deque[PoseResult] = deque(maxlen=KEPT_RESULTS)
        self.left = 0
        self.sent = 0

    def frame_sent(self, result: PoseResult, sent_ns: int | None) -> None:
        """Note a frame that was written or dropped."""
        self.results.append(result)
        self._camera.sent(result, sent_ns)
        self.left += 1
        self.sent += sent_ns is not None


class MeasuredNode:
    """A node in a thread named "node".

    Args:
        config: What the node is; its camera is not opened.
        camera: What the node has in place of its own camera.
        factory: Creates landmarkers.
        model: What they run.
        tally: Has every frame noted, by the camera.
    """

    def __init__(
        self, config: Config, camera: MeasuredCamera, factory: LandmarkerFactory, model: ModelFile, tally: Tally
    ) -> None:
        self.config = config
        self._camera, self._tally = camera, tally
        self._measurement = _Measurement(camera)
        self._node = Node(config, NodeParts(lambda: camera, factory, model), observers=(self._measurement,))
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="node", daemon=True)

    @property
    def results(self) -> list[PoseResult]:
        """The newest results."""
        return list(self._measurement.results)

    @property
    def idle(self) -> bool:
        """Whether nobody has been there for so long that few frames are processed."""
        return self._node.idle

    def start(self) -> None:
        """Start the node, and wait for the first message.

        Raises:
            BrokerError: The broker cannot be reached.
        """
        self._thread.start()
        if not self._node.publisher.wait_connected(CONNECT_S):
            self.check()
            raise BrokerError(f"{self.config.mqtt.url}: no connection within {CONNECT_S:g} s")
        self.measure(Measure())

    def check(self) -> None:
        """Tell what ended it.

        Raises:
            PiappError: It has failed.
        """
        if self._error is not None:
            raise PiappError(f"the pipeline failed: {self._error}") from self._error

    def measure(self, wanted: Measure) -> Window:
        """Run for a while, then wait until nothing is on its way."""
        given, sent = self._camera.given, self._measurement.sent
        self._camera.run(running=True)
        try:
            window = self._tally.measure(wanted, published=True, check=self.check)
        finally:
            self._camera.run(running=False)
        self._settle()
        lost = (self._camera.given - given) - (self._measurement.sent - sent)
        return msgspec.structs.replace(window, lost=lost)

    def stop(self) -> None:
        """End the node."""
        self._stop.set()
        self._thread.join(STOP_S)

    def _settle(self) -> None:
        until_s = time.monotonic() + SETTLE_S
        while self._measurement.left < self._camera.given and time.monotonic() < until_s:
            time.sleep(0.005)

    def _run(self) -> None:
        try:
            self._node.run(self._stop)
        except BaseException as error:  # noqa: BLE001 - raised again by `check`
            self._error = error
