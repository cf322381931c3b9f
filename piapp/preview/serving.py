"""Answers those who come to the live page: uvicorn with its limits. Loaded when the first one does.

Owns uvicorn. Until somebody has connected, a page costs its port alone (`piapp.preview.server`).
"""

from __future__ import annotations

import asyncio
import socket

import uvicorn

from piapp.invitation import Invitation
from piapp.preview import api
from piapp.preview.access import Access
from piapp.preview.connections import BACKLOG, Connection
from piapp.preview.gate import Gate
from piapp.preview.owner import Owner
from piapp.preview.pages import Pages
from piapp.preview.pictures import PictureRules
from piapp.preview.viewers import Viewers

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


class Serving:
    """The server of one page.

    Args:
        viewers: The page's viewers.
        owner: The node.
        ask: Has something done on the main thread.
        rules: Which pictures may be shown.
        access: Who may look.
        port: Where it listens.
        invitation: Whoever has its code may set the node up; None where nobody is invited.
    """

    def __init__(
        self,
        viewers: Viewers,
        owner: Owner,
        ask: api.Ask,
        rules: PictureRules,
        *,
        access: Access,
        port: int,
        invitation: Invitation | None,
    ) -> None:
        self._viewers = viewers
        self._access = access
        self._port = port
        self._invitation = invitation
        self._pages = Pages(viewers, owner, ask, rules, self._expect_upload)
        self._server = _Server(
            uvicorn.Config(
                self._gate(),
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

    def run(self, listener: socket.socket) -> None:
        """Serve until `end`; blocks."""
        asyncio.run(self._serve(listener))

    def end(self) -> None:
        """Have `run` return; any thread, also before it was called."""
        self._server.should_exit = True
        self._viewers.call(self._end)

    async def _serve(self, listener: socket.socket) -> None:
        self._viewers.open(asyncio.get_running_loop())
        try:
            await self._server.serve(sockets=[listener])
        finally:
            self._viewers.close()

    def _end(self) -> None:
        self._viewers.close()
        self._server.ending.set()

    def _gate(self) -> Gate:
        app = self._pages.application()
        if self._invitation is None:
            return Gate(app, self._access, self._port, self._admit)
        from piapp.preview.setup_gate import SetupGate  # noqa: PLC0415 - of use in one hour of a node's life

        return SetupGate(app, self._access, self._port, self._admit, self._invitation)

    def _admit(self, client: tuple[str, int]) -> None:
        """Mark the connection of a client whose request was let through; the page's thread."""
        for connection in self._connections(client):
            connection.admitted = True

    def _expect_upload(self, client: tuple[str, int]) -> None:
        """Give a client's request the time that a file needs; the page's thread."""
        for connection in self._connections(client):
            connection.expect_upload()

    def _connections(self, client: tuple[str, int]) -> list[Connection]:
        known = self._server.server_state.connections
        return [one for one in known if isinstance(one, Connection) and one.client == client]


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
