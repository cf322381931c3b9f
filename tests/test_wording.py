"""What may be repeated in messages, and what may not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piapp.wording import did_you_mean, is_secret_key, masked, printable

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://cam.lan/stream", "rtsp://cam.lan/stream"),
        ("rtsp://cam.lan:8554/h264Preview_01_main?tcp", "rtsp://cam.lan:8554/h264Preview_01_main?tcp"),
        ("rtsp://me:hunter2@cam/x", "rtsp://***@cam/x"),
        ("RTSP://me:hunter2@cam/x", "RTSP://***@cam/x"),
        ("rtsp://me:hun/ter2@cam/x", "rtsp://***@cam/x"),
        ("rtsp://me/you:hunter2@cam/x", "rtsp://***@cam/x"),
        ("rtsp://me:h@unt?er#2@cam/x", "rtsp://***@cam/x"),
        ("rtsp://cam/user=admin&password=hunter2&channel=1", "rtsp://cam/user=***&password=***&channel=1"),
        ("rtsp://cam/user=admin_password=hunter2_channel=1.sdp", "rtsp://cam/user=***"),
        ("rtsp://cam/live?channel=1&token=hunter2", "rtsp://cam/live?channel=1&token=***"),
        ("rtsp://cam/live?Pwd=hunter2", "rtsp://cam/live?Pwd=***"),
        ("http://cam/x?api_key=hunter2;width=3", "http://cam/x?api_key=***;width=3"),
        ("rtsps://nvr:7441/Xy7dKq0LmN3pRs8T?enableSrtp", "rtsps://nvr:7441/***?enableSrtp"),
        ("cannot open rtsp://me:hunter2@cam/x: refused", "cannot open rtsp://***@cam/x: refused"),
        ("two: a://u:hunter2@b c://u:hunter2@d", "two: a://***@b c://***@d"),
        ("file:/home/me/holiday.mp4?pace=lockstep", "file:/home/me/holiday.mp4?pace=lockstep"),
        ("v4l2:/dev/video0", "v4l2:/dev/video0"),
        ("mqtt://broker.lan:1883", "mqtt://broker.lan:1883"),
    ],
)
def test_masked(text, shown):
    """Everything that can be a secret is left out, and addresses stay readable."""
    assert masked(text) == shown
    assert masked(shown) == shown


@given(
    secret=st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=4, max_size=12),
    form=st.sampled_from(["rtsp://u:{}@cam/x", "rtsp://{}@cam/x", "rtsps://u:{}@cam"]),
)
def test_no_password_in_a_url_is_repeated(secret, form):
    """Whatever signs it is made of."""
    if secret not in form:
        assert secret not in masked(form.format(secret)).replace("***", "")


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        ("mqtt.password", True), ("mqtt.passwd", True), ("preview.token", True), ("mqtt.tls.key", True),
        ("x.api_key", True), ("camera.secret", True), ("mqtt.password_file", False), ("mqtt.username", False),
        ("camera.fps", False), ("node.id", False), ("monkey.hockey", False), ("preview.token_file", False),
    ],
)  # fmt: skip
def test_keys_whose_values_are_not_repeated(key, secret):
    """Also those that do not exist: a mistaken `mqtt.password` is the usual way to write one down."""
    assert is_secret_key(key) is secret


def test_did_you_mean():
    """The nearest word, or nothing."""
    assert did_you_mean("heigth", ["height", "width"]) == '; did you mean "height"?'
    assert did_you_mean("xyz", ["height"]) == ""


def test_printable():
    """Nothing that a terminal obeys."""
    assert printable("a\x1b[2Jb\n") == "a?[2Jb?"
