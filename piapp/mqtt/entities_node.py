"""Home Assistant's entities for the node itself: how it does, what may be asked of it and what may be set. Pure."""

from __future__ import annotations

from piapp.mqtt.device import DISABLED, Component, Device, while_known

# As power.idle_fps allows.
MAX_IDLE_FPS = 240

# Requests and settings that have an entity only where the node knows them.
ALARM_REQUESTS = frozenset({"acknowledge", "test", "feedback", "missed"})
SETTING_KEYS = frozenset({"power.idle_fps", "posture.fall_sensitivity", "schedule.enabled"})

SENSITIVITIES = ("low", "normal", "high")

_TOO_HOT = (
    "value_json.get('slowed') or value_json.throttled_now and "
    "(value_json.throttled_now | reject('eq', 'under_voltage') | list)"
)
# What is wrong, in words for people: each a condition on the `health` message, and what to call it.
_PROBLEMS = (
    ("value_json.get('camera', {}).get('stale')", "the camera gives no pictures"),
    ("value_json.throttled_now and 'under_voltage' in value_json.throttled_now", "the power supply is too weak"),
    (_TOO_HOT, "the processor is too hot and works slower"),
    ("value_json.spool_problem", "events would not survive a power cut"),
    ("value_json.messages_dropped.get('events')", "events were lost"),
    ("value_json.messages_dropped.get('refused')", "the broker refuses messages"),
)
_REASONS = "[" + ", ".join(f"'{words}' if {condition} else ''" for condition, words in _PROBLEMS) + "] | select | list"


def node(device: Device) -> dict[str, Component]:
    """All of these entities, by a name that never changes."""
    parts = _diagnostics(device) | _machine(device) | _controls(device) | _alarm_buttons(device) | _settings(device)
    return parts | ({"update": _update(device)} if device.knows_newest_version else {})


def _diagnostics(device: Device) -> dict[str, Component]:
    """What tells whether the node can be relied on."""
    health = {"state_topic": device.topics.health, "entity_category": "diagnostic"}
    return {
        "problem": health | {
            "platform": "binary_sensor",
            "name": "Problem",
            "device_class": "problem",
            "value_template": f"{{{{ 'ON' if {_REASONS} else 'OFF' }}}}",
            "json_attributes_topic": device.topics.health,
            "json_attributes_template": f"{{{{ {{'reasons': {_REASONS}}} | tojson }}}}",
        },
        "uptime": health | DISABLED | {
            "platform": "sensor",
            "name": "Uptime",
            "device_class": "duration",
            "state_class": "measurement",
            "unit_of_measurement": "h",
            "suggested_display_precision": 1,
            "value_template": "{{ (value_json.uptime_s / 3600) | round(2) }}",
        },
        "restarts": health | DISABLED | while_known(
            device.topics, device.topics.health, "value_json.restarts is not none"
        ) | {
            "platform": "sensor",
            "name": "Restarts since boot",
            "icon": "mdi:restart-alert",
            "state_class": "total_increasing",
            "value_template": "{{ value_json.restarts }}",
        },
    }  # fmt: skip


def _update(device: Device) -> Component:
    """Whether a newer version is on the machine than the one that runs; nothing can be installed from afar."""
    return {
        "platform": "update",
        "name": "Update",
        "entity_category": "diagnostic",
        "title": "piapp",
        "state_topic": device.topics.info,
        "value_template": "{{ value_json.versions.piapp }}",
        "latest_version_topic": device.topics.health,
        "latest_version_template": "{{ value_json.newest_version }}",
    } | ({"release_url": device.project_url} if device.project_url else {})


def _machine(device: Device) -> dict[str, Component]:
    """What it measures of itself."""
    topic = device.topics.health
    measured = {
        "state_topic": topic,
        "entity_category": "diagnostic",
        "platform": "sensor",
        "state_class": "measurement",
    }
    return {
        "frame_rate": measured | DISABLED | {
            "name": "Frame rate",
            "icon": "mdi:speedometer",
            "unit_of_measurement": "fps",
            "suggested_display_precision": 1,
            "value_template": "{{ value_json.fps_out }}",
        },
        "latency": measured | DISABLED | while_known(device.topics, topic, "value_json.latency_ms") | {
            "name": "Latency",
            "icon": "mdi:timer-outline",
            "device_class": "duration",
            "unit_of_measurement": "ms",
            "suggested_display_precision": 0,
            "value_template": "{{ value_json.latency_ms.p95 if value_json.latency_ms else None }}",
        },
        "temperature": measured | while_known(device.topics, topic, "value_json.temperature_c is not none") | {
            "name": "Temperature",
            "device_class": "temperature",
            "unit_of_measurement": "°C",
            "suggested_display_precision": 0,
            "value_template": "{{ value_json.temperature_c }}",
        },
    }  # fmt: skip


