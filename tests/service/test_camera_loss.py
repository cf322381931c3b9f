"""A lost camera is told once, and once more when it is back."""

from __future__ import annotations

import logging

from piapp.service.camera_loss import CameraLoss


def test_a_camera_that_stays_away_is_told_once(tmp_path):
    """Each run that finds it still away ends silently; the first one with a picture has it back."""
    assert CameraLoss(tmp_path, "hall").end() is False
    assert [CameraLoss(tmp_path, "hall").begin() for _ in range(3)] == [True, False, False]
    found = CameraLoss(tmp_path, "hall")
    assert (found.end(), found.end()) == (True, False)
    assert CameraLoss(tmp_path, "hall").end() is False
    assert CameraLoss(tmp_path, "hall").begin() is True


def test_each_node_has_its_own(tmp_path):
    """Two cameras on one machine."""
    CameraLoss(tmp_path, "hall").begin()
    assert CameraLoss(tmp_path, "bath").end() is False


def test_without_a_folder_it_is_told_every_time():
    """Nothing is remembered."""
    assert [CameraLoss(None, "hall").begin() for _ in range(2)] == [True, True]
    assert CameraLoss(None, "hall").end() is False


def test_a_broken_disk_is_no_failure(tmp_path, caplog):
    """It is said, and the event is told all the same."""
    loss = CameraLoss(tmp_path / "absent", "hall")
    with caplog.at_level(logging.WARNING):
        assert loss.begin() is True
    assert "camera_back will not follow" in caplog.text
    assert loss.end() is True


def test_a_file_that_cannot_be_removed_is_said(tmp_path, caplog):
    """A folder in its place cannot be unlinked; frames go on."""
    loss = CameraLoss(tmp_path, "hall")
    loss.begin()
    (tmp_path / "camera-lost-hall").unlink()
    (tmp_path / "camera-lost-hall").mkdir()
    assert loss.end() is True
    assert "cannot be removed" in caplog.text
