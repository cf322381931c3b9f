"""Composition root: makes the parts from the configuration, runs them, stops them in reverse.

Owns the main loop: results in, posture logic, outlets out. It is the only module that knows all parts.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from piapp.camera import open_camera, parse_source
from piapp.config.live import LiveSettings
from piapp.config.sections import Config
from piapp.config.settings_trial import SettingsTrial
from piapp.errors import CameraError, PiappError
from piapp.landmarker.runtime import live_factory
from piapp.model_choice import choose_model
from piapp.node.assembly import NodeParts, assemble, node_id
from piapp.node.outlets import Observation, Outlet
from piapp.node.page import PageTools
from piapp.node.state_folder import settings_file, state_folder
from piapp.service.start_pages import release_start_pages
from piapp.types import PoseResult

log = logging.getLogger(__name__)

TICK_S = 0.1

# With the outlets' time together under the 3 s in which SIGTERM must be obeyed, even when every part hangs.
STOP_CAMERA_S = 0.6
STOP_LANDMARKER_S = 0.7

# In lockstep every frame should be published, so the first one waits for the broker; it goes on without it after this.
LOCKSTEP_BROKER_WAIT_S = 10.0

# A camera that cannot be opened is reported before the node ends; without a broker for so long it ends all the same.
REPORT_WAIT_S = 3.0


def make_parts(config: Config) -> NodeParts:
    """Find and verify the model, and check the name of the source.

    Raises:
        UsageError: The source is not understood.
        ModelError: The model is not usable.
    """
    parse_source(config.camera.source)
    model = choose_model(config.landmarker, masks=config.landmarker.output_segmentation_masks)
    return NodeParts(partial(open_camera, config.camera), live_factory(config.landmarker, model.path), model)


def kept_config(config: Config) -> Config:
    """The configuration with what the owner's page has kept for this start; the parts are made by it."""
    file = settings_file(state_folder(config.spool), node_id(config))
    return config if SettingsTrial(file).exhausted else LiveSettings(config, file).config


