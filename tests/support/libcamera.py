"""A stand-in for the compiled `libcamera` bindings that lets the unmodified picamera2 wheel run without a Pi.

Owns one camera on one board: its sensor's modes, the board's strides, a pool of buffers, a frame clock, and the ways in
which cameras fail. `installed` puts it in place of `libcamera` and takes it away again. Only what picamera2 0.3 touches
is there, under libcamera's own names. Not for production; it ships so that anybody can run the tests.
"""

# ruff: noqa: N802, N815 - the names are libcamera's

from __future__ import annotations

import collections
import contextlib
import enum
import importlib
import mmap
import os
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple
from unittest import mock

import numpy as np
import numpy.typing as npt

from piapp.types import ImageArray

Family = Literal["vc4", "pisp"]

# Bytes between the end of a row and the next one are filled with this, so that padding taken for picture shows.
PADDING = 0xAB


class SensorMode(NamedTuple):
    """One way to read a sensor out; `crop` is (x, y, width, height) on the pixel array."""

    size: tuple[int, int]
    crop: tuple[int, int, int, int]
    fps: float
    bit_depth: int = 10


@dataclass(frozen=True, slots=True)
class Sensor:
    """A camera module, with the modes that its driver advertises."""

    model: str
    pixel_array: tuple[int, int]
    modes: tuple[SensorMode, ...]


IMX708 = Sensor(
    "imx708",
    (4608, 2592),
    (
        SensorMode((1536, 864), (768, 432, 3072, 1728), 120.13),
        SensorMode((2304, 1296), (0, 0, 4608, 2592), 56.03),
        SensorMode((4608, 2592), (0, 0, 4608, 2592), 14.35),
    ),
)
IMX219 = Sensor(
    "imx219",
    (3280, 2464),
    (
        SensorMode((640, 480), (1000, 752, 1280, 960), 206.65),
        SensorMode((1640, 1232), (0, 0, 3280, 2464), 41.85),
        SensorMode((1920, 1080), (680, 692, 1920, 1080), 47.57),
        SensorMode((3280, 2464), (0, 0, 3280, 2464), 21.19),
    ),
)


class StreamRole(enum.Enum):
    """What a stream is for."""

    Raw = 0
    StillCapture = 1
    VideoRecording = 2
    Viewfinder = 3


class Orientation(enum.Enum):
    """How a picture lies, in the order of EXIF."""

    Rotate0 = 1
    Rotate0Mirror = 2
    Rotate180 = 3
    Rotate180Mirror = 4
    Rotate90Mirror = 5
    Rotate270 = 6
    Rotate270Mirror = 7
    Rotate90 = 8


class ControlType(enum.Enum):
    """Type of a control's value."""

    Null = 0
    Bool = 1
    Byte = 2
    Integer32 = 5
    Integer64 = 6
    Float = 7
    String = 8
    Rectangle = 9
    Size = 10


@dataclass(unsafe_hash=True)
class Size:
    """Width and height in pixels."""

    width: int = 0
    height: int = 0


@dataclass(unsafe_hash=True)
class Rectangle:
    """A part of the pixel array."""

    x: int = 0
    y: int = 0
    width: int = 0
    height: int = 0


class Transform:
    """Mirrors and transposition; picamera2 sets `__eq__` and `__repr__` itself, as it does on the real one."""

    def __init__(self, rotation: int | Transform = 0, hflip: int = 0, vflip: int = 0, transpose: int = 0) -> None:
        if isinstance(rotation, Transform):
            hflip, vflip, transpose = rotation.hflip, rotation.vflip, rotation.transpose
        self.hflip: bool = bool(hflip)
        self.vflip: bool = bool(vflip)
        self.transpose: bool = bool(transpose)

    def __hash__(self) -> int:
        return hash((self.hflip, self.vflip, self.transpose))

    def __str__(self) -> str:
        return f"<libcamera.Transform hflip={self.hflip} vflip={self.vflip} transpose={self.transpose}>"


class ColorPrimaries(enum.Enum):
    """Colour primaries."""

    Raw = 0
    Smpte170m = 1
    Rec709 = 2
    Rec2020 = 3


class ColorTransferFunction(enum.Enum):
    """Transfer function."""

    Linear = 0
    Srgb = 1
    Rec709 = 2


