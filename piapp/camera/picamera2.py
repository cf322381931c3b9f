"""Raspberry Pi cameras through Picamera2: `picamera2:`, `picamera2:1`.

Owns the choice of the sensor's mode, controls, mirrors, deadlines and the messages for what goes wrong. In-process
recovery of libcamera is not trusted: a camera that stops ends the program, and the supervisor starts it again.
"""

from __future__ import annotations

import importlib
import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from typing import Any, NamedTuple

from piapp.camera.base import SourceStatus
from piapp.camera.clock import LiveClock
from piapp.camera.orientation import Orientation
from piapp.config.sections import CameraConfig
from piapp.errors import CameraBusyError, CameraError, CameraNotFoundError, CameraTimeoutError, ConfigError
from piapp.types import Frame, ImageArray
from piapp.wording import did_you_mean

log = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 2.0
# How often a waiting `frames` checks whether it was closed.
POLL_S = 0.2

# In Picamera2's names this is red, green, blue in memory.
FORMAT = "BGR888"
BUFFERS = 4

TUNING_FILE = "LIBCAMERA_RPI_TUNING_FILE"

# The control that FrameRate stands for; USB cameras lack it.
FRAME_DURATION = "FrameDurationLimits"

# A mode shows the whole field of view if it crops no more than this from the largest crop.
FULL_VIEW = 0.99
# Sensor modes quote their rates rounded.
RATE_TOLERANCE = 0.99


