"""Where a node remembers things."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from piapp.config.load import default_config
from piapp.node import state_folder as module
from piapp.node.state_folder import settings_file, state_folder


def test_where_state_goes(tmp_path, monkeypatch, caplog):
    """As configured, as systemd says, in the usual place if it may be used, or nowhere."""
    config = default_config().spool

    def folder_of(directory: str = "", **environ: str) -> Path | None:
        return state_folder(msgspec.structs.replace(config, dir=directory), environ)

    monkeypatch.setattr(module, "STATE_FOLDER", tmp_path)
    assert folder_of("/x", STATE_DIRECTORY="/y") == Path("/x")
    assert folder_of(STATE_DIRECTORY="/y:/z") == Path("/y")
    assert folder_of("off", STATE_DIRECTORY="/y") is None
    assert folder_of() == tmp_path
    monkeypatch.setattr(module, "STATE_FOLDER", tmp_path / "absent")
    with caplog.at_level(logging.INFO):
        assert folder_of() is None
    assert [record.levelname for record in caplog.records] == ["INFO"]


def test_each_node_has_settings_of_its_own():
    """Where there is no folder there is no file."""
    assert settings_file(Path("/x"), "hall") == Path("/x/settings-hall.json")
    assert settings_file(None, "hall") is None
