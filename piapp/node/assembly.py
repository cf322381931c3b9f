"""Composition of a node: makes all parts from the configuration, and joins them. Starts none of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from piapp.camera import Camera
from piapp.config.live import LiveSettings
from piapp.config.sections import Config
from piapp.config.settings_trial import SettingsTrial
from piapp.fall_model import monitor_of
from piapp.landmarker.live import LandmarkerFactory
from piapp.landmarker.model import ModelFile
from piapp.mqtt.commands import Commands
from piapp.mqtt.homeassistant import HomeAssistant
from piapp.mqtt.payload import PayloadWriter
from piapp.mqtt.publisher import Publisher
from piapp.mqtt.spool import open_spool
from piapp.mqtt.topics import Topics
from piapp.node import outlets
from piapp.node.alarm_file import AlarmFile, Clocks
from piapp.node.alarms import Alarms
from piapp.node.announcer import Announcer
from piapp.node.cases_outlet import cases_outlet
from piapp.node.control import Control
from piapp.node.health_report import HealthReporter, HeatMonitor
from piapp.node.home_device import home_device
from piapp.node.info import info
from piapp.node.outlets import Outlet, OutletGroup
from piapp.node.page import Page
from piapp.node.pausable_camera import PausableCamera
from piapp.node.pauses import Pauses
from piapp.node.pausing import Pausing
from piapp.node.reporter import Reporter
from piapp.node.state_folder import pause_file, settings_file, state_folder
from piapp.result_source import ResultSource
from piapp.service.camera_loss import CameraLoss
from piapp.service.health import Health
from piapp.service.identity import boot_id, default_node_id, event_ids, first_event_number
from piapp.service.power import Power
from piapp.service.restarts import count_start
from piapp.service.systemd import Supervisor
from piapp.types import PoseResult

if TYPE_CHECKING:
    from piapp.preview.server import Preview


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


def node_id(config: Config) -> str:
    """The configured node id, or the one that the device has by itself."""
    return config.node.id or default_node_id()


@dataclass(frozen=True, slots=True)
class Assembly:
    """The parts of a node that its main loop works with.

    Attributes:
        model_name: The model that runs.
        preview: The live page; None when it is off.
        outlets: All ways out, in the order in which they start.
    """

    settings: LiveSettings
    model_name: str
    supervisor: Supervisor
    publisher: Publisher
    commands: Commands
    control: Control
    source: ResultSource
    preview: Preview | None
    outlets: OutletGroup
    reporter: Reporter
    announcer: Announcer
    pausing: Pausing
    health: Health
    health_reporter: HealthReporter
    heat: HeatMonitor
    power: Power


def assemble(config: Config, parts: NodeParts, config_file: Path | None, observers: tuple[Outlet, ...]) -> Assembly:
    """Make the parts of a node.

    Args:
        config: What was configured.
        parts: Camera, landmarker and model.
        config_file: The file that it came from, to keep zones in.
        observers: Further outlets.

    Raises:
        ConfigError: A library that the configuration needs is not installed.
    """
    boot = boot_id()

    def announce() -> None:
        announcer.announce()

    def frame_sent(result: PoseResult, sent_ns: int | None) -> None:
        if sent_ns is not None:
            health.add_latency(sent_ns - result.captured_ns)
        source.frame_done()
        group.frame_sent(result, sent_ns)

    topics = Topics(config.mqtt.base_topic, node_id(config))
    folder = state_folder(config.spool)
    kept_file = settings_file(folder, topics.node)
    settings = LiveSettings(config, kept_file, config_file, trial=SettingsTrial(kept_file))
    config = settings.config
    writer = PayloadWriter.configured(config.publish, topics.node, boot)
    spool = open_spool(config.spool, folder, topics.node, first=first_event_number())
    monitor = monitor_of(config)
    power = Power(config.power, config.camera.fps, time.monotonic())
    heat = HeatMonitor(power)
    health = Health()
    supervisor = Supervisor.of_this_process()
    publisher = Publisher(config.mqtt, config.publish, topics, events=spool)
    commands = Commands(topics, publisher.publish, response_prefix=config.mqtt.response_prefix)
    pictures = outlets.picture_feed(config, publisher, writer)
    control = Control(commands, settings, announce, pictures.ask if pictures else None)
    camera = PausableCamera(parts.open_camera)
    source = ResultSource(
        camera.open,
        parts.factory,
        config,
        keep_images=config.publish.image == "photo",
        enabled=control.watching,
    )
    device = partial(home_device, topics=topics, keeps_settings=folder is not None)
    home = HomeAssistant(config.homeassistant, device(config, live_keys=settings.values()), publisher)
    announcer = Announcer(
        settings,
        control=control,
        monitor=monitor,
        power=power,
        publisher=publisher,
        writer=writer,
        home=home,
        device=device,
        describe=lambda changed: info(changed, parts.model, source.description),
        set_status=supervisor.say,
    )
    page = Page(
        settings,
        node=topics.node,
        control=control,
        heat=heat,
        people=lambda: reporter.people,
        announce=announcer.announce,
    )
    preview = outlets.live_page(config, page.status, page.change_zones)
    metrics = outlets.metrics_endpoint(config, topics.node)
    cases = cases_outlet(folder, topics.node, monitor, control, lambda: settings.config)
    # In the order in which they start.
    group = OutletGroup(
        outlets.LogOutlet(),
        outlets.MetricsOutlet(metrics) if metrics else None,
        outlets.PageOutlet(preview) if preview else None,
        outlets.HomeAssistantOutlet(home),
        outlets.BrokerOutlet(publisher, writer, frame_sent),
        outlets.PictureOutlet(pictures) if pictures else None,
        cases,
        *observers,
    )
    alarm_file = AlarmFile(folder, topics.node, Clocks(boot))
    reporter = Reporter(
        monitor=monitor,
        alarms=Alarms(alarm_file, monitor, lambda: settings.config.posture.repeat_alarm_s),
        camera_loss=CameraLoss(folder, topics.node),
        control=control,
        writer=writer,
        publisher=publisher,
        outlets=group,
        # In step with the spool's own numbers, which go on from run to run: each id is given to one event.
        event_ids=event_ids(boot, first=spool.last + 1),
    )
    control.add("acknowledge", reporter.acknowledge)
    control.add("test", reporter.send_test)
    pausing = Pausing(
        pauses=Pauses(pause_file(folder, topics.node)),
        camera=camera,
        control=control,
        watcher=reporter,
        schedule=lambda: settings.config.schedule,
        discard=source.discard,
    )
    health_reporter = HealthReporter(
        health,
        source,
        publisher,
        commands,
        power,
        folder=folder,
        restarts=count_start(folder, topics.node, boot),
        send=group.health,
    )
    return Assembly(
        settings,
        parts.model.name,
        supervisor,
        publisher,
        commands,
        control,
        source,
        preview,
        group,
        reporter,
        announcer,
        pausing,
        health,
        health_reporter,
        heat,
        power,
    )
