"""The Debian packages on a booted machine: from a signed repository, through upgrades that fail, to a purge.

For root and slow: `make test-deb` runs it. The tests share one guest and run in their order.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.appliance import guest as machine
from tests.e2e.appliance.guest import CACHE, PROJECT, SUITE, Guest, wait_until
from tests.support.guests import files, measured_memory, users

pytestmark = [
    pytest.mark.timeout(3000),
    pytest.mark.skipif(not os.environ.get("PIAPP_TEST_DEB"), reason="slow: `make test-deb` runs it"),
]

RELEASE = {"bookworm": "12", "trixie": "13"}[SUITE]
KEY = "piapp-test@example.org"
SECRET = "open sesame"
LATER, BROKEN = "98.0.0", "99.0.0"

# Loads every library of the environment, and solves equations so many that OpenCV leaves them to LAPACK.
LOADS = """
import ctypes, json
from pathlib import Path
import av, cv2, numpy as np
import ai_edge_litert.interpreter
unloaded, count = [], 0
for path in Path(np.__file__).parents[1].rglob("*.so*"):
    try:
        ctypes.CDLL(str(path))
        count += 1
    except OSError as error:
        unloaded.append(str(error))
matrix = np.random.default_rng(1).random((300, 300))
solved = cv2.solve(matrix, cv2.gemm(matrix, np.ones((300, 1)), 1, None, 0), flags=cv2.DECOMP_LU)[1]
print(json.dumps([count, unloaded, solved.mean()]))
"""
CONFIG = """
[camera]
source = "demo:?loop=0"
[mqtt]
username = "hall"
[node]
id = "hall"
"""


@dataclass(frozen=True)
class Repository:
    """A signed repository with three versions.

    Attributes:
        path: Its folder.
        version: Of piapp as it is.
    """

    path: Path
    version: str


def full(version: str) -> str:
    """A version as apt knows it."""
    return f"{version}-1~deb{RELEASE}"


def changed(source: Path, folder: Path, version: str, *, broken: bool = False) -> Path:
    """The same package as another version; a broken one has nothing but a program that accepts every configuration."""
    old = re.search(r"piapp_([^_-]+)", source.name)[1]
    root = folder / version
    subprocess.run(["dpkg-deb", "-R", source, root], check=True)
    (root / "opt/piapp" / f"{old}-deb").rename(root / "opt/piapp" / f"{version}-deb")
    for file in (root / "DEBIAN").iterdir():
        text = file.read_text()
        text = text.replace(f"version={old}-deb", f"version={version}-deb").replace(f": {old}-1", f": {version}-1")
        file.write_text(text.replace(f"/{old}-deb/", f"/{version}-deb/"))
    program = root / "opt/piapp" / f"{version}-deb"
    if broken:
        shutil.rmtree(program / "lib")
        (program / "lib").mkdir()
        (program / "bin" / "piapp").write_text(
            '#!/bin/sh\n[ "$1" = config ] && exit 0\necho "broken on purpose" >&2; exit 78\n'
        )
    else:
        init = next((program / "lib").glob("python*/site-packages/piapp/__init__.py"))
        init.write_text(init.read_text().replace(f'"{old}"', f'"{version}"'))
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", root, folder], check=True)
    shutil.rmtree(root)
    return next(folder.glob(f"piapp_{version}-1*.deb"))


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Built from this working tree, signed with a key of its own."""
    folder = tmp_path_factory.mktemp("debs")
    made = os.environ.get("PIAPP_TEST_DEBS")
    if made:
        packages = sorted(Path(made).glob(f"*deb{RELEASE}_amd64.deb"))
    else:
        options = ["--fast", "--suite", SUITE, "--arch", "amd64", "--keep", CACHE / "keep", "--output", folder]
        subprocess.run([PROJECT / "deploy" / "deb" / "build.sh", *options], check=True)
        packages = sorted(folder.glob("*.deb"))
    program = next(path for path in packages if path.name.startswith("piapp_"))
    packages += [changed(program, folder, LATER), changed(program, folder, BROKEN, broken=True)]
    home = folder / "gnupg"
    home.mkdir(mode=0o700)
    environment = os.environ | {"GNUPGHOME": str(home)}
    make_key = [
        "gpg",
        "--batch",
        "--quiet",
        "--passphrase",
        "",
        "--quick-generate-key",
        KEY,
        "ed25519",
        "sign",
        "never",
    ]
    subprocess.run(make_key, env=environment, check=True, capture_output=True)
    command = [PROJECT / "deploy" / "deb" / "repository.sh", "--key", KEY, "--output", folder / "apt", *packages]
    subprocess.run(command, env=environment, check=True)
    subprocess.run(["gpgconf", "--kill", "all"], env=environment, check=False)
    return Repository(folder / "apt", re.search(r"piapp_([^_-]+)", program.name)[1])


