"""Typed configuration: defaults from `piapp.toml`, then a file, the environment and the command line.

Owns reading, layering, validation and masking. Does not own the meaning of a value: each part gets its own section as
a frozen struct. `piapp.toml` is the only place that states a default; the structs state types and ranges.
"""

from __future__ import annotations

import copy
import os
import re
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import resources
from ipaddress import ip_address
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from piapp.errors import ConfigError
from piapp.wording import did_you_mean, masked

DEFAULT_FILE = Path("/etc/piapp/piapp.toml")
ENV_FILE = "PIAPP_CONFIG"
ENV_PREFIX = "PIAPP_"

# systemd.exec(5), LoadCredential; the name is that of systemd/piapp.service.
CREDENTIALS_FOLDER = "CREDENTIALS_DIRECTORY"
PASSWORD_CREDENTIAL = "mqtt_password"  # noqa: S105 - a file's name
TOKEN_CREDENTIAL = "preview_token"  # noqa: S105 - likewise

# Random letters of this number are out of reach of trying them all.
MIN_TOKEN_LENGTH = 16

# Results feed the watchdog of systemd/piapp.service, which strikes after 20 s without one.
MIN_IDLE_FPS = 0.2

# A video is not the use of `image`; frames carry landmarks at full rate.
MIN_IMAGE_PERIOD_S = 0.1

Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]
Seconds = Annotated[float, Meta(ge=0.0, le=86_400.0)]
PositiveSeconds = Annotated[float, Meta(gt=0.0, le=86_400.0)]


