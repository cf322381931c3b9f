import subprocess
import sys

import pytest

from piapp.camera import SourceSpec, open_camera, parse_source
from piapp.camera.source import demo_clip
from piapp.errors import CameraNotFoundError, UsageError
from piapp.wording import masked


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("picamera2:", SourceSpec("picamera2", "0")),
        ("picamera2:1", SourceSpec("picamera2", "1")),
        ("v4l2:/dev/video0", SourceSpec("v4l2", "/dev/video0")),
        ("rtsp://cam/stream?x=1", SourceSpec("rtsp", "rtsp://cam/stream?x=1")),
        ("rtsps://u:p@cam:322/s", SourceSpec("rtsp", "rtsps://u:p@cam:322/s")),
        ("images:some dir", SourceSpec("images", "some dir")),
        ("file:/a/b.mp4", SourceSpec("file", "/a/b.mp4")),
        ("file:b.mp4?pace=lockstep", SourceSpec("file", "b.mp4", lockstep=True)),
        ("file:b.mp4?pace=realtime&loop=0", SourceSpec("file", "b.mp4", loop=0)),
        ("file:b.mp4?loop=3&pace=lockstep", SourceSpec("file", "b.mp4", lockstep=True, loop=3)),
        ("file:a%20b%3Fc.mp4", SourceSpec("file", "a b?c.mp4")),
        ("file:what?.mp4", SourceSpec("file", "what?.mp4")),
        ("file:what?.mp4?loop=2", SourceSpec("file", "what?.mp4", loop=2)),
        ("file:100%.mp4", SourceSpec("file", "100%.mp4")),
        ("file:a&b=c.mp4", SourceSpec("file", "a&b=c.mp4")),
        ("file:///a/b.mp4", SourceSpec("file", "/a/b.mp4")),
        ("demo:", SourceSpec("file", str(demo_clip()))),
        ("demo:?pace=lockstep&loop=0", SourceSpec("file", str(demo_clip()), lockstep=True, loop=0)),
    ],
)
def test_forms(text, spec):
    """Every form of source is read."""
    assert parse_source(text) == spec


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not a source"),
        ("picamera2", 'did you mean "picamera2"'),
        ("picamera:", 'did you mean "picamera2"'),
        ("files:x.mp4", 'did you mean "file"'),
        ("clip.mp4", 'did you mean "file:clip.mp4"'),
        ("http://cam/stream", "is not a source"),
        ("picamera2:one", "'one'"),
        ("picamera2:-1", "not a number"),
        ("v4l2:", "names no device"),
        ("rtsp:", "names no host"),
        ("rtsp:///path", "names no host"),
        ("rtsp://cam:port/x", "is not a URL"),
        ("images:", "names no folder"),
        ("demo:clip.mp4", "there is one bundled clip"),
        ("file:", "names no file"),
        ("file:?loop=1", "names no file"),
        ("file:x.mp4?pase=lockstep", 'did you mean "pace"'),
        ("file:x.mp4?pace=lokstep", 'did you mean "lockstep"'),
        ("file:x.mp4?loop=-1", "loop=-1"),
        ("file:x.mp4?loop=", "loop="),
        ("file:x.mp4?loop=1&loop=2", "twice"),
    ],
)
def test_not_understood(text, says):
    """What is not a source is answered with the forms that exist and the nearest guess."""
    with pytest.raises(UsageError) as caught:
        parse_source(text)
    assert says in str(caught.value)
    assert "expected picamera2: or" in str(caught.value)


def test_passwords_stay_out_of_messages():
    """A URL in a message carries no user name and password."""
    assert masked("rtsp://me:s3@cret@cam/x") == "rtsp://***@cam/x"
    with pytest.raises(UsageError) as caught:
        parse_source("rtsp://me:secret@:99999999/x")
    assert "secret" not in str(caught.value)


def test_import_is_light():
    """The package imports no vendor library until a source needs it."""
    code = "import sys, piapp.camera; sys.exit(bool({'cv2', 'picamera2', 'libcamera'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "source", ["file:/nowhere/x.mp4", "images:/nowhere", "v4l2:/dev/video99", "rtsp://127.0.0.1:1/x"]
)
def test_what_is_not_there(config, source):
    """A source that does not exist is a CameraNotFoundError that names it."""
    with pytest.raises(CameraNotFoundError) as caught:
        open_camera(config(source, frame_timeout_s=1.0))
    assert source.split(":", 1)[1].split("?")[0].strip("/").split("/")[-1] in str(caught.value)
