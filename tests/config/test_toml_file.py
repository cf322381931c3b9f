"""Configuration files as editors, copies and strangers make them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piapp.config.load import load_config
from piapp.config.toml_file import MAX_BYTES, read_toml
from piapp.config.zones_file import write_zones
from piapp.errors import ConfigError

MARK = b"\xef\xbb\xbf"
TEXT = '[node]\nid = "hall"\n'


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        b"\xef\xbb\xbf" + TEXT.encode(),
        TEXT.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf[node]\r\nid='hall'",
    ],
    ids=["plain", "byte-order mark", "Windows", "both"],
)
def test_what_is_read(tmp_path, content):
    """Marks and line ends that editors leave are harmless."""
    file = tmp_path / "piapp.toml"
    file.write_bytes(content)
    assert load_config(file, environ={}).config.node.id == "hall"
    write_zones(file, ())
    assert load_config(file, environ={}).config.node.id == "hall"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (TEXT.encode("utf-16"), "UTF-16"),
        (TEXT.encode("utf-32"), "UTF-32"),
        (b'[node]\nid = "hall"\nname = "K\xfcche"\n', r"line 3"),
        (b"\x00" * 40, "not TOML"),
        (b"[power]\nidle_fps = " + b"9" * 5000, "too long"),
        (b"x = " + b"[" * 600, "nested too deeply|not TOML"),
        (b"x = " + b"[" * 100_000, "nested too deeply"),
        (b"[" + b"a." * 2000 + b"a]\nb = 1\n", "nested too deeply|not a known key"),
        (b"[node]\nid = 1" + b"0" * 400, "node.id"),
        (b"[power]\nidle_fps = 1" + b"0" * 400, "power.idle_fps"),
        (b"# " + b"x" * MAX_BYTES, "larger than"),
        (b'[mqtt]\nbase_topic = "a\\u000ab"\n', "base_topic"),
        (b'[mqtt]\nclient_id = "a\\u0000b"\n', "client_id"),
        (b'[homeassistant]\nprefix = "a\\u001bb"\n', "prefix"),
        (b'[mqtt]\nusername = "u"\npassword_file = "/dev/zero"\n', "password_file.*regular file"),
        (b'[preview]\ntoken_file = "/dev/zero"\n', "token_file.*regular file"),
        (b'[mqtt.tls]\nca = "' + b"x" * 5000 + b'"\n', "mqtt.tls.ca"),
    ],
)
def test_what_is_refused(tmp_path, content, words):
    """With the file, and what to do; never a traceback, never without an end."""
    file = tmp_path / "piapp.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=f"(?s){words}"):
        load_config(file, environ={})


@pytest.mark.parametrize("path", ["/dev/zero", "/", "x" * 5000, "a\0b", "/nowhere/piapp.toml"])
def test_paths_that_hold_no_file(path):
    """Devices, folders and names that cannot be."""
    with pytest.raises(ConfigError, match=r"larger than|cannot be read|is no path"):
        read_toml(Path(path))


@pytest.mark.parametrize(
    ("name", "value"),
    [("PIAPP_NODE__NAME", "\udcff"), ("PIAPP_POWER__IDLE_FPS", "9" * 5000), ("PIAPP_NODE__NAME", "[" * 100_000)],
)
def test_environments_that_are_no_text(name, value):
    """Bytes that are no text, and values that no parser takes."""
    with pytest.raises(ConfigError, match="problem"):
        load_config(None, environ={name: value})


def test_a_secret_that_everybody_may_read_is_told(tmp_path, caplog):
    """It works all the same."""
    file = tmp_path / "password"
    file.write_text("hunter2\n")
    file.chmod(0o644)
    load_config(None, overrides=[("mqtt.username", "me"), ("mqtt.password_file", str(file))], environ={})
    assert f"chmod o= {file}" in caplog.text
    assert "hunter2" not in caplog.text


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    """Nothing but a ConfigError comes of them."""
    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_bytes(content)
    with suppress(ConfigError):
        load_config(file, environ={})


KEYS = st.sampled_from(
    ["node.id", "camera.fps", "mqtt.url", "zones", "camera.controls.X", "posture.gap_s", "a", "..", ""]
)


@settings(deadline=None)
@given(st.lists(st.tuples(KEYS, st.text(max_size=40)), max_size=4))
def test_any_overrides_are_taken_or_refused(overrides):
    """Whatever stands behind --set."""
    with suppress(ConfigError):
        load_config(None, overrides=overrides, environ={})