class Section(Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the configuration file."""

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield (key, what is wrong) for what types and ranges cannot say."""
        yield from ()


_SectionT = typing.TypeVar("_SectionT", bound=Section)


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
    fps: Annotated[float, Meta(gt=0.0, le=240.0)]
    rotation: Literal[0, 90, 180, 270]
    hflip: bool
    vflip: bool
    tilt_deg: Annotated[float, Meta(ge=-45.0, le=90.0)] | Literal["auto"]
    frame_timeout_s: Annotated[float, Meta(ge=0.2, le=600.0)]
    controls: dict[str, Any]


class LandmarkerConfig(Section, frozen=True):
    """`[landmarker]`: every option of MediaPipe's Pose Landmarker, and how it is run."""

    model: Annotated[str, Meta(min_length=1)]
    num_poses: Annotated[int, Meta(ge=1, le=10)]
    min_pose_detection_confidence: Fraction
    min_pose_presence_confidence: Fraction
    min_tracking_confidence: Fraction
    output_segmentation_masks: bool
    runtime: Literal["auto", "mediapipe", "litert"]
    workers: Annotated[int, Meta(ge=0, le=16)]
    threads: Annotated[int, Meta(ge=0, le=16)]
    max_result_age_s: Annotated[float, Meta(ge=0.5, le=600.0)]


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

    min_visibility: Fraction
    min_presence: Fraction
    min_scale_px: Annotated[float, Meta(ge=1.0, le=1000.0)]
    enter_after_s: Seconds
    enter_whole: Fraction
    enter_leg_share: Annotated[float, Meta(ge=0.0, le=3.0)]
    enter_move_m: Metres
    enter_arms: Fraction
    gap_s: Seconds
    lying_gap_s: Seconds
    fallen_gap_s: Seconds
    match_radius_m: Metres
    match_speed_m_s: Metres
    smooth_cutoff_hz: Annotated[float, Meta(gt=0.0, le=100.0)]
    smooth_beta: Annotated[float, Meta(ge=0.0, le=1000.0)]
    tilt_max_deg: Degrees
    tilt_bias_deg: Degrees
    dwell_s: Seconds
    settle_s: Seconds
    hysteresis_deg: Degrees
    lying_trunk_deg: Degrees
    lying_thigh_deg: Degrees
    lying_hips_m: Metres
    lying_extension: Fraction
    lying_balance_m: Metres
    propped_reach_m: Metres
    propped_arms_down: Fraction
    bending_trunk_deg: Degrees
    bending_knee_deg: Degrees
    kneeling_knee_deg: Degrees
    seated_thigh_deg: Degrees
    half_thigh_deg: Degrees
    passing_m_s: Metres
    floor_hips_m: Metres
    squat_shank_deg: Degrees
    squat_balance_m: Metres
    squat_fold_deg: Annotated[float, Meta(ge=0.0, le=360.0)]
    fall_top_hips_m: Metres
    fall_rest_m: Metres
    fall_drop_m: Metres
    fall_hips_drop_m: Metres
    fall_descent_s: PositiveSeconds
    fall_speed_m_s: Metres
    fall_shoulders_m: Metres
    fall_hips_m: Metres
    fall_confirm_s: Seconds
    fall_level_deg: Degrees
    fall_folded_s: Seconds
    fall_settle_s: Seconds
    fall_up_m: Metres
    fall_lost_s: Seconds
    fall_lost_shoulders_m: Metres
    fall_lost_speed_m_s: Metres
    fallen_after_s: Seconds
    recover_hips_m: Metres
    recover_dwell_s: Seconds
    recover_sitting_s: Seconds
    hand_enter_m: Annotated[float, Meta(ge=-1.0, le=1.0)]
    hand_exit_m: Annotated[float, Meta(ge=-1.0, le=1.0)]
    hand_dwell_s: Seconds
    wave_lift_m: Metres
    wave_swing_m: Metres
    wave_swings: Annotated[int, Meta(ge=2, le=8)]
    wave_window_s: PositiveSeconds
    wave_pause_s: Seconds
    still_move_m: Metres
    still_reach_m: Metres
    inactive_after_s: PositiveSeconds
    push_up_trunk_deg: Degrees
    push_up_hip_deg: Degrees
    push_up_hands_m: Metres
    push_up_hold_s: Seconds
    repetition_start: Fraction
    repetition_far: Fraction
    repetition_min_s: Seconds
    repetition_max_s: Seconds
    repetition_pause_s: Seconds
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

    def problems(self) -> Iterator[tuple[str, str]]:
        """Check that named files exist and that certificate and key come together."""
        for key in ("ca", "cert", "key"):
            path = getattr(self, key)
            if path and not Path(path).is_file():
                yield key, f"{path!r} is not a file; name a PEM file or leave it empty"
        if bool(self.cert) != bool(self.key):
            missing = "key" if self.cert else "cert"
            yield missing, "a client certificate needs both cert and key; set this one too or empty the other"


class MqttConfig(Section, frozen=True):
    """`[mqtt]`: the broker and how to speak to it."""

    url: str
    protocol: Literal["5", "3.1.1", "auto"]
    base_topic: Annotated[str, Meta(pattern=r"^[^/#+\x00\s][^#+\x00]*$", max_length=128)]
    username: str
    password_file: str
    client_id: Annotated[str, Meta(max_length=128)]
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
        if self.base_topic.endswith("/"):
            yield "base_topic", "must not end in '/'"
        if self.reconnect_max_s < self.reconnect_min_s:
            yield "reconnect_max_s", f"must be at least mqtt.reconnect_min_s, {self.reconnect_min_s}"
        if self.password_file:
            if not self.username:
                yield "username", "password_file is set, so a user name is needed"
            if not Path(self.password_file).is_file():
                yield "password_file", f"{self.password_file!r} is not a file"
            elif not os.access(self.password_file, os.R_OK):
                yield "password_file", f"{self.password_file!r} cannot be read by this user"


class PublishConfig(Section, frozen=True):
    """`[publish]`: what leaves, and how often."""

    frames: Literal["json", "msgpack", "off"]
    max_frame_hz: Annotated[float, Meta(ge=0.0, le=1000.0)]
    world_landmarks: bool
    image: Literal["off", "skeleton", "photo"]
    image_period_s: Seconds

    def problems(self) -> Iterator[tuple[str, str]]:
        """Refuse a period that would make a video of it."""
        if 0.0 < self.image_period_s < MIN_IMAGE_PERIOD_S:
            yield "image_period_s", f"must be 0 (on request alone) or at least {MIN_IMAGE_PERIOD_S}"


class HomeAssistantConfig(Section, frozen=True):
    """`[homeassistant]`: how Home Assistant, openHAB and others learn of the node."""

    discovery: Literal["device", "component", "off"]
    prefix: Annotated[str, Meta(pattern=r"^[^/#+\x00\s][^#+\x00]*$", max_length=128)]

    def problems(self) -> Iterator[tuple[str, str]]:
        """Check the prefix's end."""
        if self.prefix.endswith("/"):
            yield "prefix", "must not end in '/'"


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
    max_fps: Annotated[float, Meta(gt=0.0, le=60.0)]
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
    """`[health]`: how often the node speaks of itself."""

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

    def problems(self) -> Iterator[tuple[str, str]]:
        """Refuse two zones of one name: events could not tell them apart."""
        names = [zone.name for zone in self.zones]
        for name in dict.fromkeys(name for name in names if names.count(name) > 1):
            yield "zones", f"{_shown(name)} is the name of {names.count(name)} zones; each needs its own"


def metrics_address(bind: str) -> tuple[str, int]:
    """IP address and port of `health.prometheus_bind`.

    Raises:
        ValueError: It is not of that form.
    """
    parts = urlsplit(f"//{bind}")
    host, port = parts.hostname or "", parts.port  # both may raise ValueError themselves
    if not port or parts.netloc != bind or "@" in bind:
        raise ValueError("expected an IP address and a port, such as 127.0.0.1:9464 or [::1]:9464")
    return str(ip_address(host)), port


def read_token(file: str) -> str:
    """The first line of `preview.token_file`.

    Raises:
        ValueError: It cannot be read, or is no token; the message does not repeat it.
    """
    try:
        with Path(file).open(encoding="ascii") as stream:
            token = stream.readline().strip()
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError("expected letters, digits and signs of ASCII in its first line") from error
    if len(token) < MIN_TOKEN_LENGTH or not token.isprintable() or " " in token:
        raise ValueError(
            f"expected at least {MIN_TOKEN_LENGTH} letters, digits or signs in its first line; "
            "make one with: openssl rand -hex 16"
        )
    return token


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker listens."""

    host: str
    port: int
    tls: bool


def broker_address(url: str) -> BrokerAddress:
    """Read `mqtt://host[:port]` or `mqtts://host[:port]`.

    Raises:
        ValueError: The URL has another form; the message never repeats a password.
    """
    form = "expected mqtt://host[:port] or mqtts://host[:port]"
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise ValueError("holds a user name or password; use mqtt.username and mqtt.password_file instead")
    if parts.scheme not in ("mqtt", "mqtts"):
        raise ValueError(f"{url!r} has the scheme {parts.scheme!r}; {form}")
    try:
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{url!r} has no valid port; {form}") from error
    if not parts.hostname or port == 0 or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"{url!r} is not a broker's address; {form}")
    tls = parts.scheme == "mqtts"
    return BrokerAddress(parts.hostname, port or (8883 if tls else 1883), tls)


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A valid configuration and where each value came from.

    Attributes:
        origins: Dotted key to its origin, such as `mqtt.url` to `/etc/piapp/piapp.toml`.
        file: The file that was read, None when only the defaults were.
    """

    config: Config
    origins: Mapping[str, str]
    file: Path | None


def defaults_text() -> str:
    """The shipped, documented `piapp.toml`."""
    return resources.files("piapp").joinpath("piapp.toml").read_text(encoding="utf-8")


def load_config(
    path: Path | None = None,
    *,
    overrides: Sequence[tuple[str, str]] = (),
    environ: Mapping[str, str] | None = None,
) -> LoadedConfig:
    """Layer defaults, file, environment and command line into one validated configuration.

    Args:
        path: The file to read; None takes `$PIAPP_CONFIG`, else `/etc/piapp/piapp.toml` if that exists.
        overrides: (dotted key, text) pairs of the command line, later ones win; text is TOML, else a plain string.
        environ: The environment; None takes the process's own.

    Raises:
        ConfigError: Naming every problem of every layer at once.
    """
    environ = os.environ if environ is None else environ
    errors: list[str] = []
    layers = _Layers(errors)
    defaults = tomllib.loads(defaults_text())
    layers.add_table(copy.deepcopy(defaults), "default")
    file = _find_file(path, environ)
    if file is not None:
        layers.add_table(_read_toml(file), str(file))
    for name in sorted(environ):
        if name.startswith(ENV_PREFIX) and "__" in name:
            key = _env_key(name)
            layers.add_value(key, environ[name], f"environment {name}")
    for key, text in overrides:
        layers.add_value(key, text, "command line")
    _add_credentials(layers, environ)
    return LoadedConfig(_checked(layers, errors, defaults), layers.origins, file)


def changed(config: Config, values: Mapping[str, Any], origin: str) -> Config:
    """The configuration with other values for some keys, checked as those of a file are.

    Args:
        config: What it was.
        values: Dotted key to plain value.
        origin: Where the values come from, for messages.

    Raises:
        ConfigError: Naming every problem at once.
    """
    errors: list[str] = []
    layers = _Layers(errors)
    layers.add_table(msgspec.to_builtins(config), "in force")
    for key, value in values.items():
        layers.add_plain(key, value, origin)
    return _checked(layers, errors, {})


def with_zones(config: Config, zones: Any, origin: str) -> Config:
    """The configuration with other zones, checked as those of a file are.

    Args:
        config: What it was.
        zones: A list of tables, as plain values.
        origin: Where they come from, for messages.

    Raises:
        ConfigError: Naming every problem at once.
    """
    errors: list[str] = []
    layers = _Layers(errors)
    layers.add_table(msgspec.to_builtins(config), "in force")
    layers.add_table({"zones": zones}, origin)
    return _checked(layers, errors, {})


def _checked(layers: _Layers, errors: list[str], defaults: Mapping[str, Any]) -> Config:
    """Convert what was layered; every problem found is raised together."""
    config = _build(Config, layers.tree, _Place("", layers, errors), defaults)
    if errors or config is None:
        count = f"{len(errors)} problem{'s' if len(errors) != 1 else ''}"
        raise ConfigError(f"configuration: {count}\n" + "\n".join(f"  {error}" for error in errors))
    return config


def _add_credentials(layers: _Layers, environ: Mapping[str, str]) -> None:
    """Take the secrets that systemd hands over (LoadCredential), where they are needed and no file is named.

    Outside the service the files that it hands over do as well, for whoever may read them.
    """
    folder = Path(environ.get(CREDENTIALS_FOLDER) or DEFAULT_FILE.parent)
    wanted = (
        ("mqtt", "username", "password_file", PASSWORD_CREDENTIAL),
        ("preview", "enabled", "token_file", TOKEN_CREDENTIAL),
    )
    for section, needed_by, key, name in wanted:
        table, file = layers.tree[section], folder / name
        if not isinstance(table, dict) or table.get(key) or not table.get(needed_by):
            continue
        if os.access(file, os.R_OK) and file.stat().st_size:
            layers.add_table({section: {key: str(file)}}, "systemd credential")


def default_config() -> Config:
    """The configuration that the shipped defaults make."""
    return load_config(Path(os.devnull), environ={}).config


def flatten(config: Config) -> dict[str, Any]:
    """Dotted key to plain value, in the order of the file, with secrets masked."""
    flat: dict[str, Any] = {}

    def walk(value: object, prefix: str) -> None:
        if isinstance(value, Section):
            for name in value.__struct_fields__:
                walk(getattr(value, name), f"{prefix}.{name}" if prefix else name)
        else:
            flat[prefix] = _masked(msgspec.to_builtins(value))

    walk(config, "")
    return flat


def public_tree(config: Config) -> dict[str, Any]:
    """The configuration as nested plain values, without secrets: fit for `info`.

    Passwords live in files that are only named; the one in the URL of an `rtsp:` camera is masked.
    """
    tree: dict[str, Any] = _masked(msgspec.to_builtins(config))
    return tree


def json_schema() -> dict[str, Any]:
    """JSON Schema of the file; descriptions and defaults are read from the shipped `piapp.toml`."""
    (schema,), definitions = msgspec.json.schema_components([Config], ref_template="#/$defs/{name}")
    definitions = dict(definitions)
    comments = _comments(defaults_text())
    values = tomllib.loads(defaults_text())

    def annotate(cls: type[Section], prefix: str, table: dict[str, Any]) -> None:
        definition = definitions[cls.__name__]
        definition.pop("required", None)  # every key has a default
        for name, hint in typing.get_type_hints(cls).items():
            key = f"{prefix}{name}"
            if isinstance(hint, type) and issubclass(hint, Section):
                annotate(hint, f"{key}.", table[name])
                continue
            definition["properties"][name] |= {"default": table[name]}
            if key in comments:
                definition["properties"][name]["description"] = comments[key]

    annotate(Config, "", values)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "piapp.toml",
        **schema,
        "$defs": definitions,
    }


