"""Topics and payloads of Home Assistant's MQTT discovery, in both forms. Pure.

Terms and rules are those of Home Assistant's documents: https://www.home-assistant.io/integrations/mqtt/ (MQTT
discovery) and the page of each platform. `device` is one message for all entities (Home Assistant 2024.11 and newer),
`component` one message for each (older ones, and openHAB). Both name the same entities, so that a change from one to
the other keeps what people made of them. Which entities there are is in `entities_seen` and `entities_node`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from piapp.config.sections import HomeAssistantConfig
from piapp.mqtt.device import Component, Device
from piapp.mqtt.entities_node import ALARM_REQUESTS, SETTING_KEYS, node
from piapp.mqtt.entities_seen import EVENT_TYPES, seen
from piapp.mqtt.topics import Topics
from piapp.types import EventType

ORIGIN = "piapp"

# Sent to a topic of the old form before the new one is announced, so that Home Assistant keeps what people have set;
# "Migration from single component to device-based discovery" in its MQTT pages.
MIGRATE = b'{"migrate_discovery":true}'

# Components of earlier versions and of zones that are no more, in one message; a message names no more than these.
MAX_REMOVED = 64


class _Origin(Struct):
    name: str


class _Announcement(Struct):
    """As much of a discovery message as tells whose it is; both spellings are legal."""

    o: _Origin | None = None
    origin: _Origin | None = None


class _Tree(Struct):
    """As much of a message of the device form as names its components."""

    cmps: dict[str, dict[str, Any]] = {}


def messages(config: HomeAssistantConfig, device: Device, removed: Mapping[str, str] | None = None) -> dict[str, bytes]:
    """Retained topics to payloads that announce the node; none when discovery is off.

    Args:
        config: The form, and where.
        device: The node.
        removed: Components that an earlier message announced and that are no more, with the platform of each.
    """
    parts = components(device)
    if config.discovery == "device":
        announced = {name: _with_platform(part) for name, part in parts.items()}
        # A component without anything but its platform is taken out of the device.
        gone = {name: {"p": platform} for name, platform in (removed or {}).items() if name not in parts}
        tree = _head(device) | {"cmps": announced | gone}
        return {device_topic(config.prefix, device.id): msgspec.json.encode(tree)}
    if config.discovery == "component":
        head = _head(device)
        return {
            component_topic(config.prefix, device.id, name, part): msgspec.json.encode(head | _without_platform(part))
            for name, part in parts.items()
        }
    return {}


def no_longer(payload: bytes, device: Device) -> dict[str, str]:
    """Components that a message of the device form announced, or removed, and that the device has no more."""
    try:
        before = msgspec.json.decode(payload, type=_Tree).cmps
    except (msgspec.DecodeError, RecursionError):
        return {}
    now = components(device)
    gone = {name: str(part["p"]) for name, part in before.items() if name not in now and "p" in part}
    return dict(list(gone.items())[:MAX_REMOVED])


def whole_device(topics: Topics) -> Device:
    """A node with every entity that one may have but for its zones, whose names only the node knows."""
    return Device(
        topics, topics.node, area="", version="", board="",
        sends_pictures=True, picture_period_s=1.0, requests=ALARM_REQUESTS, live_keys=SETTING_KEYS,
        knows_newest_version=True,
    )  # fmt: skip


def all_topics(prefix: str, device: Device) -> Iterator[str]:
    """Every topic that either form uses."""
    yield device_topic(prefix, device.id)
    for name, part in components(device).items():
        yield component_topic(prefix, device.id, name, part)


def filters(prefix: str, device_id: str) -> tuple[str, str]:
    """Topic filters that match whatever was announced in either form, by any version."""
    return device_topic(prefix, device_id), f"{prefix}/+/{device_id}/+/config"


def device_topic(prefix: str, device_id: str) -> str:
    """Where the whole device is announced."""
    return f"{prefix}/device/{device_id}/config"


def component_topic(prefix: str, device_id: str, name: str, component: Component) -> str:
    """Where one component is announced."""
    return f"{prefix}/{component['platform']}/{device_id}/{name}/config"


def goes_on(topic: str, device: Device) -> bool:
    """Whether something that an outdated topic announces is still part of the device."""
    name = topic.split("/")[-2]  # of a component, or the whole device's id
    return name == device.id or name in components(device)


def is_ours(payload: bytes) -> bool:
    """Whether a discovery message comes from piapp, of whatever version."""
    try:
        message = msgspec.json.decode(payload, type=_Announcement)
    except (ValueError, RecursionError):
        return False
    origin = message.o or message.origin
    return origin is not None and origin.name == ORIGIN


def components(device: Device) -> dict[str, Component]:
    """Entities and device triggers, by a name that never changes; `platform` says what each is."""
    parts = seen(device) | node(device)
    for name, part in parts.items():
        part["unique_id"] = f"{device.id}_{name}"
        part["default_entity_id"] = f"{part['platform']}.{device.topics.node.replace('-', '_')}_{name}"
    return parts | {f"trigger_{event_type}": _trigger(device, event_type) for event_type in EVENT_TYPES}


def _trigger(device: Device, event_type: EventType) -> Component:
    """Shown in an automation's list as `"hand raised" detected`."""
    return {
        "platform": "device_automation",
        "automation_type": "trigger",
        "topic": device.topics.trigger,
        "payload": event_type,
        "type": "detected",
        "subtype": event_type.replace("_", " "),
        "qos": 1,
    }


def _head(device: Device) -> dict[str, Any]:
    """What all messages share: the device, who announces it, and when it is available."""
    model, _, revision = device.board.partition(" Rev ")
    described = {
        "identifiers": [device.id],
        "name": device.name,
        "manufacturer": "piapp",
        "model": "Posture sensor",
        "model_id": model,
        "hw_version": f"Rev {revision}" if revision else "",
        "sw_version": device.version,
        "serial_number": device.serial,
        "suggested_area": device.area,
        "configuration_url": device.page_url,
    }
    origin = {"name": ORIGIN, "sw_version": device.version, "support_url": device.project_url}
    return {
        "dev": {key: value for key, value in described.items() if value},
        "o": {key: value for key, value in origin.items() if value},
        "availability": [{"topic": device.topics.status}],
    }


def _with_platform(component: Component) -> Component:
    """A component of the `device` form, which calls its platform `p`."""
    return {"p": component["platform"]} | _without_platform(component)


def _without_platform(component: Component) -> Component:
    """A component of the `component` form: there the topic says the platform."""
    return {key: value for key, value in component.items() if key != "platform"}
