"""A node in this process, with fakes for camera and landmarker."""

from __future__ import annotations

from pathlib import Path

from piapp.config.load import load_config
from piapp.landmarker.model import find_model
from piapp.node.app import Node
from piapp.node.assembly import NodeParts
from piapp.testing.landmarker import FakeLandmarker


def config_of(port, *settings):
    """The shipped defaults against a loopback broker."""
    quick = [("mqtt.url", f"mqtt://127.0.0.1:{port}"), ("node.id", "app"), ("landmarker.workers", "1")]
    return load_config(Path("/dev/null"), overrides=[*quick, *settings], environ={}).config


def node_of(config, camera, *, observers=(), **landmarker):
    """A node with fakes."""
    model = find_model("lite", masks=False)
    parts = NodeParts(camera.open, lambda *callbacks: FakeLandmarker(*callbacks, **landmarker), model)
    return Node(config, parts, observers=observers)