class Picamera2Camera:
    """A camera that libcamera drives; see `piapp.camera.base.Camera`. It runs from construction to `close`.

    `camera.width` and `camera.height` are the picture's before a quarter turn. A shape other than the sensor's crops
    two sides; the height or width that remains is all that the sensor sees.

    Raises:
        ConfigError: The camera has no such control as `[camera.controls]` names.
        CameraNotFoundError: There is no camera of that number.
        CameraBusyError: Another process holds it.
        CameraError: Picamera2 is missing, or refuses the configuration.
    """

    lockstep = False

    def __init__(self, number: int, config: CameraConfig) -> None:
        self._timeout_s = config.frame_timeout_s
        self._closed = threading.Event()
        self._using = threading.Lock()
        self._camera, self._model = _open(number)
        try:
            self._turn, self.description = self._start(number, config)
        except BaseException:
            self.close()
            raise

    def frames(self) -> Iterator[Frame]:
        """Yield frames as the sensor takes them.

        Raises:
            CameraTimeoutError: No frame came within `camera.frame_timeout_s`.
            CameraError: libcamera failed.
        """
        clock = LiveClock()
        while (shot := self._next()) is not None:
            image, sensor_ns = shot
            ts_ms, captured_ns = clock.stamp(
                sensor_ns, now_ns=time.monotonic_ns(), boottime_ns=time.clock_gettime_ns(time.CLOCK_BOOTTIME)
            )
            yield Frame(ts_ms, captured_ns, self._turn.apply(image))

    def close(self) -> None:
        """Stop and give the camera back; waits at most `CLOSE_TIMEOUT_S` for a driver that hangs."""
        if self._closed.is_set():
            return
        self._closed.set()
        # libcamera's stop can hang inside the driver, and no call of Picamera2 takes a deadline.
        closer = threading.Thread(target=self._release, name="camera-release", daemon=True)
        closer.start()
        closer.join(CLOSE_TIMEOUT_S)
        if closer.is_alive():
            log.warning("%s: did not stop within %g s; left to the end of the process", self._model, CLOSE_TIMEOUT_S)

    def status(self) -> SourceStatus:
        """How the source is now; any thread."""
        return SourceStatus()

    def _start(self, number: int, config: CameraConfig) -> tuple[Orientation, str]:
        hardware, turn = Orientation.of(config).split()
        try:
            mode = choose_mode(self._camera.sensor_modes, (config.width, config.height), config.fps)
            self._camera.configure(self._configuration(config, mode, hardware))
            size = self._check_configuration()
            self._camera.start(show_preview=False)
        except (CameraError, ConfigError):
            raise
        except Exception as error:
            raise CameraError(
                f"camera {number} ({self._model}) refuses {config.width}x{config.height} at {config.fps:g} frames/s "
                f"with controls {config.controls}: {_reasons(error)}; change [camera], or look at `rpicam-hello`"
            ) from error
        sensor = f" {mode.size[0]}x{mode.size[1]}" if mode else ""
        return turn, f"{self._model}{sensor} -> {size[0]}x{size[1]}"

    def _configuration(self, config: CameraConfig, mode: Mode | None, hardware: Orientation) -> dict[str, Any]:
        transform = importlib.import_module("libcamera").Transform(hflip=hardware.hflip, vflip=hardware.vflip)
        configuration: dict[str, Any] = self._camera.create_video_configuration(
            main={"size": (config.width, config.height), "format": FORMAT},
            transform=transform,
            buffer_count=BUFFERS,
            queue=False,
            display=None,
            encode=None,
            sensor={} if mode is None else {"output_size": mode.size, "bit_depth": mode.bit_depth},
            controls=controls_for(config, self._camera.camera_controls),
        )
        return configuration

    def _check_configuration(self) -> tuple[int, int]:
        """The size that was obtained: libcamera adjusts silently."""
        main = self._camera.camera_configuration()["main"]
        if main["format"] != FORMAT:
            raise CameraError(
                f"camera {self._model}: gives {main['format']} where {FORMAT} was asked for, which this program "
                "cannot read; use a camera of the Raspberry Pi, or v4l2:/dev/videoN for a USB camera"
            )
        width, height = main["size"]
        return width, height

    def _next(self) -> tuple[ImageArray, int | None] | None:
        """The next picture and its SensorTimestamp; None when closed."""
        deadline_s = time.monotonic() + self._timeout_s
        job = self._ask()
        while job is not None:
            try:
                request = job.get_result(timeout=POLL_S)
            except TimeoutError:
                if time.monotonic() > deadline_s:
                    raise self._silent() from None
            except CancelledError:
                return None
            else:
                return self._take(request)
            if self._closed.is_set():
                return None
        return None

    def _ask(self) -> Any:
        with self._using:
            return None if self._closed.is_set() else self._camera.capture_request(wait=False)

    def _take(self, request: Any) -> tuple[ImageArray, int | None] | None:
        """Copy the picture, without the padding of its rows, and hand its buffer back at once."""
        with self._using:
            if self._closed.is_set():
                return None
            try:
                return request.make_array("main"), request.get_metadata().get("SensorTimestamp")
            finally:
                request.release()

    def _silent(self) -> CameraError:
        with self._using:
            if not self._closed.is_set():
                # An abandoned job would take the next buffer with it.
                self._camera.cancel_all_and_flush()
        return CameraTimeoutError(
            f"camera {self._model}: no frame for {self._timeout_s:g} s; is its cable seated at both ends? "
            "`dmesg` tells of time-outs"
        )

    def _release(self) -> None:
        with self._using:
            try:
                # Stopping waits behind jobs that wait for frames.
                self._camera.cancel_all_and_flush()
                self._camera.close()
            except Exception:
                log.exception("closing camera %s failed", self._model)
            finally:
                self._camera = None  # it holds descriptors as long as it lives


class Mode(NamedTuple):
    """A sensor mode to ask for; see `choose_mode`."""

    size: tuple[int, int]
    bit_depth: int


