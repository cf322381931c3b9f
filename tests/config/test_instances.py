"""Which cameras a board has, by the configuration files that are there."""

from __future__ import annotations

import pytest

from piapp.config.instances import board_of, instance_of, instances, is_name


@pytest.fixture
def folder(tmp_path):
    """A board with two cameras, certificates, and a folder that is no camera's."""
    folder = tmp_path / "piapp"
    for name in ("", "bedroom", "tls", "Old Files", "empty"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        if name != "empty":
            (folder / name / "piapp.toml").write_text("")
    return folder


def test_each_camera_has_a_folder_but_the_first(folder):
    """The first camera comes first; what is no name of a camera is none."""
    assert [(camera.name, camera.unit) for camera in instances(folder)] == [
        ("", "piapp.service"),
        ("bedroom", "piapp@bedroom.service"),
    ]
    assert [camera.name for camera in instances(folder / "empty")] == []


def test_every_camera_knows_the_same_board(folder):
    """Whichever file a node was started with."""
    assert board_of(folder / "piapp.toml") == board_of(folder / "bedroom" / "piapp.toml") == instances(folder)
    assert instance_of(folder / "bedroom" / "piapp.toml").unit == "piapp@bedroom.service"
    assert instance_of(folder / "piapp.toml").unit == "piapp.service"


def test_a_file_elsewhere_is_of_no_board(tmp_path, folder):
    """A file of another name, none at all, and one whose folder is called like a camera with nothing above it."""
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "piapp.toml").write_text("")
    assert board_of(None) == board_of(folder / "hall.toml") == ()
    assert [camera.file for camera in board_of(tmp_path / "alone" / "piapp.toml")] == [tmp_path / "alone/piapp.toml"]
    assert instance_of(None).unit == instance_of(folder / "hall.toml").unit == "piapp.service"


@pytest.mark.parametrize("name", ["", "tls", "a-b", "../x", "9a", "A", "a" * 17, "a/b", "ä"])
def test_names_stay_apart_from_what_is_there(name):
    """State files have "-" in their names, certificates the folder tls; a path is no name."""
    assert not is_name(name)
