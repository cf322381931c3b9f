"""Keys of earlier versions get a message that says what to do."""

from __future__ import annotations

import pytest

from piapp.config.former import FORMER
from piapp.config.live import LiveSettings
from piapp.config.load import default_config, load_config
from piapp.errors import ConfigError


def test_a_file_with_former_keys_says_what_replaced_each(tmp_path):
    """All of them are named at once, with place and way out."""
    file = tmp_path / "piapp.toml"
    file.write_text("[posture]\nfall_drop_m = 0.4\ntilt_max_deg = 30\nwave_swings = 4\n")
    with pytest.raises(ConfigError) as caught:
        load_config(file, environ={})
    message = str(caught.value)
    assert "3 problems" in message
    assert f"posture.fall_drop_m = 0.4 ({file}): is no longer a setting: posture.fall_sensitivity says" in message
    assert "posture.tilt_max_deg = 30" in message
    assert "camera.tilt_deg sets the camera's tilt; remove this key" in message
    assert "its value was measured, and is fixed now; remove this key" in message


def test_a_request_with_a_former_key_is_answered_alike():
    """Not with a list of what else can be set."""
    settings = LiveSettings(default_config(), None)
    with pytest.raises(ConfigError, match=r"no longer a setting: posture\.fall_sensitivity"):
        settings.change({"posture.fall_speed_m_s": 1.0}, persist=False)


def test_no_key_is_both_former_and_present():
    """What can be set is not refused."""
    assert not [key for key in FORMER if key.removeprefix("posture.") in default_config().posture.__struct_fields__]
