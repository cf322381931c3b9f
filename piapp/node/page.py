"""What the owner's page shows of the node, and what it may have the node do."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import msgspec

from piapp import __version__
from piapp.config.live import LiveSettings
from piapp.mqtt.commands import COMMANDS
from piapp.node.alarm_file import OpenAlarm
from piapp.node.control import Control
from piapp.node.health_report import HeatMonitor
from piapp.node.page_settings import PageSettings

if TYPE_CHECKING:
    from piapp.preview.owner import Upload  # a node without a page does without the page's modules

# Requests that the page can make, as they can be made by MQTT. `set` and `get_config` have documents of their own, and
# `snapshot` sends a picture elsewhere.
PAGE_COMMANDS = ("pause", "resume", "acknowledge", "test", "feedback", "missed", "restart")

log = logging.getLogger(__name__)

Document = Callable[[Mapping[str, str]], Any]
Job = Callable[[bytes, str], Any]


@dataclass(frozen=True, slots=True)
class PageTools:
    """What the page can read, have made and have done by tools that know a whole node; `piapp.preview.owner` says how.

    Attributes:
        documents: What can be read, by name.
        jobs: What can be made, by name.
        uploads: What can be sent, by name.
        actions: What can be done, by name.
    """

    documents: Mapping[str, Document] = field(default_factory=dict)
    jobs: Mapping[str, Job] = field(default_factory=dict)
    uploads: Mapping[str, Upload] = field(default_factory=dict)
    actions: Mapping[str, Job] = field(default_factory=dict)

    def joined(self, other: PageTools) -> PageTools:
        """Both."""
        pairs = ((getattr(self, kind), getattr(other, kind)) for kind in ("documents", "jobs", "uploads", "actions"))
        return PageTools(*({**mine, **others} for mine, others in pairs))


class Page:
    """The node as its owner sees it in a browser (`piapp.preview.owner`).

    Args:
        settings: What is in force.
        node: The node's id.
        control: Carries out commands, and knows whether the node is paused.
        heat: Knows the temperature.
        people: Gives how many are there.
        alarms: Gives the alarms that are open.
        announce: Puts changed settings in force, and publishes them.
        tools: Makes what can be read, made and done besides; called with the first visitor.
    """

    def __init__(
        self,
        settings: LiveSettings,
        *,
        node: str,
        control: Control,
        heat: HeatMonitor,
        people: Callable[[], int],
        alarms: Callable[[], tuple[OpenAlarm, ...]],
        announce: Callable[[], None],
        tools: Callable[[], PageTools],
    ) -> None:
        self._settings = settings
        self._head = {"node": node, "name": settings.config.node.name or node, "version": __version__}
        self._control = control
        self._heat = heat
        self._people = people
        self._alarms = alarms
        self._announce = announce
        self._form = PageSettings(settings, control)
        self._make_tools = tools

    @cached_property
    def _tools(self) -> PageTools:
        return self._make_tools()

    @cached_property
    def documents(self) -> Mapping[str, Document]:
        """What can be read, by name."""
        return {"settings": self._form.document, "now": lambda _: self._now(), **self._tools.documents}

    @property
    def jobs(self) -> Mapping[str, Job]:
        """What can be made, by name."""
        return self._tools.jobs

    @property
    def uploads(self) -> Mapping[str, Upload]:
        """What can be sent, by name."""
        return self._tools.uploads

    @cached_property
    def actions(self) -> Mapping[str, Job]:
        """What can be done, by name."""
        commands = {command: partial(self._carry_out, command) for command in PAGE_COMMANDS}
        return {"settings": self._form.change, **self._tools.actions, **commands}

    def status(self) -> dict[str, Any]:
        """What the page shows of the node; on the page's thread."""
        config = self._settings.config
        return self._head | {
            "temperature_c": self._heat.temperature_c,
            "paused": not self._control.watching.is_set(),
            "paused_by": self._control.paused_by,
            "schedule": msgspec.to_builtins(config.schedule),
            "alarms": [_alarm(alarm) for alarm in self._alarms()],
            "people": self._people(),
            "zones_kept": self._settings.keeps_zones,
            "zones": msgspec.to_builtins(config.zones),
        }

    def _now(self) -> dict[str, Any]:
        """What the page of another camera of this board shows of this one."""
        status = self.status()
        return {key: status[key] for key in ("node", "name", "people", "paused", "alarms")}

    def change_zones(self, zones: Any, by: str) -> bool:
        """Put zones in force that were drawn on the page; whether they are kept. Main thread.

        Raises:
            ConfigError: They are not zones, or could not be kept; nothing is changed.
        """
        kept = self._settings.change_zones(zones, by=by)
        changed = self._settings.config.zones
        log.info("zones changed by %s: %s", by, ", ".join(zone.name for zone in changed) or "none")
        self._announce()
        return kept

    def _carry_out(self, command: str, body: bytes, sender: str) -> Any:
        """Carry out a command whose parameters are the body; main thread."""
        parameters = msgspec.json.decode(body, type=COMMANDS[command])
        log.info("%s asks for %s", sender, command)
        return self._control.carry_out(command, parameters, sender)


def _alarm(alarm: OpenAlarm) -> dict[str, Any]:
    return {
        "event": alarm.event_id,
        "person": alarm.person,
        "confirmed": alarm.confirmed,
        "acknowledged": alarm.acknowledged,
    }
