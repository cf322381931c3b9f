"""What a backup would change, and what of it a page may not change."""

from __future__ import annotations

import msgspec
import pytest

from piapp.config.load import flatten
from piapp.operate.archive import BackupError
from piapp.operate.restore import Found
from piapp.operate.restore_plan import restored, settings_of
from tests.support.boards import Board

OTHERS = """\
[mqtt]
url = "mqtt://thief.example"
password_file = "/etc/shadow"
[preview]
enabled = true
bind = "0.0.0.0"
[publish]
image = "photo"
[camera]
fps = 10
"""


def found(config=None, settings=None):
    """A backup that has been read."""
    return Found(
        None if config is None else config.encode(),
        {},
        frozenset(),
        None if settings is None else msgspec.json.encode({"values": settings}),
        None,
    )


@pytest.fixture
def config(tmp_path):
    """A node with a zone and a setting of its own."""
    return Board(tmp_path).fill("[posture]\nfallen_after_s = 30\n").config


def test_a_page_restores_only_what_it_may_change(config):
    """A backup from anywhere does not open the node, send pictures, or name the broker that gets the password."""
    before, after = flatten(config), flatten(restored(found(OTHERS), config))
    changed = {key for key in before if before[key] != after[key]}
    assert changed == {"camera.fps", "posture.fallen_after_s", "zones"}
    assert (after["camera.fps"], after["zones"]) == (10.0, [])


def test_settings_that_were_kept_win_over_the_file(config):
    """As they did on the node that was backed up; what neither names has its default."""
    wanted = restored(found("[posture]\nfallen_after_s = 20\n", {"posture.fallen_after_s": 7}), config)
    assert wanted.posture.fallen_after_s == 7
    assert restored(found(), config).posture.fallen_after_s == 10


def test_keeps_what_no_page_may_change(config):
    """Of the settings that are kept now; those of the backup are kept where the file says otherwise."""
    kept = settings_of(found(OTHERS), config, {"mqtt.url": "mqtt://mine", "camera.fps": 12})
    assert kept["mqtt.url"] == "mqtt://mine"
    assert kept["camera.fps"] == 10.0
    assert "publish.image" not in kept
    assert "posture.dwell_s" not in kept


@pytest.mark.parametrize(
    "broken",
    [
        found("no TOML"),
        found(b"\xff\xfe".decode("latin-1")),
        found("[camera]\nfps = 'fast'\n"),
        found(settings={"posture.fallen_after_s": -1}),
        found(settings={"zones": [{"name": ""}]}),
        found(settings={"zones": 5}),
        Found(None, {}, frozenset(), b'{"values": 5}', None),
    ],
)
def test_what_is_not_accepted_is_refused_as_a_whole(config, broken):
    """With the key, so that its owner can tell what to do."""
    with pytest.raises(BackupError):
        restored(broken, config)
