"""What the live page's server answers: the page's files, the stream, pictures and zones.

Owns forms of requests and answers. Who may ask was decided before (`piapp.preview.gate`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from importlib import resources
from pathlib import PurePath
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from piapp.errors import ConfigError
from piapp.preview.access import same_origin
from piapp.preview.viewers import MAX_VIEWERS, Viewer, Viewers

PICTURE_WAIT_S = 5.0
CHANGE_WAIT_S = 5.0
MAX_BODY = 64 * 1024

RETRY_MS = 2000

_MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

# Called with what was sent as zones; None when too many changes wait. The result says whether they are kept.
ChangeZones = Callable[[Any], Future[bool] | None]


class Refusal(Exception):  # noqa: N818 - an answer, not an error of the program
    """A request that is answered with no more than why not."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class Pages:
    """The routes.

    Args:
        viewers: Who looks.
        zones: The zones in force, as plain values.
        change_zones: Has zones changed by the node.
        pictures: Whether the camera's picture may be shown.
    """

    def __init__(
        self, viewers: Viewers, zones: Callable[[], list[Any]], change_zones: ChangeZones, *, pictures: bool
    ) -> None:
        self._viewers = viewers
        self._zones_now = zones
        self._change_zones = change_zones
        self._pictures = pictures

    def application(self) -> Starlette:
        """Everything as one ASGI application."""
        routes = [Route(path, _file_page(*file), methods=["GET"]) for path, file in _files().items()]
        routes += [
            Route("/stream", _answering(self._stream), methods=["GET"]),
            Route("/picture", _answering(self._picture), methods=["GET"]),
            Route("/zones", _answering(self._zones), methods=["GET"]),
            Route("/zones", _answering(self._put_zones), methods=["PUT"]),
        ]
        return Starlette(routes=routes)

    async def _stream(self, request: Request) -> Response:
        if request.method == "HEAD":
            return Response(media_type=Stream.media_type)
        viewer = self._viewers.enter()
        if viewer is None:
            raise Refusal(503, f"{MAX_VIEWERS} viewers look already; close the page elsewhere")
        return Stream(self._viewers, viewer)

    async def _picture(self, request: Request) -> Response:
        if not self._pictures:
            raise Refusal(403, 'pictures are not shown: publish.image is not "photo"')
        after = request.query_params.get("after", "0")
        if not (after.isascii() and after.isdecimal()):
            raise Refusal(422, "after: expected a frame's ts_ms")
        picture = await self._viewers.picture(int(after), PICTURE_WAIT_S)
        if picture is None:
            return Response(status_code=204)
        ts_ms, jpeg = picture
        return Response(jpeg, media_type="image/jpeg", headers={"X-Ts-Ms": str(ts_ms)})

    async def _zones(self, _request: Request) -> Response:
        return _json({"zones": self._zones_now()})

    async def _put_zones(self, request: Request) -> Response:
        _check_sender(request)
        future = self._change_zones(_zones_in(await _body(request)))
        if future is None:
            raise Refusal(503, "too many changes at once; try again")
        try:
            kept = await asyncio.wait_for(asyncio.wrap_future(future), CHANGE_WAIT_S)
        except TimeoutError:
            raise Refusal(503, "the node is starting, or busy; nothing was changed, try again") from None
        except ConfigError as error:
            raise Refusal(422, str(error)) from error
        return _json({"zones": self._zones_now(), "kept": kept})


class Stream(Response):
    """Server-sent events for one viewer, until one side ends it.

    What cannot be written waits in the `Viewer`, where newer messages take the place of older ones.
    """

    media_type = "text/event-stream"

    def __init__(self, viewers: Viewers, viewer: Viewer) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._viewers = viewers
        self._viewer = viewer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Write until the viewer or the server goes."""
        leaving = asyncio.create_task(self._leave(receive), name="preview-leave")
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            body = b"retry: %d\n\n" % RETRY_MS
            while not self._viewer.closed:
                await send({"type": "http.response.body", "body": body, "more_body": True})
                body = await self._viewer.news()
            await send({"type": "http.response.body", "body": b""})
        finally:
            leaving.cancel()
            self._viewers.leave(self._viewer)

    async def _leave(self, receive: Receive) -> None:
        """Wait until the viewer has gone."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self._viewer.close()


def _files() -> dict[str, tuple[bytes, str]]:
    """The page's files by their path, with their media types; read once, and nothing else is ever read."""
    files = {}
    for file in resources.files("piapp.preview").joinpath("static").iterdir():
        media_type = _MEDIA_TYPES.get(PurePath(file.name).suffix)
        if media_type:
            files["/" if file.name == "index.html" else f"/{file.name}"] = (file.read_bytes(), media_type)
    return files


def _file_page(content: bytes, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(_request: Request) -> Response:
        return Response(content, media_type=media_type)

    return answer


def _answering(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """The handler, with refusals as answers in JSON."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except Refusal as refusal:
            return _json({"error": str(refusal)}, refusal.status)
        except ClientDisconnect:
            return Response(status_code=400)

    return answer


def _json(document: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(document), status, media_type="application/json")


def _check_sender(request: Request) -> None:
    """Refuse what another site's page has sent; a browser says so, or asks before it sends JSON."""
    headers = request.headers
    if not same_origin(headers.get("host", ""), headers.get("origin"), headers.get("sec-fetch-site")):
        raise Refusal(403, "zones are changed from the node's own page")
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refusal(415, "expected Content-Type: application/json")


async def _body(request: Request) -> bytes:
    body = bytearray()
    if int(request.headers.get("content-length", "0")) <= MAX_BODY:
        async for part in request.stream():
            body += part
            if len(body) > MAX_BODY:
                break
        else:
            return bytes(body)
    raise Refusal(413, f"more than {MAX_BODY // 1024} kB")


def _zones_in(body: bytes) -> Any:
    form = 'expected {"zones": [...]}'
    try:
        document = msgspec.json.decode(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(422, f"is not JSON: {error}; {form}") from error
    if not isinstance(document, dict) or set(document) != {"zones"}:
        raise Refusal(422, form)
    return document["zones"]
