"""`piapp service` on a booted machine: an environment as pip makes it, without systemd-python, becomes the service.

For root and slow: `make test-deb` runs it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.appliance import guest as machine
from tests.e2e.appliance.guest import CACHE, PROJECT, SUITE, Guest
from tests.support.guests import files, users

pytestmark = [
    pytest.mark.timeout(3000),
    pytest.mark.skipif(not os.environ.get("PIAPP_TEST_DEB"), reason="slow: `make test-deb` runs it"),
]

RELEASE = {"bookworm": "12", "trixie": "13"}[SUITE]
PIAPP = "/srv/piapp/bin/piapp"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Debian package's environment, unpacked, that sees nothing of the system's Python packages."""
    folder = tmp_path_factory.mktemp("environment")
    made = os.environ.get("PIAPP_TEST_DEBS")
    if made is None:
        options = ["--fast", "--suite", SUITE, "--arch", "amd64", "--keep", CACHE / "keep", "--output", folder]
        subprocess.run([PROJECT / "deploy" / "deb" / "build.sh", *options], check=True)
    package = next(Path(made or folder).glob(f"piapp_*deb{RELEASE}_amd64.deb"))
    subprocess.run(["dpkg-deb", "--extract", package, folder / "root"], check=True)
    found = next((folder / "root/opt/piapp").glob("*-deb"))
    settings = found / "pyvenv.cfg"
    settings.write_text(settings.read_text().replace("packages = true", "packages = false"))
    return found


@pytest.fixture(scope="module")
def guest(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """A fresh machine that sees the environment."""
    if reason := machine.missing():
        pytest.skip(f"NOT TESTED: the service of a pip; this machine cannot boot a guest: {reason}")
    booted = Guest(tmp_path_factory.mktemp("guest"), binds={environment: "/srv/piapp"})
    try:
        # The package depends on it: its OpenCV brings no LAPACK of its own.
        (booted.root / "etc/apt/sources.list").write_text("deb [trusted=yes] file:/root/bundle/debs ./\n")
        booted.run("chmod", "755", "/root")
        booted.run("apt-get", "-q", "update")
        booted.run("apt-get", "-y", "-q", "-o", "APT::Sandbox::User=root", "install", "liblapack3")
        yield booted
    finally:
        booted.close()


def test_it_comes_and_goes(guest: Guest) -> None:
    """It becomes ready by its first result, which systemd hears, and nothing stays of it when it is purged."""
    before = files(guest), users(guest)
    done = guest.run(
        "env", "PIAPP_HEALTH_S=900", PIAPP, "service", "install", "--source", "demo:?loop=0", timeout_s=1200
    )
    assert "running:" in done.stderr
    assert guest.property("ActiveState") == "active"
    assert guest.property("UnitFileState") == "enabled"
    assert "ExecStart=/srv/piapp/bin/piapp run" in guest.output("systemctl", "cat", "piapp")
    assert "frames/s" in guest.property("StatusText") or guest.property("StatusText") == "running"
    guest.run(PIAPP, "service", "remove", "--purge")
    assert (files(guest) - before[0], users(guest) - before[1]) == (set(), set())
    assert not guest.output("systemctl", "list-units", "--all", "--no-legend", "piapp*")
