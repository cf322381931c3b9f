"""Settings that keep the node from starting are set aside."""

from __future__ import annotations

import json

from piapp.config.live import LiveSettings
from piapp.config.load import default_config
from piapp.config.settings_trial import MAX_FAILED_STARTS, SettingsTrial


def start(file):
    """One start: the settings, and the trial that it has to pass."""
    trial = SettingsTrial(file)
    return LiveSettings(default_config(), file, trial=trial), trial


def keep(file):
    """Have a request keep a value."""
    settings, trial = start(file)
    settings.change({"power.idle_fps": 4.0}, persist=True)
    trial.passed()


def test_after_failed_starts_the_file_s_values_are_in_force(tmp_path, caplog):
    """Reported with where the settings are; the next request keeps anew."""
    file = tmp_path / "settings.json"
    keep(file)
    for _ in range(MAX_FAILED_STARTS):
        assert start(file)[0].kept == ("power.idle_fps",)
    settings, _ = start(file)
    assert settings.kept == ()
    assert settings.config.power.idle_fps == default_config().power.idle_fps
    aside = tmp_path / "settings.json.set-aside"
    assert str(aside) in caplog.text
    assert json.loads(aside.read_text())["values"] == {"power.idle_fps": 4.0}
    keep(file)
    assert start(file)[0].kept == ("power.idle_fps",)


def test_starts_that_succeed_do_not_count(tmp_path):
    """However many there are, with a failed one now and then."""
    file = tmp_path / "settings.json"
    keep(file)
    for number in range(20):
        settings, trial = start(file)
        assert settings.kept == ("power.idle_fps",)
        if number % 2:
            trial.passed()


def test_nothing_is_written_where_nothing_is_kept(tmp_path):
    """A start costs the card nothing."""
    for file in (tmp_path / "settings.json", None):
        _, trial = start(file)
        trial.passed()
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_count_is_none(tmp_path):
    """It is a small file like any other."""
    file = tmp_path / "settings.json"
    keep(file)
    (tmp_path / "settings.json.trial").write_bytes(b"\xff\x00")
    assert start(file)[0].kept == ("power.idle_fps",)