def _controls(device: Device) -> dict[str, Component]:
    """What may be asked of the node."""
    topics = device.topics
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
        "restart": _button(device, "Restart", "restart", icon="mdi:restart")
        | {"device_class": "restart", "entity_category": "config"},
    }


def _alarm_buttons(device: Device) -> dict[str, Component]:
    """What people answer an alarm with; only what this node understands."""
    buttons = {
        "acknowledge": _button(device, "Acknowledge alarm", "acknowledge", icon="mdi:account-check"),
        "test": _button(device, "Test alert", "test", icon="mdi:bell-check"),
        "alarm_right": _button(device, "Alarm was right", "feedback", '{"verdict":"right"}', icon="mdi:thumb-up"),
        "alarm_wrong": _button(device, "Alarm was no fall", "feedback", '{"verdict":"no fall"}', icon="mdi:thumb-down"),
        "missed": _button(device, "Fall was missed", "missed", icon="mdi:eye-off"),
    }
    return {name: part for name, part in buttons.items() if part["command_topic"].rsplit("/", 1)[1] in device.requests}


def _button(device: Device, name: str, command: str, payload: str = "{}", *, icon: str) -> Component:
    return {
        "platform": "button",
        "name": name,
        "icon": icon,
        "command_topic": device.topics.request(command),
        "payload_press": payload,
        "qos": 1,
    }


def _settings(device: Device) -> dict[str, Component]:
    """What may be set; only what this node can change while it runs."""
    parts = {
        "power.idle_fps": ("idle_frame_rate", _idle_frame_rate(device)),
        "posture.fall_sensitivity": ("sensitivity", _sensitivity(device)),
        "schedule.enabled": ("schedule", _schedule(device)),
    }
    return {name: part for key, (name, part) in parts.items() if key in device.live_keys}


def _setting(device: Device, key: str) -> Component:
    return {
        "entity_category": "config",
        "state_topic": device.topics.settings,
        "value_template": f"{{{{ value_json['values']['{key}'] }}}}",
        "command_topic": device.topics.request("set"),
        "qos": 1,
    }


def _change(device: Device, key: str, value: str) -> str:
    """The request that sets a key; `value` is JSON or a template for it."""
    keep = "true" if device.keeps_settings else "false"
    return f'{{"values":{{"{key}":{value}}},"persist":{keep}}}'


def _idle_frame_rate(device: Device) -> Component:
    return _setting(device, "power.idle_fps") | DISABLED | {
        "platform": "number",
        "name": "Idle frame rate",
        "icon": "mdi:speedometer-slow",
        "mode": "box",
        "min": 0,
        "max": MAX_IDLE_FPS,
        "step": 0.5,
        "unit_of_measurement": "fps",
        "command_template": _change(device, "power.idle_fps", "{{ value }}"),
    }  # fmt: skip


def _sensitivity(device: Device) -> Component:
    key = "posture.fall_sensitivity"
    return _setting(device, key) | {
        "platform": "select",
        "name": "Sensitivity to falls",
        "icon": "mdi:tune",
        "options": [one.capitalize() for one in SENSITIVITIES],
        "value_template": f"{{{{ value_json['values']['{key}'] | capitalize }}}}",
        "command_template": _change(device, key, '"{{ value | lower }}"'),
    }


def _schedule(device: Device) -> Component:
    key = "schedule.enabled"
    return _setting(device, key) | {
        "platform": "switch",
        "name": "Quiet times",
        "icon": "mdi:calendar-clock",
        "value_template": f"{{{{ 'ON' if value_json['values']['{key}'] else 'OFF' }}}}",
        "state_on": "ON",
        "state_off": "OFF",
        "payload_on": _change(device, key, "true"),
        "payload_off": _change(device, key, "false"),
    }
