"""Restoring a backup from the owner's page: it is sent, read as a whole, shown, confirmed, and done by the next start.

Owns what the page is told and what it may ask for. `piapp.operate.waiting_restore` owns the files in the state folder.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from piapp.config.load import LoadedConfig, changed
from piapp.errors import PiappError
from piapp.node.alarm_file import has_open_alarm
from piapp.node.app import kept_config
from piapp.node.assembly import node_id
from piapp.node.page import PageTools
from piapp.node.state_folder import state_folder
from piapp.offline.cases import case_folder
from piapp.operate.archive import Archive, BackupError
from piapp.operate.backup import backup
from piapp.operate.restore import read
from piapp.operate.restore_plan import PASSWORD_FILE, RestorePlan, broker_of, plan
from piapp.operate.waiting_restore import Order, RestoreFiles, keep_before, keep_password, sha256_of
from piapp.preview.owner import Upload

# Alarms take 10 MB at most, unless `cases.max_mb` says otherwise.
MAX_BYTES = 64_000_000

# What its entries may hold together, decompressed.
MAX_CONTENT_BYTES = 2 * MAX_BYTES

_log = logging.getLogger(__name__)


class Confirmation(Struct, frozen=True, forbid_unknown_fields=True):
    """What the page sends when somebody has seen what a backup would change.

    Attributes:
        sha256: Of the backup that they have seen.
        password: Decrypts its secrets, for the broker's login; empty leaves that as it is.
    """

    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    password: Annotated[str, Meta(max_length=256)] = ""


class PageRestore:
    """What the page can do about restoring; any thread, one at a time (`piapp.preview.api`).

    Args:
        loaded: The node's configuration.
    """

    def __init__(self, loaded: LoadedConfig) -> None:
        self._loaded = loaded
        self._node = node_id(loaded.config)
        self._state = state_folder(loaded.config.spool)

    @property
    def tools(self) -> PageTools:
        """For the page."""
        folder = self._state if self._state is not None and self._state.is_dir() else None
        return PageTools(
            documents={"restore": self.document},
            jobs={"restore": self.confirm, "restore_undo": self.undo},
            uploads={"restore": Upload("application/zip", MAX_BYTES, folder, self.take)},
        )

    def document(self, _query: Mapping[str, str]) -> dict[str, Any]:
        """What the last restore did, and what may be sent."""
        done = self._files.done() if self._state is not None else None
        return {"possible": self._state is not None, "max_bytes": MAX_BYTES, "done": msgspec.to_builtins(done)}

    def take(self, file: Path, sender: str) -> RestorePlan:
        """Read a backup that was sent, keep it, and say what it would change; nothing is changed yet.

        Raises:
            BackupError: It is none that can be restored here.
        """
        made = self._plan(file)
        file.replace(self._files.archive)
        _log.info("%s sent a backup of %s of %s", sender, made.node, made.created)
        return made

    def confirm(self, body: bytes, sender: str) -> dict[str, Any]:
        """Have the next start restore the backup that was sent.

        Raises:
            ValueError: The body has another form.
            BackupError: Another backup was sent meanwhile, an alarm is open, or what is there cannot be kept.
            PasswordError: The password is another one.
        """
        said = msgspec.json.decode(body, type=Confirmation)
        wanted = said.sha256
        files = self._files
        if not files.archive.exists() or sha256_of(files.archive) != wanted:
            raise BackupError("somebody has sent another backup meanwhile; send yours again")
        self._refuse_alarm()
        login = self._login(said.password) if said.password else None
        try:
            backup(self._loaded, self._node, files.state, files.before)
            keep_before(files)
            broker = {}
            if login is not None:
                values, secret = login
                # Also where there is none: another broker is not to be sent the password that the node has.
                broker = {**values, PASSWORD_FILE: keep_password(files, wanted, secret) if secret else ""}
            files.give(Order(wanted, sender, broker=broker))
        except OSError as error:
            raise BackupError(f"cannot be kept: {error.filename}: {error.strerror}; nothing was restored") from error
        _log.warning("%s has a backup restored by the next start", sender)
        return {"restart": True}

    def undo(self, _body: bytes, sender: str) -> dict[str, Any]:
        """Have the next start take the last restore back.

        Raises:
            BackupError: There is none, or an alarm is open.
        """
        files = self._files
        if files.done() is None or not files.before.exists():
            raise BackupError("there is no restore that could be taken back")
        self._refuse_alarm()
        files.give(Order("", sender, undo=True))
        _log.warning("%s has the last restore taken back by the next start", sender)
        return {"restart": True}

    def _login(self, password: str) -> tuple[dict[str, str], bytes]:
        """The broker's login in the backup that was sent, when this version accepts it."""
        with Archive(self._files.archive, max_bytes=MAX_CONTENT_BYTES) as opened:
            values, secret = broker_of(read(opened, password))
        changed(self._loaded.config, values, "backup")
        return values, secret

    @property
    def _files(self) -> RestoreFiles:
        if self._state is None:
            raise BackupError("this node has no folder for its state (spool.dir), so it can restore nothing")
        return RestoreFiles(self._state, self._node)

    def _refuse_alarm(self) -> None:
        if self._state is not None and has_open_alarm(self._state, self._node):
            raise BackupError("an alarm is open, which a restore would end; restore when it is over")

    def _plan(self, file: Path) -> RestorePlan:
        try:
            with Archive(file, max_bytes=MAX_CONTENT_BYTES) as opened:
                found = read(opened, None)
                return plan(
                    opened,
                    found,
                    kept_config(self._loaded.config),
                    sha256=sha256_of(file),
                    known_cases=self._known_cases(),
                )
        except PiappError as error:
            # The name under which it was kept says nothing to whoever has sent it.
            raise BackupError(str(error).replace(f"{file}: ", "").replace(str(file), "the file")) from error

    def _known_cases(self) -> frozenset[str]:
        folder = case_folder(self._state, self._node)
        return frozenset(case.id for case in folder.all()) if folder is not None else frozenset()
