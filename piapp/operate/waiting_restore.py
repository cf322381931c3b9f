"""A restore that was confirmed on the page: it waits in the state folder and is carried out by the next start.

Settings, what was learnt and kept alarms are read by a start, and written again while a node runs; so they are replaced
between two runs, before anything has read them. Owns the files of that, and the way back.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from piapp.config.change_log import ChangeLog
from piapp.config.live import LiveSettings
from piapp.config.load import flatten
from piapp.config.sections import Config
from piapp.errors import PiappError
from piapp.node.alarm_file import keep_learnt
from piapp.node.state_folder import changes_file, restore_file, settings_file
from piapp.offline.cases import case_folder
from piapp.operate.archive import Archive
from piapp.operate.restore import read, write_cases
from piapp.operate.restore_plan import PASSWORD_FILE, settings_of
from piapp.posture.snapshot import MonitorSnapshot
from piapp.whole_file import write_whole

_MODE = 0o600

_log = logging.getLogger(__name__)

_Kind = TypeVar("_Kind")


class Order(Struct, frozen=True):
    """What the next start shall do.

    Attributes:
        sha256: Of the backup that was confirmed.
        by: Who confirmed it.
        undo: Whether to take the last restore back instead.
        broker: Values of the broker's keys, where its login is restored too.
    """

    sha256: str
    by: str
    undo: bool = False
    broker: dict[str, str] = {}


class Done(Struct, frozen=True):
    """What the last restore did, so that it can be taken back.

    Attributes:
        t: When the backup was made.
        node: Whose it was.
        by: Who had it restored.
        cases: Ids of the kept alarms that it added.
        password: The file with the broker's password from the backup; empty for none.
    """

    t: str
    node: str
    by: str
    cases: list[str]
    password: str = ""


class RestoreFiles:
    """The files of a restore in a node's state folder.

    Args:
        state: The folder.
        node: The node's id.

    Attributes:
        archive: The backup that is offered, or waits.
        before: A backup of what was there before.
        settings_before: The settings that were kept before; empty where none were.
    """

    def __init__(self, state: Path, node: str) -> None:
        self.state, self.node = state, node
        self.archive = state / f"restore-{node}.zip"
        self.before = state / f"restore-{node}.before.zip"
        self.settings_before = state / f"restore-{node}.settings"
        self._order = restore_file(state, node)
        self._done = state / f"restore-{node}.done"

    @property
    def settings(self) -> Path:
        """The settings that are kept."""
        file = settings_file(self.state, self.node)
        assert file is not None
        return file

    def order(self) -> Order | None:
        """What the next start shall do; None for nothing."""
        return _read(self._order, Order)

    def give(self, order: Order | None) -> None:
        """Have the next start do something, or nothing."""
        _write(self._order, order)

    def done(self) -> Done | None:
        """What the last restore did; None when there was none, or it was taken back."""
        return _read(self._done, Done)

    def note(self, done: Done | None) -> None:
        """Remember what a restore does; raises OSError."""
        _write(self._done, done)


def carry_out(config: Config, node: str, state: Path) -> None:
    """Do what was confirmed; called by a start, before anything else has read the state folder.

    A restore that fails is logged, and the node starts with what is there.

    Args:
        config: What the configuration file gives, without kept settings.
        node: The node's id.
        state: Its state folder.
    """
    files = RestoreFiles(state, node)
    if (order := files.order()) is None:
        return
    try:
        if order.undo:
            _take_back(files, order, config)
        else:
            _restore(files, order, config)
    except (PiappError, OSError) as error:
        _log.error("the restore that %s asked for failed: %s", order.by, error)
    finally:
        _forget_password(files, order.broker.get(PASSWORD_FILE, ""))
        files.give(None)
        files.archive.unlink(missing_ok=True)


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def kept_settings(file: Path) -> dict[str, Any]:
    """The settings that a file keeps; none where it cannot be read."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, dict[str, Any]]).get("values", {})
    except (OSError, ValueError, RecursionError):
        return {}


def _restore(files: RestoreFiles, order: Order, config: Config) -> None:
    with Archive(files.archive) as opened:
        found = read(opened, None)
        if sha256_of(files.archive) != order.sha256:
            _log.error("the backup that %s confirmed is another one now; nothing was restored", order.by)
            return
        now = settings_of(found, config, kept_settings(files.settings)) | order.broker
        done = Done(opened.manifest.created, opened.manifest.node, order.by, [], order.broker.get(PASSWORD_FILE, ""))
        files.note(done)  # first, so that what is cut off can be taken back as well
        if found.learnt is not None:
            keep_learnt(files.state, files.node, found.learnt, owner=_owner(files.state))
        folder = case_folder(files.state, files.node)
        assert folder is not None
        owner = _owner(files.state)
        files.note(msgspec.structs.replace(done, cases=write_cases(opened, folder.path, owner, keep=True)))
        _write_settings(files, config, now, f"backup of {opened.manifest.node}, by {order.by}")
    _log.info("restored the backup of %s of %s, as %s asked", opened.manifest.node, opened.manifest.created, order.by)


def _take_back(files: RestoreFiles, order: Order, config: Config) -> None:
    done = files.done()
    if done is None:
        return
    with Archive(files.before) as opened:
        found = read(opened, None)
        keep_learnt(files.state, files.node, found.learnt or MonitorSnapshot(), owner=_owner(files.state))
    _write_settings(files, config, kept_settings(files.settings_before), f"undo of a restore, by {order.by}")
    if (folder := case_folder(files.state, files.node)) is not None:
        for case in folder.all():
            if case.id in done.cases:
                folder.delete(case)
    files.note(None)
    for file in (files.before, files.settings_before):
        file.unlink(missing_ok=True)
    _forget_password(files, done.password)
    _log.info("took back the restore of the backup of %s, as %s asked", done.node, order.by)


def _write_settings(files: RestoreFiles, config: Config, values: Mapping[str, Any], by: str) -> None:
    before = flatten(LiveSettings(config, files.settings).config)
    content = msgspec.json.format(msgspec.json.encode({"values": values}))
    write_whole(files.settings, content, mode=_MODE, owner=_owner(files.state))
    after = flatten(LiveSettings(config, files.settings).config)
    ChangeLog(changes_file(files.state, files.node)).add(by, before, after, write=True)


def keep_password(files: RestoreFiles, sha256: str, password: bytes) -> str:
    """Keep a password of the backup's, readable by the node alone, and say where; raises OSError.

    In a file of this backup's: what is in force now stays in its own, for the way back.
    """
    file = files.state / f"restore-{files.node}-{sha256[:12]}.password"
    write_whole(file, password, mode=_MODE)
    return str(file)


def _forget_password(files: RestoreFiles, file: str) -> None:
    """Delete the file of a password from a backup that is not in force."""
    if file and kept_settings(files.settings).get(PASSWORD_FILE) != file:
        Path(file).unlink(missing_ok=True)


def keep_before(files: RestoreFiles) -> None:
    """Keep the settings as they are, for the way back; raises OSError."""
    if files.settings.exists():
        shutil.copyfile(files.settings, files.settings_before)
        files.settings_before.chmod(_MODE)
    else:
        files.settings_before.unlink(missing_ok=True)


def _owner(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_uid, status.st_gid


def _read(file: Path, kind: type[_Kind]) -> _Kind | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except (OSError, ValueError, RecursionError):
        return None


def _write(file: Path, document: Struct | None) -> None:
    if document is None:
        file.unlink(missing_ok=True)
    else:
        write_whole(file, msgspec.json.encode(document), mode=_MODE)
