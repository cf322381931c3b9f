"""The channels of openHAB's things file, read as openHAB's MQTT binding reads them."""

from __future__ import annotations

import json
import re
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "deploy" / "openhab"

CHANNEL = re.compile(r'^\s*Type (\w+) : (\w+)\s+"([^"]+)"\s+\[ (.*) \]$', re.MULTILINE)
SETTING = re.compile(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|(\d+))')


def channels() -> dict[str, tuple[str, dict[str, str]]]:
    """Name to type and settings."""
    found = CHANNEL.findall((FOLDER / "piapp.things").read_text())
    return {
        name: (kind, {key: (text or number).replace('\\"', '"') for key, text, number in SETTING.findall(settings)})
        for kind, name, _, settings in found
    }


def json_path(pattern: str, payload: bytes) -> object:
    """What `JSONPATH:$.a` or `JSONPATH:$.a['b']` finds."""
    match = re.fullmatch(r"JSONPATH:\$\.(\w+)(?:\['([^']+)'\])?", pattern)
    assert match, pattern
    value = json.loads(payload)[match[1]]
    return value[match[2]] if match[2] else value
