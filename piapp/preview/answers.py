"""Forms of requests and answers that all pages share: refusals, JSON, who may change something and how often."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from piapp.preview.access import same_origin
from piapp.token_bucket import TokenBucket

MAX_BODY = 64 * 1024

# More than a person does, and less than what would keep the node from watching (a guess).
RATE_HZ = 5.0
BURST = 20

Handler = Callable[[Request], Awaitable[Response]]


class Refusal(Exception):  # noqa: N818 - an answer, not an error of the program
    """A request that is answered with no more than why not."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class RateLimit:
    """How often all viewers together may have the node do something."""

    def __init__(self, rate_hz: float = RATE_HZ, burst: int = BURST) -> None:
        self._bucket = TokenBucket(rate_hz, burst, time.monotonic)

    def check(self) -> None:
        """Count one request, or refuse it."""
        if not self._bucket.take():
            raise Refusal(429, "too many requests; try again in a few seconds")


def answering(handler: Handler) -> Handler:
    """The handler, with refusals as answers in JSON."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except Refusal as refusal:
            return json_answer({"error": str(refusal)}, refusal.status)
        except ClientDisconnect:
            return Response(status_code=400)

    return answer


def json_answer(document: Any, status: int = 200) -> Response:
    """A document as JSON."""
    return Response(msgspec.json.encode(document), status, media_type="application/json")


def check_sender(request: Request, media_type: str = "application/json") -> None:
    """Refuse what another site's page has sent; a browser says so, or asks before it sends such a type."""
    headers = request.headers
    if not same_origin(headers.get("host", ""), headers.get("origin"), headers.get("sec-fetch-site")):
        raise Refusal(403, "the node is changed from its own page")
    if headers.get("content-type", "").partition(";")[0].strip().lower() != media_type:
        raise Refusal(415, f"expected Content-Type: {media_type}")


async def body_of(request: Request) -> bytes:
    """The whole body of a request, up to a limit."""
    body = bytearray()
    if int(request.headers.get("content-length", "0")) <= MAX_BODY:
        async for part in request.stream():
            body += part
            if len(body) > MAX_BODY:
                break
        else:
            return bytes(body)
    raise Refusal(413, f"more than {MAX_BODY // 1024} kB")


def sender_of(request: Request) -> str:
    """Who asks, for the list of changes."""
    return f"page {request.client.host}" if request.client else "page"
