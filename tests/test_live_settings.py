"""Settings that change while the node runs, and those that survive it."""

from __future__ import annotations

import json

import pytest

from piapp.config import default_config
from piapp.errors import ConfigError
from piapp.live_settings import LiveSettings

DEFAULTS = LiveSettings(default_config(), None).values()


def test_changes_in_place_and_leaves_the_original():
    """Whoever holds a section sees the new value; the configuration it was made of stays."""
    config = default_config()
    settings = LiveSettings(config, None)
    posture, power = settings.config.posture, settings.config.power
    settings.change({"posture.fallen_after_s": 20, "power.idle_fps": 5}, persist=False)
    assert (posture.fallen_after_s, power.idle_fps) == (20.0, 5.0)
    assert settings.values()["posture.fallen_after_s"] == 20.0
    assert config == default_config()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"posture.fallen_after_s": -1}, "expected a number at least 0"),
        ({"posture.fallen_after_s": "soon"}, "expected a number"),
        ({"posture.fallen_after_s": True}, "expected a number"),
        ({"power.idle_fps": 5, "posture.dwell_s": 1e9}, "at most 86400"),
        ({"posture.dwel_s": 1}, "cannot change while the node runs"),
        ({"camera.fps": 5}, "these can: posture"),
        ({"mqtt.password_file": "/etc/shadow"}, "cannot change while the node runs"),
        ({"posture": 1}, "cannot change"),
        ({"": 1}, "cannot change"),
        ({"posture.__class__": 1}, "cannot change"),
    ],
)
def test_refused_change_changes_nothing(tmp_path, values, words):
    """All or none, in memory and on disk."""
    settings = LiveSettings(default_config(), tmp_path / "s.json")
    before = settings.values()
    with pytest.raises(ConfigError, match=words):
        settings.change(values, persist=True)
    assert settings.values() == before
    assert not (tmp_path / "s.json").exists()


def test_kept_values_survive(tmp_path):
    """Only those that were to be kept, and earlier ones with them."""
    file = tmp_path / "state" / "settings.json"
    settings = LiveSettings(default_config(), file)
    settings.change({"power.idle_fps": 5}, persist=True)
    settings.change({"posture.dwell_s": 0.3}, persist=True)
    settings.change({"power.idle_after_s": 10}, persist=False)
    again = LiveSettings(default_config(), file).values()
    assert (again["power.idle_fps"], again["posture.dwell_s"], again["power.idle_after_s"]) == (
        5.0,
        0.3,
        DEFAULTS["power.idle_after_s"],
    )
    assert [path.name for path in file.parent.iterdir()] == ["settings.json"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff", b'{"values":[]}', b'{"values":' + b'{"a":' * 100_000, b"{}"]
)
def test_damaged_file_is_not_fatal(tmp_path, content):
    """The node starts with what is configured, and the next change writes a good file."""
    file = tmp_path / "s.json"
    file.write_bytes(content)
    settings = LiveSettings(default_config(), file)
    assert settings.values() == DEFAULTS
    settings.change({"power.idle_fps": 3}, persist=True)
    assert LiveSettings(default_config(), file).values()["power.idle_fps"] == 3.0


def test_file_is_validated(tmp_path, caplog):
    """A value or key that this version does not take is left out and named; the others count."""
    file = tmp_path / "s.json"
    values = {"power.idle_fps": 4, "posture.dwell_s": -1, "posture.gone": 1, "mqtt.url": "mqtt://evil"}
    file.write_text(json.dumps({"values": values}))
    settings = LiveSettings(default_config(), file)
    assert settings.values() == DEFAULTS | {"power.idle_fps": 4.0}
    assert settings.config.mqtt.url == "mqtt://localhost"
    for key in ("posture.dwell_s", "posture.gone", "mqtt.url"):
        assert key in caplog.text


def test_nowhere_to_keep(tmp_path):
    """Without a folder, or one that cannot be written, nothing is changed and the reason is said."""
    settings = LiveSettings(default_config(), None)
    with pytest.raises(ConfigError, match="no folder for its state"):
        settings.change({"power.idle_fps": 5}, persist=True)
    assert settings.values() == DEFAULTS
    (tmp_path / "file").write_text("")
    settings = LiveSettings(default_config(), tmp_path / "file" / "s.json")
    with pytest.raises(ConfigError, match="cannot be written"):
        settings.change({"power.idle_fps": 5}, persist=True)
    assert settings.values() == DEFAULTS