def choose_mode(modes: Sequence[Mapping[str, Any]], size: tuple[int, int], fps: float) -> Mode | None:
    """The cheapest sensor mode that shows the whole field of view.

    Left alone, libcamera takes the mode nearest in size, which for small pictures is a cropped one.

    Args:
        modes: Picamera2's `sensor_modes`.
        size: (width, height) of the wanted picture, which should not be scaled up.
        fps: Frames a second that it should reach.

    Returns:
        None for cameras that have no such modes (USB).
    """
    known = [mode for mode in modes if "crop_limits" in mode]
    if not known:
        return None
    widest = max(_view(mode) for mode in known)
    whole = [mode for mode in known if _view(mode) >= FULL_VIEW * widest]
    reachable = min(fps, max(mode["fps"] for mode in whole))
    fast = [mode for mode in whole if mode["fps"] >= RATE_TOLERANCE * reachable]
    large = [mode for mode in fast if mode["size"][0] >= size[0] and mode["size"][1] >= size[1]]
    best = min(large or fast, key=lambda mode: (_area(mode), -mode["fps"], mode["bit_depth"]))
    return Mode(tuple(best["size"]), best["bit_depth"])


def controls_for(config: CameraConfig, known: Mapping[str, object]) -> dict[str, Any]:
    """The controls to start with: the configured rate, then what `[camera.controls]` says.

    Raises:
        ConfigError: The camera does not have one of them.
    """
    has_rate = FRAME_DURATION in known
    names = [*known, *(["FrameRate"] if has_rate else [])]
    unknown = [name for name in config.controls if name not in names]
    if unknown:
        lines = [
            f"  camera.controls.{name}: this camera has no such control{did_you_mean(name, names)}" for name in unknown
        ]
        raise ConfigError("\n".join(["configuration: unknown camera controls", *lines, f"  known: {', '.join(names)}"]))
    return ({"FrameRate": config.fps} if has_rate else {}) | dict(config.controls)


def _view(mode: Mapping[str, Any]) -> int:
    _, _, width, height = mode["crop_limits"]
    return int(width * height)


def _area(mode: Mapping[str, Any]) -> int:
    width, height = mode["size"]
    return int(width * height)


def _open(number: int) -> tuple[Any, str]:
    """Open camera `number`: the Picamera2 object and the camera's model."""
    try:
        picamera2 = importlib.import_module("picamera2").Picamera2
    except ImportError as error:
        raise CameraError(
            f"picamera2: cannot be imported ({error}); on Raspberry Pi OS `sudo apt install python3-picamera2`, "
            "and for pip an environment with --system-site-packages; elsewhere choose another camera.source"
        ) from error
    # Asked first, because a Picamera2 object that cannot be made leaks a descriptor.
    cameras = picamera2.global_camera_info()
    if number >= len(cameras):
        there = ", ".join(f"{index}: {camera.get('Model', camera['Id'])}" for index, camera in enumerate(cameras))
        raise CameraNotFoundError(
            f"camera {number}: is not connected; cameras here: {there or 'none'}. Check its cable, with the power off, "
            "and `rpicam-hello --list-cameras`"
        )
    model = str(cameras[number].get("Model", cameras[number]["Id"]))
    # `__init__` apart from `__new__`, so that what a failing one leaves open can be closed.
    camera = picamera2.__new__(picamera2)
    try:
        # Without `tuning` it deletes the variable that names the user's own file.
        camera.__init__(number, tuning=os.environ.get(TUNING_FILE))
    except Exception as error:
        _close_pipe(camera)
        raise _not_opened(number, model, error) from error
    return camera, model


def _close_pipe(camera: Any) -> None:
    """Close the pipe that Picamera2's `close` forgets when it was never open."""
    if hasattr(camera, "notifymeread"):
        camera.notifymeread.close()
        os.close(camera.notifyme_w)


def _not_opened(number: int, model: str, error: BaseException) -> CameraError:
    reasons = _reasons(error)
    if "busy" in reasons.lower():
        return CameraBusyError(
            f"camera {number} ({model}) is in use by another program; `sudo fuser -v /dev/media*` shows which "
            "(rpicam apps, motion, a second piapp): end it and start again"
        )
    return CameraError(f"camera {number} ({model}) cannot be opened: {reasons}; `rpicam-hello` may tell more")


def _reasons(error: BaseException) -> str:
    """The messages of an error and of what caused it, outermost first."""
    messages = [str(error).rstrip(".")]
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
        if str(error).rstrip(".") not in messages:
            messages.append(str(error).rstrip("."))
    return ": ".join(messages)