class ColorYcbcrEncoding(enum.Enum):
    """Matrix of Y, Cb and Cr."""

    Null = 0
    Rec601 = 1
    Rec709 = 2
    Rec2020 = 3


class ColorRange(enum.Enum):
    """Range of the values."""

    Full = 0
    Limited = 1


class ColorSpace:
    """A colour space."""

    Primaries = ColorPrimaries
    TransferFunction = ColorTransferFunction
    YcbcrEncoding = ColorYcbcrEncoding
    Range = ColorRange

    def __init__(
        self,
        primaries: ColorPrimaries | ColorSpace,
        transfer: ColorTransferFunction = ColorTransferFunction.Linear,
        encoding: ColorYcbcrEncoding = ColorYcbcrEncoding.Null,
        range_: ColorRange = ColorRange.Full,
    ) -> None:
        if isinstance(primaries, ColorSpace):
            other = primaries
            primaries, transfer = other.primaries, other.transferFunction
            encoding, range_ = other.ycbcrEncoding, other.range
        self.primaries: ColorPrimaries = primaries
        self.transferFunction: ColorTransferFunction = transfer
        self.ycbcrEncoding: ColorYcbcrEncoding = encoding
        self.range: ColorRange = range_

    def __hash__(self) -> int:
        return hash((self.primaries, self.transferFunction, self.ycbcrEncoding, self.range))

    def __str__(self) -> str:
        parts: tuple[enum.Enum, ...] = (self.primaries, self.transferFunction, self.ycbcrEncoding, self.range)
        return "/".join(part.name for part in parts)

    @classmethod
    def Raw(cls) -> ColorSpace:
        """The sensor's own."""
        return cls(ColorPrimaries.Raw)

    @classmethod
    def Sycc(cls) -> ColorSpace:
        """JPEG's."""
        return cls(ColorPrimaries.Rec709, ColorTransferFunction.Srgb, ColorYcbcrEncoding.Rec601)

    @classmethod
    def Smpte170m(cls) -> ColorSpace:
        """Standard definition video's."""
        return cls(
            ColorPrimaries.Smpte170m, ColorTransferFunction.Rec709, ColorYcbcrEncoding.Rec601, ColorRange.Limited
        )

    @classmethod
    def Rec709(cls) -> ColorSpace:
        """High definition video's."""
        return cls(ColorPrimaries.Rec709, ColorTransferFunction.Rec709, ColorYcbcrEncoding.Rec709, ColorRange.Limited)


