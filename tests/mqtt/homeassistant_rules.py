"""What Home Assistant accepts as MQTT discovery, as JSON Schema written from its documents.

Sources: https://www.home-assistant.io/integrations/mqtt/ (discovery, device and component form, availability) and the
page of each platform, such as https://www.home-assistant.io/integrations/sensor.mqtt/. Home Assistant drops keys
that it does not know; here they are errors, so that a slip shows. Only what our entities may need is listed.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "minLength": 1}
TEMPLATE: Schema = {"type": "string", "pattern": r"\{\{.*\}\}"}
TOPIC: Schema = {"type": "string", "pattern": r"^[^#+\u0000]+$", "maxLength": 65_535}
WEB: Schema = {"type": "string", "pattern": r"^https?://"}

AVAILABILITY: Schema = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "properties": {
            "topic": TOPIC,
            "payload_available": TEXT,
            "payload_not_available": TEXT,
            "value_template": TEMPLATE,
        },
        "required": ["topic"],
        "additionalProperties": False,
    },
}

DEVICE: Schema = {
    "type": "object",
    "properties": {
        "identifiers": {"type": "array", "items": TEXT, "minItems": 1},
        "connections": {"type": "array", "items": {"type": "array", "items": TEXT, "minItems": 2, "maxItems": 2}},
        **dict.fromkeys(
            ("name", "manufacturer", "model", "model_id", "hw_version", "sw_version", "serial_number"), TEXT
        ),
        "suggested_area": TEXT,
        "configuration_url": WEB,
    },
    "anyOf": [{"required": ["identifiers"]}, {"required": ["connections"]}],
    "additionalProperties": False,
}

ORIGIN: Schema = {
    "type": "object",
    "properties": {"name": TEXT, "sw_version": TEXT, "support_url": WEB},
    "required": ["name"],
    "additionalProperties": False,
}

# Of every entity.
ENTITY: Schema = {
    "name": {"type": ["string", "null"], "minLength": 1},
    "unique_id": TEXT,
    "icon": {"type": "string", "pattern": r"^mdi:[a-z0-9-]+$"},
    "enabled_by_default": {"type": "boolean"},
    "qos": {"enum": [0, 1, 2]},
    "availability": AVAILABILITY,
    "availability_mode": {"enum": ["all", "any", "latest"]},
    "json_attributes_topic": TOPIC,
    "json_attributes_template": TEMPLATE,
}

READING: Schema = {"state_topic": TOPIC, "value_template": TEMPLATE, "entity_category": {"const": "diagnostic"}}
WRITING: Schema = {"command_topic": TOPIC, "command_template": TEMPLATE, "retain": {"type": "boolean"}}
SETTING: Schema = {"entity_category": {"enum": ["config", "diagnostic"]}}


def _platform(name: str, required: list[str], *more: Schema, **own: Schema) -> Schema:
    """A component of one platform, without the keys that say which."""
    properties: Schema = {"default_entity_id": {"type": "string", "pattern": rf"^{name}\.[a-z0-9_]+$"}}
    for part in (ENTITY, *more, own):
        properties |= part
    return {"properties": properties, "required": ["unique_id", *required]}


PLATFORMS: dict[str, Schema] = {
    "sensor": _platform(
        "sensor",
        ["state_topic"],
        READING,
        device_class={"enum": ["enum", "duration", "temperature", "frequency", "data_size", "timestamp"]},
        state_class={"enum": ["measurement", "total", "total_increasing"]},
        unit_of_measurement=TEXT,
        options={"type": "array", "items": TEXT, "minItems": 1, "uniqueItems": True},
        suggested_display_precision={"type": "integer", "minimum": 0},
        expire_after={"type": "integer", "minimum": 0},
    )
    | {
        "allOf": [
            {
                "if": {"properties": {"device_class": {"const": "enum"}}, "required": ["device_class"]},
                "then": {
                    "required": ["options"],
                    "properties": {"state_class": False, "unit_of_measurement": False},
                },
                "else": {"properties": {"options": False}},
            },
            {
                "if": {"properties": {"device_class": {"const": "temperature"}}, "required": ["device_class"]},
                "then": {"properties": {"unit_of_measurement": {"enum": ["°C", "°F", "K"]}}},
            },
            {
                "if": {"properties": {"device_class": {"const": "duration"}}, "required": ["device_class"]},
                "then": {"properties": {"unit_of_measurement": {"enum": ["d", "h", "min", "s", "ms", "μs"]}}},
            },
            {
                "if": {"properties": {"device_class": {"const": "timestamp"}}, "required": ["device_class"]},
                "then": {"properties": {"state_class": False, "unit_of_measurement": False}},
            },
        ]
    },
    "binary_sensor": _platform(
        "binary_sensor",
        ["state_topic"],
        READING,
        device_class={"enum": ["occupancy", "presence", "motion", "safety", "problem", "heat"]},
        payload_on=TEXT,
        payload_off=TEXT,
    ),
    "event": _platform(
        "event",
        ["state_topic", "event_types"],
        READING,
        device_class={"enum": ["button", "doorbell", "motion"]},
        event_types={"type": "array", "items": TEXT, "minItems": 1, "uniqueItems": True},
    ),
    "switch": _platform(
        "switch", ["command_topic"], READING, WRITING, SETTING,
        **dict.fromkeys(("payload_on", "payload_off", "state_on", "state_off"), TEXT),
        device_class={"enum": ["outlet", "switch"]},
    ),
    "number": _platform(
        "number", ["command_topic"], READING, WRITING, SETTING,
        min={"type": "number"},
        max={"type": "number"},
        step={"type": "number", "minimum": 0.001},
        mode={"enum": ["auto", "box", "slider"]},
        unit_of_measurement=TEXT,
    ),
    "image": _platform(
        "image", ["image_topic"], SETTING,
        image_topic=TOPIC,
        content_type={"enum": ["image/jpeg", "image/png"]},
        image_encoding={"const": "b64"},
        encoding={"type": "string"},
    )
    # Its documents list no quality of service.
    | {"not": {"required": ["qos"]}},
    "button": _platform(
        "button", ["command_topic"], WRITING, SETTING,
        payload_press=TEXT,
        device_class={"enum": ["identify", "restart", "update"]},
    ),
    "select": _platform(
        "select", ["command_topic", "options"], READING, WRITING, SETTING,
        options={"type": "array", "items": TEXT, "minItems": 1, "uniqueItems": True},
    ),
    "update": _platform(
        "update", ["state_topic"], READING,
        title=TEXT,
        release_url=WEB,
        latest_version_topic=TOPIC,
        latest_version_template=TEMPLATE,
        device_class={"const": "firmware"},
    ),
    "camera": _platform("camera", ["topic"], topic=TOPIC, image_encoding={"const": "b64"})
    | {"not": {"required": ["qos"]}},
    "device_automation": {
        "properties": {
            "automation_type": {"const": "trigger"},
            "qos": {"enum": [0, 1, 2]},
            "value_template": TEMPLATE,
            "topic": TOPIC,
            "payload": TEXT,
            "type": TEXT,
            "subtype": TEXT,
        },
        "required": ["automation_type", "topic", "type", "subtype"],
    },
}  # fmt: skip

_HEAD: Schema = {"dev": DEVICE, "o": ORIGIN, "availability": AVAILABILITY}


def component_message(platform: str) -> Schema:
    """The schema of a message of the component form."""
    rules = PLATFORMS[platform]
    return rules | {
        "type": "object",
        # A component's own availability takes the head's place.
        "properties": _HEAD | rules["properties"],
        "required": ["dev", *rules["required"]],
        "additionalProperties": False,
    }


def _component(platform: str) -> Schema:
    """The schema of a component within the device form: whole, or nothing but its platform, which removes it."""
    rules = PLATFORMS[platform]
    whole = rules | {
        "type": "object",
        "properties": {"p": {"const": platform}} | rules["properties"],
        "required": ["p", *rules["required"]],
        "additionalProperties": False,
    }
    return {"if": {"minProperties": 2}, "then": whole}


DEVICE_MESSAGE: Schema = {
    "type": "object",
    "properties": _HEAD
    | {
        "cmps": {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": r"^[a-zA-Z0-9_-]+$"},
            "additionalProperties": {
                "allOf": [
                    {"required": ["p"]},
                    *({"if": {"properties": {"p": {"const": name}}}, "then": _component(name)} for name in PLATFORMS),
                    {"properties": {"p": {"enum": list(PLATFORMS)}}},
                ]
            },
        },
    },
    "required": ["dev", "o", "cmps"],
    "additionalProperties": False,
}
