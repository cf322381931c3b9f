"""Composition of a node: makes all parts from the configuration, and joins them. Starts none of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from piapp.camera import Camera
from piapp.config.change_log import ChangeLog
from piapp.config.live import LiveSettings
from piapp.config.sections import Config
from piapp.config.settings_trial import SettingsTrial
from piapp.fall_model import monitor_of
from piapp.invitation import Invitation
from piapp.landmarker.live import LandmarkerFactory
from piapp.landmarker.model import ModelFile
from piapp.mqtt.commands import Commands
from piapp.mqtt.homeassistant import HomeAssistant
from piapp.mqtt.payload import PayloadWriter
from piapp.mqtt.publisher import Publisher
from piapp.mqtt.spool import Spool, open_spool
from piapp.mqtt.topics import Topics
from piapp.node import outlets
from piapp.node.alarm_file import AlarmFile, Clocks
from piapp.node.alarms import Alarms
from piapp.node.announcer import Announcer, DescribeDevice
from piapp.node.cases_outlet import cases_outlet
from piapp.node.control import Control
from piapp.node.days_outlet import DaysOutlet, days_outlet, no_days
from piapp.node.health_report import HealthReporter, HeatMonitor
from piapp.node.home_device import home_device
from piapp.node.info import info
from piapp.node.outlets import Outlet, OutletGroup
from piapp.node.page import Page, PageTools
from piapp.node.page_cases import PageCases
from piapp.node.page_setup import PageSetup
from piapp.node.pausable_camera import PausableCamera
from piapp.node.pauses import Pauses
from piapp.node.pausing import Pausing
from piapp.node.reporter import Reporter
from piapp.node.setup_outlet import invited, page_outlet, served
from piapp.node.state_folder import changes_file, invitation_file, pause_file, settings_file, state_folder
from piapp.offline.cases import case_folder
from piapp.result_source import ResultSource
from piapp.service.camera_loss import CameraLoss
from piapp.service.health import Health
from piapp.service.identity import boot_id, default_node_id, event_ids, first_event_number
from piapp.service.power import Power
from piapp.service.restarts import count_start
from piapp.service.systemd import Supervisor
from piapp.types import PoseResult

if TYPE_CHECKING:
    from piapp.node.picture_feed import PictureFeed
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


def assemble(
    config: Config,
    parts: NodeParts,
    config_file: Path | None,
    observers: tuple[Outlet, ...],
    tools: Callable[[], PageTools],
) -> Assembly:
    """Make the parts of a node.

    Args:
        config: What was configured.
        parts: Camera, landmarker and model.
        config_file: The file that it came from, to keep zones in.
        observers: Further outlets.
        tools: Makes what the page can do besides.

    Raises:
        ConfigError: A library that the configuration needs is not installed.
    """
    made = _Made(config, parts, config_file, observers, tools)
    made.control.add("acknowledge", made.reporter.acknowledge)
    made.control.add("test", made.reporter.send_test)
    return Assembly(
        made.settings,
        parts.model.name,
        made.supervisor,
        made.publisher,
        made.commands,
        made.control,
        made.source,
        made.preview,
        made.all_outlets,
        made.reporter,
        made.announcer,
        made.pausing,
        made.health,
        made.health_reporter,
        made.heat,
        made.power,
    )


class _Made:
    """The parts, each made when another one asks for it first.

    What parts only need while the node runs they get as a function, so that no two wait for each other here.
    """

    def __init__(
        self,
        config: Config,
        parts: NodeParts,
        config_file: Path | None,
        observers: tuple[Outlet, ...],
        tools: Callable[[], PageTools],
    ) -> None:
        self._parts = parts
        self._tools = tools
        self._observers = observers
        self._topics = Topics(config.mqtt.base_topic, node_id(config))
        self._node = self._topics.node
        self._folder = state_folder(config.spool)
        kept_file = settings_file(self._folder, self._node)
        changes = ChangeLog(changes_file(self._folder, self._node))
        self.settings = LiveSettings(config, kept_file, config_file, trial=SettingsTrial(kept_file), changes=changes)
        self._invitation = Invitation.open(invitation_file(self._folder, self._node))
        self._config = invited(self.settings.config) if self._invitation else self.settings.config
        self._boot = boot_id()
        self._monitor = monitor_of(self._config)
        self._writer = PayloadWriter.configured(self._config.publish, self._node, self._boot)
        self._camera = PausableCamera(parts.open_camera)
        self.power = Power(self._config.power, self._config.camera.fps, time.monotonic())
        self.heat = HeatMonitor(self.power)
        self.health = Health()
        self.supervisor = Supervisor.of_this_process()

    @cached_property
    def _spool(self) -> Spool:
        return open_spool(self._config.spool, self._folder, self._node, first=first_event_number())

    @cached_property
    def publisher(self) -> Publisher:
        return Publisher(self._config.mqtt, self._config.publish, self._topics, events=self._spool)

    @cached_property
    def commands(self) -> Commands:
        return Commands(self._topics, self.publisher.publish, response_prefix=self._config.mqtt.response_prefix)

    @cached_property
    def control(self) -> Control:
        ask_picture = self._pictures.ask if self._pictures else None
        return Control(self.commands, self.settings, self._announce, ask_picture)

    @cached_property
    def source(self) -> ResultSource:
        return ResultSource(
            self._camera.open,
            self._parts.factory,
            self._config,
            keep_images=self._config.publish.image == "photo" or self._shows_pictures,
            enabled=self.control.watching,
        )

    @property
    def _shows_pictures(self) -> bool:
        """Whether the page may ever show the camera's picture, or its edges."""
        return self._config.preview.enabled and self._config.preview.picture != "off"

    @cached_property
    def _pictures(self) -> PictureFeed | None:
        return outlets.picture_feed(self._config, self.publisher, self._writer)

    @cached_property
    def _days(self) -> DaysOutlet | None:
        return days_outlet(self._folder, self._node, self._config)

    @cached_property
    def preview(self) -> Preview | None:
        return served(self._config, self._page, self._invitation, configured=self.settings.config.preview.enabled)

    @cached_property
    def _page(self) -> Page:
        cases = PageCases(case_folder(self._folder, self._node) if self._config.cases.enabled else None)
        days = self._days.document if self._days else no_days
        own = PageTools({"cases": cases.listed, "case": cases.film, "days": days}).joined(self._setup.tools)
        return Page(
            self.settings,
            node=self._node,
            control=self.control,
            heat=self.heat,
            people=lambda: self.reporter.people,
            alarms=lambda: self.reporter.open_alarms,
            announce=self.announcer.announce,
            tools=lambda: own.joined(self._tools()),
        )

    @cached_property
    def _setup(self) -> PageSetup:
        return PageSetup(
            self.settings,
            folder=self._folder,
            node=self._node,
            monitor=self._monitor,
            invitation=self._invitation,
            connected=lambda: self.publisher.state.connected,
        )

    @cached_property
    def _home(self) -> HomeAssistant:
        device = self._device(self._config, live_keys=self.settings.values())
        return HomeAssistant(self._config.homeassistant, device, self.publisher, on_start=self._repeat_recovered)

    @cached_property
    def _device(self) -> DescribeDevice:
        return partial(home_device, topics=self._topics, keeps_settings=self._folder is not None)

    @cached_property
    def announcer(self) -> Announcer:
        return Announcer(
            self.settings,
            control=self.control,
            monitor=self._monitor,
            power=self.power,
            publisher=self.publisher,
            writer=self._writer,
            home=self._home,
            device=self._device,
            describe=lambda config: info(config, self._parts.model, self.source.description),
            set_status=self.supervisor.set_status,
        )

    @cached_property
    def all_outlets(self) -> OutletGroup:
        """In the order in which they start."""
        metrics = outlets.metrics_endpoint(self._config, self._node)
        return OutletGroup(
            outlets.LogOutlet(),
            outlets.MetricsOutlet(metrics) if metrics else None,
            page_outlet(self.preview, self._invitation, lambda: outlets.live_page(self.settings.config, self._page)),
            outlets.HomeAssistantOutlet(self._home),
            outlets.BrokerOutlet(self.publisher, self._writer, self._frame_sent),
            outlets.PictureOutlet(self._pictures) if self._pictures else None,
            cases_outlet(self._folder, self._node, self._monitor, self.control, lambda: self.settings.config),
            self._days,
            *self._observers,
        )

    @cached_property
    def reporter(self) -> Reporter:
        alarm_file = AlarmFile(self._folder, self._node, Clocks(self._boot))
        return Reporter(
            monitor=self._monitor,
            alarms=Alarms(alarm_file, self._monitor, lambda: self.settings.config.posture.repeat_alarm_s),
            camera_loss=CameraLoss(self._folder, self._node),
            control=self.control,
            writer=self._writer,
            publisher=self.publisher,
            outlets=self.all_outlets,
            # In step with the spool's own numbers, which go on from run to run: each id is given to one event.
            event_ids=event_ids(self._boot, first=self._spool.last + 1),
        )

    @cached_property
    def pausing(self) -> Pausing:
        return Pausing(
            pauses=Pauses(pause_file(self._folder, self._node)),
            camera=self._camera,
            control=self.control,
            watcher=self.reporter,
            schedule=lambda: self.settings.config.schedule,
            discard=self.source.discard,
        )

    @cached_property
    def health_reporter(self) -> HealthReporter:
        return HealthReporter(
            self.health,
            self.source,
            self.publisher,
            self.commands,
            self.power,
            folder=self._folder,
            restarts=count_start(self._folder, self._node, self._boot),
            send=self.all_outlets.health,
        )

    def _announce(self) -> None:
        self.announcer.announce()

    def _repeat_recovered(self) -> None:
        self.reporter.repeat_recovered()

    def _frame_sent(self, result: PoseResult, sent_ns: int | None) -> None:
        if sent_ns is not None:
            self.health.add_latency(sent_ns - result.captured_ns)
        self.source.frame_done()
        self.all_outlets.frame_sent(result, sent_ns)