class _Layers:
    """Tables laid over each other, with the origin of every leaf, and its text if it was given as one."""

    def __init__(self, errors: list[str]) -> None:
        self.tree: dict[str, Any] = {}
        self.origins: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        self._errors = errors

    def add_table(self, table: dict[str, Any], origin: str) -> None:
        self._merge(self.tree, table, "", origin)

    def add_value(self, key: str, text: str, origin: str) -> None:
        if self.add_plain(key, _read_value(text), origin):
            self.texts[key] = text

    def add_plain(self, key: str, value: Any, origin: str) -> bool:
        parts = key.split(".")
        if len(parts) < 2 or not all(parts):  # noqa: PLR2004 - a section and a key
            self._errors.append(f"{key!r} ({origin}): is not SECTION.KEY, such as mqtt.url")
            return False
        table: dict[str, Any] = {parts[-1]: value}
        for part in reversed(parts[:-1]):
            table = {part: table}
        self.add_table(table, origin)
        return True

    def _merge(self, into: dict[str, Any], table: dict[str, Any], prefix: str, origin: str) -> None:
        for name, value in table.items():
            key = f"{prefix}{name}"
            if isinstance(value, dict) and isinstance(into.get(name, {}), dict):
                self._merge(into.setdefault(name, {}), value, f"{key}.", origin)
            else:
                into[name] = value
                self.texts.pop(key, None)
            self.origins[key] = origin


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a table stands, for messages."""

    prefix: str
    layers: _Layers
    errors: list[str] = field(repr=False)

    def inside(self, name: str) -> _Place:
        return _Place(f"{self.prefix}{name}.", self.layers, self.errors)

    def text(self, name: str) -> str | None:
        """The value as the command line or environment gave it, None when it comes from elsewhere."""
        return self.layers.texts.get(f"{self.prefix}{name}")

    def report(self, name: str, what: str, *value: object) -> None:
        key = f"{self.prefix}{name}"
        shown = f" = {_shown(value[0])}" if value else ""
        origins = self.layers.origins
        whole_list = key.partition("[")[0]
        origin = origins.get(key) or origins.get(self.prefix.rstrip(".")) or origins.get(whole_list, "default")
        self.errors.append(f"{key}{shown} ({origin}): {what}")


def _build(cls: type[_SectionT], table: dict[str, Any], place: _Place, defaults: Mapping[str, Any]) -> _SectionT | None:
    """Convert one table, key by key, so that every problem in it is found.

    A key that does not fit takes its default, so that what combines several keys is checked all the same; None when
    there is no default to take.
    """
    hints = typing.get_type_hints(cls, include_extras=True)
    for name, value in table.items():
        if name not in hints:
            place.report(name, f"is not a known key{did_you_mean(name, hints)}", value)
    values: dict[str, Any] = {}
    for name, hint in hints.items():
        if name not in table:
            place.report(name, f"is missing; expected {_allowed(hint)}")
            continue
        value, ok = _convert(hint, table[name], name, place, defaults.get(name))
        if not ok and name in defaults and not isinstance(defaults[name], dict):
            value, ok = msgspec.convert(defaults[name], hint), True
        if ok:
            values[name] = value
    if len(values) < len(hints):
        return None
    section = cls(**values)
    for name, what in section.problems():
        place.report(name, what)
    return section


def _convert(hint: Any, value: Any, name: str, place: _Place, default: Any) -> tuple[Any, bool]:
    """Convert one value; report and return (None, False) when it does not fit."""
    if isinstance(hint, type) and issubclass(hint, Section):
        if isinstance(value, dict):
            section = _build(hint, value, place.inside(name), default or {})
            return section, section is not None
        place.report(name, f"expected a table, [{place.prefix}{name}]", value)
        return None, False
    item = _section_item(hint)
    if item is not None and isinstance(value, list):
        rows = enumerate(value, start=1)
        pairs = [_convert(item, row, f"{name}[{number}]", place, None) for number, row in rows]
        return tuple(row for row, _ in pairs), all(ok for _, ok in pairs)
    # What reads as TOML may still be meant as a string, such as mqtt.protocol=5.
    for form in (value,) if isinstance(value, str) else (value, place.text(name)):
        with suppress(msgspec.ValidationError):
            return msgspec.convert(form, hint), True
    choices = typing.get_args(hint) if typing.get_origin(hint) is Literal else ()
    hint_text = did_you_mean(str(value), [str(choice) for choice in choices])
    place.report(name, f"expected {_allowed(hint)}{hint_text}", value)
    return None, False


def _section_item(hint: Any) -> type[Section] | None:
    """The section type of an array of tables, None for anything else."""
    args = typing.get_args(hint)
    if typing.get_origin(hint) is tuple and isinstance(args[0], type) and issubclass(args[0], Section):
        return args[0]
    return None


_KIND = {
    int: "a whole number",
    float: "a number",
    str: "a string (in quotes)",
    bool: "true or false",
    dict: "a table",
}


def _allowed(hint: Any) -> str:
    """What a value may be, in words."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        bounds = []
        for meta in args[1:]:
            bounds += [f"at least {meta.ge}"] if meta.ge is not None else []
            bounds += [f"more than {meta.gt}"] if meta.gt is not None else []
            bounds += [f"at most {meta.le}"] if meta.le is not None else []
            bounds += [f"at least {meta.min_length} long"] if meta.min_length is not None else []
            bounds += [f"at most {meta.max_length} long"] if meta.max_length is not None else []
            bounds += [f"of the form {meta.pattern}"] if meta.pattern is not None else []
        kind, semicolon, items = _allowed(args[0]).partition("; ")
        return f"{kind} {', '.join(bounds)}{semicolon}{items}"
    if origin is Literal:
        return ("one of " if len(args) > 1 else "") + ", ".join(_shown(choice) for choice in args)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_allowed(arg) for arg in args)
    if origin is tuple and args[-1] is Ellipsis:
        return f"a list; each item {_allowed(args[0])}"
    if origin is tuple:
        return f"{len(args)} values, each {_allowed(args[0])}"
    return _KIND.get(origin or hint, "a value")


