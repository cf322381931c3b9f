"""Settings that change while the node runs, and those that survive it."""

from __future__ import annotations

import json

import pytest

from piapp.config.change_log import ChangeLog
from piapp.config.live import RESTART_KEYS, SETUP_KEYS, LiveSettings
from piapp.config.load import default_config, load_config
from piapp.errors import ConfigError

DEFAULTS = LiveSettings(default_config(), None).values()


def test_a_change_is_a_new_configuration():
    """Values that were handed out earlier stay what they are; the configuration it was made of, too."""
    config = default_config()
    settings = LiveSettings(config, None)
    posture, power = settings.config.posture, settings.config.power
    settings.change({"posture.fallen_after_s": 20, "power.idle_fps": 5}, persist=False)
    assert (posture, power) == (default_config().posture, default_config().power)
    assert (settings.config.posture.fallen_after_s, settings.config.power.idle_fps) == (20.0, 5.0)
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
    values = {"power.idle_fps": 4, "posture.dwell_s": -1, "posture.gone": 1, "mqtt.base_topic": "evil"}
    file.write_text(json.dumps({"values": values}))
    settings = LiveSettings(default_config(), file)
    assert settings.values() == DEFAULTS | {"power.idle_fps": 4.0}
    assert settings.config.mqtt.base_topic == "piapp"
    for key in ("posture.dwell_s", "posture.gone", "mqtt.base_topic"):
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


BED = {"name": "bed", "polygon": [[0.1, 0.5], [0.6, 0.5], [0.6, 0.9]], "ignore": ["fall"]}


def zone_names(settings):
    """The zones in force."""
    return [zone.name for zone in settings.config.zones]


def test_zones_are_kept_in_the_configuration_file(tmp_path):
    """Where a person looks for them; comments stay, and nothing is kept twice."""
    file, state = tmp_path / "piapp.toml", tmp_path / "s.json"
    settings = LiveSettings(default_config(), state, None)
    assert settings.change_zones([BED | {"name": "old"}])
    assert zone_names(LiveSettings(default_config(), state)) == ["old"]
    file.write_text('# mine\n[node]\nid = "hall"\n')
    settings = LiveSettings(load_config(file, environ={}).config, state, file)
    assert settings.keeps_zones
    assert settings.change_zones([BED])
    assert file.read_text().startswith("# mine\n")
    again = LiveSettings(load_config(file, environ={}).config, state, file)
    assert zone_names(again) == ["bed"]
    assert again.kept == ()


def test_zones_are_kept_in_the_state_folder(tmp_path):
    """When the configuration is not this user's to write, beside what else was kept."""
    state = tmp_path / "s.json"
    settings = LiveSettings(default_config(), state, tmp_path / "gone.toml")
    settings.change({"power.idle_fps": 5}, persist=True)
    assert settings.change_zones([BED])
    again = LiveSettings(default_config(), state)
    assert zone_names(again) == ["bed"]
    assert set(again.kept) == {"power.idle_fps", "zones"}
    assert again.change_zones([])
    assert zone_names(LiveSettings(default_config(), state)) == []


def test_zones_with_nowhere_to_keep_them():
    """They are in force, and it is said that they will not stay."""
    settings = LiveSettings(default_config(), None)
    assert not settings.keeps_zones
    assert not settings.change_zones([BED])
    assert zone_names(settings) == ["bed"]


def test_refused_zones_change_nothing(tmp_path):
    """Neither what is in force nor a file."""
    file = tmp_path / "piapp.toml"
    file.write_text("")
    settings = LiveSettings(default_config(), None, file)
    settings.change_zones([BED])
    before = file.read_bytes()
    with pytest.raises(ConfigError, match=r"bed.*2 zones"):
        settings.change_zones([BED, BED])
    file.write_text("not TOML")
    with pytest.raises(ConfigError, match="not TOML any more"):
        settings.change_zones([])
    assert zone_names(settings) == ["bed"]
    file.write_bytes(before)


def test_damaged_zones_are_left_out(tmp_path, caplog):
    """Of an older version's file, or an edited one."""
    state = tmp_path / "s.json"
    state.write_text(json.dumps({"values": {"zones": [{"name": "x"}], "power.idle_fps": 4}}))
    settings = LiveSettings(default_config(), state)
    assert zone_names(settings) == []
    assert settings.kept == ("power.idle_fps",)
    assert "zones[1].polygon" in caplog.text


