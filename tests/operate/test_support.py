"""The bundle for whoever helps: what is in it, and what must not be."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path

from piapp.config.load import load_config, with_zones
from piapp.operate.check import Finding
from piapp.operate.support import support_bundle

ZONE = {"name": "Grandma's bed", "polygon": [[0, 0], [1, 0], [1, 1]], "ignore": []}


def bundle(**settings):
    """The files of a bundle by name."""
    overrides = [(key.replace("__", "."), value) for key, value in settings.items()]
    config = with_zones(load_config(Path(os.devnull), overrides=overrides, environ={}).config, [ZONE], "request")
    log = [{"t": "2026-11-27T08:00:00.000", "level": "WARNING", "logger": "piapp.x", "text": "no broker"}]
    made = support_bundle(config, [Finding("clock", "FAIL", "is slow")], log, {"uptime_s": 3}, {"piapp": "0.1.0"})
    with zipfile.ZipFile(io.BytesIO(made)) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name).decode() for name in opened.namelist()}


def test_a_helper_finds_what_is_needed():
    """Configuration, check, log, the last health, and what the machine is."""
    files = bundle()
    assert set(files) == {"config.txt", "check.txt", "log.txt", "health.json", "machine.json"}
    assert 'mqtt.url = "mqtt://localhost"' in files["config.txt"]
    assert files["check.txt"] == "FAIL  clock        is slow\n"
    assert files["log.txt"] == "2026-11-27T08:00:00.000 WARNING  piapp.x: no broker\n"
    assert json.loads(files["health.json"]) == {"uptime_s": 3}
    assert json.loads(files["machine.json"])["versions"] == {"piapp": "0.1.0"}


def test_nobody_is_named_and_no_login_is_in_it():
    """Neither the room and its people, nor a password in a camera's address."""
    files = bundle(node__name="Grandma", node__area="Bedroom", camera__source="rtsp://me:hunter2@cam/1")
    everything = "\n".join(files.values())
    assert not [word for word in ("Grandma", "Bedroom", "hunter2", "polygon") if word in everything]
    assert "***@cam/1" in files["config.txt"]
