"""The sections of the configuration as frozen structs: types, ranges, and what combines several keys.

Does not own the meaning of a value: each part gets its own section.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from piapp.config.addresses import broker_address, first_line, metrics_address, read_token
from piapp.config.display import shown
from piapp.config.schedule import parse_spans

# One in 100 s. Periods are the inverse of rates: that of the least positive number overflows.
MIN_HZ = 0.01

# Results feed the watchdog of systemd/piapp.service, which strikes after 20 s without one.
MIN_IDLE_FPS = 0.2

# A video is not the use of `image`; frames carry landmarks at full rate.
MIN_IMAGE_PERIOD_S = 0.1

# Signs that topics may begin and go on with: no wildcard, no control character, nothing of the broker's own.
_TOPIC_START, _TOPIC_REST = r"[^/#+$\x00-\x1f\x7f\s]", r"[^#+\x00-\x1f\x7f]"

Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]
Seconds = Annotated[float, Meta(ge=0.0, le=86_400.0)]
PositiveSeconds = Annotated[float, Meta(gt=0.0, le=86_400.0)]


class Section(Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the configuration file."""

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield (key, what is wrong) for what types and ranges cannot say."""
        yield from ()


def _login_problems(username: str, password_file: str) -> Iterator[tuple[str, str]]:
    """Check what a user name and a password's file need."""
    if not password_file:
        return
    if not username:
        yield "username", "password_file is set, so a user name is needed"
    if not os.path.exists(password_file):  # noqa: PTH110 - never raises
        yield "password_file", f"{password_file!r} is not a file"
    elif not os.access(password_file, os.R_OK):
        yield "password_file", f"{password_file!r} cannot be read by this user"
    else:
        try:
            first_line(password_file)
        except ValueError as error:
            yield "password_file", f"{password_file!r} {error}"


class NodeConfig(Section, frozen=True):
    """`[node]`: who this sensor is."""

    id: Annotated[str, Meta(pattern=r"^$|^[a-z0-9-]{1,32}$")]
    name: Annotated[str, Meta(max_length=64)]
    area: Annotated[str, Meta(max_length=64)]


class CameraConfig(Section, frozen=True):
    """`[camera]`: where frames come from."""

    source: Annotated[str, Meta(min_length=1)]
    width: Annotated[int, Meta(ge=64, le=4608)]
    height: Annotated[int, Meta(ge=64, le=4608)]
    fps: Annotated[float, Meta(ge=MIN_HZ, le=240.0)]
    rotation: Literal[0, 90, 180, 270]
    hflip: bool
    vflip: bool
    pixel_aspect: Annotated[float, Meta(ge=0.0, le=4.0)]
    username: Annotated[str, Meta(max_length=128)]
    password_file: str
    tilt_deg: Annotated[float, Meta(ge=-45.0, le=90.0)] | Literal["auto"]
    frame_timeout_s: Annotated[float, Meta(ge=0.2, le=600.0)]
    controls: dict[str, Any]

    def problems(self) -> Iterator[tuple[str, str]]:
        """Check the password's file."""
        yield from _login_problems(self.username, self.password_file)


class LandmarkerConfig(Section, frozen=True):
    """`[landmarker]`: every option of MediaPipe's Pose Landmarker, and how it is run."""

    model: Annotated[str, Meta(min_length=1)]
    num_poses: Annotated[int, Meta(ge=1, le=10)]
    min_pose_detection_confidence: Fraction
    min_pose_presence_confidence: Fraction
    min_tracking_confidence: Fraction
    output_segmentation_masks: bool
    runtime: Literal["auto", "mediapipe", "litert"]
    precision: Literal["full", "half", "auto"]
    reacquire: bool
    further_people_hz: Annotated[float, Meta(ge=0.0, le=240.0)]
    workers: Annotated[int, Meta(ge=0, le=16)]
    threads: Annotated[int, Meta(ge=0, le=16)]
    max_result_age_s: Annotated[float, Meta(ge=0.5, le=600.0)]

    def problems(self) -> Iterator[tuple[str, str]]:
        """Refuse a precision that the runtime does not have."""
        if self.runtime == "mediapipe" and self.precision == "half":
            yield "precision", '"half" needs runtime "litert"; MediaPipe computes in full precision only'


