"""Home Assistant's entities for what the camera sees: alarm, people, posture, zones, events, pictures. Pure.

An entity that changes often has no row in the logbook of its own accord (a number with a state class), or is disabled
until somebody wants it: a person who walks about changes posture every few seconds.
"""

from __future__ import annotations

import json
import typing

from piapp.mqtt.device import DISABLED, Component, Device, while_known, while_watching
from piapp.types import EventType, Posture

EVENT_TYPES: tuple[EventType, ...] = typing.get_args(EventType)
POSTURES: tuple[str, ...] = ("none", *typing.get_args(Posture))

# The alarm's states, in words that Home Assistant shows as they are.
CLEAR, FALLEN, TAKEN_CARE_OF, PAUSED, NOT_WATCHING = "Clear", "Fallen", "Taken care of", "Paused", "Not watching"
ALARM_STATES = (CLEAR, FALLEN, TAKEN_CARE_OF, PAUSED, NOT_WATCHING)

# An open alarm is shown whatever else is true.
_ALARM = (
    f"{{{{ '{TAKEN_CARE_OF}' if value_json.alarm and value_json.acknowledged else '{FALLEN}' if value_json.alarm"
    f" else '{PAUSED}' if value_json.paused else '{NOT_WATCHING}' if value_json.occupied is none"
    f" else '{CLEAR}' }}}}"
)

FALL_EVENTS: tuple[EventType, ...] = ("fall", "fallen")
PRESENCE_EVENTS: tuple[EventType, ...] = (
    "person_entered", "person_left", "sit_down", "stand_up", "lie_down", "inactive", "active",
    "zone_entered", "zone_left",
)  # fmt: skip
GESTURE_EVENTS: tuple[EventType, ...] = ("hand_raised", "hand_lowered", "wave", "repetition")
CAMERA_EVENTS: tuple[EventType, ...] = ("camera_lost", "camera_back")


def seen(device: Device) -> dict[str, Component]:
    """All of these entities, by a name that never changes."""
    parts = _alarm(device) | _people(device) | _zones(device) | _events(device)
    return parts | (pictures(device) if device.sends_pictures else {})


def _alarm(device: Device) -> dict[str, Component]:
    """The entity that bears the device's own name, and what belongs to it."""
    topics = device.topics
    return {
        "alarm": {
            "platform": "sensor",
            "name": None,  # Home Assistant shows the device's name
            "icon": "mdi:human-greeting-variant",
            "device_class": "enum",
            "options": list(ALARM_STATES),
            "state_topic": topics.state,
            "value_template": _ALARM,
            "json_attributes_topic": topics.state,
            "json_attributes_template": (
                "{{ {'persons': value_json.persons, 'last_recovered': value_json.last_recovered} | tojson }}"
            ),
        },
        "fallen": DISABLED | while_watching(topics) | {
            "platform": "binary_sensor",
            "name": "Fallen",
            "device_class": "safety",
            "state_topic": topics.state,
            "value_template": "{{ 'ON' if value_json.fallen else 'OFF' }}",
        },
        # The event "Fall" tells the same; both together would be two rows in the logbook for each fall.
        "last_fall": DISABLED | while_known(topics, topics.state, "value_json.last_fall") | {
            "platform": "sensor",
            "name": "Last fall",
            "icon": "mdi:clock-alert-outline",
            "device_class": "timestamp",
            "state_topic": topics.state,
            "value_template": "{{ value_json.last_fall }}",
        },
    }  # fmt: skip


def _people(device: Device) -> dict[str, Component]:
    topics = device.topics
    of_state = while_watching(topics) | {"state_topic": topics.state}
    return {
        "occupancy": of_state | {
            "platform": "binary_sensor",
            "name": "Occupancy",
            "device_class": "occupancy",
            "value_template": "{{ 'ON' if value_json.occupied else 'OFF' }}",
        },
        "people": of_state | {
            "platform": "sensor",
            "name": "People",
            "icon": "mdi:account-group",
            "state_class": "measurement",
            "value_template": "{{ value_json.count }}",
        },
        "posture": of_state | DISABLED | {
            "platform": "sensor",
            "name": "Posture",
            "icon": "mdi:human",
            "device_class": "enum",
            "options": list(POSTURES),
            "value_template": "{{ value_json.posture }}",
        },
        "inactivity": of_state | {
            "platform": "binary_sensor",
            "name": "Inactivity",
            "icon": "mdi:timer-sand",
            "value_template": (
                "{{ 'ON' if value_json.persons | selectattr('still_s', 'ge', "
                f"{device.inactive_after_s:g}) | list else 'OFF' }}}}"
            ),
        },
    }  # fmt: skip


