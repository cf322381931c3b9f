"""`piapp service install|remove`: unit and user for a piapp that came by pip, pipx or uv; restarts whatever service is.

The steps are those of the installer and of the Debian package: systemd/service.sh, which is a part of this package.
Owns when they may be taken.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

import msgspec

from piapp.errors import PiappError, UsageError

# The unit's ProtectHome hides these from the service.
_HIDDEN = (Path("/home"), Path("/root"), Path("/run/user"))

# Where the installer and the Debian package keep theirs.
_APPLIANCE = Path("/opt/piapp/current")


class ServiceError(PiappError, RuntimeError):
    """A step failed; its own words are on standard error."""

    exit_code = 1


def install(settings: Mapping[str, str], *, start: bool = True, dry_run: bool = False) -> None:
    """Write user, folders, configuration, unit and drop-ins, and start the service.

    Args:
        settings: Dotted keys and values of the configuration, where there is none yet.
        start: Whether to start it now and wait for its first result.
        dry_run: Print every step to standard error and change nothing.

    Raises:
        UsageError: The service could not read this installation, or another one is the service already.
        ServiceError: A step failed.
    """
    command = _command()
    if _APPLIANCE.exists():
        raise UsageError(f"{_APPLIANCE} is the service of this machine already; its installer or apt upgrades it")
    if hidden := next((folder for folder in _seen(command) if any(home in folder.parents for home in _HIDDEN)), None):
        raise UsageError(
            f"{hidden} is in a user's home, which the service may not read; install for the whole machine, such as "
            "`sudo python3 -m venv /opt/piapp-venv` and pip there, as README says under 'With pip, pipx or uv'"
        )
    values = [f"{key}={msgspec.json.encode(value).decode()}" for key, value in settings.items()]
    _steps("install_service", [str(command), "yes" if start else "", *values], dry_run=dry_run)


def remove(*, purge: bool = False, dry_run: bool = False) -> None:
    """Stop the service and take its unit away.

    Args:
        purge: Also configuration, state and user.
        dry_run: Print every step to standard error and change nothing.

    Raises:
        UsageError: The service is the installer's or the Debian package's.
        ServiceError: A step failed.
    """
    if _APPLIANCE.exists():
        raise UsageError(f"{_APPLIANCE} is the service; deploy/uninstall.sh or `apt remove piapp` removes it")
    _steps("remove_service", ["yes" if purge else ""], dry_run=dry_run)


def add_camera(name: str, *, start: bool = True, dry_run: bool = False) -> None:
    """Enable and start the service of a further camera whose configuration is there (`piapp.operate.cameras`).

    Raises:
        UsageError: This piapp is not installed.
        ServiceError: A step failed.
    """
    _steps("add_camera", [name, str(Path(sys.prefix) / "bin" / "python"), "yes" if start else ""], dry_run=dry_run)


def remove_camera(name: str, *, purge: bool = False, dry_run: bool = False) -> None:
    """Stop the service of a further camera and take it away.

    Raises:
        ServiceError: A step failed.
    """
    _steps("remove_camera", [name, "yes" if purge else ""], dry_run=dry_run)


def require_root() -> None:
    """Refuse who may not change the service.

    Raises:
        UsageError: This is not root.
    """
    if os.geteuid() != 0:
        raise UsageError("this needs root: sudo piapp service ..., or --dry-run to see every step")


def restart() -> None:
    """Let the service reach what is configured now, start it afresh, and wait for its first result.

    Raises:
        UsageError: This is not root's process.
        ServiceError: It does not run.
    """
    _steps("restart_service", [sys.executable], dry_run=False)


def _command() -> Path:
    """This environment's own command."""
    command = Path(sys.prefix) / "bin" / "piapp"
    if not command.exists():
        raise UsageError(f"{command} is missing: this piapp runs from a folder and is not installed; install it by pip")
    return command


def _seen(command: Path) -> tuple[Path, ...]:
    """What the service must be able to read: the environment, and the Python that it was made with."""
    return command, Path(sys.executable).resolve()


def _steps(function: str, arguments: Sequence[str], *, dry_run: bool) -> None:
    if not dry_run:
        require_root()
    with resources.as_file(resources.files("piapp") / "systemd") as folder:
        if not (folder / "service.sh").exists():
            raise UsageError("this piapp runs from a checkout; deploy/install.sh makes a service of it")
        script = 'set -euo pipefail; source "$1"; shift; "$@"'
        command = ["bash", "-c", script, "piapp", str(folder / "service.sh"), function, *arguments]
        done = subprocess.run(command, env=os.environ | {"dry": "yes" if dry_run else ""}, check=False)  # noqa: S603
    if done.returncode:
        raise ServiceError("a step failed; the lines above say which, and why")