class PowerConfig(Section, frozen=True):
    """`[power]`: when to work less."""

    idle_fps: Annotated[float, Meta(ge=0.0, le=240.0)]
    idle_after_s: PositiveSeconds
    max_temp_c: Annotated[float, Meta(ge=0.0, le=110.0)]

    def problems(self) -> Iterator[tuple[str, str]]:
        """Refuse an idle rate so low that a supervisor would take the node for dead."""
        if 0.0 < self.idle_fps < MIN_IDLE_FPS:
            yield "idle_fps", f"must be 0 or at least {MIN_IDLE_FPS}: the service's watchdog waits for results"


Metres = Annotated[float, Meta(ge=0.0, le=10.0)]
Degrees = Annotated[float, Meta(ge=0.0, le=180.0)]


class PostureConfig(Section, frozen=True):
    """`[posture]`: every threshold of the posture logic."""

    fall_sensitivity: Literal["low", "normal", "high"]
    found_lying_s: Seconds
    min_visibility: Fraction
    enter_after_s: Seconds
    gap_s: Seconds
    lying_gap_s: Seconds
    fallen_gap_s: Seconds
    smooth_cutoff_hz: Annotated[float, Meta(ge=MIN_HZ, le=100.0)]
    smooth_beta: Annotated[float, Meta(ge=0.0, le=1000.0)]
    dwell_s: Seconds
    settle_s: Seconds
    fallen_after_s: Seconds
    repeat_alarm_s: Seconds
    recover_dwell_s: Seconds
    hand_dwell_s: Seconds
    inactive_after_s: PositiveSeconds
    zone_dwell_s: Seconds


class ZoneConfig(Section, frozen=True):
    """`[[zones]]`: a place in the picture."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    polygon: Annotated[tuple[tuple[Fraction, Fraction], ...], Meta(min_length=3, max_length=64)]
    ignore: tuple[Literal["fall"], ...]


class TlsConfig(Section, frozen=True):
    """`[mqtt.tls]`: files in PEM form; the empty string means none."""

    ca: str
    cert: str
    key: str
    verify_x509_strict: bool

    def problems(self) -> Iterator[tuple[str, str]]:
        """Check that named files exist and that certificate and key come together."""
        for key in ("ca", "cert", "key"):
            path = getattr(self, key)
            if path and not os.path.isfile(path):  # noqa: PTH113 - never raises
                yield key, f"{path!r} is not a file; name a PEM file or leave it empty"
        if bool(self.cert) != bool(self.key):
            missing = "key" if self.cert else "cert"
            yield missing, "a client certificate needs both cert and key; set this one too or empty the other"


class MqttConfig(Section, frozen=True):
    """`[mqtt]`: the broker and how to connect to it."""

    url: str
    protocol: Literal["5", "3.1.1", "auto"]
    base_topic: Annotated[str, Meta(pattern=rf"^{_TOPIC_START}{_TOPIC_REST}*$", max_length=128)]
    username: Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=1024)]
    password_file: str
    client_id: Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=128)]
    response_prefix: Annotated[str, Meta(pattern=rf"^({_TOPIC_START}{_TOPIC_REST}*)?$", max_length=128)]
    keepalive_s: Annotated[int, Meta(ge=2, le=3600)]
    connect_timeout_s: Annotated[float, Meta(ge=0.5, le=60.0)]
    reconnect_min_s: Annotated[float, Meta(ge=0.05, le=3600.0)]
    reconnect_max_s: Annotated[float, Meta(ge=0.05, le=3600.0)]
    tls: TlsConfig

    def problems(self) -> Iterator[tuple[str, str]]:
        """Check the URL's form, the password's file and that nothing contradicts."""
        try:
            broker_address(self.url)
        except ValueError as error:
            yield "url", str(error)
        for key in ("base_topic", "response_prefix"):
            if getattr(self, key).endswith("/"):
                yield key, "must not end in '/'"
        if self.reconnect_max_s < self.reconnect_min_s:
            yield "reconnect_max_s", f"must be at least mqtt.reconnect_min_s, {self.reconnect_min_s}"
        yield from _login_problems(self.username, self.password_file)


class PublishConfig(Section, frozen=True):
    """`[publish]`: what leaves, and how often."""

    frames: Literal["json", "msgpack", "off"]
    max_frame_hz: Annotated[float, Meta(ge=0.0, le=1000.0)]
    world_landmarks: bool
    image: Literal["off", "skeleton", "photo"]
    image_period_s: Seconds

    def problems(self) -> Iterator[tuple[str, str]]:
        """Refuse a period that would make a video of it, and a rate whose period overflows."""
        if 0.0 < self.max_frame_hz < MIN_HZ:
            yield "max_frame_hz", f"must be 0 (every processed frame) or at least {MIN_HZ}"
        if 0.0 < self.image_period_s < MIN_IMAGE_PERIOD_S:
            yield "image_period_s", f"must be 0 (on request alone) or at least {MIN_IMAGE_PERIOD_S}"


class HomeAssistantConfig(Section, frozen=True):
    """`[homeassistant]`: how Home Assistant, openHAB and others learn of the node."""

    discovery: Literal["device", "component", "off"]
    prefix: Annotated[str, Meta(pattern=rf"^{_TOPIC_START}{_TOPIC_REST}*$", max_length=128)]

    def problems(self) -> Iterator[tuple[str, str]]:
        """Check the prefix's end."""
        if self.prefix.endswith("/"):
            yield "prefix", "must not end in '/'"


