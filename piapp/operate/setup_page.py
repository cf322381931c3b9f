"""Opens the set-up page of this machine's node: a code for one browser, for an hour of the node's running.

`open_setup_page` is what the installer, `piapp setup-page` and whoever else wants to show address and code call.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from piapp.config.sections import Config
from piapp.errors import PiappError
from piapp.invitation import Invitation
from piapp.node.assembly import node_id
from piapp.node.setup_outlet import setup_links
from piapp.node.state_folder import invitation_file, state_folder


class SetupPageError(PiappError, OSError):
    """The set-up page cannot be opened."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class SetupPage:
    """Where the node is set up, and with what.

    Attributes:
        code: As people type it.
        links: Addresses for browsers of the local network, with the code in them.
    """

    code: str
    links: tuple[str, ...]


def open_setup_page(config: Config) -> SetupPage:
    """Invite one browser, from the node's next start on; an earlier code is worth nothing any more.

    Raises:
        SetupPageError: There is no folder for it, or it cannot be written.
    """
    file = _file(config)
    try:
        folder = file.parent.stat()
        code = Invitation.issue(file, (folder.st_uid, folder.st_gid))
    except OSError as error:
        raise SetupPageError(f"{file}: cannot be written: {error.strerror}; try sudo") from error
    return SetupPage(code, tuple(setup_links(config.preview.port, code)))


def close_setup_page(config: Config) -> bool:
    """Invite nobody any more, from the node's next start on; whether somebody was invited.

    Raises:
        SetupPageError: The invitation cannot be taken back.
    """
    file = _file(config)
    try:
        there = file.exists()
        file.unlink(missing_ok=True)
    except OSError as error:
        raise SetupPageError(f"{file}: cannot be removed: {error.strerror}; try sudo") from error
    return there


def _file(config: Config) -> Path:
    file = invitation_file(state_folder(config.spool), node_id(config))
    if file is None:
        raise SetupPageError(
            "the set-up page needs the node's folder for its state, which this user cannot write (try sudo) or the "
            'configuration turns off (spool.dir = "off")'
        )
    return file
