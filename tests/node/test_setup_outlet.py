"""The page while the node is set up, and what takes its place afterwards."""

from __future__ import annotations

import logging
import socket
from pathlib import Path

import pytest

from piapp.config.load import default_config, load_config
from piapp.errors import ConfigError
from piapp.invitation import INVITATION_S, Invitation
from piapp.node import setup_outlet
from piapp.node.outlets import PageOutlet
from piapp.node.setup_outlet import SetupPageOutlet, invited, is_invited, page_outlet, served
from piapp.preview.server import Preview
from tests.mosquitto import DEADLINE_S, free_port, wait_until
from tests.preview.conftest import FakeOwner


@pytest.fixture
def port():
    """Where pages listen."""
    return free_port()


def config(port, *settings):
    """A page of this port."""
    overrides = [("preview.port", str(port)), *settings]
    return load_config(Path("/dev/null"), overrides=overrides, environ={}).config


def listens(port):
    """Whether somebody takes connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S).close()
    except ConnectionError:
        return False
    return True


class Clock:
    """A clock that tests move."""

    now_s = 0.0

    def __call__(self):
        """Seconds."""
        return self.now_s


@pytest.fixture
def clock():
    """The node's."""
    return Clock()


@pytest.fixture
def invitation(tmp_path, clock):
    """One that is open."""
    file = tmp_path / "invitation-hall.json"
    Invitation.issue(file)
    return Invitation.open(file, clock)


@pytest.fixture
def start(port, invitation):
    """Start the outlet of a node with these settings, and stop it at the end."""
    outlets = []

    def begin(*settings):
        def successor():
            configured = config(port, *settings).preview
            return Preview(configured, FakeOwner(), pictures=False) if configured.enabled else None

        first = Preview(invited(config(port, *settings)).preview, FakeOwner(), pictures=False, invitation=invitation)
        outlets.append(SetupPageOutlet(first, invitation, successor))
        outlets[-1].start()
        return outlets[-1]

    yield begin
    for outlet in outlets:
        wait_until(outlet.stop, "the page to end")


def test_while_somebody_is_invited_the_page_is_open_to_the_network(port, start, invitation, caplog):
    """With a picture to aim by, by consent; the log says where and with which code."""
    caplog.set_level(logging.WARNING)
    page = invited(config(port)).preview
    assert (page.enabled, page.bind, page.picture) == (True, "0.0.0.0", "consent")
    start()
    assert listens(port)
    assert f":{port}/setup#{invitation.code}" in caplog.text


def test_the_hour_ends(port, start, clock):
    """The page closes by itself, and the node goes on."""
    outlet = start()
    clock.now_s = INVITATION_S
    wait_until(lambda: outlet.tick() or not listens(port), "the page to close")
    outlet.raise_if_failed()


def test_the_configured_page_takes_over(port, start, clock, caplog):
    """Where its owner has one, at the address that is configured."""
    caplog.set_level(logging.INFO)
    outlet = start(("preview.enabled", "true"))
    clock.now_s = INVITATION_S
    wait_until(lambda: outlet.tick() or f"live page: http://127.0.0.1:{port}/" in caplog.text, "the other page")
    assert listens(port)


def test_a_stop_keeps_what_is_left_of_the_hour(start, invitation, clock, tmp_path):
    """The next start goes on from there."""
    outlet = start()
    clock.now_s = 600.0
    wait_until(outlet.stop, "the page to end")
    assert Invitation.open(tmp_path / "invitation-hall.json").left_s == pytest.approx(INVITATION_S - 600)


def test_a_port_that_is_taken_does_not_end_the_node(port, start, caplog):
    """It watches without a set-up page, and says so."""
    with socket.create_server(("127.0.0.1", port)):
        outlet = start()
        assert "the set-up page cannot be served" in caplog.text
        outlet.tick()
        outlet.raise_if_failed()


def test_libraries_that_are_missing(port, invitation, monkeypatch, caplog):
    """An invitation is no reason not to watch; a page that is configured is."""

    def missing(*_args):
        raise ConfigError("preview.enabled = true needs a package that is not installed")

    monkeypatch.setattr(setup_outlet, "live_page", missing)
    assert served(config(port), None, invitation, configured=False) is None
    assert "cannot be set up in a browser" in caplog.text
    with pytest.raises(ConfigError):
        served(config(port), None, invitation, configured=True)


def test_which_way_out_there_is(port, invitation):
    """None without a page, the plain one where nobody is invited."""
    preview = Preview(config(port, ("preview.enabled", "true")).preview, FakeOwner(), pictures=False)
    assert page_outlet(None, invitation, lambda: None) is None
    assert type(page_outlet(preview, None, lambda: None)) is PageOutlet
    assert type(page_outlet(preview, invitation, lambda: None)) is SetupPageOutlet


def test_who_is_invited(tmp_path):
    """The node whose state folder has an invitation, and nobody by default."""
    node = load_config(
        Path("/dev/null"), overrides=[("spool.dir", str(tmp_path)), ("node.id", "hall")], environ={}
    ).config
    assert not is_invited(node)
    Invitation.issue(tmp_path / "invitation-hall.json")
    assert is_invited(node)
    assert not default_config().preview.enabled