class Node:
    """One camera node, from start to stop. `run` is called once, on the main thread.

    Args:
        config: What was configured.
        parts: Camera, landmarker and model.
        config_file: The file that it came from, to keep zones in.
        observers: Further outlets, which get what the others get; the benchmark measures with one.
        tools: Makes what the live page can do besides; called with the first visitor.

    Attributes:
        publisher: Sends messages to the broker.
        preview: The live page; None when it is off.
        hung: Parts that did not stop in time.
    """

    def __init__(
        self,
        config: Config,
        parts: NodeParts,
        config_file: Path | None = None,
        *,
        observers: tuple[Outlet, ...] = (),
        tools: Callable[[], PageTools] = PageTools,
    ) -> None:
        self._parts = assemble(config, parts, config_file, observers, tools)
        self.publisher = self._parts.publisher
        self.preview = self._parts.preview
        self.hung: list[str] = []

    @property
    def idle(self) -> bool:
        """Whether nobody has been there for so long that few frames are processed."""
        return self._parts.power.idle

    def run(self, stop: threading.Event, duration_s: float | None = None) -> None:
        """Run until `stop` is set, the source ends or the time is over.

        Afterwards `hung` names the parts that did not stop in time; their threads are left behind.

        Raises:
            CameraError: The camera cannot be opened, failed, or gave no frame within its deadline.
            LandmarkerError: The landmarker is stuck.
            PiappError: Another part failed.
        """
        with ExitStack() as running:
            running.push(self._judge_settings)
            running.callback(self._parts.supervisor.stopping)
            self._start_outlets(running)
            try:
                if self._start_source(running, stop):
                    self._loop(stop, time.monotonic() + duration_s if duration_s is not None else None)
            except CameraError as error:
                self._parts.reporter.camera_lost(str(error))
                raise

    def _judge_settings(self, kind: type[BaseException] | None, _error: object, _trace: object) -> None:
        """An end that is no internal error is not the settings' doing."""
        if kind is None or issubclass(kind, PiappError):
            self._parts.settings.passed()

    def _start_outlets(self, running: ExitStack) -> None:
        self._parts.reporter.restore()
        self._parts.pausing.tick()
        self.publisher.subscribe(self.publisher.topics.requests, self._parts.commands.receive)
        for outlet in self._parts.outlets.present:
            outlet.start()
            running.callback(self._stop, outlet.name, outlet.stop)
        running.callback(self._parts.reporter.stop_watching)

    def _start_source(self, running: ExitStack, stop: threading.Event) -> bool:
        """Open the camera while the landmarkers load, and begin to read; False when `stop` was set meanwhile."""
        running.callback(self._stop, "landmarker", lambda: self._parts.source.stop_landmarker(STOP_LANDMARKER_S))
        running.callback(self._stop, "camera", lambda: self._parts.source.stop_camera(STOP_CAMERA_S))
        running.callback(self._parts.outlets.begin_stop)
        self._parts.source.begin_load()
        if not self._open_camera(stop):
            return False
        self._parts.supervisor.set_status("loading the model")
        self._parts.source.load(stop)
        if self._parts.source.lockstep:
            self._wait_for_broker(stop, LOCKSTEP_BROKER_WAIT_S)
        self._parts.source.start()
        log.info("running: %s, %s", self._parts.source.description, self._parts.model_name)
        return True

    def _open_camera(self, stop: threading.Event) -> bool:
        """Open the camera. A failure is published with all that is known of the node, before the node ends."""
        try:
            opened = self._parts.source.open(stop)
        except CameraError as error:
            self._parts.announcer.announce()
            self._parts.health_reporter.report()
            self._parts.reporter.camera_lost(str(error))
            self._wait_for_broker(stop, REPORT_WAIT_S)
            raise
        self._parts.announcer.announce()
        return opened

    def _wait_for_broker(self, stop: threading.Event, limit_s: float) -> None:
        deadline_s = time.monotonic() + limit_s
        while not (stop.is_set() or self.publisher.wait_connected(TICK_S)):
            if time.monotonic() > deadline_s:
                url = self._parts.settings.config.mqtt.url
                log.warning("no broker at %s yet; frames until it comes are not published", url)
                return

    def _stop(self, name: str, stop: Callable[[], bool]) -> None:
        if not stop():
            log.warning("%s did not stop in time", name)
            self.hung.append(name)

    def _loop(self, stop: threading.Event, end_s: float | None) -> None:
        self._parts.health_reporter.start()
        self._parts.reporter.start()
        while not (
            stop.is_set() or self._parts.control.restart_wanted or (end_s is not None and time.monotonic() >= end_s)
        ):
            result = self._parts.source.next(TICK_S)
            if result is not None:
                self._take(result)
            self._tick()
            if self._parts.source.ended:
                log.info("the source has ended")
                return

    def _take(self, result: PoseResult) -> None:
        if self._parts.control.watching.is_set():
            self._process(result)
        else:
            self._parts.source.frame_done()  # it was on its way when the pause began

    def _process(self, result: PoseResult) -> None:
        state = self._parts.reporter.update(result)
        first = not self._parts.health.results
        if first:
            self._parts.settings.passed()
        self._parts.health.add_result(result.inference_ns)
        self._parts.outlets.offer(Observation(result, state, self._parts.health.results))
        self._parts.supervisor.result((time.monotonic_ns() - result.captured_ns) / 1e6, len(state.persons))
        self._parts.power.seen(time.monotonic(), poses=len(result.poses), persons=len(state.persons))
        self._parts.source.limit_rate(self._parts.power.max_fps)
        self._parts.source.rest(resting=self._parts.power.idle)
        if first:
            release_start_pages()

    def _tick(self) -> None:
        """Do what is due besides results."""
        self._parts.reporter.tick()
        self._check_source()
        self._parts.control.tick()
        self._parts.pausing.tick()
        self._parts.outlets.raise_if_failed()
        self._parts.outlets.tick()
        self._parts.health_reporter.tick(self._parts.settings.config.health.period_s)
        self._parts.heat.tick()

    def _check_source(self) -> None:
        lost = self._parts.source.status.lost
        if lost:
            self._parts.reporter.camera_lost(lost)
            self._parts.supervisor.alive()  # it goes on trying, which a restart would only begin anew
        if self._parts.control.paused_by is not None:
            self._parts.supervisor.paused()
