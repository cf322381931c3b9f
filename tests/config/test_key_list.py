"""The keys of the configuration, described for forms."""

from __future__ import annotations

from piapp.config.key_list import described_keys
from piapp.config.load import default_config, flatten
from piapp.config.schema import json_schema

KEYS = {key.key: key for key in described_keys(json_schema())}


def test_every_key_is_described():
    """As many as the configuration has, each with the shipped explanation and its default."""
    assert list(KEYS) == list(flatten(default_config()))
    assert [name for name, key in KEYS.items() if not key.description] == []
    defaults = flatten(default_config())
    assert {name: key.default for name, key in KEYS.items() if key.kind != "other"} == {
        name: defaults[name] for name, key in KEYS.items() if key.kind != "other"
    }


def test_kinds_and_ranges():
    """One of each kind; choices in the order of the code, words that may stand for a number with it."""
    sensitivity = KEYS["posture.fall_sensitivity"]
    assert (sensitivity.kind, sensitivity.choices) == ("choice", ("low", "normal", "high"))
    assert "Each comment" not in sensitivity.description
    assert (KEYS["camera.rotation"].kind, KEYS["camera.rotation"].choices) == ("choice", (0, 90, 180, 270))
    assert KEYS["schedule.enabled"].kind == "switch"
    assert (KEYS["schedule.pause"].kind, KEYS["schedule.pause"].max_length) == ("text", 512)
    poses = KEYS["landmarker.num_poses"]
    assert (poses.kind, poses.least, poses.most) == ("whole number", 1, 10)
    inactive = KEYS["posture.inactive_after_s"]
    assert (inactive.kind, inactive.least, inactive.above, inactive.most) == ("number", None, 0.0, 86_400.0)
    tilt = KEYS["camera.tilt_deg"]
    assert (tilt.kind, tilt.choices, tilt.least, tilt.most) == ("number", ("auto",), -45.0, 90.0)
    assert {KEYS["zones"].kind, KEYS["camera.controls"].kind} == {"other"}
