"""The fall detector's file: what ships, and what a damaged one does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from piapp.errors import ModelError
from piapp.fall_model import load_fall_net
from piapp.landmarker.model import load_registry, shipped_folder
from piapp.landmarker.origin import sha256
from piapp.posture.fall_features import CHANNELS, STEPS


def test_the_shipped_file_is_the_registered_one():
    """Its bytes, its hash, and its card, which states both."""
    entry = load_registry().fall_detector
    content = (shipped_folder() / entry.file).read_bytes()
    assert len(content) == entry.bytes
    assert sha256(content) == entry.sha256
    assert entry.sha256 in (shipped_folder() / "falls" / "README.md").read_text(encoding="utf-8")


def test_the_shipped_file_loads_and_is_read_once():
    """A window of nobody gives a probability; the second call gives the same network."""
    net = load_fall_net()
    assert 0.0 <= net.probability(np.zeros((CHANNELS, STEPS), np.float32)) <= 1.0
    assert load_fall_net() is net


def test_an_altered_file_is_refused(tmp_path: Path):
    """The message has the file, both hashes and the way out."""
    entry = load_registry().fall_detector
    (tmp_path / entry.file).write_bytes(b"something else")
    with pytest.raises(ModelError, match=f"altered: expected sha256 {entry.sha256}.*install piapp again"):
        load_fall_net(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path):
    """An incomplete installation says what lacks."""
    with pytest.raises(ModelError, match=r"fall_detector\.npz: the fall detector cannot be read"):
        load_fall_net(tmp_path)