def _shown(value: Any) -> str:
    """A value as TOML would write it, shortened, with the password of a URL left out."""
    finite = not isinstance(value, float) or isfinite(value)
    text = msgspec.json.encode(_masked(value), enc_hook=str).decode() if finite else str(value)
    limit = 80
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _masked(value: Any) -> Any:
    """A plain value in which user names and passwords of URLs are left out."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, dict):
        return {key: _masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(item) for item in value]
    return value


def _env_key(name: str) -> str:
    """`PIAPP_MQTT__TLS__CA` to `mqtt.tls.ca`; names of libcamera controls keep their case."""
    *tables, key = name.removeprefix(ENV_PREFIX).split("__")
    path = ".".join(tables).lower()
    return f"{path}.{key if path == 'camera.controls' else key.lower()}"


def _find_file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    if path is not None:
        return path
    if environ.get(ENV_FILE):
        return Path(environ[ENV_FILE])
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text, so not TOML") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error


def _read_value(text: str) -> Any:
    try:
        table = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return table["value"] if list(table) == ["value"] else text


_KEY_LINE = re.compile(r"^([a-z_]+) = ")
_TABLE_LINE = re.compile(r"^\[{1,2}([a-z_.]+)\]{1,2}")


def _comments(text: str) -> dict[str, str]:
    """The comment lines right above each key and table of the shipped file, by dotted key."""
    comments: dict[str, str] = {}
    table = ""
    pending: list[str] = []
    for line in text.splitlines():
        if match := _TABLE_LINE.match(line):
            comments[match[1]] = " ".join(pending)
            table, pending = f"{match[1]}.", []
        elif line.startswith("# "):
            pending.append(line[2:])
        elif match := _KEY_LINE.match(line):
            comments[f"{table}{match[1]}"] = " ".join(pending)
            pending = []
        else:
            pending = []
    return comments
