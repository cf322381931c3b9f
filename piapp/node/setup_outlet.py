"""The page while the node is set up: open to the local network for whoever has the code, for an hour of running."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from piapp.config.sections import Config
from piapp.errors import ConfigError, PiappError
from piapp.invitation import Invitation
from piapp.node.outlets import PageOutlet, live_page
from piapp.node.page import Page
from piapp.node.state_folder import invitation_file, state_folder
from piapp.service.addresses import own_addresses
from piapp.service.identity import default_node_id

if TYPE_CHECKING:
    from piapp.preview.server import Preview

# Those of the local network are told from others at the door, and by the unit's firewall. IPv4 alone: a global address
# of IPv6 does not say who is of the same network, and a browser that is refused there would not try IPv4.
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104

SETUP_PATH = "setup"

log = logging.getLogger(__name__)


def is_invited(config: Config) -> bool:
    """Whether somebody is invited to set this node up now."""
    file = invitation_file(state_folder(config.spool), config.node.id or default_node_id())
    return Invitation.open(file) is not None


def invited(config: Config) -> Config:
    """The configuration while the node is set up: the page is there for the local network, and shows what to aim by."""
    picture = "consent" if config.preview.picture == "off" else config.preview.picture
    page = msgspec.structs.replace(config.preview, enabled=True, bind=EVERY_ADDRESS, picture=picture)
    return msgspec.structs.replace(config, preview=page)


def setup_links(port: int, code: str) -> list[str]:
    """Where a browser of the local network sets the node up; the code behind "#" stays in the browser.

    Args:
        port: `preview.port`.
        code: As people read it; empty where it was used.
    """
    mark = f"#{code}" if code else ""
    return [f"http://{address}:{port}/{SETUP_PATH}{mark}" for address in own_addresses()]


def served(config: Config, page: Page, invitation: Invitation | None, *, configured: bool) -> Preview | None:
    """The page, or None where it is off; what cannot be set up in a browser watches all the same.

    Args:
        config: Where and with what it is served.
        page: What it shows of the node, and may have it do.
        invitation: Lets in who sets the node up.
        configured: Whether the page is wanted without an invitation, too.

    Raises:
        ConfigError: It is, and its libraries are not installed.
    """
    try:
        return live_page(config, page, invitation)
    except ConfigError as error:
        if configured:
            raise
        log.warning("this node cannot be set up in a browser: %s", error)
        return None


def page_outlet(
    preview: Preview | None, invitation: Invitation | None, successor: Callable[[], Preview | None]
) -> PageOutlet | None:
    """The page as a way out of the node; None where it is off.

    Args:
        preview: The page.
        invitation: Whom it is open to now; None where nobody is invited.
        successor: Makes the page that is configured, for afterwards.
    """
    if preview is None:
        return None
    return PageOutlet(preview) if invitation is None else SetupPageOutlet(preview, invitation, successor)


class SetupPageOutlet(PageOutlet):
    """The page while the node is set up, and after that what is configured.

    Args:
        preview: For those who are invited.
        invitation: How long.
        successor: Makes the page that is configured; None where there is none.
    """

    def __init__(self, preview: Preview, invitation: Invitation, successor: Callable[[], Preview | None]) -> None:
        super().__init__(preview)
        self._invitation = invitation
        self._successor = successor
        self._invited = True

    def start(self) -> None:
        """Listen; a node watches all the same where that cannot be."""
        try:
            super().start()
        except PiappError as error:
            log.error("the set-up page cannot be served: %s", error)  # noqa: TRY400 - no bug
            self._invited = False
            return
        code, minutes = self._invitation.code, self._invitation.left_s / 60
        links = " or ".join(setup_links(self._preview.port, code))
        with_code = f"with the code {code}" if code else "in the browser that has shown the code"
        log.warning("set this node up at %s, %s; open for %.0f minutes", links, with_code, minutes)

    def tick(self) -> None:
        """Carry out a change, and change over to the configured page when the time is over."""
        if self._invited and self._invitation.over:
            self._change_over()
        elif self._invited:
            self._invitation.tick()
        super().tick()

    def stop(self) -> bool:
        """End the page's thread, and keep how much of the time is left."""
        if self._invited:
            self._invitation.keep()
        return super().stop()

    def _change_over(self) -> None:
        """End the page of those who were invited; once its thread has gone, the configured one takes the port."""
        if not self._preview.stop(0.0):
            return
        self._invited = False
        log.info("the set-up page is closed; sudo piapp setup-page opens it again")
        if (successor := self._successor()) is not None:
            self._preview = successor
            self._preview.start()
