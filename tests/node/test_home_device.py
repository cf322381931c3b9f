"""The node as Home Assistant is shown it: from the configuration, and what this machine has."""

from __future__ import annotations

from email.message import Message
from importlib import metadata

import pytest

from piapp.config.load import load_config
from piapp.config.sections import PreviewConfig
from piapp.extras import DISTRIBUTION
from piapp.mqtt.commands import COMMANDS
from piapp.mqtt.topics import Topics
from piapp.node.home_device import home_device, page_url, project_url

ZONE = """
[[zones]]
name = "Bed"
polygon = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]
ignore = []
"""


def configured(file=None, **overrides: str):
    """A configuration with some values replaced; "__" stands for the dot."""
    pairs = [(key.replace("__", "."), value) for key, value in overrides.items()]
    return load_config(file, overrides=pairs, environ={}).config


def page(bind: str, port: int, *, enabled: bool = True) -> PreviewConfig:
    """How the live page is served."""
    return PreviewConfig(enabled=enabled, bind=bind, port=port, max_fps=15.0, picture="off", token_file="")


def test_device_follows_the_configuration(tmp_path):
    """Names, zones, pictures and what can be asked and set."""
    (file := tmp_path / "piapp.toml").write_text(ZONE)
    config = configured(
        file, node__name="Hall", node__area="Ground floor", publish__image="skeleton", posture__fallen_after_s="7"
    )
    device = home_device(config, Topics("piapp", "hall"), {"power.idle_fps": 1.0}, keeps_settings=False)
    assert (device.name, device.area, device.zones) == ("Hall", "Ground floor", ("Bed",))
    assert (device.sends_pictures, device.keeps_settings, device.fallen_after_s) == (True, False, 7.0)
    assert device.requests == set(COMMANDS)
    assert device.live_keys == {"power.idle_fps"}


def test_a_node_without_a_name_has_its_id():
    """People must be able to tell two apart."""
    assert home_device(configured(), Topics("piapp", "attic"), (), keeps_settings=True).name == "attic"


@pytest.mark.parametrize(
    ("bind", "port", "expected"),
    [
        ("0.0.0.0", 8088, "http://pi.local:8088/"),
        ("::", 8088, "http://pi.local:8088/"),
        ("192.168.1.7", 80, "http://192.168.1.7:80/"),
        ("fd00::7", 80, "http://[fd00::7]:80/"),
        ("127.0.0.1", 8088, ""),
        ("0.0.0.0", 0, ""),
    ],
)
def test_page_is_named_where_others_reach_it(bind, port, expected):
    """Home Assistant links to it; a page on loopback, or on a port that is found later, has no such address."""
    assert page_url(page(bind, port), "pi.local") == expected
    assert page_url(page(bind, port, enabled=False), "pi") == ""


def test_a_strange_host_name_is_no_address():
    """It would not be a legal URL, and Home Assistant would refuse the whole device."""
    assert page_url(page("0.0.0.0", 8088), "a b") == ""


def test_project_is_what_the_package_says(monkeypatch):
    """The home page of the installed package, and none where it names none."""
    described = Message()
    described["Project-URL"] = "Homepage, https://example.org/piapp"
    packages = {DISTRIBUTION: described}
    monkeypatch.setattr(metadata, "metadata", packages.__getitem__)
    assert project_url() == "https://example.org/piapp"
    del described["Project-URL"]
    assert project_url() == ""
