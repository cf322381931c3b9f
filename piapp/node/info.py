"""What a node is: versions, model, machine and configuration, as `info` has them."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib import metadata
from typing import Any

from piapp import __version__
from piapp.config.load import public_tree
from piapp.config.sections import Config
from piapp.landmarker.model import ModelFile
from piapp.service import hardware

_VERSIONED = ("mediapipe", "opencv-python-headless", "numpy", "paho-mqtt", "picamera2")


def info(config: Config, model: ModelFile, camera: str) -> dict[str, Any]:
    """The fields of `info`.

    Args:
        config: What is in force.
        model: What runs.
        camera: The camera in one line; empty while it is not open.
    """
    return {
        "versions": dict(versions()),
        "model": {"name": model.name, "variant": model.variant, "file": model.path.name, "sha256": model.sha256},
        "hardware": hardware.describe() | {"camera": camera or None},
        "config": public_tree(config),
    }


def versions() -> Iterator[tuple[str, str]]:
    """The program and what it stands on, as far as it is installed."""
    yield "piapp", __version__
    yield "python", platform.python_version()
    for name in _VERSIONED:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