class PixelFormat:
    """A pixel format, known by its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return self.name

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other)

    def __hash__(self) -> int:
        return hash(self.name)


@dataclass(frozen=True)
class ControlId:
    """A control or property of the camera."""

    name: str
    type: ControlType
    id: int = 0


class ControlInfo(NamedTuple):
    """What a control may be."""

    min: Any
    max: Any
    default: Any


_CONTROL_TYPES = {
    "AeEnable": ControlType.Bool,
    "AeExposureMode": ControlType.Integer32,
    "AfMode": ControlType.Integer32,
    "AnalogueGain": ControlType.Float,
    "AnalogueGainMode": ControlType.Integer32,
    "AwbEnable": ControlType.Bool,
    "Brightness": ControlType.Float,
    "ColourGains": ControlType.Float,
    "ExposureTime": ControlType.Integer32,
    "ExposureTimeMode": ControlType.Integer32,
    "FrameDuration": ControlType.Integer64,
    "FrameDurationLimits": ControlType.Integer64,
    "FrameWallClock": ControlType.Integer64,
    "LensPosition": ControlType.Float,
    "NoiseReductionMode": ControlType.Integer32,
    "ScalerCrop": ControlType.Rectangle,
    "SensorTimestamp": ControlType.Integer64,
}
_PROPERTIES = ("Model", "Location", "Rotation", "PixelArraySize", "ColorFilterArrangement")


class NoiseReductionModeEnum(enum.IntEnum):
    """Draft control."""

    Off = 0
    Fast = 1
    HighQuality = 2
    Minimal = 3


class ColorFilterArrangementEnum(enum.IntEnum):
    """Draft property."""

    RGGB = 0
    BGGR = 3
    MONO = 5


def _ids(module: types.ModuleType, kinds: Mapping[str, ControlType]) -> types.ModuleType:
    for number, (name, kind) in enumerate(kinds.items(), start=1):
        setattr(module, name, ControlId(name, kind, number))
    return module


controls: Any = _ids(types.ModuleType("libcamera.controls"), _CONTROL_TYPES)
controls.draft = types.SimpleNamespace(NoiseReductionModeEnum=NoiseReductionModeEnum)
properties: Any = _ids(types.ModuleType("libcamera.properties"), dict.fromkeys(_PROPERTIES, ControlType.Integer32))
properties.draft = types.SimpleNamespace(
    ColorFilterArrangementEnum=ColorFilterArrangementEnum, ColorFilterArrangement=properties.ColorFilterArrangement
)


class FrameMetadata:
    """How the filling of a buffer went."""

    class Status(enum.Enum):
        """Outcome."""

        Success = 0
        Error = 1
        Cancelled = 2
        Startup = 3

    def __init__(self) -> None:
        self.status = FrameMetadata.Status.Success
        self.sequence = 0
        self.timestamp = 0


class FrameBuffer:
    """Memory for one picture."""

    class Plane:
        """A part of a buffer; keeps a duplicate of the descriptor it is given, as the bindings do."""

        def __init__(self) -> None:
            self._fd = -1
            self.offset = 0
            self.length = 0

        @property
        def fd(self) -> int:
            """The duplicate."""
            return self._fd

        @fd.setter
        def fd(self, fd: int) -> None:
            self._fd = os.dup(fd)

        def __del__(self) -> None:
            if self._fd >= 0:
                os.close(self._fd)

    def __init__(self, planes: list[FrameBuffer.Plane], cookie: int = 0) -> None:
        self.planes = list(planes)
        self.metadata = FrameMetadata()
        self.cookie = cookie
        self.memory = mmap.mmap(self.planes[0].fd, sum(plane.length for plane in self.planes))


class Stream:
    """A stream of pictures; known by identity."""

    def __init__(self, configuration: StreamConfiguration) -> None:
        self.configuration = configuration


class SensorConfiguration:
    """The sensor mode that an application asks for."""

    def __init__(self) -> None:
        self.bit_depth = 0
        self.output_size = Size()


class StreamFormats:
    """Formats and sizes of a stream."""

    def __init__(self, sizes: Mapping[str, list[Size]]) -> None:
        self._sizes = sizes

    @property
    def pixel_formats(self) -> list[PixelFormat]:
        """The formats there are."""
        return [PixelFormat(name) for name in self._sizes]

    def sizes(self, pixel_format: PixelFormat) -> list[Size]:
        """The sizes of one."""
        return self._sizes[str(pixel_format)]


_RAW_FORMAT = "SBGGR10_CSI2P"
# Position of red, green, blue and the fourth byte in memory; the names say it backwards.
_RGB_ORDER = {
    "BGR888": (0, 1, 2),
    "RGB888": (2, 1, 0),
    "XBGR8888": (0, 1, 2, 3),
    "XRGB8888": (2, 1, 0, 3),
}
_YUV_FORMATS = ("YUV420", "NV12")


class StreamConfiguration:
    """What a stream is to be."""

    def __init__(self, camera: FakeCameraDevice, role: StreamRole) -> None:
        modes = [Size(*mode.size) for mode in camera.board.sensor.modes]
        raw = role is StreamRole.Raw
        names = (_RAW_FORMAT,) if raw else (*_RGB_ORDER, *_YUV_FORMATS)
        self.formats = StreamFormats(dict.fromkeys(names, modes))
        self.pixel_format = PixelFormat(names[0])
        self.size = Size(640, 480)
        self.buffer_count = 4
        self.stride = 0
        self.frame_size = 0
        self.color_space = ColorSpace.Sycc()
        self.stream: Stream | None = None


class CameraConfiguration:
    """What a camera is to do."""

    class Status(enum.Enum):
        """Outcome of `validate`."""

        Valid = 0
        Adjusted = 1
        Invalid = 2

    def __init__(self, camera: FakeCameraDevice, roles: list[StreamRole]) -> None:
        self._board = camera.board
        self._streams = [StreamConfiguration(camera, role) for role in roles]
        self.orientation = Orientation.Rotate0
        self.sensor_config: SensorConfiguration | None = None

    def at(self, index: int) -> StreamConfiguration:
        """One stream's."""
        return self._streams[index]

    def __iter__(self) -> Iterator[StreamConfiguration]:
        return iter(self._streams)

    def validate(self) -> CameraConfiguration.Status:
        """Fill in strides and sizes, adjusting what the board cannot do."""
        status = self.Status.Valid
        if self._board.only_format is not None and str(self.at(0).pixel_format) != self._board.only_format:
            self.at(0).pixel_format = PixelFormat(self._board.only_format)
            status = self.Status.Adjusted
        for stream in self._streams:
            stream.stride, stream.frame_size = stride_and_size(
                str(stream.pixel_format), stream.size.width, stream.size.height, self._board.family
            )
        return status

    def sensor_mode(self) -> SensorMode:
        """The mode that this configuration selects: the named one, else the smallest that fills the main stream."""
        modes = self._board.sensor.modes
        if self.sensor_config is not None:
            size = (self.sensor_config.output_size.width, self.sensor_config.output_size.height)
            return next(mode for mode in modes if mode.size == size)
        wanted = self.at(0).size
        return next((mode for mode in modes if mode.size >= (wanted.width, wanted.height)), modes[-1])


