"""Finds two OpenCVs in one environment, and leaves one.

MediaPipe asks for opencv-contrib-python and piapp for opencv-python-headless. Both install the folder `cv2`: files of
the one overwrite files of the other, and removing either breaks both. An installation by README's commands has one.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from piapp.errors import PiappError

OURS = "opencv-python-headless"
_NAMES = {OURS, "opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless"}

Pip = Callable[[Sequence[str]], None]


class MendError(PiappError, RuntimeError):
    """The second OpenCV could not be removed."""

    exit_code = 1


def installed(distributions: Iterable[metadata.Distribution] | None = None) -> dict[str, str]:
    """The versions, by name, of the OpenCVs that share one folder `cv2` with piapp's; empty when there is none.

    Args:
        distributions: What is installed; None asks the environment.
    """
    folders: dict[Path, dict[str, str]] = {}
    for distribution in metadata.distributions() if distributions is None else distributions:
        name = distribution.metadata["Name"].lower().replace("_", "-")
        if name in _NAMES:
            folder = Path(str(distribution.locate_file("cv2")))
            folders.setdefault(folder, {}).setdefault(name, distribution.version)
    return next((versions for versions in folders.values() if OURS in versions), {})


def problem(versions: Mapping[str, str]) -> str:
    """What is wrong with these versions, and what to do; empty when nothing is."""
    if len(versions) < 2:  # noqa: PLR2004 - one is right
        return ""
    return f"{' and '.join(sorted(versions))} overwrite each other's files; sudo piapp check opencv --mend removes one"


def mend(versions: Mapping[str, str], pip: Pip | None = None) -> None:
    """Remove these OpenCVs, and install piapp's again in its version.

    Args:
        versions: From `installed`.
        pip: Runs pip with arguments; None runs that of this environment.

    Raises:
        MendError: The environment has no pip, or pip failed: without a network, or without permission to write.
    """
    pip, wanted = pip or _pip, f"{OURS}=={versions[OURS]}"
    with tempfile.TemporaryDirectory() as folder:
        # First, because without a network what is there had better stay.
        pip(["download", "--no-deps", "--dest", folder, wanted])
        pip(["uninstall", "--yes", *versions])
        pip(["install", "--no-deps", "--no-index", "--find-links", folder, wanted])


def _pip(arguments: Sequence[str]) -> None:
    if not importlib.util.find_spec("pip"):
        raise MendError(
            f"{sys.prefix} has no pip, so that uv made it; install again with `uv tool install --overrides`, as README "
            "says under 'With pip, pipx or uv'"
        )
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - names from `_NAMES`
    if done.returncode:
        raise MendError(f"pip {arguments[0]} failed in {sys.prefix}: {done.stderr.strip()}")
