"""What the command line says about the configuration that it loads."""

from __future__ import annotations

import os

import pytest

from piapp.cli import loading


@pytest.mark.parametrize(("readable", "hint"), [(False, "is for root alone, and hall needs it"), (True, "")])
def test_a_password_that_only_root_may_read(tmp_path, monkeypatch, capsys, readable, hint):
    """Without the hint the broker's refusal would send its owner to change the password there."""
    (tmp_path / "mqtt_password").write_text("open sesame\n")
    monkeypatch.setattr(loading, "DEFAULT_FILE", tmp_path / "piapp.toml")
    monkeypatch.setattr(os, "access", lambda *_: readable)
    loading.load(None, ["mqtt.username=hall"], {})
    said = capsys.readouterr().err
    assert hint in said
    assert bool(said) == bool(hint)
