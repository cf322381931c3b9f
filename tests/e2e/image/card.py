"""The card image of deploy/image, made here: our layers' own packages, files and hooks, on Debian.

What comes from Raspberry Pi's archive is missing: kernel, firmware and picamera2. The layers of rpi-image-gen that ours
ask for are played by the Debian packages of the same names and a user with a key.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

PROJECT = Path(__file__).parents[3]
IMAGE = PROJECT / "deploy" / "image"
CACHE = PROJECT / ".cache" / "image"
SUITE = "trixie"

# openssh-server, systemd-net-min, systemd-timesyncd and rpi-essential-base of rpi-image-gen; libbpf1 is for the guest.
_OTHER_LAYERS = (
    "openssh-server", "sudo", "systemd", "systemd-sysv", "systemd-resolved", "systemd-timesyncd", "dbus", "procps",
    "libbpf1", "adduser", "passwd",
)  # fmt: skip

_USER = """
set -eu
chroot "$1" useradd --create-home --shell /bin/bash pi
install -d -m 700 "$1/home/pi/.ssh"
cp "$PUBLIC_KEY" "$1/home/pi/.ssh/authorized_keys"
chroot "$1" chown -R pi:pi /home/pi/.ssh
echo pi:raspberry | chroot "$1" chpasswd
mkdir -p "$1/boot/firmware"
echo 'console=tty1 root=ROOTDEV fsck.repair=yes rootwait' >"$1/boot/firmware/cmdline.txt"
"""

_SECTOR = 512
_SIZES = {"BOOT": "64M", "ROOT": "2G", "STATE": "128M"}


def missing(architecture: str) -> str | None:
    """Why no card can be made here; None when one can."""
    if os.geteuid() != 0:
        return "needs root, for mounts"
    if tools := [name for name in ("mmdebstrap", "genimage", "mcopy", "mkdosfs") if shutil.which(name) is None]:
        return f"needs {', '.join(tools)}: apt-get install mmdebstrap genimage mtools dosfstools"
    if architecture != _own_architecture() and not Path("/proc/sys/fs/binfmt_misc/qemu-aarch64").exists():
        return f"needs qemu for {architecture}, registered with binfmt_misc"
    return None


def make_card(folder: Path, architecture: str, debs: Path, public_key: Path) -> Path:
    """The image of a card.

    Args:
        folder: For the root and the image.
        architecture: Debian's name.
        debs: Where piapp's packages are.
        public_key: Of the user `pi`, whose password is `raspberry`.
    """
    root = folder / "root"
    environment = os.environ | {"IGconf_piapp_packages": str(debs), "PUBLIC_KEY": str(public_key)}
    app, card = _layer("layer/piapp.yaml"), _layer("image/piapp-card/image.yaml")
    overlay = f'cp -a --no-preserve=ownership "{IMAGE}/layer/piapp.rootfs-overlay/." "$1/"'
    packages = [*_OTHER_LAYERS, *app["packages"], *(each for each in card["packages"] if each != "initramfs-tools")]
    options = [f"--include={','.join(packages)}", "--variant=apt", "--mode=root", "--dpkgopt=force-unsafe-io"]
    hooks = [_USER, *card["customize-hooks"], overlay, *app["customize-hooks"]]
    options += [f"--customize-hook={hook}" for hook in hooks]
    command = ["mmdebstrap", "--quiet", f"--arch={architecture}", *options, SUITE, root]
    subprocess.run(command, env=environment, check=True)
    return _image(folder, root)


def _layer(name: str) -> dict[str, list[str]]:
    layer: dict[str, list[str]] = yaml.safe_load((IMAGE / name).read_text())["mmdebstrap"]
    return layer


def _image(folder: Path, root: Path) -> Path:
    output = folder / "output"
    output.mkdir()
    names = {f"IGconf_image_{key.lower()}_part_size": size for key, size in _SIZES.items()}
    names |= {"IGconf_image_name": "piapp", "IGconf_image_suffix": "img"}
    script = IMAGE / "image" / "piapp-card" / "pre-image.sh"
    subprocess.run([script, root, output], env=os.environ | names, check=True)
    paths = {"root": root, "tmp": folder / "scratch", "input": output, "output": output}
    options = [part for name, path in paths.items() for part in (f"--{name}path", str(path))]
    subprocess.run(["genimage", "--config", output / "genimage.cfg", *options], check=True, capture_output=True)
    shutil.rmtree(folder / "scratch", ignore_errors=True)
    shutil.rmtree(root)
    return output / "piapp.img"


@contextmanager
def partition(image: Path, number: int, at: Path, *, read_only: bool = False) -> Iterator[None]:
    """A partition of a card, mounted in a folder; one that is read-only can be made writable, as a card can."""
    at.mkdir(parents=True, exist_ok=True)
    start, size = _place(image, number)
    subprocess.run(["mount", "-o", f"loop,offset={start},sizelimit={size}", image, at], check=True)
    if read_only:
        subprocess.run(["mount", "-o", "remount,ro", at], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", at], check=True)


def boot_files(image: Path, at: Path) -> None:
    """Copy what is on the boot partition into a folder; not every kernel can mount it."""
    start, _ = _place(image, 1)
    at.mkdir()
    subprocess.run(["mcopy", "-s", "-i", f"{image}@@{start}", "::*", at], check=True)


def _place(image: Path, number: int) -> tuple[int, int]:
    """First byte and length of a partition, from the table in the first sector."""
    with image.open("rb") as file:
        entry = file.read(_SECTOR)[446 + 16 * (number - 1) :]
    start, size = struct.unpack_from("<2I", entry, 8)
    return start * _SECTOR, size * _SECTOR


def _own_architecture() -> str:
    return subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
