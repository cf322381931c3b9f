"""The service for whoever came by pip: what would be done, and when nothing may be done."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from piapp.errors import UsageError
from piapp.operate import service

SCRIPT = Path(__file__).parents[2] / "systemd" / "service.sh"


def steps(function, *arguments):
    """What a dry run of a function prints."""
    return subprocess.run(
        ["bash", "-c", 'set -euo pipefail; source "$1"; shift; "$@"', "piapp", SCRIPT, function, *arguments],
        env=os.environ | {"dry": "yes"}, capture_output=True, text=True, check=True,
    ).stderr  # fmt: skip


def test_installing_takes_the_installers_steps():
    """User, secrets, configuration, unit and start, in this order, and nothing of it in a dry run."""
    said = steps("install_service", "/srv/piapp/bin/piapp", "yes", 'mqtt.url="mqtt://broker.lan"')
    order = ["useradd", "mqtt_password", "piapp.toml", "piapp.service", "daemon-reload", " enable ", " restart "]
    places = [said.index(step) for step in order]
    assert places == sorted(places)
    assert "piapp.toml" not in steps("install_service", "/srv/piapp/bin/piapp", "").partition(" restart ")[2]


def test_only_an_installation_without_a_broker_is_set_up_in_a_browser():
    """Its folder is there before, for the service to read what is put there."""
    said = steps("install_service", "/srv/piapp/bin/piapp", "yes")
    order = ["install -d -m 750 -o piapp -g piapp /var/lib/piapp", "/srv/piapp/bin/piapp setup-page", " restart "]
    places = [said.index(step) for step in order]
    assert places == sorted(places)
    assert "setup-page" not in steps("install_service", "/srv/piapp/bin/piapp", "yes", 'mqtt.url="mqtt://broker.lan"')


def test_the_unit_runs_this_command(tmp_path):
    """The unit is the installer's own, with another command."""
    script = f'units={tmp_path}; install_backoff() {{ :; }}; install_unit "$@"'
    command = f'set -euo pipefail; source "{SCRIPT}"; {script}'
    subprocess.run(
        ["bash", "-c", command, "x", SCRIPT.parent, "/srv/piapp/bin/piapp"], check=True, stderr=subprocess.DEVNULL
    )
    unit = (tmp_path / "piapp.service").read_text()
    assert (tmp_path / "piapp@.service").read_text() == unit
    assert "%i" in (tmp_path / "piapp@.service.d" / "instance.conf").read_text()
    assert "ExecStart=/srv/piapp/bin/piapp run\n" in unit
    assert unit.count("ExecStart") == 1
    assert "ProtectHome=yes" in unit


def test_restarting_lets_the_service_reach_what_is_configured_now():
    """Before it starts anew."""
    said = steps("restart_service", "/srv/piapp/bin/python")
    assert said.index("broker.conf") < said.index(" restart ")


def test_removing_keeps_the_configuration_unless_told():
    """Purging takes configuration, state and user too."""
    assert " /etc/piapp " not in steps("remove_service", "")
    purged = steps("remove_service", "yes")
    assert " /etc/piapp " in purged
    assert " /var/lib/piapp " in purged


def test_a_further_camera_has_steps_of_its_own():
    """Its unit is enabled and started, and nothing of the first camera's is touched."""
    said = steps("add_camera", "bedroom", "/opt/piapp/current/bin/python", "yes")
    for step in ("bedroom/camera_password", "piapp@bedroom.service.d", "enable", "restart"):
        assert step in said
    assert "piapp.service" not in said
    assert "bedroom" not in steps("add_camera", "hall", "python", "").partition("restart")[2]


def test_dropping_a_camera_keeps_its_files_unless_told():
    """Purging takes its own configuration and state, and those of no other."""
    assert "/etc/piapp" not in steps("remove_camera", "bedroom", "")
    purged = steps("remove_camera", "bedroom", "yes")
    assert "/etc/piapp/bedroom /var/lib/piapp/bedroom" in purged
    assert "/etc/piapp " not in purged


def test_all_cameras_start_afresh_with_another_version(tmp_path):
    """Those that start at boot; a folder that is no camera's is none."""
    for name in ("bedroom", "tls", "kitchen"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "piapp.toml").touch()
    script = f'source "{SCRIPT}"; config={tmp_path}; systemctl() {{ [[ $* != *kitchen* ]]; }}; enabled_units'
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["piapp.service", "piapp@bedroom.service"]


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """An environment that has the command, on a machine without another service."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "piapp").touch()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(service, "_APPLIANCE", tmp_path / "no" / "appliance")
    return tmp_path


def test_a_home_is_no_place_for_a_service(environment, monkeypatch):
    """The unit hides homes from the program: it would not start, so it is refused with the way out."""
    monkeypatch.setattr(service, "_HIDDEN", (environment,))
    with pytest.raises(UsageError, match="for the whole machine"):
        service.install({}, dry_run=True)


def test_one_service_a_machine(environment, monkeypatch):
    """What the installer or apt keeps, they upgrade and remove."""
    monkeypatch.setattr(service, "_APPLIANCE", environment)
    for change in (lambda: service.install({}), service.remove):
        with pytest.raises(UsageError, match=r"apt|installer"):
            change()


def test_it_must_be_installed(tmp_path, monkeypatch):
    """A folder that somebody has copied is no installation."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(UsageError, match="is not installed"):
        service.install({}, dry_run=True)


def test_a_dry_run_needs_no_root(environment, monkeypatch, capfd):
    """And says everything."""
    monkeypatch.setattr(service, "_HIDDEN", ())
    monkeypatch.setattr(service.resources, "files", lambda _package: SCRIPT.parents[1])
    service.install({"mqtt.url": "mqtt://broker.lan"}, start=False, dry_run=True)
    assert "piapp.service" in capfd.readouterr().err
