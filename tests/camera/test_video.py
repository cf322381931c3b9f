import shutil
import struct
import subprocess
import sys

import cv2
import numpy as np
import pytest

from piapp.camera.pictures import read_image
from piapp.camera.source import parse_source
from piapp.camera.video import VideoFile
from piapp.errors import CameraNotFoundError, MediaError, UsageError
from piapp.offline.detect import kind_of

RED = (255, 0, 0)


def write(path, image):
    """Write a picture given in OpenCV's order; return its path."""
    assert cv2.imwrite(str(path), image)
    return path


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tiff"])
def test_read_image(tmp_path, suffix):
    """Common formats come as contiguous RGB."""
    image = read_image(write(tmp_path / f"a{suffix}", np.full((20, 30, 3), (0, 0, 255), np.uint8)))
    assert image.shape == (20, 30, 3)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert np.abs(image.astype(int) - RED).max() < 5


@pytest.mark.parametrize(
    ("what", "pixels"),
    [
        ("grey", np.full((4, 6), 128, np.uint8)),
        ("16 bit grey", np.full((4, 6), 128 * 257, np.uint16)),
        ("16 bit colour", np.full((4, 6, 3), 128 * 257, np.uint16)),
        ("alpha", np.full((4, 6, 4), 128, np.uint8)),
        ("16 bit alpha", np.full((4, 6, 4), 128 * 257, np.uint16)),
    ],
)
def test_read_image_kinds(tmp_path, what, pixels):
    """Any number of channels and depth becomes three of eight bits."""
    image = read_image(write(tmp_path / "a.png", pixels))
    assert image.shape == (4, 6, 3), what
    assert image.dtype == np.uint8
    assert set(np.unique(image)) <= {128, 129}, what


def with_exif_orientation(jpeg, orientation):
    """Put an EXIF block with that orientation into a JPEG picture."""
    tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + bytes([0, orientation, 0, 0]) + b"\0\0\0\0"
    exif = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:]


def test_exif_rotation(tmp_path):
    """A phone's picture comes upright."""
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:, :32] = (0, 0, 255)
    ok, jpeg = cv2.imencode(".jpg", picture)
    assert ok
    path = tmp_path / "phone.jpg"
    path.write_bytes(with_exif_orientation(jpeg.tobytes(), 6))
    image = read_image(path)
    assert image.shape == (64, 32, 3)
    assert image[0, 16, 0] > 200
    assert image[-1, 16, 0] < 50


@pytest.fixture
def heic(tmp_path):
    """A red picture with a black right half, as phones write it; skips where no encoder is installed."""
    pillow_heif = pytest.importorskip("pillow_heif", reason="NOT TESTED: HEIC; pillow-heif is not installed")
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[:, :48] = RED
    path = tmp_path / "phone.heic"
    pillow_heif.encode("RGB", (96, 64), pixels.tobytes(), str(path), quality=95)
    return path


def test_heic(heic):
    """Where pillow-heif is installed, a phone's pictures are read like any other."""
    image = read_image(heic)
    assert image.shape == (64, 96, 3)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert np.abs(image[:, 4:44].astype(int) - RED).max() < 12
    assert image[:, 52:].max() < 12


def test_heic_without_its_decoder_is_named(tmp_path, monkeypatch):
    """The message says what the file is and both ways out."""
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    path = tmp_path / "phone.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    with pytest.raises(MediaError, match=r"phone\.heic: is a HEIC picture; install .* pillow-heif .* or convert"):
        read_image(path)


