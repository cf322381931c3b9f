"""`piapp restore`: gives a board what `piapp backup` kept of a node, on the same board or on another.

Owns the order: everything is read and checked before the first file is written. The configuration takes the place of
the one that is there only when this version accepts it, and state follows it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from piapp.config.load import DEFAULT_FILE, load_config
from piapp.config.sections import Config
from piapp.errors import ConfigError, UsageError
from piapp.node.alarm_file import keep_learnt
from piapp.node.state_folder import settings_file, state_folder
from piapp.offline.cases import Case, case_folder
from piapp.operate import archive
from piapp.operate.archive import Archive, BackupError
from piapp.operate.backup import Secrets
from piapp.posture.snapshot import MonitorSnapshot
from piapp.service.identity import default_node_id
from piapp.whole_file import write_whole

# As deploy/install.sh leaves them.
_CONFIG_MODE, _SECRET_MODE, _PUBLIC_MODE, _STATE_MODE = 0o644, 0o600, 0o644, 0o600


_Kind = TypeVar("_Kind")


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored, for messages.

    Attributes:
        node: The node's id on this board.
        was: Its id in the backup.
        cases: How many.
        state: Where state went; None when this board keeps none.
    """

    node: str
    was: str
    cases: int
    state: Path | None


@dataclass(frozen=True, slots=True)
class Found:
    """A backup that was read as a whole and found right.

    Attributes:
        config: The configuration's text.
        files: What belongs beside the configuration, by path below its folder.
        secret: Which of these are secrets.
        settings: What was changed while the node ran, as its file has it.
        learnt: What the node has learnt of its room.
    """

    config: bytes | None
    files: dict[str, bytes]
    secret: frozenset[str]
    settings: bytes | None
    learnt: MonitorSnapshot | None


def restore(
    path: Path,
    *,
    config_file: Path | None = None,
    password: str | None = None,
    replace: bool = False,
    overrides: Sequence[tuple[str, str]] = (),
) -> Restored:
    """Restore a backup. The node must not run meanwhile.

    Args:
        path: The backup.
        config_file: Where the configuration goes; None for its usual place.
        password: Decrypts the secrets; None leaves them out.
        replace: Whether a configuration that is there is replaced; it is kept beside, with `.before` at its end.
        overrides: Keys of the command line, such as `spool.dir`.

    Raises:
        BackupError: It is no backup, or cannot be written here.
        ConfigError: Its configuration does not fit this version or this board.
        UsageError: There is a configuration already.
    """
    target = (config_file or DEFAULT_FILE).absolute()
    if target.exists() and not replace:
        raise UsageError(f"{target} is there already; --replace replaces it and keeps it as {target.name}.before")
    with Archive(path) as opened:
        found = read(opened, password)
        try:
            return _write(opened, found, target, overrides)
        except OSError as error:
            raise BackupError(f"{error.filename or target}: cannot be written: {error.strerror}; try sudo") from error


def read(opened: Archive, password: str | None) -> Found:
    """Read a backup as a whole.

    Args:
        opened: The backup.
        password: Decrypts the secrets; None leaves them out.

    Raises:
        BackupError: It is none, or a part of it is not what it should be.
        PasswordError: The password is another one.
    """
    config = opened.read(archive.CONFIG) if archive.CONFIG in opened else None
    files = {name: opened.read(archive.file_entry(name)) for name in opened.files()}
    secrets = _secrets(opened, password) if password is not None else Secrets(None, {})
    for name in secrets.files:
        archive.file_entry(name)  # checks it
    if secrets.config is not None:
        config = secrets.config.encode()
    for case_id, suffix in opened.cases():
        if suffix == "json" and _decoded(opened, f"cases/{case_id}.json", Case).id != case_id:
            raise BackupError(f"cases/{case_id}.json: is the description of another case; nothing was restored")
    settings = opened.read(archive.SETTINGS) if archive.SETTINGS in opened else None
    if settings is not None:
        _decoded(opened, archive.SETTINGS, dict)
    learnt = _decoded(opened, archive.LEARNT, MonitorSnapshot) if archive.LEARNT in opened else None
    return Found(config, files | secrets.files, frozenset(secrets.files), settings, learnt)


