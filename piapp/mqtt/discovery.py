"""What Home Assistant is told of a node: topics and payloads of MQTT discovery, in both forms. Pure.

Words and rules are those of Home Assistant's documents: https://www.home-assistant.io/integrations/mqtt/ (MQTT
discovery) and the page of each platform. `device` is one message for all entities (Home Assistant 2024.11 and newer),
`component` one message for each (older ones, and openHAB). Both name the same entities, so that a change from one to
the other keeps what people made of them.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Struct

from piapp.config.sections import HomeAssistantConfig
from piapp.mqtt.topics import Topics
from piapp.types import EventType, Posture

ORIGIN = "piapp"

EVENT_TYPES: tuple[str, ...] = typing.get_args(EventType)
POSTURES: tuple[str, ...] = ("none", *typing.get_args(Posture))

# Events that people automate on; the others are in the event entity.
TRIGGERS: tuple[EventType, ...] = (
    "fall", "fallen", "recovered", "hand_raised", "wave", "person_entered", "person_left",
)  # fmt: skip

# Sent to a topic of the old form before the new one is announced, so that Home Assistant keeps what people have set;
# "Migration from single component to device-based discovery" in its MQTT pages.
MIGRATE = b'{"migrate_discovery":true}'

# As power.idle_fps allows.
MAX_IDLE_FPS = 240

Component = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Device:
    """The node as Home Assistant shows it.

    Attributes:
        topics: Its topics.
        name: For people; the entities' names are appended.
        area: The room to suggest; empty for none.
        version: piapp's.
        board: The machine.
        keeps_settings: It has a place for what is set while it runs.
        sends_pictures: Its owner lets pictures leave.
    """

    topics: Topics
    name: str
    area: str
    version: str
    board: str
    keeps_settings: bool = True
    sends_pictures: bool = False

    @property
    def id(self) -> str:
        """The node's name in discovery topics and ids.

        Holds the base topic, for other programs announce their devices in the same place.
        """
        return re.sub(r"[^a-zA-Z0-9_-]", "_", f"{self.topics.base}_{self.topics.node}")


class _Origin(Struct):
    name: str


class _Announcement(Struct):
    """As much of a discovery message as tells whose it is; both spellings are legal."""

    o: _Origin | None = None
    origin: _Origin | None = None


def messages(config: HomeAssistantConfig, device: Device) -> dict[str, bytes]:
    """Retained topics to payloads that announce the node; none when discovery is off."""
    parts = components(device)
    if config.discovery == "device":
        announced = {name: _with_platform(part) for name, part in parts.items()}
        # A component without anything but its platform is taken out of the device, if an earlier run has announced it.
        removed = {name: {"p": part["platform"]} for name, part in _pictures(device).items() if name not in parts}
        tree = _head(device) | {"cmps": announced | removed}
        return {device_topic(config.prefix, device.id): msgspec.json.encode(tree)}
    if config.discovery == "component":
        head = _head(device)
        return {
            component_topic(config.prefix, device.id, name, part): msgspec.json.encode(head | _without_platform(part))
            for name, part in parts.items()
        }
    return {}


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
    parts = _people(device) | _diagnostics(device) | _controls(device)
    if device.sends_pictures:
        parts |= _pictures(device)
    for name, part in parts.items():
        part["unique_id"] = f"{device.id}_{name}"
        part["default_entity_id"] = f"{part['platform']}.{device.topics.node.replace('-', '_')}_{name}"
    return parts | {f"trigger_{event_type}": _trigger(device, event_type) for event_type in TRIGGERS}


def _people(device: Device) -> dict[str, Component]:
    """What the camera sees; not available while the node is paused."""
    topics = device.topics
    seen = {"state_topic": topics.state, "availability": _while_watching(topics), "availability_mode": "all"}
    return {
        "posture": seen | {
            "platform": "sensor",
            "name": "Posture",
            "icon": "mdi:human",
            "device_class": "enum",
            "options": list(POSTURES),
            "value_template": "{{ value_json.posture }}",
            "json_attributes_topic": topics.state,
            "json_attributes_template": "{{ {'persons': value_json.persons} | tojson }}",
        },
        "occupancy": seen | {
            "platform": "binary_sensor",
            "name": "Occupancy",
            "device_class": "occupancy",
            "value_template": "{{ 'ON' if value_json.occupied else 'OFF' }}",
        },
        "fallen": seen | {
            "platform": "binary_sensor",
            "name": "Fallen",
            "device_class": "safety",
            "value_template": "{{ 'ON' if value_json.fallen else 'OFF' }}",
        },
        "people": seen | {
            "platform": "sensor",
            "name": "People",
            "icon": "mdi:account-group",
            "state_class": "measurement",
            "unit_of_measurement": "people",
            "value_template": "{{ value_json.count }}",
        },
        "event": seen | {
            "platform": "event",
            "name": "Event",
            "icon": "mdi:motion-sensor",
            "qos": 1,
            "state_topic": topics.event,
            "event_types": list(EVENT_TYPES),
            # What happened while the broker was away must not set anything off now; empty payloads are ignored.
            "value_template": "{{ '' if value_json.historical else value }}",
        },
    }  # fmt: skip


def _pictures(device: Device) -> dict[str, Component]:
    """What it looks like, where the owner lets pictures leave; not available while the node is paused."""
    topics = device.topics
    watching = {"availability": _while_watching(topics), "availability_mode": "all"}
    return {
        "picture": watching | {
            "platform": "image",
            "name": "Picture",
            "icon": "mdi:image-outline",
            "image_topic": topics.image,
            "content_type": "image/jpeg",
        },
        "take_picture": watching | {
            "platform": "button",
            "name": "Take picture",
            "icon": "mdi:camera",
            "command_topic": topics.request("snapshot"),
            "payload_press": "{}",
            "qos": 1,
        },
    }  # fmt: skip


def _diagnostics(device: Device) -> dict[str, Component]:
    """How the node does."""
    health = {"state_topic": device.topics.health, "entity_category": "diagnostic"}
    measured = health | {"platform": "sensor", "state_class": "measurement"}
    return {
        "frame_rate": measured | {
            "name": "Frame rate",
            "icon": "mdi:speedometer",
            "unit_of_measurement": "fps",
            "suggested_display_precision": 1,
            "value_template": "{{ value_json.fps_out }}",
        },
        "latency": measured | {
            "name": "Latency",
            "icon": "mdi:timer-outline",
            "device_class": "duration",
            "unit_of_measurement": "ms",
            "suggested_display_precision": 0,
            "value_template": "{{ value_json.latency_ms.p95 if value_json.latency_ms else None }}",
        },
        "temperature": measured | {
            "name": "Temperature",
            "device_class": "temperature",
            "unit_of_measurement": "°C",
            "suggested_display_precision": 0,
            "value_template": "{{ value_json.temperature_c }}",
        },
        "restarts": health | {
            "platform": "sensor",
            "name": "Restarts since boot",
            "icon": "mdi:restart-alert",
            "state_class": "total_increasing",
            "value_template": "{{ value_json.restarts }}",
        },
        "problem": health | {
            "platform": "binary_sensor",
            "name": "Problem",
            "device_class": "problem",
            "value_template": "{{ 'ON' if value_json.throttled_now or value_json.spool_problem else 'OFF' }}",
            "json_attributes_topic": device.topics.health,
            "json_attributes_template": (
                "{{ {'throttled': value_json.throttled_now or [], 'spool': value_json.spool_problem} | tojson }}"
            ),
        },
    }  # fmt: skip


def _controls(device: Device) -> dict[str, Component]:
    """What may be asked of the node."""
    topics = device.topics
    keep = "true" if device.keeps_settings else "false"
    return {
        "pause": {
            "platform": "switch",
            "name": "Pause",
            "icon": "mdi:pause-circle-outline",
            "state_topic": topics.settings,
            "value_template": "{{ 'ON' if value_json.paused else 'OFF' }}",
            "state_on": "ON",
            "state_off": "OFF",
            "command_topic": topics.request("pause"),
            "payload_on": '{"paused":true}',
            "payload_off": '{"paused":false}',
            "qos": 1,
        },
        "idle_frame_rate": {
            "platform": "number",
            "name": "Idle frame rate",
            "icon": "mdi:speedometer-slow",
            "entity_category": "config",
            "mode": "box",
            "min": 0,
            "max": MAX_IDLE_FPS,
            "step": 0.5,
            "unit_of_measurement": "fps",
            "state_topic": topics.settings,
            "value_template": "{{ value_json['values']['power.idle_fps'] }}",
            "command_topic": topics.request("set"),
            "command_template": f'{{"values":{{"power.idle_fps":{{{{ value }}}}}},"persist":{keep}}}',
            "qos": 1,
        },
        "restart": {
            "platform": "button",
            "name": "Restart",
            "device_class": "restart",
            "entity_category": "config",
            "command_topic": topics.request("restart"),
            "payload_press": "{}",
            "qos": 1,
        },
    }


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


def _while_watching(topics: Topics) -> list[Mapping[str, str]]:
    paused = {"topic": topics.settings, "value_template": "{{ 'offline' if value_json.paused else 'online' }}"}
    return [{"topic": topics.status}, paused]


def _head(device: Device) -> dict[str, Any]:
    """What all messages share: the device, who announces it, and when it is available."""
    shown = {
        "identifiers": [device.id],
        "name": device.name,
        "manufacturer": "piapp",
        "model": "Posture sensor",
        "hw_version": device.board,
        "sw_version": device.version,
    }
    return {
        "dev": shown | ({"suggested_area": device.area} if device.area else {}),
        "o": {"name": ORIGIN, "sw_version": device.version},
        "availability": [{"topic": device.topics.status}],
    }


def _with_platform(component: Component) -> Component:
    """A component of the `device` form, which calls its platform `p`."""
    return {"p": component["platform"]} | _without_platform(component)


def _without_platform(component: Component) -> Component:
    """A component of the `component` form: there the topic says the platform."""
    return {key: value for key, value in component.items() if key != "platform"}
