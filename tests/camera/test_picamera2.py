"""The unmodified picamera2 wheel on a fake libcamera."""

import itertools
import os
import sys
import threading
import time

import numpy as np
import pytest

from piapp.camera import open_camera
from piapp.camera.orientation import Orientation
from piapp.camera.picamera2 import TUNING_FILE, Mode, choose_mode
from piapp.errors import CameraBusyError, CameraError, CameraNotFoundError, CameraTimeoutError, ConfigError
from tests.support.libcamera import IMX219, IMX708, Sensor, SensorMode, colour_quadrants, installed

pytestmark = pytest.mark.usefixtures("no_leaks")

FAST = 100.0
FAST_SENSOR = Sensor("fast", (64, 64), (SensorMode((64, 64), (0, 0, 64, 64), 240.0),))


def first_frame(config):
    """Open, take one frame, close."""
    camera = open_camera(config)
    try:
        return next(camera.frames())
    finally:
        camera.close()


@pytest.mark.parametrize("family", ["vc4", "pisp"])
@pytest.mark.parametrize("width", [320, 636, 640, 650, 1280])
def test_padding_and_channels(config, family, width):
    """Rows lose their padding on both board families, at widths with and without it, and red stays red."""
    with installed(family):
        frame = first_frame(config(width=width, height=480, fps=FAST))
    assert np.array_equal(frame.image, colour_quadrants(width, 480))
    assert frame.image.flags.c_contiguous


def test_odd_width_becomes_even(config):
    """The camera wants even sizes; what was obtained is what is said."""
    with installed():
        camera = open_camera(config(width=641, height=481, fps=FAST))
        frame = next(camera.frames())
        camera.close()
    assert frame.size == (640, 480)
    assert camera.description == "imx708 2304x1296 -> 640x480"


ALL_ORIENTATIONS = list(itertools.product((0, 90, 180, 270), (False, True), (False, True)))


@pytest.mark.parametrize(("rotation", "hflip", "vflip"), ALL_ORIENTATIONS)
def test_orientation(config, rotation, hflip, vflip):
    """The camera's mirrors and our quarter turns together make the configured picture."""
    changes = {"rotation": rotation, "hflip": hflip, "vflip": vflip}
    with installed():
        frame = first_frame(config(fps=FAST, **changes))
    assert np.array_equal(frame.image, Orientation(rotation, hflip, vflip).apply(colour_quadrants()))
    assert frame.size == ((480, 640) if rotation in (90, 270) else (640, 480))


def test_whole_field_of_view(config):
    """A small picture shows what the sensor sees, not the middle that libcamera's nearest mode crops to."""
    scene = np.zeros((48, 64, 3), np.uint8)
    scene[:4] = scene[-4:] = (255, 0, 0)
    with installed(sensor=IMX219, scene=scene):
        image = first_frame(config(width=320, height=240, fps=30)).image
    assert tuple(image[0, 160]) == (255, 0, 0)
    assert tuple(image[-1, 160]) == (255, 0, 0)
    assert image[120].max() == 0


def modes_of(sensor):
    """A sensor's modes as Picamera2 reports them."""
    return [
        {"size": mode.size, "crop_limits": mode.crop, "fps": mode.fps, "bit_depth": mode.bit_depth}
        for mode in sensor.modes
    ]


IMX477 = [
    {"size": (1332, 990), "crop_limits": (696, 528, 2664, 1980), "fps": 120.05, "bit_depth": 10},
    {"size": (2028, 1080), "crop_limits": (0, 440, 4056, 2160), "fps": 50.03, "bit_depth": 12},
    {"size": (2028, 1520), "crop_limits": (0, 0, 4056, 3040), "fps": 40.01, "bit_depth": 12},
    {"size": (4056, 3040), "crop_limits": (0, 0, 4056, 3040), "fps": 10.0, "bit_depth": 12},
]
OV5647 = [
    {"size": (640, 480), "crop_limits": (16, 0, 2560, 1920), "fps": 58.92, "bit_depth": 10},
    {"size": (1296, 972), "crop_limits": (0, 0, 2592, 1944), "fps": 46.34, "bit_depth": 10},
    {"size": (1920, 1080), "crop_limits": (348, 434, 1928, 1080), "fps": 32.81, "bit_depth": 10},
    {"size": (2592, 1944), "crop_limits": (0, 0, 2592, 1944), "fps": 15.63, "bit_depth": 10},
]
DEPTHS = [
    {"size": (1456, 1088), "crop_limits": (0, 0, 1456, 1088), "fps": 60.38, "bit_depth": 10},
    {"size": (1456, 1088), "crop_limits": (0, 0, 1456, 1088), "fps": 60.38, "bit_depth": 8},
]


