import cv2
import pytest

from piapp.draw import OutputError
from piapp.offline.evaluate.curve import draw_trade_off

POINTS = [{"threshold": 0.5, "recall": 1.0, "false": 0.2}, {"threshold": 0.9, "recall": 0.5, "false": 0.0}]


@pytest.mark.parametrize("points", [POINTS, []])
def test_the_trade_off_is_drawn(tmp_path, points):
    """Also when there was not a single alarm."""
    draw_trade_off(tmp_path / "curve.png", {"trade_off": points})
    image = cv2.imread(str(tmp_path / "curve.png"))
    assert image.shape[1] > image.shape[0] > 100


def test_a_picture_that_cannot_be_written_is_named(tmp_path):
    """The error has its path."""
    with pytest.raises(OutputError, match=r"nowhere/curve\.png: the picture cannot be written"):
        draw_trade_off(tmp_path / "nowhere" / "curve.png", {"trade_off": POINTS})
