"""Fleets over TLS with a user's password, against deploy/mosquitto's own configuration."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.e2e.node import PIAPP, clean_environment, piapp
from tests.mosquitto import HardenedMosquitto, make_authority

NODES = 20
USERS = {"fleet": "f", "dashboard": "d"}

# As deploy/fleet.md has it: simulated nodes share one user, who may speak for all of them.
RULES = "user fleet\ntopic readwrite piapp/#\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Signs the broker's certificate."""
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def hardened(start_mosquitto, tmp_path_factory, authority):
    """A broker that trusts nobody."""
    broker = HardenedMosquitto(tmp_path_factory.mktemp("hardened"), authority, USERS, RULES)
    yield broker.start()
    broker.stop()


@pytest.fixture
def login(hardened, authority, tmp_path):
    """Make a configuration of a user: the file, as the environment names it."""

    def make(name: str, password: str, ca: Path = authority) -> dict[str, str]:
        secret = tmp_path / f"{name}.password"
        secret.write_text(f"{password}\n")
        file = tmp_path / f"{name}.toml"
        file.write_text(
            f'[mqtt]\nurl = "mqtts://localhost:{hardened.port}"\nusername = "{name}"\npassword_file = "{secret}"\n'
            f'[mqtt.tls]\nca = "{ca}"\n'
        )
        return {"PIAPP_CONFIG": str(file)}

    return make


def test_nodes_and_inventory(login):
    """Simulated nodes come online and are listed, each by a user of their own; no password is needed in arguments."""
    fleet = subprocess.Popen(
        [*PIAPP, "fleet", "simulate", "--nodes", str(NODES), "--rate", "2", "--spread", "1", "--json"],
        env=clean_environment(**login("fleet", "f")),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with fleet:
        assert any(f"all {NODES} nodes are connected" in line for line in fleet.stderr)
        listed = piapp("fleet", "watch", "--once", **login("dashboard", "d"))
        fleet.terminate()
        figures = json.loads(fleet.communicate()[0])
    assert fleet.returncode == 0
    assert figures["online"] == NODES
    assert listed.returncode == 0, listed.stderr
    assert f"{NODES} nodes: {NODES} online, " in listed.stdout


@pytest.mark.parametrize("command", [("fleet", "simulate", "--nodes", "2"), ("fleet", "watch", "--once")])
def test_who_may_not_come_in_is_told_why(login, tmp_path, command):
    """A wrong password and another authority: exit 69, with the reason and the key to look at."""
    done = piapp(*command, **login("dashboard", "wrong"))
    assert done.returncode == 69, done.stderr
    assert "mqtt.password_file" in done.stderr
    done = piapp(*command, **login("dashboard", "d", make_authority(tmp_path, "stranger")))
    assert done.returncode == 69, done.stderr
    assert "mqtt.tls.ca" in done.stderr
