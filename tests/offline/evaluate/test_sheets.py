import cv2
import numpy as np
import pytest

from piapp.draw import OutputError
from piapp.offline.evaluate.sheets import Sheets
from piapp.types import Pose, PoseResult
from tests.support.clips import clip

LANDMARKS = np.linspace(0.2, 0.8, 165, dtype=np.float32).reshape(33, 5)


def result(*poses):
    return PoseResult(0, 0, (320, 240), poses)


def test_a_sheet_a_set_shows_frames_with_poses(tmp_path):
    """Pictures, or skeletons alone where there are none; frames without anybody are passed over."""
    sheets = Sheets(tmp_path / "new")
    pose = Pose(LANDMARKS, LANDMARKS)
    for _ in range(7):
        sheets.offer(clip(footage="home"), np.full((240, 320, 3), 200, np.uint8), result(pose))
        sheets.offer(clip(footage="hall"), None, result(pose))
        sheets.offer(clip(footage="empty"), None, result())
    assert [path.name for path in sheets.write()] == ["home-1.png", "hall-1.png"]
    home, hall = (cv2.imread(str(tmp_path / "new" / name)) for name in ("home-1.png", "hall-1.png"))
    assert home.shape == hall.shape == (2 * 288, 5 * 384, 3)
    assert np.median(home[:288]) == 200
    assert hall[:288].max() > 200 > np.median(hall)


def test_three_sheets_of_twenty_frames_at_most(tmp_path):
    """More frames do not make them grow."""
    sheets = Sheets(tmp_path)
    for _ in range(100):
        sheets.offer(clip(), None, result(Pose(LANDMARKS, LANDMARKS)))
    paths = sheets.write()
    assert [path.name for path in paths] == ["home-1.png", "home-2.png", "home-3.png"]
    assert {cv2.imread(str(path)).shape for path in paths} == {(4 * 288, 5 * 384, 3)}


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    """The error has its path."""
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file/sheets: cannot be made"):
        Sheets(tmp_path / "file" / "sheets")
