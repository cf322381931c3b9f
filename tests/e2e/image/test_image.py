"""The card image, made here on Debian and booted from its own partitions: read-only root, state, ssh, page, updates.

For root and slow: `make test-image` runs it, with ARCH=arm64 on an emulated processor. The tests share one guest and
run in their order. Kernel, firmware and camera of a Raspberry Pi are not in it.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.appliance import guest as machine
from tests.e2e.appliance.guest import Guest, wait_until
from tests.e2e.image.card import CACHE, PROJECT, SUITE, boot_files, make_card, missing, partition

pytestmark = [
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not os.environ.get("PIAPP_TEST_IMAGE"), reason="slow: `make test-image` runs it"),
]

ARCHITECTURE = os.environ.get("PIAPP_TEST_ARCH") or "amd64"

EMULATED = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine()) != ARCHITECTURE

# Emulated, everything takes its time.
BOOT_DEADLINE_S = 900.0 if EMULATED else 180.0

# For the calls that hand over passwords and make private mounts.
needs_real_processor = pytest.mark.skipif(
    EMULATED, reason="NOT TESTED: under user-mode emulation systemd starts no unit with a sandbox, and so not the node"
)

FETCH = """
import sys, urllib.error, urllib.request
try:
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    print(opener.open(sys.argv[1], timeout=60).status)
except urllib.error.HTTPError as error:
    print(error.code)
except OSError:
    print("refused")
"""


@dataclass(frozen=True)
class Booted:
    """A card in a machine.

    Attributes:
        keys: Private keys of the user `pi`: in their home, and put onto the boot partition.
    """

    guest: Guest
    keys: tuple[Path, Path]

    def ssh(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Log in from the machine itself."""
        common = ("-o", "StrictHostKeyChecking=accept-new", "-o", "UserKnownHostsFile=/run/known", *options)
        return self.guest.run("ssh", *common, "pi@127.0.0.1", "id", "-un", check=False)

    def page(self, address: str) -> str:
        """The status of a page's answer."""
        return self.guest.output("/usr/bin/python3", "-c", FETCH, address)


def make_key(path: Path) -> Path:
    """A new key for ssh."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The image of a card, and its user's key."""
    if reason := missing(ARCHITECTURE) or machine.missing():
        pytest.skip(f"NOT TESTED: the card image; this machine cannot make or boot it: {reason}")
    folder = tmp_path_factory.mktemp("card")
    key = make_key(folder / "key")
    debs = Path(os.environ.get("PIAPP_TEST_DEBS") or folder)
    if debs == folder:
        options = ["--fast", "--suite", SUITE, "--arch", ARCHITECTURE, "--keep", CACHE / "keep", "--output", folder]
        subprocess.run([PROJECT / "deploy" / "deb" / "build.sh", *options], check=True)
    return make_card(folder, ARCHITECTURE, debs, key.with_suffix(".pub")), key


