import logging

import cv2
import numpy as np
import pytest

from piapp.camera import open_camera
from piapp.errors import MediaError


def test_plays_in_name_order(config, tmp_path, caplog):
    """Pictures of any size and format in the order of names; what is none is reported and skipped."""
    for name, width in (("b.png", 20), ("a.jpg", 10), ("d.bmp", 40), ("c.webp", 30)):
        cv2.imwrite(str(tmp_path / name), np.zeros((8, width, 3), np.uint8))
    (tmp_path / "bb.txt").write_text("not a picture")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / ".hidden.png").touch()
    (tmp_path / "folder.png").mkdir()
    with caplog.at_level(logging.WARNING):
        frames = list(open_camera(config(f"images:{tmp_path}", fps=100)).frames())
    assert [frame.size[0] for frame in frames] == [10, 20, 30, 40]
    assert sorted(record.message.split(": ")[1].split("/")[-1] for record in caplog.records) == ["bb.txt", "empty.jpg"]


def test_pace(config, tmp_path):
    """`camera.fps` is the distance of the time stamps."""
    for number in range(4):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.zeros((8, 8, 3), np.uint8))
    frames = list(open_camera(config(f"images:{tmp_path}", fps=20)).frames())
    assert frames[-1].captured_ns - frames[0].captured_ns >= 3 * 50_000_000


def test_orientation(config, tmp_path):
    """Pictures are turned and mirrored like frames of any camera."""
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[:, :4] = (0, 0, 255)
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    (frame,) = open_camera(config(f"images:{tmp_path}", hflip=True)).frames()
    assert tuple(frame.image[0, -1]) == (255, 0, 0)


def test_bad_folders(config, tmp_path):
    """An empty folder, a file, and a folder without one good picture are errors."""
    with pytest.raises(MediaError, match="holds no files"):
        open_camera(config(f"images:{tmp_path}"))
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"\xff\xd8\xff garbage")
    with pytest.raises(MediaError, match="not a folder"):
        open_camera(config(f"images:{bad}"))
    with pytest.raises(MediaError, match="none of its 1 files"):
        list(open_camera(config(f"images:{tmp_path}")).frames())
