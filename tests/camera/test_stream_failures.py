"""Logins, reasons and hints for network cameras."""

from __future__ import annotations

import pytest

from piapp.camera.source import parse_source
from piapp.camera.stream_failures import substream_hint, with_login
from piapp.errors import CameraError, UsageError


def test_the_login_is_percent_encoded(config, tmp_path):
    """Any password does, and it replaces one in the address."""
    file = tmp_path / "password"
    file.write_text("\ufeffs/e?c#r@t:\r\nmore")
    made = config("rtsp://cam/x", username="me@home", password_file=str(file))
    assert with_login("rtsp://cam:8554/x?a=1", made) == "rtsp://me%40home:s%2Fe%3Fc%23r%40t%3A@cam:8554/x?a=1"
    assert with_login("rtsp://old:old@cam/x", made) == "rtsp://me%40home:s%2Fe%3Fc%23r%40t%3A@cam/x"
    assert with_login("rtsp://old:old@cam/x", config("rtsp://cam/x")) == "rtsp://old:old@cam/x"
    file.unlink()
    with pytest.raises(CameraError, match=r"camera\.password_file"):
        with_login("rtsp://cam/x", made)


@pytest.mark.parametrize("url", ["rtsp://me:s/ecret@cam/x", "rtsp://me:s?ecret@cam/x", "rtsp://me:s#ecret@cam/x"])
def test_a_raw_password_is_told_to_be_encoded(url):
    """Named as what it is, and not repeated."""
    with pytest.raises(UsageError, match="percent-encode") as caught:
        parse_source(url)
    assert "ecret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("rtsp://cam/Streaming/Channels/101", "/Streaming/Channels/102"),
        ("rtsp://cam/cam/realmonitor?channel=1&subtype=0", "subtype=1"),
        ("rtsp://cam/h264Preview_01_main", "h264Preview_01_sub"),
        ("rtsp://cam/stream1", "rtsp://cam/stream2"),
        ("rtsp://cam/unknown", "substream"),
    ],
)
def test_the_smaller_stream_is_named(url, hint):
    """As the maker names it, where the address tells the maker."""
    assert hint in substream_hint(url)
