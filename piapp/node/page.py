"""What the live page shows of the node, and what it may change."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import msgspec

from piapp import __version__
from piapp.config.live import LiveSettings
from piapp.node.control import Control
from piapp.node.health_report import HeatMonitor

log = logging.getLogger(__name__)


class Page:
    """The node as the live page sees it.

    Args:
        settings: What is in force.
        node: The node's id.
        control: Knows whether the node is paused.
        heat: Knows the temperature.
        people: Gives how many are there.
        announce: Puts changed settings in force, and publishes them.
    """

    def __init__(
        self,
        settings: LiveSettings,
        *,
        node: str,
        control: Control,
        heat: HeatMonitor,
        people: Callable[[], int],
        announce: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._head = {"node": node, "name": settings.config.node.name or node, "version": __version__}
        self._control = control
        self._heat = heat
        self._people = people
        self._announce = announce

    def status(self) -> dict[str, Any]:
        """What the page shows of the node; on the page's thread."""
        config = self._settings.config
        return self._head | {
            "temperature_c": self._heat.temperature_c,
            "paused": not self._control.watching.is_set(),
            "people": self._people(),
            "pictures": config.publish.image == "photo",
            "zones_kept": self._settings.keeps_zones,
            "zones": msgspec.to_builtins(config.zones),
        }

    def change_zones(self, zones: Any) -> bool:
        """Put zones in force that were drawn on the page; whether they are kept. Main thread.

        Raises:
            ConfigError: They are not zones, or could not be kept; nothing is changed.
        """
        kept = self._settings.change_zones(zones)
        changed = self._settings.config.zones
        log.info("zones changed on the live page: %s", ", ".join(zone.name for zone in changed) or "none")
        self._announce()
        return kept
