"""Where a node remembers things: events that wait, settings that requests have kept. Owns no file in there."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from piapp.config.sections import SpoolConfig

# What StateDirectory=piapp of the unit makes; used without systemd when it is there already.
STATE_FOLDER = Path("/var/lib/piapp")
STATE_VARIABLE = "STATE_DIRECTORY"

# `spool.dir` for no file at all.
OFF = "off"

_log = logging.getLogger(__name__)


def state_folder(config: SpoolConfig, environ: Mapping[str, str] | None = None) -> Path | None:
    """Where this node may remember things; None when nowhere.

    `spool.dir`, else what systemd set up for the service, else its usual place if this user may write there.
    """
    environ = os.environ if environ is None else environ
    if config.dir == OFF:
        return None
    named = config.dir or environ.get(STATE_VARIABLE, "").partition(":")[0]
    if named:
        return Path(named)
    if os.access(STATE_FOLDER, os.W_OK | os.X_OK):
        return STATE_FOLDER
    _log.info("no folder for state (spool.dir, or %s): events are kept in memory alone", STATE_FOLDER)
    return None


def pause_file(folder: Path | None, node: str) -> Path | None:
    """What is there while a pause shall survive a restart; None when nowhere."""
    return None if folder is None else folder / f"paused-{node}"


def settings_file(folder: Path | None, node: str) -> Path | None:
    """Where a node keeps settings that were changed while it ran; None when nowhere."""
    return None if folder is None else folder / f"settings-{node}.json"


def changes_file(folder: Path | None, node: str) -> Path | None:
    """Where a node remembers who changed which setting; None when nowhere."""
    return None if folder is None else folder / f"changes-{node}.json"


def restore_file(folder: Path, node: str) -> Path:
    """What is there while a restore waits for the next start."""
    return folder / f"restore-{node}.order"


def invitation_file(folder: Path | None, node: str) -> Path | None:
    """What is there while somebody is invited to set the node up in a browser; None when nowhere."""
    return None if folder is None else folder / f"invitation-{node}.json"


def setup_file(folder: Path | None, node: str) -> Path | None:
    """Where a node keeps what setting it up has found; None when nowhere."""
    return None if folder is None else folder / f"setup-{node}.json"


def secret_file(folder: Path | None, node: str, name: str) -> Path | None:
    """Where a node keeps a secret that was set on its page; None when nowhere."""
    return None if folder is None else folder / f"{name}-{node}"
