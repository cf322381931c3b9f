"""The live page's server: uvicorn in a thread named "preview", with an event loop of its own.

Owns the thread, the socket and its buffers. The main loop gives it frames and events, and carries out changes that the
page asks for.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import queue
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import uvicorn

from piapp.config.addresses import read_token
from piapp.config.sections import PreviewConfig
from piapp.errors import ConfigError, PiappError, PreviewError
from piapp.preview.access import Access
from piapp.preview.answers import Refusal
from piapp.preview.connections import BACKLOG, Connection
from piapp.preview.gate import Gate
from piapp.preview.invitation import Invitation
from piapp.preview.owner import Owner
from piapp.preview.pages import Pages
from piapp.preview.pictures import PictureKind, PictureRules
from piapp.preview.viewers import Viewers
from piapp.types import ImageArray

log = logging.getLogger(__name__)

# What may wait for a slow viewer in the kernel, which doubles it: with more, a viewer would see what was seconds ago.
SEND_BUFFER = 32 * 1024

# A viewer that takes nothing for so long is sent away; telephones leave without a word.
STALLED_S = 30.0

# As wide as a large telephone shows them.
MAX_PICTURE_PX = 960

# Changes that wait for the main loop; more are refused.
MAX_CHANGES = 8

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = (
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)


@dataclass(frozen=True, slots=True)
class Change:
    """What a page wants the main loop to do, and where the outcome goes."""

    action: Callable[[], Any]
    outcome: Future[Any]


class Preview:
    """The live page.

    Args:
        config: Where, how often, and what opens it.
        owner: The node. Its status has neither rates nor viewers; what changes it is called by `tick`.
        pictures: Whether the camera's picture may be shown at any time, for it is published, too.
        invitation: Whoever has its code may set the node up; None where nobody is invited.

    Attributes:
        viewers: Its viewers.
        listening: Set once started.
        url: Its address, from then on.
        port: Where it listens; before that as configured.

    Raises:
        ConfigError: The token cannot be read.
    """

    def __init__(
        self,
        config: PreviewConfig,
        owner: Owner,
        *,
        pictures: bool,
        invitation: Invitation | None = None,
    ) -> None:
        self._config = config
        self._invitation = invitation
        self._access = Access(config.bind, _token(config))
        self._changes: queue.Queue[Change] = queue.Queue(MAX_CHANGES)
        rules = PictureRules(config.picture, always=pictures, clock=time.monotonic)
        ever = pictures or config.picture != "off"
        self.viewers = Viewers(config.max_fps, owner.status, _encoders() if ever else {}, rules)
        self._pages = Pages(self.viewers, owner, self._ask, rules, self._expect_upload)
        self._server: _Server | None = None
        self._thread = threading.Thread(target=self._run, name="preview", daemon=True)
        self._failure: BaseException | None = None
        self.offer = self.viewers.offer
        self.event = self.viewers.event
        self.listening = threading.Event()
        self.url = ""
        self.port = config.port

    def start(self) -> None:
        """Listen, and serve in the background.

        Raises:
            PreviewError: The address is taken, or not this machine's.
            ConfigError: This user may not listen there.
        """
        self._socket = listen(self._config)
        self.port = self._socket.getsockname()[1]
        self.url = f"http://{_url_host(self._config.bind)}:{self.port}/"
        app = self._gate()
        self._server = _Server(
            uvicorn.Config(
                app,
                http=Connection,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,  # it would print a token in an address
                proxy_headers=False,
                server_header=False,
                date_header=False,  # nothing is to be kept by the date
                headers=list(HEADERS),
                backlog=BACKLOG,
            )
        )
        self._thread.start()
        self.listening.set()
        if self._invitation is None:
            log.info("live page: %s%s", self.url, " (token needed)" if self._access.needs_token else "")

    @property
    def waiting_changes(self) -> int:
        """Changes that wait for the main loop."""
        return self._changes.qsize()

    def tick(self) -> None:
        """Carry out one change that the page asks for; main loop."""
        if (change := self._next_change()) is not None:
            try:
                change.outcome.set_result(change.action())
            except (PiappError, LookupError, ValueError, RecursionError) as error:
                change.outcome.set_exception(error)

    def raise_if_failed(self) -> None:
        """Surface what ended the thread.

        Raises:
            BaseException: Whatever it was.
        """
        if self._failure is not None:
            raise self._failure

    def end(self) -> None:
        """Begin to stop; returns at once."""
        if self._server is not None:
            self._server.should_exit = True
            self.viewers.call(self._end)
        while (change := self._next_change()) is not None:
            change.outcome.set_exception(Refusal(503, "the node is stopping"))

    def stop(self, timeout_s: float) -> bool:
        """Send everybody away and end the thread; False when it still runs after the time."""
        self.end()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _gate(self) -> Gate:
        app = self._pages.application()
        if self._invitation is None:
            return Gate(app, self._access, self.port, self._admit)
        from piapp.preview.setup_gate import SetupGate  # noqa: PLC0415 - of use in one hour of a node's life

        return SetupGate(app, self._access, self.port, self._admit, self._invitation)

    def _admit(self, client: tuple[str, int]) -> None:
        """Mark the connection of a client whose request was let through; the page's thread."""
        for connection in self._connections(client):
            connection.admitted = True

    def _expect_upload(self, client: tuple[str, int]) -> None:
        """Give a client's request the time that a file needs; the page's thread."""
        for connection in self._connections(client):
            connection.expect_upload()

    def _connections(self, client: tuple[str, int]) -> list[Connection]:
        assert self._server is not None
        known = self._server.server_state.connections
        return [one for one in known if isinstance(one, Connection) and one.client == client]

    def _next_change(self) -> Change | None:
        """The oldest change that somebody still waits for."""
        with suppress(queue.Empty):
            while True:
                change = self._changes.get_nowait()
                if change.outcome.set_running_or_notify_cancel():
                    return change
        return None

    def _end(self) -> None:
        assert self._server is not None
        self.viewers.close()
        self._server.ending.set()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - surfaced on the main thread
            self._failure = error

    async def _serve(self) -> None:
        assert self._server is not None
        self.viewers.open(asyncio.get_running_loop())
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            self.viewers.close()
            self._socket.close()

    def _ask(self, action: Callable[[], Any]) -> Future[Any] | None:
        """Have something done by the main loop; None when too much waits already, or nobody is there to do it."""
        change = Change(action, Future())
        if self._server is None or self._server.should_exit:
            return None
        try:
            self._changes.put_nowait(change)
        except queue.Full:
            return None
        return change.outcome


