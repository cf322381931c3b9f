"""Checks files before a decoder sees them. Owns clear errors about files that cannot be what is expected."""

from __future__ import annotations

import codecs
import os
from pathlib import Path

from piapp.errors import CameraError, CameraNotFoundError, MediaError

_SNIFF_BYTES = 4096


def check_file(path: Path, expected: str) -> None:
    """Refuse what is no file with bytes in it before a decoder sees it."""
    try:
        if path.is_dir():
            raise MediaError(f"{path}: is a folder; expected {expected} (images:{path} plays a folder's pictures)")
        if not path.exists():
            raise CameraNotFoundError(f"{path}: there is no such file; expected {expected}")
        if not path.is_file():
            raise MediaError(f"{path}: is not a regular file; expected {expected}")
        if path.stat().st_size == 0:
            raise MediaError(f"{path}: is empty (0 bytes); expected {expected}")
        if not os.access(path, os.R_OK):
            raise MediaError(f"{path}: this user may not read it; expected {expected}")
    except CameraError:
        raise
    except (OSError, ValueError) as error:
        raise CameraNotFoundError(f"{path}: cannot be looked up: {error}") from error


def check_not_text(path: Path) -> None:
    """Refuse text: FFmpeg draws it as a teletype's picture, and follows the addresses in a playlist."""
    try:
        # Incremental, because a character may be cut at the end.
        text = codecs.getincrementaldecoder("utf-8")().decode(head(path))
    except UnicodeDecodeError:
        return
    if "\0" not in text:
        raise MediaError(f"{path}: is text; expected a video")


def head(path: Path) -> bytes:
    """The first bytes of a file.

    Raises:
        MediaError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(_SNIFF_BYTES)
    except OSError as error:
        raise MediaError(f"{path}: cannot be read: {error.strerror}") from error
