"""Builds what an owner installs by pip, pipx or uv: sdist, wheel, hash-locked requirements, constraints, overrides.

usage: build.py FOLDER

MediaPipe asks for opencv-contrib-python, which owns the same folder `cv2` as opencv-python-headless. The requirements
name everything that piapp needs, with hashes, and are installed with `--no-deps`; the overrides tell uv to leave the
second OpenCV out. pipx can leave nothing out: it gets constraints, and `piapp check opencv --mend` removes it.
"""

import hashlib
import os
import re
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

from hatchling.build import build_sdist, build_wheel

PROJECT = Path(__file__).parents[2]
BUILD_GROUP = "pyproject.toml:build"


def build(folder: Path) -> None:
    """Write all four files into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(PROJECT)
    sdist = folder / build_sdist(str(folder))
    wheel = folder / _wheel_of(sdist, folder)
    name = wheel.name.split("-")[1]
    lock = (PROJECT / "deploy" / "requirements.txt").read_text(encoding="utf-8")
    _write(folder / f"piapp-node-{name}-requirements.txt", requirements(lock, name, wheel.read_bytes()))
    _write(folder / f"piapp-node-{name}-constraints.txt", constraints(lock))
    _write(folder / f"piapp-node-{name}-overrides.txt", overrides((PROJECT / "pyproject.toml").read_text("utf-8")))


def _wheel_of(sdist: Path, folder: Path) -> str:
    """Build the wheel from the sdist, as whoever has nothing but the sdist would."""
    with tempfile.TemporaryDirectory() as scratch, tarfile.open(sdist) as archive:
        archive.extractall(scratch, filter="data")
        os.chdir(next(Path(scratch).iterdir()))
        name = build_wheel(str(folder))
        os.chdir(PROJECT)
    return name


def requirements(lock: str, version: str, wheel: bytes) -> str:
    """The lock without what only builds, and the wheel itself by its hash."""
    needed = "\n".join(_needed(lock))
    own = f"piapp-node=={version} --hash=sha256:{hashlib.sha256(wheel).hexdigest()}"
    return f"# Everything that piapp-node {version} needs, and nothing else: install with --no-deps.\n{needed}\n{own}\n"


def constraints(lock: str) -> str:
    """The same versions without hashes, for pipx: it refuses to leave out what another package asks for."""
    pins = "".join(block.split(" \\")[0] + "\n" for block in _needed(lock))
    return f"# The versions that piapp-node was tested with: for pipx, which takes no requirements.\n{pins}"


def _needed(lock: str) -> Iterator[str]:
    """Each requirement with its hashes that is not only needed to build."""
    blocks = {_name(block): block for block in re.split(r"\n(?=[a-z])", lock.strip())}
    builds: set[str] = set()
    while found := {name for name, block in blocks.items() if name not in builds and _asked_by(block) <= builds}:
        builds |= found
    for block in re.split(r"\n(?=[a-z])", lock.strip()):
        if _name(block) not in builds:
            yield re.sub(r"\n +#.*", "", block)


def _name(block: str) -> str:
    return block.partition("==")[0]


def _asked_by(block: str) -> set[str]:
    """Names of the packages that need this one; the group of build tools counts as none."""
    lines = re.findall(r"^ +# +(?:via )? *(\S.*)$", block, re.MULTILINE)
    return {line for line in lines if BUILD_GROUP not in line and line != "via"}


def overrides(pyproject: str) -> str:
    """The overrides that uv is told in pyproject.toml, for whoever has no pyproject.toml."""
    listed = tomllib.loads(pyproject)["tool"]["uv"]["override-dependencies"]
    return (
        "# uv tool install --overrides THIS piapp-node: leaves out what must not be installed beside piapp.\n"
        + "".join(f"{line}\n" for line in listed)
    )


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    build(Path(sys.argv[1]).resolve())
