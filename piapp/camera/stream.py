"""A network camera's stream as a camera: `rtsp:` and `rtsps:`, read with PyAV.

Owns the connection and its renewal, the time of frames, and what is left out to keep up.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

import av
from av.codec.context import Flags2

from piapp.camera.base import SourceStatus
from piapp.camera.clock import NS_PER_MS
from piapp.camera.orientation import Orientation, Shape
from piapp.camera.reader import FrameReader
from piapp.camera.stream_clock import NS_PER_S, StreamClock
from piapp.camera.stream_failures import substream_hint, unreachable, with_login
from piapp.camera.thread_time import ThreadTime
from piapp.camera.video import frame_shape, to_rgb
from piapp.config.sections import CameraConfig
from piapp.errors import CameraError
from piapp.types import Frame
from piapp.wording import masked

log = logging.getLogger(__name__)

# From one attempt to connect anew to the next: the first at once, then more and more, and never so much that a camera
# that is back waits for long. A camera that refuses the login is asked rarely: many shut out who tries again and again.
RETRY_MIN_S = 1.0
RETRY_MAX_S = 2.0
REFUSED_S = 60.0

# For FFmpeg: no frame rate is measured before the first picture, which would take a second or two.
_OPTIONS = {"max_delay": "200000", "analyzeduration": "2000000", "fpsprobesize": "0"}

# A camera that sends data owes a picture only after its next key frame; cameras send one every 20 s at the rarest seen.
KEY_FRAME_WAIT_S = 60.0
KEY_FRAME_NOTICE_NS = 3 * NS_PER_S

# Frames that have waited for longer are not shown while newer ones come.
STALE_NS = NS_PER_S // 2
# A reader that is behind for as long as this is no longer working off what a stalled network held back. From then on
# only key frames are decoded, until one is fresh again.
BEHIND_NS = NS_PER_S
PATIENCE_NS = NS_PER_S
CAUGHT_UP_NS = 300 * NS_PER_MS
# Who is so late although key frames alone were decoded for so long does not catch up: a new connection begins with the
# present, and what the old one still holds is given up.
TOO_OLD_NS = 5 * NS_PER_S
HOPE_NS = 5 * NS_PER_S

# Even what is stale is shown so often.
SHOW_EVERY_NS = NS_PER_S

# A stream that never lets its reader wait is shown after this time all the same.
JOIN_NS = 3 * NS_PER_S

# A read that sleeps for longer has waited for the network.
_WAITED_NS = 10 * NS_PER_MS


class StreamCamera:
    """A stream that is connected anew whenever it ends; see `piapp.camera.base.Camera`.

    The thread of its `FrameReader` connects and decodes.

    Raises:
        CameraNotFoundError: Nobody listens at that address.
        CameraError: It listens, and gives no video within `camera.frame_timeout_s`.
    """

    lockstep = False

    def __init__(self, url: str, config: CameraConfig) -> None:
        self.description = masked(url)
        self._name = masked(url)
        self._url = with_login(url, config)
        self._timeout_s = config.frame_timeout_s
        self._pixel_aspect = config.pixel_aspect
        self._orientation = Orientation.of(config)
        self._trouble = ""
        self._refused = False
        self._data_ns = self._picture_ns = time.monotonic_ns()
        self._last_ms = -1
        self._age_ns = 0
        self._stale = 0
        self._reconnects = 0
        self._reader = FrameReader(self._name, self._read)
        self._reader.start()

    def frames(self) -> Iterator[Frame]:
        """Yield the newest frame again and again, until `close`."""
        while (frame := self._reader.take()) is not None:
            yield Frame(frame.ts_ms, frame.captured_ns, self._orientation.apply(frame.image))

    def close(self) -> None:
        """Stop; waits for a read that hangs, but not for long."""
        self._reader.close()

    def status(self) -> SourceStatus:
        """How the source is now; any thread."""
        now_ns = time.monotonic_ns()
        silent_s, blind_s = (now_ns - self._data_ns) / 1e9, (now_ns - self._picture_ns) / 1e9
        lost = ""
        if silent_s > self._timeout_s:
            lost = self._trouble or f"{self._name}: no data for {silent_s:.0f} s; is the camera still on?"
        elif blind_s > max(KEY_FRAME_WAIT_S, self._timeout_s):
            lost = (
                f"{self._name}: sends data, but no picture for {blind_s:.0f} s; "
                "set its key frame (I-frame) interval to 1 to 4 s and turn off smart codecs"
            )
        return SourceStatus(
            lost=lost, age_ms=self._age_ns / NS_PER_MS, stale=self._stale, reconnects=self._reconnects, renews=True
        )

    def _read(self) -> None:
        period_s = 0.0
        while not self._reader.closed:
            began_ns = time.monotonic_ns()
            self._refused = False
            self._read_once()
            seen = self._picture_ns > began_ns  # then it worked: try again at once
            period_s = 0.0 if seen else min(max(2 * period_s, RETRY_MIN_S), RETRY_MAX_S)
            took_s = (time.monotonic_ns() - began_ns) / NS_PER_S
            self._reader.pause(max(0.0, (REFUSED_S if self._refused else period_s) - took_s))

    def _read_once(self) -> None:
        """Connect and read until the connection ends.

        Raises:
            CameraError: It could not be opened for the first time.
        """
        try:
            with self._connected() as container:
                self._opened(container)
                for _ in self._packets(container):
                    if self._reader.closed:
                        return
            reason = "the stream ended or the connection was lost"
        except CameraError as error:
            if not self._reader.is_open:
                raise
            reason = str(error)
        except (av.FFmpegError, OSError) as error:
            silent = isinstance(error, av.error.ExitError)  # FFmpeg was stopped, because it took too long
            reason = f"no data for {self._timeout_s:g} s" if silent else f"the connection was lost ({_reason(error)})"
        self._trouble = reason if reason.startswith(self._name) else f"{self._name}: {reason}; is the camera still on?"
        self._reconnects += 1
        self._reader.drop()  # what nobody has taken yet is of the past
        log.warning("%s; connecting anew", self._trouble)

    def _connected(self) -> av.container.InputContainer:
        """Open the stream, over TCP, or over UDP where the camera knows nothing else.

        Raises:
            CameraError: With the reason.
        """
        reasons = []
        for transport in ("tcp", "udp"):
            options = {"rtsp_transport": transport, **_OPTIONS}
            try:
                return av.open(self._url, options=options, timeout=(self._timeout_s, self._timeout_s))
            except (av.FFmpegError, OSError) as error:
                reasons.append(f"over {transport.upper()}: {_reason(error)}")
                self._refused = isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError)
                if self._refused or isinstance(error, TimeoutError | av.error.ExitError):
                    break
        raise unreachable(self._url, self._timeout_s, "; ".join(reasons))

    def _opened(self, container: av.container.InputContainer) -> None:
        if not container.streams.video:
            raise CameraError(f"{self._name}: the stream holds no video; choose another path of this camera")
        codec = container.streams.video[0].codec_context
        self.description = f"{self._name} {codec.width}x{codec.height}" if codec.width else self._name
        if not self._reader.is_open:
            self._data_ns = self._picture_ns = time.monotonic_ns()
        self._reader.opened()

    def _packets(self, container: av.container.InputContainer) -> Iterator[None]:
        """Read, decode and offer; yields after each packet."""
        stream = container.streams.video[0]
        _prepare_decoder(stream)
        reading = _Reading(stream, self._pixel_aspect, self._name)
        announced = False
        asked = ThreadTime.now()
        for packet in container.demux(stream):
            got = ThreadTime.now()
            if got.now_ns - asked.now_ns >= self._timeout_s * NS_PER_S:
                # FFmpeg has given up, and hands out what its parser still held, which is as old as the silence.
                raise av.error.ExitError(0, "what comes is as old as the silence")
            if packet.size:
                self._data_ns, self._trouble = got.now_ns, ""
            for decoded in reading.decode(packet, got.now_ns, waited=got.slept_ns(asked) > _WAITED_NS):
                self._offer(decoded, reading)
            self._age_ns = reading.clock.age_ns
            if self._picture_ns > reading.began_ns and reading.hopeless(got.now_ns):
                raise CameraError(f"{self._name}: pictures were {self._age_ns / NS_PER_S:.0f} s old")
            if not announced and self._picture_ns <= reading.began_ns < got.now_ns - KEY_FRAME_NOTICE_NS:
                announced = True
                log.info("%s: sends data; pictures come with its next key frame", self._name)
            yield
            asked = ThreadTime.now()

    def _offer(self, decoded: av.VideoFrame, reading: _Reading) -> None:
        """Keep a frame for whoever asks next, unless it has waited for long and newer ones come."""
        now_ns = time.monotonic_ns()
        captured_ns = reading.captured_ns(decoded, now_ns)
        first = self._picture_ns <= reading.began_ns
        if not reading.joined(now_ns):
            self._stale += 1
            return
        if not first and now_ns - captured_ns > STALE_NS and now_ns - self._picture_ns < SHOW_EVERY_NS:
            self._stale += 1
            return
        image = reading.shape_of(decoded).apply(to_rgb(decoded))
        self._picture_ns = now_ns
        self._last_ms = max((captured_ns + NS_PER_MS // 2) // NS_PER_MS, self._last_ms + 1)
        self._reader.offer(Frame(self._last_ms, captured_ns, image))


class _Reading:
    """One connection's decoding: its clock, and how it keeps up.

    Attributes:
        began_ns: When it began, `CLOCK_MONOTONIC`.
        clock: Of this connection's stamps.
    """

    def __init__(self, stream: av.VideoStream, pixel_aspect: float, name: str) -> None:
        self._stream = stream
        self._pixel_aspect = pixel_aspect
        self._name = name
        self._begun = self._joined = False
        self._only_key_frames = False
        self._skipping_since_ns = 0
        self._behind_since_ns = time.monotonic_ns()
        self._warned = False
        self._shape: tuple[tuple[int, int], Shape] | None = None
        self.began_ns = time.monotonic_ns()
        self.clock = StreamClock()

    def decode(self, packet: av.Packet[av.VideoStream], now_ns: int, *, waited: bool) -> Iterator[av.VideoFrame]:
        """Decode a packet; one that would make a reader who is behind fall further behind is left out."""
        self._joined = self._joined or (waited and self._begun)
        self._begun = True
        presentation_ns = _ns(packet.pts, packet.time_base)
        age_ns = 0 if presentation_ns is None else self.clock.arrived(presentation_ns, now_ns, waited=waited)
        if age_ns < BEHIND_NS:
            self._behind_since_ns = now_ns
        elif now_ns - self._behind_since_ns > PATIENCE_NS and not self._only_key_frames:
            self._only_key_frames, self._skipping_since_ns = True, now_ns
            self._warn(age_ns)
        if self._only_key_frames and packet.is_keyframe and age_ns < CAUGHT_UP_NS:
            self._only_key_frames = False
        if self._only_key_frames and packet.size and not packet.is_keyframe:
            return
        try:
            yield from packet.decode()
        except av.FFmpegError as error:
            log.debug("%s: a packet cannot be decoded: %s", self._name, error)

    def joined(self, now_ns: int) -> bool:
        """Whether what comes is of the present: servers begin with what they have kept since the last key frame."""
        return self._joined or now_ns - self.began_ns > JOIN_NS

    def hopeless(self, now_ns: int) -> bool:
        """Whether not even key frames alone let the reader catch up."""
        return self._only_key_frames and now_ns - self._skipping_since_ns > HOPE_NS and self.clock.age_ns > TOO_OLD_NS

    def captured_ns(self, frame: av.VideoFrame, now_ns: int) -> int:
        """When a decoded frame was taken, or, where the stream has no times, when it was decoded."""
        presentation_ns = _ns(frame.pts, frame.time_base)
        return now_ns if presentation_ns is None else self.clock.captured_ns(presentation_ns, now_ns)

    def shape_of(self, frame: av.VideoFrame) -> Shape:
        """How the stream's pictures are to be shown; asked for anew when their size changes."""
        size = (frame.width, frame.height)
        if self._shape is None or self._shape[0] != size:
            aspect = self._pixel_aspect or float(self._stream.sample_aspect_ratio or 0)
            self._shape = size, frame_shape(frame, aspect)
        return self._shape[1]

    def _warn(self, age_ns: int) -> None:
        if not self._warned:
            self._warned = True
            log.warning(
                "%s: decoding falls behind (%.1f s); key frames alone are decoded until it has caught up. %s",
                self._name, age_ns / 1e9, substream_hint(self._name),
            )  # fmt: skip


def _prepare_decoder(stream: av.VideoStream) -> None:
    """Let the decoder give each picture at once, whole, and with what is lost guessed from the picture before.

    On several threads it would hold pictures back, or, by slices, leave lost parts green. Servers of GStreamer repeat a
    stream's parameters in front of each slice of a key frame, which FFmpeg takes for new pictures: hence chunks.
    """
    stream.thread_type = "NONE"
    if stream.codec_context.name == "h264":
        stream.codec_context.flags2 |= Flags2.chunks


def open_rtsp(url: str, config: CameraConfig) -> StreamCamera:
    """Open a network camera's stream.

    Raises:
        CameraNotFoundError: Nobody listens at that address.
        CameraError: It listens, and gives no video within `camera.frame_timeout_s`.
    """
    return StreamCamera(url, config)


def _ns(time_stamp: int | None, time_base: object) -> int | None:
    return None if time_stamp is None or time_base is None else int(time_stamp * time_base * NS_PER_S)  # type: ignore[operator]


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