@pytest.fixture(scope="module")
def booted(card: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    """Booted with the bundled clip for a camera, and a further key that the owner put onto the boot partition."""
    image, key = card
    work = tmp_path_factory.mktemp("booted")
    root, state, boot = (work / name for name in ("root", "state", "boot"))
    with ExitStack() as stack:
        boot_files(image, boot)
        stack.enter_context(partition(image, 2, root, read_only=True))
        stack.enter_context(partition(image, 3, state))
        assert "root=LABEL=ROOT ro" in (boot / "cmdline.txt").read_text()
        further = make_key(work / "further")
        (boot / "piapp").mkdir()
        shutil.copy(further.with_suffix(".pub"), boot / "piapp" / "authorized_keys")
        (boot / "piapp" / "Our network.psk").write_text("[Security]\nPassphrase=open sesame\n")
        with (state / "etc/piapp/piapp.toml").open("a") as file:
            file.write('\n[camera]\nsource = "demo:?loop=0"\n')
        options = {state: "/state", boot: "/boot/firmware"}
        guest = Guest(work, disk=(root, options))
        stack.callback(guest.close)
        yield Booted(guest, (key, further))


@needs_real_processor
def test_the_unit_starts(booted: Booted) -> None:
    """By itself at boot: a first frame has gone through the model."""
    wait_until(lambda: booted.guest.property("ActiveState") == "active", "piapp to be active", BOOT_DEADLINE_S)
    assert booted.guest.property("UnitFileState") == "enabled"
    failed = booted.guest.output("systemctl", "--failed", "--no-legend", "--plain").splitlines()
    # A container has no disks by label; there the root is mounted read-only by whoever boots it.
    assert [line for line in failed if not line.startswith("systemd-remount-fs")] == []


def test_the_root_is_read_only_and_state_is_kept(booted: Booted) -> None:
    """What is written stays in memory or on the state partition."""
    guest = booted.guest
    assert "ro" in guest.output("findmnt", "-no", "OPTIONS", "/").split(",")
    for folder in ("/", "/etc", "/usr/bin", "/var", "/opt/piapp"):
        assert "Read-only file system" in guest.run("touch", f"{folder}/x", check=False).stderr
    for folder in ("/etc/piapp", "/var/lib/piapp"):
        guest.run("touch", f"{folder}/kept")
        assert guest.run("test", "-e", f"/state{folder}/kept", check=False).returncode == 0
    assert guest.output("findmnt", "-no", "FSTYPE", "/var/log") == "tmpfs"


def test_ssh_takes_keys_alone(booted: Booted) -> None:
    """Neither the user's password nor root; the host's key is the card's own."""
    guest = booted.guest
    wait_until(lambda: guest.property("ActiveState", "ssh") == "active", "sshd to run", BOOT_DEADLINE_S)
    for key in booted.keys:
        (guest.root / "run/key").write_text(key.read_text())
        (guest.root / "run/key").chmod(0o600)
        done = booted.ssh("-i", "/run/key", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes")
        assert done.stdout.strip() == "pi", done.stderr
    refused = booted.ssh("-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=0")
    assert "Permission denied (publickey)" in refused.stderr
    settings = guest.output("/usr/sbin/sshd", "-T").splitlines()
    assert {"permitrootlogin no", "passwordauthentication no", "hostkey /state/ssh/ssh_host_ed25519_key"} <= set(
        settings
    )


def test_the_set_up_page_is_on(booted: Booted) -> None:
    """Its address and code stand on the screen, and so does the live page's token."""
    guest = booted.guest
    wait_until((guest.root / "run/issue.d/piapp.issue").exists, "the screen's text", BOOT_DEADLINE_S)
    token = guest.output("cat", "/etc/piapp/preview_token")
    screen = guest.output("cat", "/run/issue.d/piapp.issue")
    assert len(token) == 32
    assert token in screen
    assert guest.output("cat", "/state/invited").split()[0] in screen


@needs_real_processor
def test_the_pages_are_served(booted: Booted) -> None:
    """The set-up page, and the live page to whoever has its token."""
    token = booted.guest.output("cat", "/etc/piapp/preview_token")
    for path in (f"?token={token}", "setup"):
        wait_until(lambda path=path: booted.page(f"http://127.0.0.1:8088/{path}") == "200", path, BOOT_DEADLINE_S)


def test_what_the_owner_put_onto_the_card_is_taken_over(booted: Booted) -> None:
    """Wi-Fi networks, from a partition that any computer can write."""
    assert booted.guest.output("cat", "/var/lib/iwd/Our network.psk").startswith("[Security]")


def test_security_updates_come_by_themselves(booted: Booted) -> None:
    """They are on, for security alone; the root is writable while they run and read-only afterwards."""
    guest = booted.guest
    assert guest.property("ActiveState", "apt-daily-upgrade.timer") == "active"
    settings = guest.output("apt-config", "dump")
    assert 'APT::Periodic::Unattended-Upgrade "1"' in settings
    origins = [line for line in settings.splitlines() if line.startswith("Unattended-Upgrade::Origins-Pattern::")]
    assert len(origins) == 1
    assert "Debian-Security" in origins[0]
    probe = guest.root / "run/systemd/system/apt-daily-upgrade.service.d/probe.conf"
    probe.parent.mkdir(parents=True)
    probe.write_text("[Service]\nExecStart=\nExecStart=/usr/bin/touch /usr/upgraded\n")
    guest.run("systemctl", "daemon-reload")
    guest.run("systemctl", "start", "apt-daily-upgrade.service")
    assert guest.run("test", "-e", "/usr/upgraded", check=False).returncode == 0
    assert "Read-only file system" in guest.run("touch", "/usr/x", check=False).stderr


@needs_real_processor
def test_a_restart_changes_nothing(booted: Booted) -> None:
    """State, the host's key and the token are what they were."""
    guest = booted.guest
    names = ("/etc/piapp/preview_token", "/state/ssh/ssh_host_ed25519_key.pub")
    before = [guest.output("cat", name) for name in names]
    guest.reboot()
    wait_until(lambda: guest.property("ActiveState") == "active", "piapp to be active again", BOOT_DEADLINE_S)
    assert [guest.output("cat", name) for name in names] == before
    assert guest.run("test", "-e", "/var/lib/piapp/kept", check=False).returncode == 0
