"""Settings that have changed: handed to the parts that work with them, and published."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from piapp.config.live import LiveSettings
from piapp.config.sections import Config
from piapp.mqtt.device import Device
from piapp.mqtt.homeassistant import HomeAssistant
from piapp.mqtt.payload import PayloadWriter
from piapp.mqtt.publisher import Publisher
from piapp.node.control import Control
from piapp.posture.monitor import Monitor
from piapp.service.power import Power


class DescribeDevice(Protocol):
    """Describes the node for home automation."""

    def __call__(self, config: Config, *, live_keys: dict[str, Any]) -> Device:
        """Describe it as it is configured now."""
        ...


class Announcer:
    """Puts the settings in force, and announces them. Main thread only.

    Args:
        settings: What is in force.
        control: Knows whether the node is paused.
        monitor: Is given `[posture]` and the zones.
        power: Is given `[power]`.
        publisher: Is given the rate of frames; keeps `info` and `settings` at the broker.
        writer: Encodes them.
        home: Announces the node to home automation.
        device: Describes the node for it.
        describe: Gives the fields of `info`.
        set_status: Sets the line that `systemctl status` shows.
    """

    def __init__(
        self,
        settings: LiveSettings,
        *,
        control: Control,
        monitor: Monitor,
        power: Power,
        publisher: Publisher,
        writer: PayloadWriter,
        home: HomeAssistant,
        device: DescribeDevice,
        describe: Callable[[Config], dict[str, Any]],
        set_status: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._control = control
        self._monitor = monitor
        self._power = power
        self._publisher = publisher
        self._writer = writer
        self._home = home
        self._device = device
        self._describe = describe
        self._set_status = set_status

    def announce(self) -> None:
        """Hand over the settings that are in force, and publish them."""
        config, topics = self._settings.config, self._publisher.topics
        self._monitor.use(config.posture)
        self._monitor.use_zones(config.zones)
        self._power.use(config.power)
        self._publisher.limit_frames(config.publish.max_frame_hz)
        self._publisher.retain(topics.info, self._writer.info(**self._describe(config)))
        self._publisher.retain(topics.settings, self._writer.document(**self._control.state()))
        self._home.update(self._device(config, live_keys=self._settings.values()))
        if self._control.paused_by is not None:
            self._set_status(f"paused by {self._control.paused_by}")
