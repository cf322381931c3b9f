"""Upkeep from the owner's page: check, log, backup and support bundle of a node that runs.

Owns nothing of what these do: each is what the command of its name does.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta, Struct

from piapp import __version__
from piapp.config.load import LoadedConfig
from piapp.node.app import kept_config
from piapp.node.assembly import node_id
from piapp.node.info import versions
from piapp.node.page import PageTools
from piapp.node.state_folder import state_folder
from piapp.operate.backup import backup
from piapp.operate.board import Board
from piapp.operate.page_restore import PageRestore
from piapp.operate.support import support_bundle
from piapp.preview.owner import Download
from piapp.service.installation import newest_version
from piapp.service.log_memory import LogMemory

if TYPE_CHECKING:
    from piapp.operate.check import Finding

ZIP = "application/zip"


class BackupRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What the page sends for a backup.

    Attributes:
        password: Encrypts the secrets; empty leaves them out.
    """

    password: Annotated[str, Meta(max_length=256)] = ""


class Upkeep:
    """What the page can do for the upkeep of this node.

    Args:
        loaded: The node's configuration.
        log: Its last lines.
        health: Gives its last report; None before the first.
    """

    def __init__(self, loaded: LoadedConfig, log: LogMemory, health: Callable[[], Mapping[str, Any] | None]) -> None:
        self._loaded = loaded
        self._log = log
        self._health = health

    @property
    def tools(self) -> PageTools:
        """For the page."""
        documents = {
            "upkeep": self._about,
            "log": self._log.document,
            "board": Board(self._loaded).document,
        }
        jobs = {"check": self._check, "backup": self._backup, "support": self._support, "setup_find_brokers": _brokers}
        restoring = PageRestore(self._loaded).tools
        return PageTools({**documents, **restoring.documents}, {**jobs, **restoring.jobs}, restoring.uploads)

    def _about(self, _query: object) -> dict[str, Any]:
        newest = newest_version()
        return {
            "version": __version__,
            "newer": newest if newest != __version__ else None,
            "versions": dict(versions()),
            "health": self._health(),
        }

    def _findings(self) -> list[Finding]:
        # It knows all parts of a node; loaded when somebody asks.
        from piapp.operate.check import check  # noqa: PLC0415

        return list(check(kept_config(self._loaded.config), file=self._loaded.file, running=True))

    def _check(self, _body: bytes, _sender: str) -> dict[str, Any]:
        findings = self._findings()
        return {"findings": [msgspec.to_builtins(finding) for finding in findings]}

    def _backup(self, body: bytes, _sender: str) -> Download:
        """Make a backup; a thread of the page's own, for encrypting takes a while.

        Raises:
            ValueError: The body has another form.
            PiappError: It cannot be made.
        """
        password = msgspec.json.decode(body, type=BackupRequest).password
        node = node_id(self._loaded.config)
        with tempfile.TemporaryDirectory(prefix="piapp-backup-") as folder:
            file = Path(folder) / "backup.zip"
            backup(self._loaded, node, state_folder(self._loaded.config.spool), file, password=password or None)
            return Download(f"piapp-{node}.zip", ZIP, file.read_bytes())

    def _support(self, _body: bytes, _sender: str) -> Download:
        config = kept_config(self._loaded.config)
        findings = self._findings()
        made = support_bundle(config, findings, self._log.lines(), self._health(), dict(versions()))
        return Download(f"piapp-support-{node_id(config)}.zip", ZIP, made)


def _brokers(_body: bytes, _sender: str) -> dict[str, Any]:
    """Brokers that announce themselves in the local network."""
    from piapp.operate.setup import find_brokers  # noqa: PLC0415 - likewise

    return {"brokers": list(dict.fromkeys(broker.url for broker in find_brokers()))}