def test_a_damaged_heic_is_named(heic):
    """Half a picture is refused."""
    data = heic.read_bytes()
    heic.write_bytes(data[: len(data) // 2])
    with pytest.raises(MediaError, match=r"phone\.heic: is a HEIC picture that cannot be decoded"):
        read_image(heic)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp"])
def test_truncated_picture(tmp_path, suffix):
    """Half a picture is refused, not filled with grey."""
    path = write(tmp_path / f"a{suffix}", np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(MediaError, match=f"a{suffix}"):
        read_image(path)


@pytest.mark.parametrize("opener", [read_image, VideoFile])
def test_bad_files(tmp_path, opener):
    """Missing, empty, text and folder: each error says which file and what it is."""
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("this is not a film\n" * 1000)
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(1).bytes(5000))
    with pytest.raises(CameraNotFoundError, match=r"missing\.mp4: there is no such file"):
        opener(tmp_path / "missing.mp4")
    with pytest.raises(MediaError, match=r"empty\.mp4: is empty \(0 bytes\)"):
        opener(tmp_path / "empty.mp4")
    with pytest.raises(MediaError, match=r"text\.mp4: is (text|not a picture)"):
        opener(tmp_path / "text.mp4")
    with pytest.raises(MediaError, match=r"noise\.mp4: is not a "):
        opener(tmp_path / "noise.mp4")
    with pytest.raises(MediaError, match="is a folder"):
        opener(tmp_path)
    with pytest.raises((MediaError, CameraNotFoundError)):
        opener("a\0b")


def test_text_is_no_video(tmp_path):
    """FFmpeg would draw notes.txt as a teletype's picture, and open what a playlist names."""
    path = tmp_path / "notes.txt"
    path.write_text("Grüße\n" * 2000, encoding="utf-8")
    with pytest.raises(MediaError, match="is text"):
        VideoFile(path)


def test_video_cut_off_before_its_index(make_video):
    """An MP4 file whose recording was interrupted is refused."""
    path = make_video(count=30)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moov") - 4])
    with pytest.raises(MediaError, match=r"clip\.mp4: is not a video that can be decoded"):
        VideoFile(path)


def ffmpeg(*arguments):
    """Run ffmpeg, or skip loudly."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("NOT TESTED: files that only ffmpeg makes; it is not installed (apt install ffmpeg)")
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, arguments)], check=True)


def test_video_cut_off_behind_its_index(make_video, tmp_path):
    """The frames that are there come, then the error says how many are missing."""
    whole = tmp_path / "whole.mp4"
    ffmpeg("-i", make_video(count=60), "-c", "copy", "-movflags", "faststart", whole)
    data = whole.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data[: (data.index(b"mdat") + len(data)) // 2])
    seen = []
    with VideoFile(cut) as video, pytest.raises(MediaError, match=r"cut\.mp4: ends after \d\.\d of 3\.0 s"):
        seen.extend(video.frames())
    assert 0 < len(seen) <= 60


def test_video(make_video):
    """Times count from the file's start; pictures are RGB."""
    with VideoFile(make_video(count=6, fps=15)) as video:
        assert (video.frame_count, video.fps, video.size) == (6, 15, (64, 48))
        frames = list(video.frames())
    assert [time for time, _ in frames] == [0, 67, 133, 200, 267, 333]
    assert frames[0][1][24, 10, 0] > 200
    assert all(image.flags.c_contiguous for _, image in frames)


def test_variable_rate(make_video, tmp_path):
    """A file's own times count, not its average rate."""
    path = tmp_path / "variable.mkv"
    ffmpeg("-i", make_video(count=8, fps=10), "-vf", "select='not(eq(n,2)+eq(n,3)+eq(n,6))'", "-vsync", "vfr", path)
    with VideoFile(path) as video:
        assert [time for time, _ in video.frames()] == [0, 100, 400, 500, 700]


def test_raw_stream_without_times(make_video, tmp_path):
    """A stream without times and count gets the file's nominal rate."""
    path = tmp_path / "raw.h264"
    ffmpeg("-i", make_video(count=5, fps=25), "-c:v", "libx264", "-bf", "0", "-f", "h264", path)
    with VideoFile(path) as video:
        assert video.frame_count == 0
        assert [time for time, _ in video.frames()] == [0, 40, 80, 120, 160]


def test_an_assumed_rate_is_named_and_can_be_given(make_video, tmp_path, caplog):
    """Without times, the right rate is the owner's to say: by option, or in a source."""
    path = tmp_path / "raw.h264"
    ffmpeg("-i", make_video(count=5, fps=25), "-c:v", "libx264", "-bf", "0", "-f", "h264", path)
    with VideoFile(path, fps=10) as video:
        assert [time for time, _ in video.frames()] == [0, 100, 200, 300, 400]
    assert caplog.text == ""
    with VideoFile(path):
        assert "raw.h264: holds no times; 25 frames a second are assumed" in caplog.text
        assert "--fps, or ?fps=" in caplog.text
    assert parse_source(f"file:{path}?fps=10").fps == 10.0
    with pytest.raises(UsageError, match="fps=often"):
        parse_source(f"file:{path}?fps=often")


def test_motion_jpeg_is_a_video(make_video, tmp_path):
    """A file of JPEG pictures one behind the other is all of them, not the first."""
    path = tmp_path / "clip.mjpeg"
    ffmpeg("-i", make_video(count=5, fps=25), "-c:v", "mjpeg", "-f", "mjpeg", path)
    assert kind_of(path) == "video"
    with VideoFile(path, fps=25) as video:
        assert len(list(video.frames())) == 5


def test_av1(make_video, tmp_path):
    """What new phones and cameras record."""
    path = tmp_path / "av1.mp4"
    ffmpeg("-i", make_video(count=4), "-c:v", "libaom-av1", "-cpu-used", "8", path)
    with VideoFile(path) as video:
        frames = list(video.frames())
    assert len(frames) == 4
    assert frames[0][1][24, 10, 0] > 150


def test_avif(make_video, tmp_path):
    """A picture that is a video of one frame."""
    path = tmp_path / "phone.avif"
    ffmpeg("-i", make_video(count=1), "-c:v", "libaom-av1", "-cpu-used", "8", "-still-picture", "1", "-f", "avif", path)
    image = read_image(path)
    assert image.shape == (48, 64, 3)
    assert image[24, 10, 0] > 150


def test_pixels_that_a_file_does_not_tell(make_video):
    """`camera.pixel_aspect` is for cameras and files that send oblong pixels and do not say so."""
    with VideoFile(make_video(count=1), pixel_aspect=1.5) as video:
        assert video.size == (96, 48)
        assert next(video.frames())[1].shape == (48, 96, 3)


def test_phone_video_comes_upright(make_video):
    """The orientation mark of a file is honoured: here, to be shown a quarter turn clockwise."""
    path = make_video(count=2)
    upright = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    turned = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 48 << 16, 0, 1 << 30)
    head, mark, tail = path.read_bytes().partition(b"tkhd")
    assert upright in tail
    path.write_bytes(head + mark + tail.replace(upright, turned, 1))
    with VideoFile(path) as video:
        _, image = next(video.frames())
    assert image.shape == (64, 48, 3)
    assert image[5, 24, 0] > 200  # the red left half is on top
    assert image[-5, 24, 0] < 50


def test_odd_names(make_video):
    """A name that looks like a protocol or a pattern is only a name."""
    path = make_video()
    odd = path.rename(path.with_name("concat:%03d|a?b.mp4"))
    with VideoFile(odd) as video:
        assert len(list(video.frames())) == 8
