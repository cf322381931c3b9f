"""Composition root: makes the parts from the configuration, runs them, stops them in reverse.

Owns the main loop: results in, posture logic, outlets out. It is the only module that knows all parts.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from piapp import __version__
from piapp.camera import Camera, open_camera, parse_source
from piapp.config.live import LiveSettings
from piapp.config.sections import Config
from piapp.errors import CameraError
from piapp.fall_model import monitor_of
from piapp.landmarker.live import LandmarkerFactory
from piapp.landmarker.model import ModelFile, find_model
from piapp.landmarker.runtime import live_factory
from piapp.mqtt.commands import Commands
from piapp.mqtt.device import Device
from piapp.mqtt.homeassistant import HomeAssistant
from piapp.mqtt.payload import PayloadWriter
from piapp.mqtt.publisher import Publisher
from piapp.mqtt.spool import open_spool
from piapp.mqtt.topics import Topics
from piapp.node import outlets
from piapp.node.alarm_file import AlarmFile, Clocks
from piapp.node.alarms import Alarms
from piapp.node.cases_outlet import cases_outlet
from piapp.node.control import Control
from piapp.node.health_report import HealthReporter, HeatMonitor
from piapp.node.home_device import home_device
from piapp.node.info import info
from piapp.node.outlets import Observation, Outlet
from piapp.node.pausable_camera import PausableCamera
from piapp.node.pauses import Pauses
from piapp.node.pausing import Pausing
from piapp.node.reporter import Reporter
from piapp.node.source import ResultSource
from piapp.node.state_folder import pause_file, settings_file, state_folder
from piapp.service.camera_loss import CameraLoss
from piapp.service.health import Health
from piapp.service.identity import boot_id, default_node_id, event_ids, first_event_number
from piapp.service.power import Power
from piapp.service.restarts import count_start
from piapp.service.systemd import Supervisor
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


@dataclass(frozen=True, slots=True)
class NodeParts:
    """What `Node` runs; tests and the demo put their own in.

    Attributes:
        open_camera: Opens the camera; called once the broker may learn of a failure.
        factory: Creates landmarkers.
        model: What they run.
    """

    open_camera: Callable[[], Camera]
    factory: LandmarkerFactory
    model: ModelFile


def make_parts(config: Config) -> NodeParts:
    """Find and verify the model, and check the name of the source.

    Raises:
        UsageError: The source is not understood.
        ModelError: The model is not usable.
    """
    parse_source(config.camera.source)
    model = find_model(config.landmarker.model, masks=config.landmarker.output_segmentation_masks)
    return NodeParts(partial(open_camera, config.camera), live_factory(config.landmarker, model.path), model)


def node_id(config: Config) -> str:
    """The configured node id, or the one that the device has by itself."""
    return config.node.id or default_node_id()


class Node:
    """One camera node, from start to stop. `run` is called once, on the main thread.

    Args:
        config: What was configured.
        parts: Camera, landmarker and model.
        config_file: The file that it came from, to keep zones in.
        observers: Further outlets, which get what the others get; the benchmark measures with one.

    Attributes:
        publisher: Sends messages to the broker.
        preview: The live page; None when it is off.
        hung: Parts that did not stop in time.
    """

    def __init__(
        self, config: Config, parts: NodeParts, config_file: Path | None = None, *, observers: tuple[Outlet, ...] = ()
    ) -> None:
        boot = boot_id()
        topics = Topics(config.mqtt.base_topic, node_id(config))
        folder = state_folder(config.spool)
        self._settings = LiveSettings(config, settings_file(folder, topics.node), config_file)
        config = self._settings.config
        self._model = parts.model
        self._writer = PayloadWriter.configured(config.publish, topics.node, boot)
        spool = open_spool(config.spool, folder, topics.node, first=first_event_number())
        self._monitor = monitor_of(config)
        self._power = Power(config.power, config.camera.fps, time.monotonic())
        self._heat = HeatMonitor(self._power)
        self._health = Health()
        self._supervisor = Supervisor.of_this_process()
        self.publisher = Publisher(config.mqtt, config.publish, topics, events=spool)
        self._commands = Commands(topics, self.publisher.publish, response_prefix=config.mqtt.response_prefix)
        pictures = outlets.picture_feed(config, self.publisher, self._writer)
        self._control = Control(
            self._commands, self._settings, self._settings_changed, pictures.ask if pictures else None
        )
        camera = PausableCamera(parts.open_camera)
        self._source = ResultSource(
            camera.open,
            parts.factory,
            config,
            keep_images=config.publish.image == "photo",
            enabled=self._control.watching,
        )
        self._keeps_settings = folder is not None
        device = self._device()
        self._home = HomeAssistant(config.homeassistant, device, self.publisher)
        self._page_head = {"node": topics.node, "name": device.name, "version": __version__}
        self.preview = outlets.live_page(config, self._page_status, self._change_zones)
        metrics = outlets.metrics_endpoint(config, topics.node)
        cases = cases_outlet(folder, topics.node, self._monitor, self._control, lambda: self._settings.config)
        # In the order in which they start.
        present: tuple[Outlet | None, ...] = (
            outlets.LogOutlet(),
            outlets.MetricsOutlet(metrics) if metrics else None,
            outlets.PageOutlet(self.preview) if self.preview else None,
            outlets.HomeAssistantOutlet(self._home),
            outlets.BrokerOutlet(self.publisher, self._writer, self._frame_sent),
            outlets.PictureOutlet(pictures) if pictures else None,
            cases,
            *observers,
        )
        self._outlets = tuple(outlet for outlet in present if outlet is not None)
        alarm_file = AlarmFile(folder, topics.node, Clocks(boot))
        self._reporter = Reporter(
            monitor=self._monitor,
            alarms=Alarms(alarm_file, self._monitor, lambda: self._settings.config.posture.repeat_alarm_s),
            camera_loss=CameraLoss(folder, topics.node),
            control=self._control,
            writer=self._writer,
            publisher=self.publisher,
            outlets=self._outlets,
            # In step with the spool's own numbers, which go on from run to run: each id is given to one event.
            event_ids=event_ids(boot, first=spool.last + 1),
        )
        self._control.add("acknowledge", self._reporter.acknowledge)
        self._control.add("test", self._reporter.send_test)
        self._pausing = Pausing(
            pauses=Pauses(pause_file(folder, topics.node)),
            camera=camera,
            control=self._control,
            watcher=self._reporter,
            schedule=lambda: self._settings.config.schedule,
            discard=self._source.discard,
        )
        self._health_reporter = HealthReporter(
            self._health,
            self._source,
            self.publisher,
            self._commands,
            self._power,
            folder=folder,
            restarts=count_start(folder, topics.node, boot),
            send=self._send_health,
        )
        self.hung: list[str] = []

    @property
    def idle(self) -> bool:
        """Whether nobody has been there for so long that few frames are processed."""
        return self._power.idle

    def run(self, stop: threading.Event, duration_s: float | None = None) -> None:
        """Run until `stop` is set, the source ends or the time is over.

        Afterwards `hung` names the parts that did not stop in time; their threads are left behind.

        Raises:
            CameraError: The camera cannot be opened, failed, or gave no frame within its deadline.
            LandmarkerError: The landmarker is stuck.
            PiappError: Another part failed.
        """
        with ExitStack() as running:
            running.callback(self._supervisor.stopping)
            self._start_outlets(running)
            try:
                if self._start_source(running, stop):
                    self._loop(stop, time.monotonic() + duration_s if duration_s is not None else None)
            except CameraError as error:
                self._reporter.camera_lost(str(error))
                raise

    def _start_outlets(self, running: ExitStack) -> None:
        self._reporter.restore()
        self._pausing.tick()
        self.publisher.subscribe(self.publisher.topics.requests, self._commands.hear)
        for outlet in self._outlets:
            outlet.start()
            running.callback(self._stop, outlet.name, outlet.stop)
        running.callback(self._reporter.stop_watching)

    def _start_source(self, running: ExitStack, stop: threading.Event) -> bool:
        """Open the camera, load the landmarkers and begin to read; False when `stop` was set meanwhile."""
        running.callback(self._stop, "landmarker", lambda: self._source.stop_landmarker(STOP_LANDMARKER_S))
        running.callback(self._stop, "camera", lambda: self._source.stop_camera(STOP_CAMERA_S))
        running.callback(self._begin_stop)
        if not self._open_camera(stop):
            return False
        self._supervisor.say("loading the model")
        self._source.load(stop)
        if self._source.lockstep:
            self._wait_for_broker(stop, LOCKSTEP_BROKER_WAIT_S)
        self._source.start()
        log.info("running: %s, %s", self._source.description, self._model.name)
        return True

    def _open_camera(self, stop: threading.Event) -> bool:
        """Open the camera. A failure is published with all that is known of the node, before the node ends."""
        try:
            opened = self._source.open(stop)
        except CameraError as error:
            self._settings_changed()
            self._health_reporter.report()
            self._reporter.camera_lost(str(error))
            self._wait_for_broker(stop, REPORT_WAIT_S)
            raise
        self._settings_changed()
        return opened

    def _wait_for_broker(self, stop: threading.Event, limit_s: float) -> None:
        deadline_s = time.monotonic() + limit_s
        while not (stop.is_set() or self.publisher.wait_connected(TICK_S)):
            if time.monotonic() > deadline_s:
                url = self._settings.config.mqtt.url
                log.warning("no broker at %s yet; frames until it comes are not published", url)
                return

    def _stop(self, name: str, stop: Callable[[], bool]) -> None:
        if not stop():
            log.warning("%s did not stop in time", name)
            self.hung.append(name)

    def _begin_stop(self) -> None:
        for outlet in self._outlets:
            outlet.begin_stop()

    def _loop(self, stop: threading.Event, end_s: float | None) -> None:
        self._health_reporter.start()
        self._reporter.start()
        while not (stop.is_set() or self._control.restart_wanted or (end_s is not None and time.monotonic() >= end_s)):
            result = self._source.next(TICK_S)
            if result is not None:
                self._take(result)
            self._tick()
            if self._source.ended:
                log.info("the source has ended")
                return

    def _take(self, result: PoseResult) -> None:
        if self._control.watching.is_set():
            self._process(result)
        else:
            self._source.frame_done()  # it was on its way when the pause began

    def _process(self, result: PoseResult) -> None:
        state = self._reporter.update(result)
        self._health.add_result(result.inference_ns)
        observation = Observation(result, state, self._health.results)
        for outlet in self._outlets:
            outlet.offer(observation)
        self._supervisor.result((time.monotonic_ns() - result.captured_ns) / 1e6, len(state.persons))
        self._power.seen(time.monotonic(), poses=len(result.poses), persons=len(state.persons))
        self._source.limit_rate(self._power.max_fps)

    def _tick(self) -> None:
        """Do what is due besides results."""
        self._reporter.tick()
        self._check_source()
        self._control.tick()
        self._pausing.tick()
        for outlet in self._outlets:
            outlet.raise_if_failed()
            outlet.tick()
        self._health_reporter.tick(self._settings.config.health.period_s)
        self._heat.tick()

    def _check_source(self) -> None:
        lost = self._source.status.lost
        if lost:
            self._reporter.camera_lost(lost)
            self._supervisor.alive()  # it goes on trying, which a restart would only begin anew
        if self._control.paused_by is not None:
            self._supervisor.paused()

    def _frame_sent(self, result: PoseResult, sent_ns: int | None) -> None:
        """Note when a frame's message was written (`CLOCK_MONOTONIC` ns) or dropped (None); on any thread."""
        if sent_ns is not None:
            self._health.add_latency(sent_ns - result.captured_ns)
        self._source.frame_done()
        for outlet in self._outlets:
            outlet.frame_sent(result, sent_ns)

    def _send_health(self, report: dict[str, Any]) -> None:
        for outlet in self._outlets:
            outlet.health(report)

    def _settings_changed(self) -> None:
        """Hand the settings that are in force to the parts that work with them, and publish them."""
        config, topics = self._settings.config, self.publisher.topics
        self._monitor.use(config.posture)
        self._monitor.use_zones(config.zones)
        self._power.use(config.power)
        self.publisher.limit_frames(config.publish.max_frame_hz)
        fields = info(config, self._model, self._source.description)
        self.publisher.retain(topics.info, self._writer.info(**fields))
        self.publisher.retain(topics.settings, self._writer.document(**self._control.state()))
        self._home.update(self._device())
        if self._control.paused_by is not None:
            self._supervisor.say(f"paused by {self._control.paused_by}")

    def _device(self) -> Device:
        """The node as Home Assistant shows it, with the settings that are in force."""
        values = self._settings.values()
        return home_device(self._settings.config, self.publisher.topics, values, keeps_settings=self._keeps_settings)

    def _page_status(self) -> dict[str, Any]:
        """What the live page shows of the node; on the page's thread."""
        config = self._settings.config
        return self._page_head | {
            "temperature_c": self._heat.temperature_c,
            "paused": not self._control.watching.is_set(),
            "people": self._reporter.people,
            "pictures": config.publish.image == "photo",
            "zones_kept": self._settings.keeps_zones,
            "zones": msgspec.to_builtins(config.zones),
        }

    def _change_zones(self, zones: Any) -> bool:
        """Put zones in force that were drawn on the live page; whether they are kept."""
        kept = self._settings.change_zones(zones)
        changed = self._settings.config.zones
        log.info("zones changed on the live page: %s", ", ".join(zone.name for zone in changed) or "none")
        self._settings_changed()
        return kept
