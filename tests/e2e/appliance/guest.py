"""A Debian with its own systemd beside this one, made from nothing, for the length of a test session."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PROJECT = HERE.parents[2]
CACHE = PROJECT / ".cache" / "appliance"
SUITE = os.environ.get("PIAPP_TEST_SUITE", "trixie")

# What a Debian has before anybody installs anything: no pip, no venv, no graphics. libbpf1 enforces the allow-lists.
PACKAGES = "systemd,systemd-sysv,dbus,python3,libbpf1,ca-certificates,adduser,passwd,kmod,procps"

TOOLS = ("systemd-nspawn", "mmdebstrap", "unshare", "nsenter", "ip")

# Generous: it is for machines that do something else besides.
DEADLINE_S = 180.0

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class CannotBootError(Exception):
    """This machine has all it takes, and no guest comes of it."""


def missing() -> str | None:
    """Why this machine cannot boot a guest; None when it can."""
    if os.geteuid() != 0:
        return "needs root, for namespaces and mounts"
    if tools := [name for name in TOOLS if shutil.which(name) is None]:
        return f"needs {', '.join(tools)}: apt-get install systemd-container mmdebstrap util-linux iproute2"
    command = "umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup"
    probe = subprocess.run(["unshare", "--mount", "sh", "-c", command], capture_output=True, text=True, check=False)
    return f"needs a cgroup2 hierarchy of its own: {probe.stderr.strip()}" if probe.returncode else None


def wait_until(condition: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> Any:
    """Wait until `condition` gives something true, and return that."""
    until = time.monotonic() + deadline_s
    while not (value := condition()):
        assert time.monotonic() < until, f"waited {deadline_s:g} s in vain for: {what}"
        time.sleep(0.1)
    return value


def base_root() -> Path:
    """A minimal Debian, made once and kept in `.cache`.

    Raises:
        CannotBootError: It cannot be made.
    """
    root = CACHE / f"{SUITE}-{hashlib.sha256(PACKAGES.encode()).hexdigest()[:8]}"
    if not root.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        unfinished = root.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        options = ["--quiet", "--mode=root", "--variant=apt", f"--include={PACKAGES}", "--dpkgopt=force-unsafe-io"]
        options += ["--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/doc/*"]
        made = subprocess.run(
            ["mmdebstrap", *options, SUITE, unfinished], stderr=subprocess.PIPE, text=True, check=False
        )
        if made.returncode:
            raise CannotBootError(f"mmdebstrap {SUITE}: {made.stderr.strip()[-1000:]}")
        # The Debian installer writes it, mmdebstrap does not.
        (unfinished / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost ip6-localhost\n")
        unfinished.rename(root)
    return root


def bundle() -> Path:
    """The offline bundle of this working tree, unpacked; made again when the tree has changed."""
    stamp = _stamp()
    folder = CACHE / f"bundle-{SUITE}-{stamp}"
    if not folder.exists():
        for old in CACHE.glob(f"bundle-{SUITE}-*"):
            shutil.rmtree(old, ignore_errors=True)
        architecture = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True)
        tar = CACHE / "bundle.tar"
        options = ["--suite", SUITE, "--arch", architecture.stdout.strip(), "--output", tar, "--keep", CACHE / "keep"]
        options += ["--also", "liblapack3"]  # for the Debian package; the guest has no other archive
        subprocess.run([PROJECT / "deploy" / "bundle.sh", *options], check=True)
        unpacked = CACHE / "unpacked"
        shutil.rmtree(unpacked, ignore_errors=True)
        with tarfile.open(tar) as archive:
            archive.extractall(unpacked, filter="tar")
        tar.unlink()
        next(unpacked.iterdir()).rename(folder)
        unpacked.rmdir()
    return folder


def _stamp() -> str:
    found = hashlib.sha256()
    for name in ("piapp", "deploy", "systemd", "models", "pyproject.toml"):
        path = PROJECT / name
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
        for file in files:
            if "__pycache__" not in file.parts:
                found.update(str(file.relative_to(PROJECT)).encode() + b"\0" + file.read_bytes())
    return found.hexdigest()[:12]


class Guest:
    """The booted machine. `close` powers it off; nothing of it stays on this one.

    Args:
        work: For its console and what belongs to it.
        binds: Folders of this machine that it sees, read-only, and where.
        disk: A root that is booted as it is, with folders that it may write and where; None for a fresh Debian whose
            changes are forgotten, with the offline bundle in /root/bundle.

    Raises:
        CannotBootError: It does not come up.
    """

    def __init__(
        self,
        work: Path,
        *,
        binds: Mapping[Path, str] | None = None,
        disk: tuple[Path, Mapping[Path, str]] | None = None,
    ) -> None:
        self._work = work
        self.leader = 0
        if disk:
            root, kept = disk
            options, environment = (
                [f"--bind={source}:{target}" for source, target in kept.items()],
                {"BOOT_AS_IT_IS": "1"},
            )
        else:
            self.bundle = bundle()  # once: the working tree may change meanwhile
            root, options, environment = base_root(), [f"--bind-ro={self.bundle}:/root/bundle"], {}
            options.append(f"--bind-ro={HERE / 'inside'}:/root/inside")
        options += [f"--bind-ro={source}:{target}" for source, target in (binds or {}).items()]
        command = [HERE / "boot.sh", root, work, *options]
        with (work / "boot.log").open("wb") as log:
            self._boot = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | environment)
        self.wait_for_boot()

    @property
    def root(self) -> Path:
        """The guest's file system as this machine sees it."""
        return Path(f"/proc/{self.leader}/root")

    def wait_for_boot(self, last_leader: int = 0) -> None:
        """Wait until all units of a boot after `last_leader`'s are started."""
        self.leader = wait_until(lambda: self._find_leader(last_leader), f"a guest; see {self._work}")
        self.run("systemctl", "is-system-running", "--wait", check=False)

    def reboot(self) -> None:
        """Restart the whole machine and wait until it is up."""
        last = self.leader
        self.run("systemctl", "reboot", "--no-block", check=False)
        self.wait_for_boot(last)

    def run(self, *command: str, check: bool = True, timeout_s: float = DEADLINE_S) -> subprocess.CompletedProcess[str]:
        """Run a command in the guest, as root; what it says is part of the error when it fails."""
        done = self._enter(command, timeout_s)
        assert not check or done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def output(self, *command: str) -> str:
        """What a command in the guest prints."""
        return self.run(*command).stdout.strip()

    def property(self, name: str, unit: str = "piapp") -> str:
        """A property of a unit."""
        return self.output("systemctl", "show", "--property", name, "--value", unit)

    def journal(self, *options: str) -> str:
        """What the service said in this boot."""
        return self.output("journalctl", "--boot", "--unit=piapp", "--no-pager", "--output=cat", *options)

    def wait_for_state(self, state: str) -> None:
        """Wait until the service is in a state."""

        def reached() -> bool:
            return self.property("ActiveState") == state

        try:
            wait_until(reached, f"piapp to be {state}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output('systemctl', 'status', 'piapp')}\n{self.journal()}") from error

    def drop_in(self, text: str) -> Path:
        """Change the unit until the file that this returns is removed and `reload` called."""
        folder = self.root / "etc/systemd/system/piapp.service.d"
        folder.mkdir(exist_ok=True)
        file = folder / "test.conf"
        file.write_text(text)
        self.reload()
        return file

    def reload(self) -> None:
        """Let systemd read units again, and start the service afresh."""
        self.run("systemctl", "daemon-reload")
        self.run("systemctl", "reset-failed", "piapp", check=False)
        self.run("systemctl", "restart", "--no-block", "piapp")

    def add_address(self, address: str) -> None:
        """Give the guest an address of its own, so that packets to it are delivered when nothing forbids it."""
        self._from_outside("--net", "ip", "address", "add", address, "dev", "lo")

    def add_device(self, name: str, minor: int) -> None:
        """Give the guest a misc device's node that belongs to the group video, as a camera's does."""
        for command in (["mknod", f"/dev/{name}", "c", "10", str(minor)], ["chown", "root:video", f"/dev/{name}"]):
            self._from_outside("--mount", *command)
        self._from_outside("--mount", "chmod", "660", f"/dev/{name}")

    @contextmanager
    def read_only(self, *mounts: str) -> Iterator[None]:
        """Boot with a root that cannot be written, as a locked card's, and with further lines of fstab; then again."""
        disk = self._work / "memory" / "root"
        fstab = Path(f"/proc/{self._boot.pid}/root{disk}/etc/fstab")
        before = fstab.read_text()
        fstab.write_text("\n".join(["/ / none bind,ro", *mounts, ""]))
        self.reboot()
        try:
            yield
        finally:
            boot = ["nsenter", "--target", str(self._boot.pid), "--mount"]
            subprocess.run([*boot, "mount", "-o", "remount,rw", disk], check=True)
            fstab.write_text(before)
            self.reboot()

    def close(self) -> None:
        """Power off; idempotent."""
        if self._boot.poll() is None:
            self.run("systemctl", "poweroff", "--no-block", check=False)
            try:
                self._boot.wait(60)
            except subprocess.TimeoutExpired:
                self._boot.terminate()
                self._boot.wait(30)

    def _from_outside(self, namespace: str, *command: str) -> None:
        subprocess.run(["nsenter", "--target", str(self.leader), namespace, *command], check=True)

    def _enter(self, command: tuple[str, ...], timeout_s: float) -> subprocess.CompletedProcess[str]:
        namespaces = ["--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup"]
        environment = ["env", "-i", f"PATH={PATH}", "LC_ALL=C.UTF-8", "HOME=/root"]
        return subprocess.run(
            ["nsenter", "--target", str(self.leader), *namespaces, *environment, *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )

    def _find_leader(self, last_leader: int) -> int:
        if self._boot.poll() is not None:
            said = [file.read_text(errors="replace") for file in self._work.glob("[bc]o*") if file.is_file()]
            raise CannotBootError(f"the guest has ended: {' '.join(said).strip()[-1000:]}")
        try:
            nspawn = int((self._work / "pid").read_text())
            leader = int(Path(f"/proc/{nspawn}/task/{nspawn}/children").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return 0
        # nspawn has other children for moments while it sets the guest up.
        booted = Path(f"/proc/{leader}/root/run/systemd/private").exists()
        return leader if booted and leader != last_leader else 0
