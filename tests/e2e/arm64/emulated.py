"""An arm64 Debian without a Pi: the installer's own bundle, unpacked, run by qemu's user-mode emulation."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

PROJECT = Path(__file__).parents[3]
CACHE = PROJECT / ".cache" / "arm64"
SUITE = "trixie"
PYTHON = "usr/bin/python3.13"

# Bookworm's qemu 7.2 crashes in inference; 10 is a static program and runs on any Debian.
QEMU_PACKAGE = "qemu-user"


def missing() -> str | None:
    """Why this machine cannot emulate; None when it can."""
    tools = [name for name in ("apt-get", "dpkg-deb") if shutil.which(name) is None]
    if tools:
        return f"needs {', '.join(tools)}, which Debian has"
    if not Path("/usr/share/keyrings/debian-archive-keyring.gpg").exists():
        return "needs debian-archive-keyring: apt-get install debian-archive-keyring"
    return None


class Emulated:
    """The arm64 system; `run` runs its Python on a chosen processor."""

    def __init__(self) -> None:
        self._bundle = _unpacked_bundle()
        self._root = _unpacked_root(self._bundle)
        self._site = _unpacked_wheels(self._bundle)
        self._qemu = _qemu()

    def run(self, processor: str, *arguments: str | Path, site: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run Python with arguments, on a processor by qemu's name (cortex-a72), with packages of `site` if given."""
        command, environment = self.command(processor)
        environment["PYTHONPATH"] = str(site or self._site)
        return subprocess.run(
            [*command, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=900
        )

    def command(self, processor: str) -> tuple[list[str], dict[str, str]]:
        """How Python is run on a processor: the command and its environment."""
        environment = {
            "PATH": os.environ["PATH"],
            "QEMU_CPU": processor,
            "QEMU_LD_PREFIX": str(self._root),
            "PYTHONPATH": str(self._site),
            "PIAPP_CONFIG": os.devnull,
            "HOME": str(CACHE),
        }
        return [str(self._qemu), str(self._root / PYTHON), "-P"], environment

    def unpacked_package(self, folder: Path) -> Path:
        """The Debian package's Python packages; what its links name is in the emulated root, not in this machine's."""
        made = os.environ.get("PIAPP_TEST_DEBS")
        if made is None:
            options = ["--fast", "--suite", SUITE, "--arch", "arm64", "--keep", CACHE / "keep", "--output", folder]
            subprocess.run([PROJECT / "deploy" / "deb" / "build.sh", *options], check=True)
        package = next(Path(made or folder).glob("piapp_*deb13_arm64.deb"))
        subprocess.run(["dpkg-deb", "--extract", package, folder / "package"], check=True)
        site = next((folder / "package/opt/piapp").glob("*-deb/lib/python*/site-packages"))
        for link in (path for path in site.rglob("*") if path.is_symlink()):
            target = self._root / link.readlink().relative_to("/")
            link.unlink()
            link.symlink_to(target)
        return site


def _unpacked_bundle() -> Path:
    folder = CACHE / "bundle"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tar = CACHE / "bundle.tar"
    options = ["--suite", SUITE, "--arch", "arm64", "--output", tar, "--keep", CACHE / "keep", "--also", "liblapack3"]
    subprocess.run([PROJECT / "deploy" / "bundle.sh", *options], check=True)
    with tarfile.open(tar) as archive:
        archive.extractall(folder, filter="tar")
    tar.unlink()
    return next(folder.iterdir())


def _unpacked_root(bundle: Path) -> Path:
    """The bundle's Debian packages as a folder that qemu takes for the system's root."""
    packages = sorted((bundle / "debs").glob("*.deb"))
    root = CACHE / "root"
    made_of = root / "made-of"
    names = "\n".join(package.name for package in packages)
    if made_of.exists() and made_of.read_text() == names:
        return root
    shutil.rmtree(root, ignore_errors=True)
    for name in ("bin", "lib", "sbin"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for package in packages:
        subprocess.run(["dpkg-deb", "--extract", package, root], check=True)
    # What Debian's alternatives link when these are installed.
    libraries = root / "usr/lib/aarch64-linux-gnu"
    for name in ("blas", "lapack"):
        (libraries / f"lib{name}.so.3").symlink_to(f"{name}/lib{name}.so.3")
    made_of.write_text(names)
    return root


def _unpacked_wheels(bundle: Path) -> Path:
    site = CACHE / "site"
    shutil.rmtree(site, ignore_errors=True)
    for wheel in (bundle / "wheels").glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
    return site


def _qemu() -> Path:
    program = CACHE / "qemu" / "usr" / "bin" / "qemu-aarch64"
    if not program.exists():
        package = _download(QEMU_PACKAGE, CACHE / "apt")
        subprocess.run(["dpkg-deb", "--extract", package, CACHE / "qemu"], check=True)
    return program


def _mirror() -> str:
    """Where this machine's own packages come from."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    archives = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return next(archive for archive in archives if "security" not in archive)


def _download(package: str, folder: Path) -> Path:
    """Fetch one package of the newer Debian, by an apt that knows nothing of this machine's."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("lists/partial", "cache/archives/partial", "etc", "dpkg"):
        (folder / name).mkdir(parents=True)
    (folder / "dpkg" / "status").touch()
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (folder / "etc" / "sources.list").write_text(f"deb [signed-by={keyring}] {_mirror()} {SUITE} main\n")
    settings = {
        "Dir::State": folder,
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "dpkg" / "status",
        "Dir::Cache": folder / "cache",
        "Dir::Etc": folder / "etc",
        "Dir::Etc::parts": os.devnull,
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
    }
    apt = ["apt-get", "-qq", *(part for key, value in settings.items() for part in ("-o", f"{key}={value}"))]
    subprocess.run([*apt, "update"], check=True)
    subprocess.run([*apt, "download", package], check=True, cwd=folder)
    return next(folder.glob("*.deb"))