@pytest.mark.parametrize(
    ("modes", "size", "fps", "expected"),
    [
        (modes_of(IMX708), (640, 480), 15, Mode((2304, 1296), 10)),
        (modes_of(IMX708), (640, 480), 120, Mode((2304, 1296), 10)),
        (modes_of(IMX708), (4608, 2592), 10, Mode((4608, 2592), 10)),
        (modes_of(IMX708), (4608, 2592), 30, Mode((2304, 1296), 10)),
        (modes_of(IMX219), (640, 480), 15, Mode((1640, 1232), 10)),
        (modes_of(IMX219), (640, 480), 42, Mode((1640, 1232), 10)),
        (IMX477, (640, 480), 30, Mode((2028, 1520), 12)),
        (OV5647, (640, 480), 30, Mode((1296, 972), 10)),
        (DEPTHS, (640, 480), 30, Mode((1456, 1088), 8)),
        ([{"format": "YUYV"}, {"format": "MJPEG"}], (640, 480), 30, None),
        ([], (640, 480), 30, None),
    ],
)
def test_choose_mode(modes, size, fps, expected):
    """The smallest mode with the whole view that is fast enough, and large enough if one is."""
    assert choose_mode(modes, size, fps) == expected


def test_controls_pass_through(config):
    """The rate and the controls reach libcamera under their own names."""
    with installed() as board:
        first_frame(config(fps=50.0, controls={"AfMode": 2, "Brightness": 0.25, "ScalerCrop": [0, 0, 4608, 2592]}))
        applied = dict(board.applied)
    assert applied["FrameDurationLimits"] == (20_000, 20_000)
    assert applied["AfMode"] == 2
    assert applied["Brightness"] == 0.25
    assert (applied["ScalerCrop"].width, applied["ScalerCrop"].height) == (4608, 2592)


def test_controls_win_over_fps(config):
    """A FrameRate among the controls is the owner's last word."""
    with installed() as board:
        first_frame(config(fps=50.0, controls={"FrameRate": 25.0}))
        assert dict(board.applied)["FrameDurationLimits"] == (40_000, 40_000)


def test_unknown_controls(config):
    """All unknown controls are named, with the nearest known one."""
    with installed(), pytest.raises(ConfigError) as caught:
        open_camera(config(controls={"AfModus": 2, "Zoom": 1, "Brightness": 0.0}))
    assert 'camera.controls.AfModus: this camera has no such control; did you mean "AfMode"?' in str(caught.value)
    assert "camera.controls.Zoom" in str(caught.value)
    assert "camera.controls.Brightness" not in str(caught.value)


def test_wrong_control_value(config):
    """A value of the wrong shape is refused with the controls that were asked for."""
    with installed(), pytest.raises(CameraError, match="ScalerCrop"):
        open_camera(config(controls={"ScalerCrop": 7}))


def test_no_camera(config):
    """Nothing connected is a CameraNotFoundError with a way out, and leaks nothing however often it is tried."""
    with installed() as board:
        board.present = False
        for _ in range(20):
            with pytest.raises(CameraNotFoundError, match=r"camera 0: is not connected; cameras here: none.*rpicam"):
                open_camera(config())


def test_wrong_number(config):
    """The cameras that exist are listed."""
    with installed(), pytest.raises(CameraNotFoundError, match="camera 3: is not connected; cameras here: 0: imx708"):
        open_camera(config("picamera2:3"))


def test_busy(config):
    """A camera that another program holds is a CameraBusyError with a way out, and leaks nothing."""
    with installed() as board:
        board.busy = True
        for _ in range(20):
            with pytest.raises(CameraBusyError, match=r"camera 0 \(imx708\) is in use.*fuser"):
                open_camera(config())