def _zones(device: Device) -> dict[str, Component]:
    """Whether somebody is in each zone."""
    topics = device.topics
    return {
        f"zone_{zone_id}": while_watching(topics) | {
            "platform": "binary_sensor",
            "name": f"{name} occupancy",
            "device_class": "occupancy",
            "state_topic": topics.state,
            "value_template": (
                f"{{{{ 'ON' if {json.dumps(name, ensure_ascii=False)} in "
                "(value_json.persons | map(attribute='zones') | sum(start=[])) else 'OFF' }}"
            ),
        }
        for name, zone_id in device.zone_ids().items()
    }  # fmt: skip


def _events(device: Device) -> dict[str, Component]:
    """The logbook names an event's entity, not its type; so what people read there is one entity a meaning."""
    # Getting up soon after a fall ends no alarm, and has no row.
    no_alarm = f"value_json.evidence.get('down_s', {device.fallen_after_s:g}) < {device.fallen_after_s:g}"
    nobody_seen = "'nobody_seen' in value_json.evidence"
    up, nobody = f"not ({no_alarm}) and not {nobody_seen}", f"not ({no_alarm}) and {nobody_seen}"
    return {
        "fall": _event(device, "Fall", "mdi:human-handsdown", FALL_EVENTS),
        "recovered": _event(device, "Up again", "mdi:human-handsup", ("recovered",), up),
        "nobody_seen": _event(device, "Nobody seen since the fall", "mdi:account-question", ("recovered",), nobody),
        "presence": _event(device, "Presence and posture", "mdi:motion-sensor", PRESENCE_EVENTS) | DISABLED,
        "posture_changed": _event(device, "Posture change", "mdi:human", ("posture_changed",)) | DISABLED,
        "gesture": _event(device, "Gestures and exercise", "mdi:hand-wave", GESTURE_EVENTS) | DISABLED,
        "camera": _event(device, "Camera", "mdi:camera-off", CAMERA_EVENTS) | DISABLED,
    }


def _event(
    device: Device,
    name: str,
    icon: str,
    event_types: tuple[EventType, ...],
    wanted: str = "not value_json.historical",
) -> Component:
    """An event entity.

    Args:
        device: The node.
        name: For people.
        icon: Home Assistant's name of it.
        event_types: What it shows.
        wanted: A template's expression that is true for those events of these types that are shown. What happened while
            the broker was away must not set anything off later; the end of an alarm is shown whenever it comes.
    """
    # An event that comes twice has the same id; empty payloads are ignored.
    conditions = f"value_json.event_type in {list(event_types)} and value_json.id != this.attributes.get('id')"
    template = f"{{{{ value if {conditions} and {wanted} else '' }}}}"
    return while_watching(device.topics) | {
        "platform": "event",
        "name": name,
        "icon": icon,
        "qos": 1,
        "state_topic": device.topics.event,
        "event_types": list(event_types),
        "value_template": template,
    }


def pictures(device: Device) -> dict[str, Component]:
    """What it looks like, where the owner lets pictures leave.

    Each new picture of an image entity is a row in the logbook, so where pictures come by themselves a camera entity
    shows them, which has none.
    """
    topics = device.topics
    by_itself = device.picture_period_s > 0
    image = while_watching(topics) | {
        "platform": "image",
        "name": "Picture",
        "icon": "mdi:image-outline",
        "image_topic": topics.image,
        "content_type": "image/jpeg",
    }
    take = while_watching(topics) | {
        "platform": "button",
        "name": "Take picture",
        "icon": "mdi:camera",
        "command_topic": topics.request("snapshot"),
        "payload_press": "{}",
        "qos": 1,
    }
    camera = while_watching(topics) | {"platform": "camera", "name": "View", "topic": topics.image}
    return {"picture": image | (DISABLED if by_itself else {}), "take_picture": take} | (
        {"view": camera} if by_itself else {}
    )