def test_a_key_that_needs_a_restart(tmp_path):
    """It waits: what is in force stays, and the next start has it; taken back, nothing waits any more."""
    file = tmp_path / "settings.json"
    settings = LiveSettings(default_config(), file)
    settings.change_at_restart({"node.name": "Hall", "camera.rotation": 90}, by="page")
    assert settings.pending == {"node.name": "Hall", "camera.rotation": 90}
    assert (settings.config.node.name, settings.config.camera.rotation) == ("", 0)
    again = LiveSettings(default_config(), file)
    assert (again.config.node.name, again.config.camera.rotation, again.pending) == ("Hall", 90, {})
    settings.change_at_restart({"node.name": "", "camera.rotation": 0}, by="page")
    assert settings.pending == {}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"camera.rotation": 45}, "expected one of 0, 90"),
        ({"node.name": "x" * 65}, "at most 64"),
        ({"publish.image": "photo"}, "only change in the configuration file"),
        ({"preview.bind": "0.0.0.0"}, "only change in the configuration file"),
        ({"node.name": "Hall", "camera.source": "demo:"}, "only change in the configuration file"),
        ({"posture.dwell_s": 1.0}, "only change in the configuration file"),
    ],
)
def test_refused_changes_for_the_next_start(tmp_path, values, words):
    """Nothing is kept, and nothing that opens the node or shows pictures can be."""
    settings = LiveSettings(default_config(), tmp_path / "settings.json")
    with pytest.raises(ConfigError, match=words):
        settings.change_at_restart(values, by="page")
    assert (settings.pending, list(tmp_path.iterdir())) == ({}, [])


def test_no_restart_key_shows_or_opens_anything():
    """What pictures leave, who may look, where secrets are and where messages go is for the file alone."""
    private = (
        "publish.image",
        "preview.enabled",
        "preview.bind",
        "preview.port",
        "preview.token_file",
        "mqtt.",
        "spool.",
    )
    assert not [key for key in RESTART_KEYS if key.startswith(private) or "password" in key or "source" in key]


def test_who_changed_what_is_known(tmp_path):
    """Each kind of change, newest first, with what it was; undoing is a change like any other."""
    settings = LiveSettings(default_config(), tmp_path / "settings.json", changes=ChangeLog(tmp_path / "changes.json"))
    settings.change({"posture.dwell_s": 0.5}, persist=False)
    settings.change_at_restart({"node.area": "Hall"}, by="page 192.0.2.7")
    settings.change_zones([{"name": "bed", "polygon": [[0, 0], [1, 0], [1, 1]], "ignore": []}], by="page 192.0.2.7")
    zones, area, dwell = settings.changes.newest()
    assert (dwell.by, dwell.before, dwell.after) == ("mqtt", {"posture.dwell_s": 0.2}, {"posture.dwell_s": 0.5})
    assert (area.by, area.before, area.after) == ("page 192.0.2.7", {"node.area": ""}, {"node.area": "Hall"})
    assert (len(zones.before["zones"]), zones.after["zones"][0]["name"]) == (0, "bed")
    settings.change(dwell.before, persist=False)
    assert settings.config.posture.dwell_s == 0.2
    with pytest.raises(ConfigError):
        settings.change({"posture.dwell_s": -1}, persist=False)
    assert len(settings.changes.newest()) == 4


def test_what_setting_up_has_kept_counts_together_or_not_at_all(tmp_path, caplog):
    """A user name without its password's file would try the broker with half a login."""
    file, secret = tmp_path / "s.json", tmp_path / "password"
    values = {"mqtt.url": "mqtt://broker.lan", "mqtt.username": "hall", "mqtt.password_file": str(secret)}
    file.write_text(json.dumps({"values": values | {"power.idle_fps": 4}}))
    broken = LiveSettings(default_config(), file).config
    assert (broken.mqtt.url, broken.mqtt.username, broken.power.idle_fps) == ("mqtt://localhost", "", 4.0)
    assert str(secret) in caplog.text
    secret.write_text("right\n")
    whole = LiveSettings(default_config(), file)
    assert (whole.config.mqtt.url, whole.config.mqtt.password_file) == ("mqtt://broker.lan", str(secret))
    assert whole.pending == {}


def test_no_page_names_another_broker(tmp_path):
    """Settings' own keys do not lead to where the password would be sent; setting up does, with all of the login."""
    settings = LiveSettings(default_config(), tmp_path / "s.json")
    for key in SETUP_KEYS:
        with pytest.raises(ConfigError, match=key):
            settings.change_at_restart({key: "x"}, by="page")
    settings.change_at_restart({"mqtt.url": "mqtt://broker.lan"}, by="page", keys=SETUP_KEYS)
    assert settings.pending == {"mqtt.url": "mqtt://broker.lan"}
