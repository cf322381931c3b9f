import sys
import threading

import numpy as np
import pytest

from tests.support.libcamera import PADDING, installed, stride_and_size


@pytest.mark.parametrize(
    ("pixel_format", "width", "family", "stride"),
    [
        ("BGR888", 640, "vc4", 1920),
        ("BGR888", 636, "vc4", 1920),
        ("BGR888", 650, "vc4", 2016),
        ("BGR888", 640, "pisp", 1920),
        ("BGR888", 636, "pisp", 1920),
        ("BGR888", 650, "pisp", 1984),
        ("XBGR8888", 650, "vc4", 2688),
        ("XBGR8888", 650, "pisp", 2624),
        ("YUV420", 636, "vc4", 640),
        ("YUV420", 650, "pisp", 768),
    ],
)
def test_strides(pixel_format, width, family, stride):
    """Rows are padded as each board family pads them."""
    assert stride_and_size(pixel_format, width, 480, family)[0] == stride


def assert_installed_and_fail(marker):
    """What a test does that fails inside."""
    assert sys.modules["libcamera"].CameraManager.singleton().cameras
    assert sys.modules["kms"] is not marker
    raise ZeroDivisionError


def test_everything_is_put_back():
    """Afterwards no stand-in is left, and what was there is back, also after an error."""
    marker = object()
    sys.modules["kms"] = marker
    before = {name: module for name, module in sys.modules.items() if name.startswith(("picamera2", "libcamera"))}
    with pytest.raises(ZeroDivisionError), installed():
        assert_installed_and_fail(marker)
    after = {name: module for name, module in sys.modules.items() if name.startswith(("picamera2", "libcamera"))}
    assert after == before
    assert sys.modules.pop("kms") is marker


@pytest.mark.parametrize(
    ("pixel_format", "first_pixel"),
    [("BGR888", [255, 0, 0]), ("RGB888", [0, 0, 255]), ("XRGB8888", [0, 0, 255, PADDING])],
)
def test_plain_picamera2(pixel_format, first_pixel):
    """The wheel itself works on it, in the reversed names of its formats, and shows padding where it is not cut."""
    with installed("vc4"):
        camera = sys.modules["picamera2"].Picamera2()
        camera.configure(camera.create_preview_configuration(main={"format": pixel_format, "size": (650, 480)}))
        camera.start()
        raw = camera.capture_buffer("main")
        array = camera.capture_array("main")
        camera.close()
    assert array[0, 0].tolist() == first_pixel
    channels = len(first_pixel)
    rows = raw.reshape(480, -1)
    assert rows.shape[1] > 650 * channels
    assert np.all(rows[:, 650 * channels :] == PADDING)


def test_a_camera_left_running_is_turned_off():
    """Whoever forgets to close leaves no frame clock behind."""
    with installed():
        camera = sys.modules["picamera2"].Picamera2()
        camera.start("preview")
        assert any(thread.name == "fake-sensor" for thread in threading.enumerate())
    assert not any(thread.name == "fake-sensor" for thread in threading.enumerate())
    camera.close()
