"""The form of a backup: a ZIP file with few kinds of entries, each with its own bound.

Owns names, bounds and reading whatever somebody made. Nothing of an entry's name becomes a path before it has matched
one of the patterns here, and no entry is read further than its kind may be long.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import zipfile
from pathlib import Path
from typing import Literal, Self

import msgspec
from msgspec import Struct

from piapp.errors import PiappError

MANIFEST = "backup.json"
CONFIG = "piapp.toml"
SETTINGS = "settings.json"
LEARNT = "learnt.json"
SECRETS = "secrets.sealed"

_SMALL_BYTES = 1_000_000
_CASE = re.compile(r"cases/([A-Za-z0-9][A-Za-z0-9_-]{0,63})\.(json|npz)")
_FILE = re.compile(r"files/((?:[A-Za-z0-9_][A-Za-z0-9._-]{0,99}/)?[A-Za-z0-9_][A-Za-z0-9._-]{0,99})")

# Twice what `[cases]` keeps by default.
_MAX_ENTRIES = 5_000
_MAX_BYTES = 2_000_000_000

# Directory of so many entries. Python reads a directory as a whole: one of 64 MB takes half a minute and 400 MB.
_MAX_DIRECTORY_BYTES = _MAX_ENTRIES * 400

# PKWARE's APPNOTE, 4.3.15 and 4.3.16: at the end of an archive without a comment, what longer archives have before the
# last record, and that record with the length of the directory.
_END, _LOCATOR_BYTES = struct.Struct("<4s8xI4xH"), 20


class BackupError(PiappError, ValueError):
    """A backup cannot be written, or a file is no backup that can be restored."""

    exit_code = 1


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """What a backup is.

    Attributes:
        piapp: The version that wrote it.
        node: The node's id.
        created: When, UTC.
        secrets: Whether encrypted secrets are in it.
        format: Of the archive.
    """

    piapp: str
    node: str
    created: str
    secrets: bool
    format: Literal[1] = 1


class Archive:
    """Reads a backup. Use as a context manager.

    Args:
        path: The file.
        max_bytes: How much it may hold, by what its entries say of themselves.

    Raises:
        BackupError: It is no backup, or one that must not be read.
    """

    def __init__(self, path: Path, *, max_bytes: int = _MAX_BYTES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        try:
            _check_directory(path)
            self._zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile, ValueError) as error:
            raise BackupError(f"{path}: is no backup that can be read: {error}") from error
        try:
            self._entries = {entry.filename: entry for entry in self._checked()}
            self.manifest_bytes = self.read(MANIFEST)
            self.manifest = self._manifest()
        except BaseException:
            self._zip.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._zip.close()

    def __contains__(self, name: str) -> bool:
        """Whether there is such an entry."""
        return name in self._entries

    def cases(self) -> list[tuple[str, str]]:
        """(Id, suffix) of each file of a case."""
        return [(found[1], found[2]) for name in self._entries if (found := _CASE.fullmatch(name))]

    def files(self) -> list[str]:
        """Paths, below the configuration's folder, of the files that are no secret."""
        return [found[1] for name in self._entries if (found := _FILE.fullmatch(name))]

    def read(self, name: str) -> bytes:
        """Read an entry.

        Raises:
            BackupError: It is missing, damaged or longer than it may be.
        """
        entry = self._entries.get(name)
        if entry is None:
            raise BackupError(f"{self._path}: has no {name}, so it is no backup, or not a whole one")
        limit = _limit(entry)
        try:
            with self._zip.open(entry) as stream:
                content = stream.read(limit + 1)
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError) as error:
            raise BackupError(f"{self._path}: {name} is damaged: {error}") from error
        if len(content) > limit:
            raise BackupError(f"{self._path}: {name} is longer than {limit} bytes, so nothing of it is restored")
        return content

    def _checked(self) -> list[zipfile.ZipInfo]:
        entries = self._zip.infolist()
        if len(entries) > _MAX_ENTRIES:
            raise BackupError(f"{self._path}: has {len(entries)} entries, more than {_MAX_ENTRIES}; it is no backup")
        if sum(entry.file_size for entry in entries) > self._max_bytes:
            raise BackupError(f"{self._path}: would take more than {self._max_bytes} bytes; nothing was restored")
        if len({entry.filename for entry in entries}) < len(entries):
            raise BackupError(f"{self._path}: has two entries of one name; it is no backup")
        for entry in entries:
            self._check(entry)
        return entries

    def _check(self, entry: zipfile.ZipInfo) -> None:
        name, kind = entry.filename, stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise BackupError(f"{self._path}: {name!r} is a link or a device; it is no backup")
        known = name in (MANIFEST, CONFIG, SETTINGS, LEARNT, SECRETS) or _CASE.fullmatch(name) or _FILE.fullmatch(name)
        if not known:
            raise BackupError(f"{self._path}: {name!r} does not belong into a backup; nothing was restored")
        if name.endswith(".npz") and entry.compress_type != zipfile.ZIP_STORED:
            raise BackupError(
                f"{self._path}: {name!r} is compressed, as no recording in a backup is; nothing was restored"
            )

    def _manifest(self) -> Manifest:
        try:
            return msgspec.json.decode(self.manifest_bytes, type=Manifest)
        except (ValueError, RecursionError) as error:
            raise BackupError(f"{self._path}: {MANIFEST}: {error}; a newer piapp may have written it") from error


def _check_directory(path: Path) -> None:
    """Refuse an archive whose directory is too long to be read.

    Raises:
        ValueError: It is, or the archive does not end as backups do.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(max(0, length - _END.size - _LOCATOR_BYTES))
        tail = file.read()
    if len(tail) < _END.size:
        raise ValueError("it is too short")
    mark, directory_bytes, comment_bytes = _END.unpack(tail[-_END.size :])
    if mark != b"PK\x05\x06" or comment_bytes or tail.startswith(b"PK\x06\x07"):
        raise ValueError("it does not end as a backup does")
    if directory_bytes > _MAX_DIRECTORY_BYTES:
        raise ValueError(f"it has far more than {_MAX_ENTRIES} entries")


def _limit(entry: zipfile.ZipInfo) -> int:
    """How long an entry may be: recordings are not compressed, so they are as long as the file has room for."""
    return entry.compress_size if entry.filename.endswith(".npz") else _SMALL_BYTES


def case_entry(case_id: str, suffix: str) -> str:
    """The entry of a case's file.

    Raises:
        BackupError: The id is none that a node gives.
    """
    return _matching(_CASE, f"cases/{case_id}.{suffix}")


def file_entry(path: str) -> str:
    """The entry of a file below the configuration's folder.

    Raises:
        BackupError: It lies deeper, or its name has other characters.
    """
    return _matching(_FILE, f"files/{path}")


def _matching(pattern: re.Pattern[str], name: str) -> str:
    if not pattern.fullmatch(name):
        raise BackupError(f"{name!r}: cannot be backed up under this name; use letters, digits, '.', '_' and '-'")
    return name
