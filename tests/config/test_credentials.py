"""The password that systemd hands over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from piapp.config import load as configuration
from piapp.config.load import load_config
from piapp.errors import ConfigError


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    """A folder as LoadCredential makes it."""
    (tmp_path / "mqtt_password").write_text("secret\n")
    return tmp_path


def password_file(environ: dict[str, str], **mqtt: str) -> str:
    """What `mqtt.password_file` becomes."""
    overrides = [(f"mqtt.{key}", value) for key, value in mqtt.items()]
    return load_config(Path(os.devnull), overrides=overrides, environ=environ).config.mqtt.password_file


def test_a_credential_is_the_password_of_a_user(credentials: Path) -> None:
    """With a user name and no file named, the handed-over file is taken, and its origin told."""
    environ = {"CREDENTIALS_DIRECTORY": str(credentials)}
    assert password_file(environ, username="node") == str(credentials / "mqtt_password")
    loaded = load_config(Path(os.devnull), overrides=[("mqtt.username", "node")], environ=environ)
    assert loaded.origins["mqtt.password_file"] == "systemd credential"


def test_a_named_file_comes_first(credentials: Path, tmp_path: Path) -> None:
    """What the owner names is what is used."""
    mine = tmp_path / "mine"
    mine.write_text("other\n")
    environ = {"CREDENTIALS_DIRECTORY": str(credentials)}
    assert password_file(environ, username="node", password_file=str(mine)) == str(mine)


def test_no_user_or_an_empty_file_means_no_password(credentials: Path) -> None:
    """The installer's empty file, and a broker without users, need no setting."""
    environ = {"CREDENTIALS_DIRECTORY": str(credentials)}
    assert password_file(environ) == ""
    (credentials / "mqtt_password").write_text("")
    assert password_file(environ, username="node") == ""


def test_outside_the_service_its_file_does(credentials: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sudo piapp check` uses the same password as the service."""
    monkeypatch.setattr(configuration, "DEFAULT_FILE", credentials / "piapp.toml")
    assert password_file({}, username="node") == str(credentials / "mqtt_password")


def test_a_credential_is_the_token_of_the_live_page(credentials: Path) -> None:
    """Where the page is on; an empty file is none, and then other machines are not let near it."""
    environ = {"CREDENTIALS_DIRECTORY": str(credentials)}
    token = credentials / "preview_token"
    token.write_text("0123456789abcdef\n")
    assert load_config(Path(os.devnull), environ=environ).config.preview.token_file == ""
    on = [("preview.enabled", "true"), ("preview.bind", "0.0.0.0")]
    loaded = load_config(Path(os.devnull), overrides=on, environ=environ)
    assert loaded.config.preview.token_file == str(token)
    assert loaded.origins["preview.token_file"] == "systemd credential"
    token.write_text("")
    with pytest.raises(ConfigError, match=r"preview\.token_file.*a token is needed"):
        load_config(Path(os.devnull), overrides=on, environ=environ)
