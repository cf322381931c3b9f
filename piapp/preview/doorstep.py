"""What those see of the set-up page who have not shown the code yet: a form to type it into, and nothing of the node.

Owns the exchange of a code for a cookie, and how often an address may try.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from ipaddress import ip_address
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from piapp.invitation import Invitation
from piapp.preview.answers import Handler, Refusal, answering, body_of, check_sender, json_answer
from piapp.preview.pages import files, send_texts
from piapp.token_bucket import TokenBucket

log = logging.getLogger(__name__)

# What an address may try: a person's typing errors, and no more.
TRY_RATE_HZ = 0.2
TRY_BURST = 5

# Addresses whose tries are counted; the one that was silent longest gives way.
MAX_ADDRESSES = 1000

WRONG_CODE_S = 0.5

# The form's page, under the addresses that people type; and the files that it needs.
_FORM = "/code"
_FORM_PATHS = ("/", "/setup")
_FILES = ("/page.css", "/setup.css", "/code.js", "/words.js", "/api.js", "/favicon.svg")


class CodeRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What the form sends.

    Attributes:
        code: As it was typed.
    """

    code: Annotated[str, Meta(max_length=64)]


class Tries:
    """How often each address may still try a code."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()  # bounded by MAX_ADDRESSES

    def __len__(self) -> int:
        """Of how many addresses tries are counted."""
        return len(self._buckets)

    def check(self, address: str) -> None:
        """Count a try, or refuse it."""
        bucket = self._buckets.pop(address, None) or TokenBucket(TRY_RATE_HZ, TRY_BURST, time.monotonic)
        self._buckets[address] = bucket
        if len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        if not bucket.take():
            raise Refusal(429, "too many tries; wait ten seconds")


class Doorstep:
    """The form, and what answers it.

    Args:
        invitation: Knows the code.
        cookie: The name of the cookie that lets somebody in.
    """

    def __init__(self, invitation: Invitation, cookie: str) -> None:
        self._invitation = invitation
        self._cookie = cookie
        self._tries = Tries()

    def application(self) -> Starlette:
        """Everything as one ASGI application; whatever is not on the doorstep is answered like a missing token."""
        known = files()
        shown: dict[str, Handler] = {path: known[path] for path in _FILES}
        shown |= dict.fromkeys(_FORM_PATHS, known[_FORM])
        routes = [Route(path, answer, methods=["GET"]) for path, answer in shown.items()]
        routes += [
            Route("/texts", send_texts, methods=["GET"]),
            Route("/code", answering(self._redeem), methods=["POST"]),
            Route("/{path:path}", _unknown, methods=["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]),
        ]
        return Starlette(routes=routes)

    async def _redeem(self, request: Request) -> Response:
        check_sender(request)
        address = request.client.host if request.client else ""
        self._tries.check(address)
        try:
            code = msgspec.json.decode(await body_of(request), type=CodeRequest).code
        except (ValueError, RecursionError) as error:
            raise Refusal(422, 'expected {"code": "..."}') from error
        session = self._invitation.redeem(code)
        if session is None:
            log.warning("set-up page: wrong code from %s", address)
            await asyncio.sleep(WRONG_CODE_S)
            raise Refusal(403, "this is not the code, or it was used before")
        log.info("set-up page: opened by %s", address)
        answer = json_answer({"opened": True})
        answer.set_cookie(self._cookie, session, path="/", httponly=True, samesite="strict")
        return answer


async def _unknown(_request: Request) -> Response:
    return Response(b"401\n", 401, media_type="text/plain")


def is_local(address: str) -> bool:
    """Whether an address belongs to this machine or to a local network."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None) or found
    return mapped.is_loopback or mapped.is_link_local or (mapped.is_private and not mapped.is_unspecified)
