"""Reads the fall detector's file, checked against its hash, into the network that the posture logic uses.

Owns reading and checking. What the network computes is in `piapp.posture.fall_net`, and how it is made in
`models/falls`.
"""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import numpy as np

from piapp.config.sections import Config
from piapp.errors import ModelError
from piapp.landmarker.model import load_registry, shipped_folder
from piapp.landmarker.origin import sha256
from piapp.posture.fall_net import FallNet
from piapp.posture.monitor import Monitor


def monitor_of(config: Config) -> Monitor:
    """The posture logic as configured, with the fall detector that came with this installation.

    Raises:
        ModelError: The fall detector's file is missing or altered.
    """
    return Monitor(config.posture, config.zones, config.camera.tilt_deg, load_fall_net())


@cache
def load_fall_net(folder: Path | None = None) -> FallNet:
    """The fall detector that came with this installation; read once in a process.

    Args:
        folder: Where the file is; None for the folder of shipped models.

    Raises:
        ModelError: The file is missing, or is not the one that `models.json` names.
    """
    entry = load_registry().fall_detector
    path = (folder or shipped_folder()) / entry.file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: the fall detector cannot be read: {error.strerror}; install piapp again") from error
    found = sha256(content)
    if found != entry.sha256:
        raise ModelError(
            f"{path}: the fall detector is altered: expected sha256 {entry.sha256}, found {found}; install piapp again"
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return FallNet({name: arrays[name] for name in arrays.files})
