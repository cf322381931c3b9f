"""How a source of frames is named: `picamera2:`, `v4l2:`, `rtsp:`, `file:`, `images:` and `demo:`. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from piapp.camera.clock import MAX_FPS
from piapp.config.sections import MIN_HZ
from piapp.errors import UsageError
from piapp.wording import did_you_mean, masked

Kind = Literal["picamera2", "v4l2", "rtsp", "file", "images"]

FORMS = (
    "picamera2: or picamera2:1, v4l2:/dev/video0, rtsp://HOST/PATH, images:DIR, "
    "file:PATH?pace=realtime|lockstep&loop=N&fps=RATE, demo: (the bundled clip, same options)"
)


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """A parsed source.

    Attributes:
        target: Camera number, device, URL, file or folder; what follows the kind.
        lockstep: For files: hand over the next frame only when the last result is in.
        loop: For files: how often to play; 0 means for ever.
        fps: For files without times: frames a second; None takes their nominal rate.
    """

    kind: Kind
    target: str
    lockstep: bool = False
    loop: int = 1
    fps: float | None = None


def demo_clip() -> Path:
    """The bundled clip: a rendered room in which somebody enters, raises a hand, sits, stands up and falls."""
    return Path(str(resources.files("piapp").joinpath("media", "room_demo.mp4")))


def parse_source(text: str) -> SourceSpec:
    """Read the text of a source.

    The options of `file:` follow the last "?"; a path that itself holds "?NAME=" or "%" writes them as %3F and %25.

    Raises:
        UsageError: Unknown kind, missing target or unknown option, naming the forms that exist.
    """
    kind, colon, target = text.partition(":")
    kind = kind.lower()
    if not colon or kind not in _PARSERS:
        raise _not_understood(text, f"is not a source{_suggestion(text, kind)}")
    return _PARSERS[kind](text, target)


def _parse_picamera2(text: str, target: str) -> SourceSpec:
    if target and not (target.isascii() and target.isdigit()):
        raise _not_understood(text, f"names the camera {target!r}, which is not a number from 0")
    return SourceSpec("picamera2", target or "0")


def _parse_v4l2(text: str, target: str) -> SourceSpec:
    if not target:
        raise _not_understood(text, "names no device, such as /dev/video0")
    return SourceSpec("v4l2", target)


def _parse_rtsp(text: str, _target: str) -> SourceSpec:
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise _not_understood(text, f"is not a URL: {error}{_LOGIN_HINT if '@' in text else ''}") from error
    if not text.partition(":")[2].startswith("//") or not host:
        raise _not_understood(text, f"names no host{_LOGIN_HINT if '@' in text else ''}")
    if "@" in parts.path + parts.query + parts.fragment:
        raise _not_understood(text, f"has a sign in its login that ends the host part{_LOGIN_HINT}")
    return SourceSpec("rtsp", text)


def _parse_images(text: str, target: str) -> SourceSpec:
    if not target:
        raise _not_understood(text, "names no folder")
    return SourceSpec("images", target)


def _parse_file(text: str, target: str) -> SourceSpec:
    path, mark, query = target.rpartition("?")
    if not mark or "=" not in query:
        path, query = target, ""
    if path.startswith("///"):
        path = path.removeprefix("//")
    if not path:
        raise _not_understood(text, "names no file")
    options = _options(text, query)
    return SourceSpec(
        "file",
        unquote(path),
        lockstep=_pace_is_lockstep(text, options.get("pace", "realtime")),
        loop=_loop(text, options.get("loop", "1")),
        fps=_fps(text, options["fps"]) if "fps" in options else None,
    )


def _parse_demo(text: str, target: str) -> SourceSpec:
    if target and not target.startswith("?"):
        raise _not_understood(text, f"names {target!r}, but there is one bundled clip")
    return _parse_file(text, quote(str(demo_clip())) + target)


def _options(text: str, query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in _FILE_OPTIONS:
            hint = did_you_mean(name, _FILE_OPTIONS)
            raise _not_understood(text, f'has the unknown option {name!r}{hint} (a "?" in a path is written %3F)')
        if name in options:
            raise _not_understood(text, f"sets {name!r} twice")
        options[name] = value
    return options


def _pace_is_lockstep(text: str, pace: str) -> bool:
    if pace not in _PACES:
        raise _not_understood(text, f"has pace={pace}, not realtime or lockstep{did_you_mean(pace, _PACES)}")
    return pace == "lockstep"


def _loop(text: str, loop: str) -> int:
    if not (loop.isascii() and loop.isdigit()):
        raise _not_understood(text, f"has loop={loop}, not how often to play (0: for ever)")
    return int(loop)


def _fps(text: str, fps: str) -> float:
    try:
        value = float(fps)
    except ValueError:
        value = math.nan
    if not MIN_HZ <= value <= MAX_FPS:
        raise _not_understood(text, f"has fps={fps}, not a rate from {MIN_HZ} to {MAX_FPS:g} frames a second")
    return value


def _suggestion(text: str, kind: str) -> str:
    if hint := did_you_mean(kind, _PARSERS):
        return hint
    return f'; did you mean "file:{text}"?' if "/" in text or "." in text else ""


def _not_understood(text: str, what: str) -> UsageError:
    return UsageError(f"source {masked(text)!r} {what}; expected {FORMS}")


_LOGIN_HINT = (
    "; percent-encode the signs / ? # @ : in its user name and password, or better, set camera.username and "
    "camera.password_file"
)
_FILE_OPTIONS = ("pace", "loop", "fps")
_PACES = ("realtime", "lockstep")
_PARSERS = {
    "picamera2": _parse_picamera2,
    "v4l2": _parse_v4l2,
    "rtsp": _parse_rtsp,
    "rtsps": _parse_rtsp,
    "file": _parse_file,
    "demo": _parse_demo,
    "images": _parse_images,
}
