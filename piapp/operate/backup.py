"""`piapp backup`: what makes a node this node, in one file: configuration, zones, learnt places, kept cases.

Owns what goes in. Secrets go in only when a password is given, and then encrypted. What a restart of the same board
needs (an open alarm, events that wait for the broker) stays out.
"""

from __future__ import annotations

import os
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from piapp import __version__
from piapp.config.load import (
    CAMERA_CREDENTIAL,
    CREDENTIALS_FOLDER,
    DEFAULT_FILE,
    PASSWORD_CREDENTIAL,
    TOKEN_CREDENTIAL,
    LoadedConfig,
)
from piapp.config.toml_file import read_text
from piapp.node.alarm_file import learnt
from piapp.node.state_folder import settings_file
from piapp.offline.cases import case_folder
from piapp.operate import archive
from piapp.operate.archive import BackupError, Manifest
from piapp.wording import masked

CREDENTIALS = (PASSWORD_CREDENTIAL, CAMERA_CREDENTIAL, TOKEN_CREDENTIAL)


class Secrets(msgspec.Struct, frozen=True):
    """What is encrypted.

    Attributes:
        config: The configuration file as it is; in the readable one, logins in addresses are masked.
        files: Path below the configuration's folder to content.
    """

    config: str | None
    files: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Contents:
    """What a backup holds, for messages.

    Attributes:
        cases: How many.
        secrets: Names of files with secrets; they are in the backup only when it was given a password.
        left_out: Files that the configuration names outside its folder, or that may not be read; the owner must copy
            them.
        masked: Whether logins in addresses were left out of the configuration.
    """

    cases: int
    secrets: tuple[str, ...]
    left_out: tuple[str, ...]
    masked: bool


def backup(loaded: LoadedConfig, node: str, state: Path | None, out: Path, *, password: str | None = None) -> Contents:
    """Write a backup, readable by its owner alone. The node may run meanwhile.

    Args:
        loaded: The node's configuration.
        node: Its id.
        state: Its folder for state; None when it keeps nothing.
        out: The file; one that is there is replaced when the new one is whole.
        password: Encrypts the secrets; None leaves them out.

    Raises:
        BackupError: It cannot be written, or a file that belongs into it cannot be read.
        PasswordError: The password is too short.
    """
    try:
        descriptor, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
        try:
            with os.fdopen(descriptor, "w+b") as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
                contents = _write(made, loaded, node, state, password)
            Path(name).replace(out)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise BackupError(f"{out}: the backup cannot be written: {error.filename or out}: {error.strerror}") from error
    return contents


def _write(
    made: zipfile.ZipFile, loaded: LoadedConfig, node: str, state: Path | None, password: str | None
) -> Contents:
    manifest = msgspec.json.encode(
        Manifest(__version__, node, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", bool(password))
    )
    made.writestr(archive.MANIFEST, manifest)
    text = read_text(loaded.file) if loaded.file else None
    readable = _without_logins(text) if text is not None else None
    if readable is not None:
        made.writestr(archive.CONFIG, readable)
    public, secret, left_out = _files(loaded)
    for path, content in public.items():
        made.writestr(archive.file_entry(path), content)
    if password:
        from piapp.operate.sealing import seal  # noqa: PLC0415 - an extra

        plain = msgspec.msgpack.encode(Secrets(text, secret))
        made.writestr(archive.SECRETS, seal(plain, password, context=manifest))
    cases = _write_state(made, node, state) if state is not None else 0
    return Contents(cases, tuple(secret), left_out, readable != text)


def _write_state(made: zipfile.ZipFile, node: str, state: Path) -> int:
    settings = settings_file(state, node)
    if settings is not None and settings.exists():
        made.writestr(archive.SETTINGS, settings.read_bytes())
    if (known := learnt(state, node)) is not None:
        made.writestr(archive.LEARNT, msgspec.json.encode(known))
    folder = case_folder(state, node)
    cases = folder.all() if folder else []
    for case in cases:
        made.writestr(archive.case_entry(case.id, "json"), msgspec.json.encode(case))
        if folder and (recording := folder.recording(case)).exists():
            made.write(recording, archive.case_entry(case.id, "npz"), zipfile.ZIP_STORED)
    return len(cases)


def _files(loaded: LoadedConfig) -> tuple[dict[str, bytes], dict[str, bytes], tuple[str, ...]]:
    """Files that the configuration names: those anybody may read, secrets, and paths that cannot be backed up."""
    config = loaded.config
    folder = (loaded.file or DEFAULT_FILE).absolute().parent
    public = [Path(name) for name in (config.mqtt.tls.ca, config.mqtt.tls.cert) if name]
    named = (config.mqtt.password_file, config.camera.password_file, config.preview.token_file, config.mqtt.tls.key)
    usual = (folder / name for name in CREDENTIALS if _credential(name) is None)
    secret = [Path(name) for name in named if name] + [file for file in usual if file.exists()]
    secret += [file for file in map(_credential, CREDENTIALS) if file is not None]
    places = {file: _place(file.absolute(), folder) for file in (*public, *secret)}
    left_out = tuple(str(file) for file, place in places.items() if place is None)
    return _contents(public, places), _contents(secret, places), left_out


def _credential(name: str) -> Path | None:
    """A secret that systemd has handed to this process, which may not read the file that it comes from."""
    folder = os.environ.get(CREDENTIALS_FOLDER)
    return file if folder and (file := Path(folder) / name).exists() else None


def _place(file: Path, folder: Path) -> str | None:
    """Where a file lies below the configuration's folder; None outside of it, and for what may not be read."""
    if not os.access(file, os.R_OK):
        return None
    if file == _credential(file.name):
        return file.name
    return file.relative_to(folder).as_posix() if folder in file.parents else None


def _contents(files: list[Path], places: Mapping[Path, str | None]) -> dict[str, bytes]:
    found = {places[file]: file.read_bytes() for file in files if places[file] is not None}
    return {place: content for place, content in found.items() if place is not None and content}


def _without_logins(text: str) -> str:
    """A configuration without user names and passwords that stand in addresses.

    Raises:
        BackupError: One is written in a way that cannot be found in the text.
    """
    for value in _strings(tomllib.loads(text)):
        if (readable := masked(value)) == value:
            continue
        if value not in text:
            raise BackupError("the configuration has a login in an address; move it to camera.password_file first")
        text = text.replace(value, readable)
    return text


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _strings(item)