class ScheduleConfig(Section, frozen=True):
    """`[schedule]`: times at which nobody is watched."""

    enabled: bool
    pause: Annotated[str, Meta(max_length=512)]

    def problems(self) -> Iterator[tuple[str, str]]:
        """Check the form of the times."""
        try:
            parse_spans(self.pause)
        except ValueError as error:
            yield "pause", str(error)


class CasesConfig(Section, frozen=True):
    """`[cases]`: recordings of landmarks around alarms."""

    enabled: bool
    max_cases: Annotated[int, Meta(ge=1, le=1000)]
    max_mb: Annotated[int, Meta(ge=1, le=1000)]


class HistoryConfig(Section, frozen=True):
    """`[history]`: summaries of the last days."""

    days: Annotated[int, Meta(ge=0, le=366)]


class SpoolConfig(Section, frozen=True):
    """`[spool]`: where events wait while the broker is away."""

    dir: str
    max_events: Annotated[int, Meta(ge=1, le=1_000_000)]
    max_mb: Annotated[int, Meta(ge=1, le=1000)]


class PreviewConfig(Section, frozen=True):
    """`[preview]`: the live page."""

    enabled: bool
    bind: str
    port: Annotated[int, Meta(ge=0, le=65_535)]
    max_fps: Annotated[float, Meta(ge=MIN_HZ, le=60.0)]
    picture: Literal["off", "edges", "consent"]
    token_file: str

    def problems(self) -> Iterator[tuple[str, str]]:
        """Check the address, and that a page that others can reach is not open to everybody."""
        try:
            loopback = ip_address(self.bind).is_loopback
        except ValueError:
            yield "bind", "expected an IP address, such as 127.0.0.1, or 0.0.0.0 for all networks"
            loopback = True
        if self.enabled and not loopback and not self.token_file:
            yield "token_file", f"preview.bind = {self.bind!r} can be reached from other machines, so a token is needed"
        if self.token_file:
            try:
                read_token(self.token_file)
            except ValueError as error:
                yield "token_file", str(error)


class HealthConfig(Section, frozen=True):
    """`[health]`: how often the node reports on itself."""

    period_s: Annotated[float, Meta(ge=1.0, le=86_400.0)]
    prometheus_bind: str

    def problems(self) -> Iterator[tuple[str, str]]:
        """Check the address."""
        if self.prometheus_bind:
            try:
                metrics_address(self.prometheus_bind)
            except ValueError as error:
                yield "prometheus_bind", str(error)


class Config(Section, frozen=True):
    """The whole configuration."""

    node: NodeConfig
    camera: CameraConfig
    landmarker: LandmarkerConfig
    power: PowerConfig
    posture: PostureConfig
    zones: tuple[ZoneConfig, ...]
    mqtt: MqttConfig
    publish: PublishConfig
    homeassistant: HomeAssistantConfig
    spool: SpoolConfig
    preview: PreviewConfig
    health: HealthConfig
    schedule: ScheduleConfig
    cases: CasesConfig
    history: HistoryConfig

    def problems(self) -> Iterator[tuple[str, str]]:
        """Refuse two zones of one name: events could not tell them apart."""
        names = [zone.name for zone in self.zones]
        for name in dict.fromkeys(name for name in names if names.count(name) > 1):
            yield "zones", f"{shown(name)} is the name of {names.count(name)} zones; each needs its own"
