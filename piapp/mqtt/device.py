"""Describes a node as Home Assistant shows it, and the parts that every entity of it is made of. Pure."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from piapp.mqtt.topics import Topics

# One entity or device trigger, with Home Assistant's own keys.
Component = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Device:
    """The node as Home Assistant shows it.

    Attributes:
        topics: Its topics.
        name: For people; Home Assistant puts it before the entities' names.
        area: The room to suggest; empty for none.
        version: piapp's.
        board: The machine's name.
        keeps_settings: There is a folder that keeps what is set while the node runs.
        sends_pictures: The owner lets pictures leave.
        picture_period_s: Seconds between two pictures; 0 sends them on request alone.
        serial: The board's serial number; empty where it has none.
        page_url: Address of the live page for other machines; empty where there is none.
        project_url: Where the program comes from; empty where that is unknown.
        knows_newest_version: `health` names the newest version on the machine.
        zones: Names of the zones.
        requests: The commands that the node answers.
        live_keys: The settings that `request/set` can change.
        fallen_after_s: `posture.fallen_after_s`.
        inactive_after_s: `posture.inactive_after_s`.
    """

    topics: Topics
    name: str
    area: str
    version: str
    board: str
    keeps_settings: bool = True
    sends_pictures: bool = False
    picture_period_s: float = 0.0
    serial: str = ""
    page_url: str = ""
    project_url: str = ""
    knows_newest_version: bool = False
    zones: tuple[str, ...] = ()
    requests: frozenset[str] = frozenset()
    live_keys: frozenset[str] = frozenset()
    fallen_after_s: float = 10.0
    inactive_after_s: float = 900.0

    @property
    def id(self) -> str:
        """The node's name in discovery topics and ids.

        Holds the base topic, because other programs announce their devices in the same place.
        """
        return re.sub(r"[^a-zA-Z0-9_-]", "_", f"{self.topics.base}_{self.topics.node}")

    def zone_ids(self) -> Mapping[str, str]:
        """A distinct id of letters, digits and underscores for each zone's name, which does not change with the others.

        Two names that give the same letters, such as "Bed" and "bed!", each get a checksum of the name appended.
        """
        plain = {name: re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") for name in self.zones}
        shared = [one for one in plain.values() if list(plain.values()).count(one) > 1]
        return {
            name: one if one and one not in shared else f"{one}_{zlib.crc32(name.encode()):08x}".lstrip("_")
            for name, one in plain.items()
        }


def while_watching(topics: Topics) -> Component:
    """Availability of what the camera sees: not while the node is offline or paused."""
    paused = {"topic": topics.settings, "value_template": "{{ 'offline' if value_json.paused else 'online' }}"}
    return {"availability": [{"topic": topics.status}, paused], "availability_mode": "all"}


def while_known(topics: Topics, topic: str, known: str) -> Component:
    """Availability of a value that some nodes never have, so that it is not "unknown" for ever.

    Args:
        topics: Of the node.
        topic: The message that carries the value.
        known: A template's expression that is true when the message has the value.
    """
    has_value = {"topic": topic, "value_template": f"{{{{ 'online' if {known} else 'offline' }}}}"}
    return {"availability": [{"topic": topics.status}, has_value], "availability_mode": "all"}


# Few people want these; Home Assistant lists them, and shows them when somebody enables them.
DISABLED: Component = {"enabled_by_default": False}
