"""The door of the live page, before every route: an ASGI application around another.

Owns the answers to those who may not look. They are the same whatever was asked for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from piapp.preview.access import Access

log = logging.getLogger(__name__)

# A pause after each wrong token. At 16 characters nobody finds it by trying; it keeps the attempts from costing much.
WRONG_TOKEN_S = 0.5

# Cookies know no ports, so each server has a name of its own.
COOKIE = "piapp_"


class Gate:
    """Lets requests through that may pass.

    Args:
        app: Who answers those.
        access: Who decides.
        port: The server's.
        admit: Called with the client's address and port when its request passes.
    """

    def __init__(self, app: ASGIApp, access: Access, port: int, admit: Callable[[tuple[str, int]], None]) -> None:
        self._app = app
        self._access = access
        self._cookie = f"{COOKIE}{port}"
        self._admit = admit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or answer it."""
        answer = await self._answer(Request(scope))
        if answer is None and scope["client"]:
            self._admit(scope["client"])
        await (answer or self._app)(scope, receive, send)

    async def _answer(self, request: Request) -> ASGIApp | None:
        """None for who may pass."""
        if not self._access.knows_host(request.headers.get("host", "")):
            return PlainTextResponse("421\n", 421)
        if not self._access.needs_token:
            return None
        shown = _token_in_url(request)
        if shown is not None and self._access.is_token(shown):
            return self._signed_in()
        if shown is None:
            shown = _bearer(request)
            if shown is not None and self._access.is_token(shown):
                return None
        if shown is not None:
            await _slow_down(request)
        elif any(map(self._access.is_session, _sessions(request))):
            return None
        return PlainTextResponse("401\n", 401, {"WWW-Authenticate": "Bearer"})

    def _signed_in(self) -> Response:
        """To the page, under an address without the token."""
        answer = RedirectResponse("/", 303)
        # Lax: the link may be followed from another site's page, such as a mail. What changes zones asks for more.
        answer.set_cookie(self._cookie, self._access.session, path="/", httponly=True, samesite="lax")
        return answer


def _sessions(request: Request) -> list[str]:
    """Cookies of this page and of others on this host: cameras of one board have one token, and so one session."""
    return [value for name, value in request.cookies.items() if name.startswith(COOKIE)]


async def _slow_down(request: Request) -> None:
    log.warning("live page: wrong token from %s", request.client.host if request.client else "nowhere")
    await asyncio.sleep(WRONG_TOKEN_S)


def _token_in_url(request: Request) -> str | None:
    return request.query_params.get("token") if request.method == "GET" and request.url.path == "/" else None


def _bearer(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