class _Server(uvicorn.Server):
    """Sleeps until it is to end, where uvicorn's own checks ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ending = asyncio.Event()

    async def main_loop(self) -> None:
        """Wait for the end."""
        await self.on_tick(0)  # takes up the headers
        if not self.should_exit:
            await self.ending.wait()


def _encoders() -> dict[PictureKind, Callable[[ImageArray], bytes]]:
    """Make pictures fit for the page; OpenCV is loaded only here."""
    from piapp.draw import edge_picture, encode_jpeg, narrowed  # noqa: PLC0415

    return {"photo": lambda image: encode_jpeg(narrowed(image, MAX_PICTURE_PX)), "edges": edge_picture}


def _token(config: PreviewConfig) -> str | None:
    if not config.token_file:
        return None
    try:
        return read_token(config.token_file)
    except ValueError as error:
        raise ConfigError(f"preview.token_file = {config.token_file!r}: {error}") from error


def listen(config: PreviewConfig) -> socket.socket:
    """Open the page's port.

    Raises:
        PreviewError: The address is taken, or not this machine's.
        ConfigError: This user may not listen there.
    """
    address = ip_address(config.bind)
    both = not int(address) and address.version == 6 and socket.has_dualstack_ipv6()  # noqa: PLR2004 - IPv6's ::
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004 - IPv4
    try:
        listener = socket.create_server((config.bind, config.port), family=family, dualstack_ipv6=both)
    except OSError as error:
        where = f"preview.bind = {config.bind!r}, preview.port = {config.port}"
        kind = ConfigError if error.errno in (errno.EACCES, errno.EPERM) else PreviewError
        raise kind(
            f"{where}: cannot listen there: {error.strerror}; take another address or port (0: any that is free), "
            "or set preview.enabled = false"
        ) from error
    # Accepted connections take these over.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(STALLED_S * 1000))
    return listener


def _url_host(bind: str) -> str:
    """What to type into a browser."""
    address = ip_address(bind)
    if address.is_unspecified:
        return socket.gethostname()
    return f"[{bind}]" if address.version == 6 else bind  # noqa: PLR2004 - IPv6