@pytest.fixture(scope="module")
def guest(repository: Repository, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """A fresh machine that knows the repository, and Debian's own packages from the offline bundle."""
    if reason := machine.missing():
        pytest.skip(f"NOT TESTED: the Debian packages; this machine cannot boot a guest: {reason}")
    booted = Guest(tmp_path_factory.mktemp("guest"), binds={repository.path: "/srv/apt"})
    try:
        sources = booted.root / "etc/apt/sources.list"
        sources.write_text(
            f"deb [signed-by=/srv/apt/piapp.gpg] file:/srv/apt {SUITE} main\n"
            "deb [trusted=yes] file:/root/bundle/debs ./\n"
        )
        booted.run("chmod", "755", "/root")  # for the user that apt reads with
        booted.run("apt-get", "-q", "update")
        apt(booted, "install", "mosquitto")
        yield booted
    finally:
        booted.close()


def apt(guest: Guest, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run apt-get."""
    options = ("-y", "-q", "--allow-downgrades", "-o", "APT::Sandbox::User=root")
    # A loaded machine takes its time to the first result; a version that fails does so at once.
    environment = ("env", "DEBIAN_FRONTEND=noninteractive", "PIAPP_HEALTH_S=900")
    return guest.run(*environment, "apt-get", *options, *arguments, check=check, timeout_s=1500)


def version_of(guest: Guest) -> str:
    """The version that runs."""
    return guest.output("piapp", "--version").removeprefix("piapp ")


def heard(guest: Guest, leaf: str, value: str = "") -> dict[str, str]:
    """The message that ends in `leaf` and has `value` in it, which the broker gives to whoever knows the password."""
    login = ("PIAPP_MQTT__USERNAME=hall", "PIAPP_MQTT__PASSWORD_FILE=/etc/piapp/mqtt_password")
    listen = ("/opt/piapp/current/bin/python", "/root/inside/listen.py", leaf, value)
    message: dict[str, str] = json.loads(guest.output("env", *login, *listen).splitlines()[-1])
    return message


def assert_both_cameras_run(guest: Guest, version: str) -> None:
    """The first camera's service and the further one's run, from the folder of that version."""
    assert version_of(guest) == version
    folder = guest.output("readlink", "-f", "/opt/piapp/current")
    for unit in ("piapp", "piapp@bedroom"):
        wait_until(lambda unit=unit: guest.property("ActiveState", unit) == "active", f"{unit} to be active")
        command = (guest.root / "proc" / guest.property("MainPID", unit) / "cmdline").read_text()
        assert command.startswith(f"{folder}/bin/python")


def test_lintian_is_content(repository: Repository) -> None:
    """Debian's own checker finds nothing but what is overridden with a reason."""
    if shutil.which("lintian") is None:
        pytest.skip("NOT TESTED: lintian is not installed")
    for package in sorted((repository.path / "pool").glob("*.deb")):
        if LATER not in package.name and BROKEN not in package.name:
            command = ["lintian", "--no-cfg", "--allow-root", "--fail-on", "error,warning", package]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def before(guest: Guest) -> tuple[set[str], set[str]]:
    """Files and users before piapp came."""
    return files(guest), users(guest)


def test_it_installs_and_reaches_a_broker_with_login(guest: Guest, before: object, repository: Repository) -> None:
    """From the signed repository to the first event that a subscriber with a password of their own sees.

    Without MediaPipe, as on the boards that cannot run it: a Pi Zero 2 W has 416 MB for everything.
    """
    with measured_memory(guest) as memory:
        done = apt(guest, "install", "--no-install-recommends", f"piapp={full(repository.version)}")
        (guest.root / "etc/mosquitto/conf.d/login.conf").write_text(
            "listener 1883\nallow_anonymous false\npassword_file /etc/mosquitto/passwords\n"
        )
        guest.run("mosquitto_passwd", "-c", "-b", "/etc/mosquitto/passwords", "hall", SECRET)
        guest.run("chown", "mosquitto", "/etc/mosquitto/passwords")
        guest.run("systemctl", "restart", "mosquitto")
        (guest.root / "etc/piapp/piapp.toml").write_text(CONFIG)
        (guest.root / "etc/piapp/mqtt_password").write_text(f"{SECRET}\n")
        guest.run("systemctl", "restart", "piapp")
        guest.wait_for_state("active")
    disk_mb = int(guest.output("du", "-sk", "/opt/piapp").split()[0]) * 1024 / 1e6
    sys.stdout.write(f"at most {memory.peak_mb:.0f} MB of memory; {disk_mb:.0f} MB on disk, with bytecode\n")
    assert 30 < memory.peak_mb < 300
    assert 100 < disk_mb < 350
    assert version_of(guest) == repository.version, done.stdout
    assert guest.property("UnitFileState") == "enabled"
    event = heard(guest, "event")
    assert event["topic"] == "piapp/hall/event"
    assert json.loads(event["payload"])["event_type"]
    assert "landmarker" in guest.output("piapp", "check", "egress")


def test_every_library_loads_whole(guest: Guest) -> None:
    """Stripped, and OpenCV with Debian's LAPACK: each function that a library asks for is found, and computes."""
    done = guest.run("env", "LD_BIND_NOW=1", "/opt/piapp/current/bin/python", "-P", "-c", LOADS)
    count, unloaded, mean = json.loads(done.stdout)
    assert (count > 100, unloaded) == (True, [])
    assert mean == pytest.approx(1.0)


def test_mediapipe_comes_and_goes(guest: Guest) -> None:
    """On a processor where it always runs it is recommended; piapp finds it in its own package, and does without."""
    assert "piapp-mediapipe" in guest.output("dpkg-query", "-W", "-f", "${Recommends}", "piapp")
    assert "run by litert" in guest.output("piapp", "check", "model")
    apt(guest, "install", "piapp-mediapipe")
    assert "run by mediapipe" in guest.output("piapp", "check", "model")


def test_a_further_camera_has_a_service_of_its_own(guest: Guest) -> None:
    """It logs in at the same broker; what follows is for both."""
    guest.run("piapp", "service", "add", "bedroom", "--source", "demo:?loop=0", timeout_s=300)
    assert guest.property("UnitFileState", "piapp@bedroom") == "enabled"
    assert heard(guest, "info", "hall-bedroom")["topic"] == "piapp/hall-bedroom/info"


def test_an_upgrade_keeps_the_configuration(guest: Guest) -> None:
    """The new version runs, with what the owner had written."""
    apt(guest, "install", f"piapp={full(LATER)}")
    assert_both_cameras_run(guest, LATER)
    assert (guest.root / "etc/piapp/piapp.toml").read_text() == CONFIG
    assert guest.output("ls", "/opt/piapp").split() == [f"{LATER}-deb", "current", "mediapipe"]


def test_a_failed_upgrade_goes_back_by_itself(guest: Guest) -> None:
    """It reports the failure, and the version before runs on."""
    done = apt(guest, "install", f"piapp={full(BROKEN)}", check=False)
    assert done.returncode != 0
    assert "the upgrade failed and the version before runs again" in done.stdout + done.stderr
    assert_both_cameras_run(guest, LATER)


def test_a_downgrade_mends_it(guest: Guest, repository: Repository) -> None:
    """The owner takes a version that works; nothing of the failed one stays.

    A further camera that has only just been started meanwhile comes along.
    """
    slow = guest.root / "etc/systemd/system/piapp@bedroom.service.d/slow.conf"
    slow.write_text("[Service]\nExecStartPre=/bin/sleep 40\n")
    guest.run("systemctl", "daemon-reload")
    guest.run("systemctl", "restart", "--no-block", "piapp@bedroom")
    apt(guest, "install", f"piapp={full(repository.version)}")
    assert_both_cameras_run(guest, repository.version)
    assert guest.output("ls", "/opt/piapp").split() == [f"{repository.version}-deb", "current", "mediapipe"]
    assert guest.output("dpkg-query", "-W", "-f", "${db:Status-Status}", "piapp") == "installed"


def test_a_purge_leaves_nothing(guest: Guest, before: tuple[set[str], set[str]]) -> None:
    """No file, no user, no unit."""
    (guest.root / "etc/mosquitto/conf.d/login.conf").unlink()
    (guest.root / "etc/mosquitto/passwords").unlink()
    apt(guest, "purge", "--autoremove", "piapp", "piapp-mediapipe")
    wait_until(lambda: not guest.output("systemctl", "list-units", "--all", "--no-legend", "piapp*"), "no unit")
    # The broker writes down what it holds when it stops, and stays.
    left = {path for path in files(guest) - before[0] if not path.startswith("/var/lib/mosquitto/")}
    assert (left, users(guest) - before[1]) == (set(), set())
