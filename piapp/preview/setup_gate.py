"""The door of the page while the node is set up: who has shown the one-time code passes, on the local network alone."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp

from piapp.invitation import Invitation
from piapp.preview.access import Access
from piapp.preview.doorstep import Doorstep, is_local
from piapp.preview.gate import Gate

# Not as the other pages' begin: it says nothing to them.
SETUP_COOKIE = "setup_piapp_"


class SetupGate(Gate):
    """Lets those pass whom the invitation lets in, or the configured token; the others see the form for the code.

    Args:
        app: Who answers those who pass.
        access: Knows the token, where one is configured.
        port: The server's.
        admit: As for `Gate`.
        invitation: Knows the code.
    """

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        port: int,
        admit: Callable[[tuple[str, int]], None],
        invitation: Invitation,
    ) -> None:
        super().__init__(app, access, port, admit)
        self._invitation = invitation
        self._setup_cookie = f"{SETUP_COOKIE}{port}"
        self._doorstep = Doorstep(invitation, self._setup_cookie).application()

    async def _answer(self, request: Request) -> ASGIApp | None:
        client = request.client.host if request.client else ""
        if not is_local(client):
            return PlainTextResponse("403\n", 403)
        if self._invitation.is_session(request.cookies.get(self._setup_cookie, "")):
            return None
        answer = await super()._answer(request) if self._access.needs_token else self._doorstep
        refused = isinstance(answer, Response) and answer.status_code == HTTPStatus.UNAUTHORIZED
        return self._doorstep if refused else answer