def stride_and_size(pixel_format: str, width: int, height: int, family: Family) -> tuple[int, int]:
    """(bytes a row, bytes a picture) of a stream.

    VC4 (Pi 4 and older) pads rows to 32 pixels, PiSP (Pi 5) to 64 bytes.
    """
    alignment = 64 if family == "pisp" else 32
    if pixel_format in _YUV_FORMATS:
        stride = _align(width, 64 if family == "vc4" or pixel_format == "NV12" else 128)
        return stride, stride * height * 3 // 2
    if pixel_format in _RGB_ORDER:
        channels = len(_RGB_ORDER[pixel_format])
        stride = _align(width, 32) * channels if family == "vc4" else _align(width * channels, alignment)
        return stride, stride * height
    stride = _align(width * 10 // 8, 32)
    return stride, stride * height


def _align(number: int, step: int) -> int:
    return -(-number // step) * step


class Request:
    """One picture on its way through the camera."""

    class Status(enum.Enum):
        """Where it is."""

        Pending = 0
        Complete = 1
        Cancelled = 2

    def __init__(self, cookie: int) -> None:
        self.cookie = cookie
        self.buffers: dict[Stream, FrameBuffer] = {}
        self.metadata: dict[ControlId, Any] = {}
        self.controls: dict[ControlId, Any] = {}
        self.status = Request.Status.Pending

    def add_buffer(self, stream: Stream, buffer: FrameBuffer) -> None:
        """Attach memory."""
        self.buffers[stream] = buffer

    def set_control(self, control: ControlId, value: object) -> None:
        """Have a control take effect with this picture."""
        self.controls[control] = value

    def reuse(self) -> None:
        """Make ready for another round."""
        self.status = Request.Status.Pending
        self.metadata = {}
        self.controls = {}


class Board:
    """A Raspberry Pi with one camera: what tests and demos turn.

    All attributes may be changed at any time, from any thread.

    Attributes:
        family: `vc4` (Pi 4 and older) or `pisp` (Pi 5).
        sensor: The camera module.
        scene: What the camera sees, (height, width, 3) uint8 R, G, B, stretched over the whole pixel array.
        present: False: no camera is connected.
        busy: True: another process holds the camera.
        start_error: What `start` fails with, None for nothing.
        only_format: Format that every stream is silently adjusted to, None for none.
        frozen: True: the sensor gives no more pictures and no error, like a front-end time-out.
        unplugged: True: all requests come back cancelled and nothing follows.
        slowdown: Pictures take so many times as long as asked for.
        stop_blocker: `stop` hangs until this is set; set from the start.
        shift_timestamps: Changes a picture's `SensorTimestamp` in ns, None drops it.
        applied: (name, value) of every control that took effect, the newest 1,000.
        delivered: How many pictures were completed.
        underruns: How many pictures found no buffer.
    """

    def __init__(self, family: Family, sensor: Sensor, scene: ImageArray) -> None:
        self.family: Family = family
        self.sensor = sensor
        self.scene = scene
        self.present = True
        self.busy = False
        self.start_error: str | None = None
        self.only_format: str | None = None
        self.frozen = False
        self.unplugged = False
        self.slowdown = 1.0
        self.stop_blocker = threading.Event()
        self.stop_blocker.set()
        self.shift_timestamps: Callable[[int], int | None] = lambda timestamp_ns: timestamp_ns
        self.applied: collections.deque[tuple[str, object]] = collections.deque(maxlen=1000)
        self.delivered = 0
        self.underruns = 0


class FakeCameraDevice:
    """The camera, as `libcamera.Camera`."""

    id = "/base/soc/i2c0mux/i2c@1/imx708@1a"

    def __init__(self, board: Board, complete: Callable[[Request], None]) -> None:
        self.board = board
        self._complete = complete
        self._state = "available"
        self._queue: collections.deque[Request] = collections.deque()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._sensor_thread: threading.Thread | None = None
        self._mode = board.sensor.modes[-1]
        self._mirrors = (False, False)
        self._period_s = 1 / 30

    @property
    def properties(self) -> dict[ControlId, Any]:
        """What the camera is."""
        return {
            properties.Model: self.board.sensor.model,
            properties.Location: 2,
            properties.Rotation: 180,
            properties.PixelArraySize: Size(*self.board.sensor.pixel_array),
            properties.ColorFilterArrangement: int(ColorFilterArrangementEnum.BGGR),
        }

    @property
    def controls(self) -> dict[ControlId, ControlInfo]:
        """What can be set; limits are those of the configured mode."""
        crop = Rectangle(*self._mode.crop)
        shortest_us = int(1e6 / self._mode.fps)
        return {
            controls.AeEnable: ControlInfo(False, True, True),
            controls.AeExposureMode: ControlInfo(0, 3, 0),
            controls.AfMode: ControlInfo(0, 2, 0),
            controls.AnalogueGain: ControlInfo(1.0, 16.0, 1.0),
            controls.AwbEnable: ControlInfo(False, True, True),
            controls.Brightness: ControlInfo(-1.0, 1.0, 0.0),
            controls.ColourGains: ControlInfo(0.0, 32.0, 1.0),
            controls.ExposureTime: ControlInfo(26, 220_417_486, 20_000),
            controls.FrameDurationLimits: ControlInfo(shortest_us, 220_535_845, 33_333),
            controls.LensPosition: ControlInfo(0.0, 32.0, 1.0),
            controls.NoiseReductionMode: ControlInfo(0, 4, 0),
            controls.ScalerCrop: ControlInfo(Rectangle(0, 0, 64, 64), crop, crop),
        }

    def generate_configuration(self, roles: list[StreamRole]) -> CameraConfiguration:
        """Start a configuration."""
        return CameraConfiguration(self, roles)

    def acquire(self) -> None:
        """Take the camera for this process."""
        if self.board.busy or self._state != "available":
            raise RuntimeError("Failed to acquire camera: Device or resource busy")
        self._state = "acquired"

    def release(self) -> None:
        """Give the camera back."""
        if self._state == "running":
            raise RuntimeError("Failed to release camera: Device or resource busy")
        self._state = "available"

    def configure(self, configuration: CameraConfiguration) -> int:
        """Take a validated configuration; 0 means success."""
        for stream in configuration:
            stream.stream = Stream(stream)
        self._mode = configuration.sensor_mode()
        self._mirrors = _MIRRORS[configuration.orientation]
        self._state = "configured"
        return 0

    def create_request(self, cookie: int = 0) -> Request:
        """An empty request."""
        return Request(cookie)

    def start(self, start_controls: Mapping[ControlId, object] | None = None) -> None:
        """Let pictures come."""
        if self.board.start_error is not None:
            raise RuntimeError(f"Failed to start camera: {self.board.start_error}")
        if self._state != "configured":
            raise RuntimeError("Failed to start camera: Invalid argument")
        self._state = "running"
        self._apply(start_controls or {})
        self._stopping.clear()
        self._sensor_thread = threading.Thread(target=self._run_sensor, name="fake-sensor", daemon=True)
        self._sensor_thread.start()

    def stop(self) -> None:
        """Stop; what is queued comes back cancelled."""
        self.board.stop_blocker.wait()
        self.turn_off()
        self._cancel_queued()
        self._state = "configured"

    def turn_off(self) -> None:
        """End the frame clock."""
        self._stopping.set()
        if self._sensor_thread is not None:
            self._sensor_thread.join()

    def queue_request(self, request: Request) -> None:
        """Hand over a buffer to be filled."""
        if self._state != "running":
            raise RuntimeError("Failed to queue request: Permission denied")
        with self._lock:
            self._queue.append(request)

    def _apply(self, values: Mapping[ControlId, Any]) -> None:
        for control, value in values.items():
            self.board.applied.append((control.name, value))
            if control.name == "FrameDurationLimits":
                self._period_s = max(value[0] / 1e6, 1 / self._mode.fps)

    def _run_sensor(self) -> None:
        due_s = time.monotonic()
        while True:
            due_s = max(due_s + self._period_s * self.board.slowdown, time.monotonic() - 1)
            if self._stopping.wait(max(due_s - time.monotonic(), 0)):
                return
            if self.board.unplugged:
                self._cancel_queued()
            elif not self.board.frozen:
                self._expose()

    def _expose(self) -> None:
        with self._lock:
            request = self._queue.popleft() if self._queue else None
        if request is None:
            self.board.underruns += 1
            return
        timestamp_ns = self.board.shift_timestamps(time.monotonic_ns())
        self._apply(request.controls)
        for stream, buffer in request.buffers.items():
            buffer.metadata.status = FrameMetadata.Status.Success
            self._fill(buffer, stream.configuration)
        request.metadata = {
            controls.FrameWallClock: time.time_ns(),
            controls.ExposureTime: 20_000,
            controls.FrameDuration: int(self._period_s * 1e6),
            controls.ScalerCrop: Rectangle(*self._mode.crop),
        }
        if timestamp_ns is not None:
            request.metadata[controls.SensorTimestamp] = timestamp_ns
        request.status = Request.Status.Complete
        self.board.delivered += 1
        self._complete(request)

    def _fill(self, buffer: FrameBuffer, stream: StreamConfiguration) -> None:
        order = _RGB_ORDER.get(str(stream.pixel_format))
        if order is None:
            return  # raw and YUV streams are not looked at
        width, height = stream.size.width, stream.size.height
        rows: npt.NDArray[np.uint8] = np.full((height, stream.stride), PADDING, np.uint8)
        pixels = rows[:, : width * len(order)].reshape(height, width, len(order))
        pixels[:, :, order[:3]] = self._view(width, height)
        buffer.memory[: rows.size] = rows.tobytes()

    def _view(self, width: int, height: int) -> ImageArray:
        """What the sensor sees, cropped by its mode and to the stream's shape, mirrored."""
        x, y, crop_width, crop_height = self._mode.crop
        scale = min(crop_width / width, crop_height / height)
        left = x + (crop_width - width * scale) / 2
        top = y + (crop_height - height * scale) / 2
        array_width, array_height = self.board.sensor.pixel_array
        scene_height, scene_width, _ = self.board.scene.shape
        columns = ((left + (np.arange(width) + 0.5) * scale) * scene_width / array_width).astype(int)
        rows = ((top + (np.arange(height) + 0.5) * scale) * scene_height / array_height).astype(int)
        view = self.board.scene[np.ix_(rows, columns)]
        hflip, vflip = self._mirrors
        return view[:: -1 if vflip else 1, :: -1 if hflip else 1]

    def _cancel_queued(self) -> None:
        with self._lock:
            requests = list(self._queue)
            self._queue.clear()
        for request in requests:
            request.status = Request.Status.Cancelled
            for buffer in request.buffers.values():
                buffer.metadata.status = FrameMetadata.Status.Cancelled
            self._complete(request)


# (hflip, vflip) of what Raspberry Pi cameras can do; they cannot transpose.
_MIRRORS = {
    Orientation.Rotate0: (False, False),
    Orientation.Rotate0Mirror: (True, False),
    Orientation.Rotate180Mirror: (False, True),
    Orientation.Rotate180: (True, True),
}


class FakeCameraManager:
    """Finds the camera and reports completed requests, as `libcamera.CameraManager`."""

    version = "v0.5.2+fake"

    def __init__(self, board: Board) -> None:
        self._board = board
        self._ready: list[Request] = []
        self._closed = False
        self._lock = threading.Lock()
        self.event_fd, self._write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._camera = FakeCameraDevice(board, self._complete)

    @property
    def cameras(self) -> list[FakeCameraDevice]:
        """The cameras that are there."""
        return [self._camera] if self._board.present else []

    def get(self, camera_id: str) -> FakeCameraDevice:
        """The camera of that id."""
        return next(camera for camera in self.cameras if camera.id == camera_id)

    def get_ready_requests(self) -> list[Request]:
        """What was completed or cancelled since the last call."""
        with self._lock:
            if not self._closed:
                with contextlib.suppress(BlockingIOError):
                    os.read(self.event_fd, 4096)
            ready, self._ready = self._ready, []
        return ready

    def close(self) -> None:
        """Turn the camera off, also one that somebody left running, and close the pipe."""
        self._camera.turn_off()
        with self._lock:
            self._closed = True
            os.close(self.event_fd)
            os.close(self._write_fd)

    def _complete(self, request: Request) -> None:
        with self._lock:
            if self._closed:
                return
            self._ready.append(request)
            with contextlib.suppress(BlockingIOError):
                os.write(self._write_fd, b"\0")


class MemoryHeap:
    """Memory files in place of the kernel's /dev/dma_heap, as `picamera2.dma_heap.DmaHeap`."""

    isValid = True

    def alloc(self, name: str, size: int) -> Any:
        """A descriptor of so many bytes."""
        fd = os.memfd_create(name)
        os.ftruncate(fd, size)
        return importlib.import_module("picamera2.dma_heap").UniqueFD(fd)

    def close(self) -> None:
        """Nothing is held."""


def colour_quadrants(width: int = 640, height: int = 480) -> ImageArray:
    """A scene that shows turns, mirrors and channel order: red, green above blue, white."""
    scene = np.zeros((height, width, 3), np.uint8)
    top, left = slice(None, height // 2), slice(None, width // 2)
    bottom, right = slice(height // 2, None), slice(width // 2, None)
    scene[top, left] = (255, 0, 0)
    scene[top, right] = (0, 255, 0)
    scene[bottom, left] = (0, 0, 255)
    scene[bottom, right] = (255, 255, 255)
    return scene


@contextlib.contextmanager
def installed(family: Family = "vc4", sensor: Sensor = IMX708, scene: ImageArray | None = None) -> Iterator[Board]:
    """Have `import picamera2` find this module as `libcamera`; everything is as before afterwards.

    picamera2 is imported anew inside, so whatever imported it earlier keeps what it had. Not for several threads
    at once.
    """
    board = Board(family, sensor, colour_quadrants() if scene is None else scene)
    manager = FakeCameraManager(board)
    stand_ins = _modules(manager)
    saved = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_replaced(name)}
    sys.modules.update(stand_ins)
    try:
        _import_picamera2(family)
        yield board
    finally:
        board.stop_blocker.set()
        for name in [name for name in sys.modules if _is_replaced(name)]:
            del sys.modules[name]
        sys.modules.update(saved)
        manager.close()


def _is_replaced(name: str) -> bool:
    return name.partition(".")[0] in ("libcamera", "picamera2", "pykms", "kms")


def _modules(manager: FakeCameraManager) -> dict[str, types.ModuleType]:
    """`libcamera` and the display library that picamera2 imports, by name."""
    libcamera: Any = types.ModuleType("libcamera")
    libcamera.__dict__.update(
        {name: value for name, value in globals().items() if getattr(value, "__module__", None) == __name__}
    )
    libcamera.controls, libcamera.properties = controls, properties
    libcamera.CameraManager = types.SimpleNamespace(singleton=lambda: manager)
    libcamera._libcamera = libcamera  # noqa: SLF001 - upstream's name, which picamera2 asks for
    kms: Any = types.ModuleType("pykms")
    kms.PixelFormat = mock.MagicMock()
    return {
        "libcamera": libcamera,
        "libcamera.controls": controls,
        "libcamera.properties": properties,
        "kms": kms,
        "pykms": kms,
    }


def _import_picamera2(family: Family) -> None:
    """Import the real package and give it memory that needs no kernel driver."""
    picamera2 = importlib.import_module("picamera2")
    allocator: Any = importlib.import_module("picamera2.allocators.dmaallocator")
    platform: Any = importlib.import_module("picamera2.platform")
    allocator.DmaHeap = MemoryHeap
    allocator.fcntl = types.SimpleNamespace(ioctl=lambda _fd, _request, _argument: 0)
    picamera2.Picamera2.platform = platform.Platform.PISP if family == "pisp" else platform.Platform.VC4