def test_start_fails(config):
    """A camera that does not start is closed again, so that the next try finds it free."""
    with installed() as board:
        board.start_error = "Broken pipe"
        for _ in range(3):
            with pytest.raises(CameraError, match="Broken pipe"):
                open_camera(config())
        board.start_error = None
        assert first_frame(config(fps=FAST)).size == (640, 480)


def test_adjusted_format(config):
    """A format that libcamera put in place of ours is an error, not a green picture."""
    with installed() as board:
        board.only_format = "NV12"
        with pytest.raises(CameraError, match="gives NV12 where BGR888 was asked for"):
            open_camera(config())


@pytest.mark.parametrize("fault", ["frozen", "unplugged"])
def test_no_more_frames(config, fault):
    """A front-end time-out and a pulled cable end the stream with a CameraTimeoutError within the deadline."""
    with installed() as board:
        camera = open_camera(config(fps=FAST, frame_timeout_s=0.5))
        frames = camera.frames()
        next(frames)
        setattr(board, fault, True)
        with pytest.raises(CameraTimeoutError, match=r"imx708: no frame for 0\.5 s"):
            list(frames)
        started = time.monotonic()
        camera.close()
        assert time.monotonic() - started < 10


def test_slow_is_not_lost(config):
    """A camera slower than asked for, within the deadline, goes on."""
    with installed() as board:
        board.slowdown = 10
        camera = open_camera(config(fps=50.0, frame_timeout_s=20.0))
        frames = list(itertools.islice(camera.frames(), 3))
        camera.close()
    assert frames[2].ts_ms - frames[0].ts_ms >= 300


@pytest.mark.parametrize("stamp", [None, 0, 10**18], ids=["missing", "zero", "future"])
def test_broken_clock(config, stamp):
    """Useless sensor time stamps do not stop the time line."""
    with installed() as board:
        board.shift_timestamps = lambda _now_ns: stamp
        camera = open_camera(config(fps=FAST))
        before_ms = time.monotonic_ns() // 1_000_000
        times = [frame.ts_ms for frame in itertools.islice(camera.frames(), 5)]
        camera.close()
    assert all(later > earlier for earlier, later in itertools.pairwise(times))
    assert before_ms <= times[0]
    assert times[-1] <= time.monotonic_ns() // 1_000_000 + 5


def test_sensor_timestamp_is_the_clock(config):
    """Frames count from exposure, not from arrival."""
    with installed() as board:
        exposed = []

        def late(now_ns):
            exposed.append(now_ns - 80_000_000)
            return exposed[-1]

        board.shift_timestamps = late
        frame = first_frame(config(fps=FAST))
    assert frame.captured_ns in exposed
    assert frame.ts_ms == round(frame.captured_ns / 1e6)


def test_close_does_not_hang(config):
    """A driver that does not return from stop holds `close` for its deadline only."""
    with installed() as board:
        camera = open_camera(config(fps=FAST))
        next(camera.frames())
        board.stop_blocker.clear()
        started = time.monotonic()
        camera.close()
        waited = time.monotonic() - started
        assert 1.9 < waited < 10
        board.stop_blocker.set()
        for thread in threading.enumerate():
            if thread.name == "camera-release":
                thread.join(20)


def test_buffers_go_back(config):
    """A hundred frames with four buffers: none is kept."""
    with installed(sensor=FAST_SENSOR) as board:
        camera = open_camera(config(fps=240.0, width=64, height=64))
        assert len(list(itertools.islice(camera.frames(), 100))) == 100
        camera.close()
        assert board.delivered >= 100


def test_reopen(config):
    """Closed means free for the next one."""
    with installed():
        for _ in range(5):
            assert first_frame(config(fps=FAST)).size == (640, 480)


def test_tuning_file_is_kept(config, monkeypatch):
    """Picamera2 deletes the variable that names the owner's tuning file; we do not let it."""
    monkeypatch.setenv(TUNING_FILE, "/etc/my_tuning.json")
    with installed():
        first_frame(config(fps=FAST))
        assert os.environ[TUNING_FILE] == "/etc/my_tuning.json"


def test_picamera2_is_missing(config, monkeypatch):
    """Without the package the message says how to get it and what else there is."""
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(CameraError, match="apt install python3-picamera2"):
        open_camera(config())
