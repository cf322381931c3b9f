"""Reads the manifest of evaluation clips: what each shows, and where it comes from. Holds no pictures or landmarks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from piapp.errors import MediaError

Split = Literal["tune", "check"]

_VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".webm", ".mkv")


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    path: str
    fall: bool
    kind: str
    split: Split
    sha256: str
    view: str = ""
    group: str = ""
    actor: str = ""
    repository: str = ""
    commit: str = ""
    blob: str = ""
    licence: str = ""
    lies_down: bool = False
    from_s: float = 0.0
    onset_s: float | None = None
    impact_s: float | None = None


class _Set(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    about: str
    clips: list[_Entry]
    repository: str = ""
    commit: str = ""
    licence: str = ""
    view: str = ""


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip of the manifest.

    Attributes:
        footage: The set that it belongs to, such as "corner"; also the folder that holds it.
        name: The file's name without its suffix.
        fall: Somebody falls.
        lies_down: Nobody falls, and somebody lies down on purpose: the hardest calm clips, counted apart.
        kind: What happens.
        view: Where the camera stands.
        group: Clips of one set with the same group show the same fall from several cameras.
        actor: Who acts, where people can be told apart, else empty.
        split: "tune" and "check" share no fall and, where actors are known, no actor, except in the sets of one actor.
        sha256: Of the clip's file.
        from_s: Where in the file the evaluation begins, in seconds.
        onset_s: When the fall begins, in seconds of the file; None when nobody has labelled it.
        impact_s: When the body meets the ground, likewise.
    """

    footage: str
    name: str
    fall: bool
    lies_down: bool
    kind: str
    view: str
    group: str
    actor: str
    split: Split
    sha256: str
    from_s: float
    onset_s: float | None
    impact_s: float | None

    @property
    def title(self) -> str:
        """Set and name, unique in a manifest."""
        return f"{self.footage}/{self.name}"


def read_manifest(path: Path) -> list[Clip]:
    """Read all clips of a manifest, in its order.

    Raises:
        MediaError: The file is not there, or is not a manifest.
    """
    try:
        sets = msgspec.json.decode(path.read_bytes(), type=dict[str, _Set])
    except FileNotFoundError as error:
        raise MediaError(f"{path}: there is no such manifest") from error
    except (OSError, msgspec.MsgspecError) as error:
        raise MediaError(f"{path}: is not a manifest of clips: {error}") from error
    return [_clip(name, footage, entry) for name, footage in sets.items() for entry in footage.clips]


def locate(clips: Sequence[Clip], folder: Path) -> list[tuple[Clip, Path]]:
    """Find each clip's recording of landmarks, else its video, below a folder; clips without either are left out.

    Raises:
        MediaError: The folder holds none of them.
    """
    found = [(clip, path) for clip in clips if (path := _file_of(clip, folder))]
    if not found:
        raise MediaError(
            f"{folder}: holds none of the manifest's clips; expected FOLDER/SET/NAME.npz (recordings) or "
            f"FOLDER/SET/NAME{_VIDEO_SUFFIXES[0]} (videos), such as {clips[0].title}.npz"
        )
    return found


def check_content(clip: Clip, path: Path) -> None:
    """Make sure that a video is the manifest's.

    Raises:
        MediaError: Its content is another.
    """
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != clip.sha256:
        raise MediaError(
            f"{path}: is not the manifest's clip {clip.title}: expected sha256 {clip.sha256}, found {found}"
        )


def _file_of(clip: Clip, folder: Path) -> Path | None:
    return next((path for path in _candidates(clip, folder) if path.exists()), None)


def _candidates(clip: Clip, folder: Path) -> Iterator[Path]:
    for suffix in (".npz", *_VIDEO_SUFFIXES):
        yield folder / clip.footage / f"{clip.name}{suffix}"


def _clip(name: str, footage: _Set, entry: _Entry) -> Clip:
    return Clip(
        footage=name,
        name=entry.name,
        fall=entry.fall,
        lies_down=entry.lies_down,
        kind=entry.kind,
        view=entry.view or footage.view,
        group=entry.group or entry.name,
        actor=entry.actor,
        split=entry.split,
        sha256=entry.sha256,
        from_s=entry.from_s,
        onset_s=entry.onset_s,
        impact_s=entry.impact_s,
    )