def _secrets(opened: Archive, password: str) -> Secrets:
    if not opened.manifest.secrets:
        raise BackupError("this backup has no secrets: it was made without --secrets")
    from piapp.operate.sealing import unseal  # noqa: PLC0415 - an extra

    plain = unseal(opened.read(archive.SECRETS), password, context=opened.manifest_bytes)
    return msgspec.msgpack.decode(plain, type=Secrets)


def _decoded(opened: Archive, name: str, kind: type[_Kind]) -> _Kind:
    try:
        return msgspec.json.decode(opened.read(name), type=kind)
    except (ValueError, RecursionError) as error:
        raise BackupError(f"{name}: {error}; nothing was restored") from error


def _write(opened: Archive, found: Found, target: Path, overrides: Sequence[tuple[str, str]]) -> Restored:
    target.parent.mkdir(parents=True, exist_ok=True)
    for name, content in found.files.items():
        _write_file(target.parent / name, content, secret=name in found.secret)
    config = _place_config(found.config, target, overrides)
    node, state = config.node.id or default_node_id(), state_folder(config.spool)
    cases = write_state(opened, found, node, state) if state is not None else 0
    return Restored(node, opened.manifest.node, cases, state)


def _write_file(file: Path, content: bytes, *, secret: bool) -> None:
    folder = file.parent
    folder.mkdir(mode=0o750, exist_ok=True)
    if folder.is_symlink():
        raise BackupError(f"{folder}: is a link, and files are not restored through one")
    # What lies deeper, such as a key for the broker, is read by the node itself, whose group the folder has.
    mode = _SECRET_MODE if secret else _PUBLIC_MODE
    write_whole(file, content, mode=mode | (0o040 if file.parent.name == "tls" else 0), owner=_owner(folder))


def _place_config(content: bytes | None, target: Path, overrides: Sequence[tuple[str, str]]) -> Config:
    """Put the configuration in force when this version accepts it.

    Raises:
        ConfigError: It does not; the configuration that was there still is.
    """
    if content is None:
        return load_config(target if target.exists() else None, overrides=overrides).config
    candidate = target.with_name(f".{target.name}.restored")
    try:
        write_whole(candidate, content, mode=_CONFIG_MODE)
        config = load_config(candidate, overrides=overrides).config
        if target.exists():
            target.replace(target.with_name(f"{target.name}.before"))
        candidate.replace(target)
    except ConfigError as error:
        hint = "a file that it names and the backup does not hold must be there first (--secrets restores secrets)"
        raise ConfigError(f"the configuration in the backup is not accepted here; {hint}. {error}") from error
    finally:
        candidate.unlink(missing_ok=True)
    return config


def write_state(opened: Archive, found: Found, node: str, state: Path) -> int:
    """Write settings, what was learnt and cases, and say how many cases; raises OSError."""
    state.mkdir(mode=0o750, parents=True, exist_ok=True)
    owner = _owner(state)
    settings, folder = settings_file(state, node), case_folder(state, node)
    if found.settings is not None and settings is not None:
        write_whole(settings, found.settings, mode=_STATE_MODE, owner=owner)
    if found.learnt is not None:
        keep_learnt(state, node, found.learnt, owner=owner)
    return len(write_cases(opened, folder.path, owner)) if folder is not None else 0


def write_cases(opened: Archive, folder: Path, owner: tuple[int, int], *, keep: bool = False) -> list[str]:
    """Write cases, and say which.

    Args:
        opened: The backup.
        folder: Where they go.
        owner: User and group that they belong to.
        keep: Whether those that are there stay as they are.

    Raises:
        OSError: One cannot be written.
    """
    there = {file.stem for file in folder.glob("*.json")} if keep else set()
    cases = [(case_id, suffix) for case_id, suffix in opened.cases() if case_id not in there]
    if cases:
        folder.mkdir(mode=0o700, exist_ok=True)
        os.chown(folder, *owner)
    for case_id, suffix in cases:
        content = opened.read(archive.case_entry(case_id, suffix))
        write_whole(folder / f"{case_id}.{suffix}", content, mode=_STATE_MODE, owner=owner)
    return [case_id for case_id, suffix in cases if suffix == "json"]


def _owner(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_uid, status.st_gid
