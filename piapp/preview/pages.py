"""What the live page's server answers: the pages' files, the stream, pictures and zones.

Owns the routes. Who may ask was decided before (`piapp.preview.gate`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from importlib import resources
from pathlib import PurePath
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from piapp.preview import api, uploads
from piapp.preview.answers import (
    Handler,
    RateLimit,
    Refusal,
    answering,
    body_of,
    check_sender,
    json_answer,
    sender_of,
)
from piapp.preview.languages import COOKIE, chosen, rendered, texts
from piapp.preview.owner import Owner
from piapp.preview.pictures import PictureKind, PictureRules
from piapp.preview.viewer import Viewer
from piapp.preview.viewers import MAX_VIEWERS, Viewers

log = logging.getLogger(__name__)

PICTURE_WAIT_S = 5.0

RETRY_MS = 2000

_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_PAGE = ".html"
_PICTURE_TYPES: Mapping[PictureKind, str] = {"photo": "image/jpeg", "edges": "image/png"}

# What several pages share, by the mark that stands for it.
_PARTS = {
    "part.head": "_head.html",
    "part.header": "_header.html",
    "part.footer": "_footer.html",
    "part.live": "_live.html",
    "part.zone_fields": "_zone_fields.html",
}


class Pages:
    """The routes.

    Args:
        viewers: The page's viewers.
        owner: The node.
        ask: Has something done on the main thread.
        rules: Which pictures may be shown.
        more_time: Gives a request the time that a file needs.
    """

    def __init__(
        self, viewers: Viewers, owner: Owner, ask: api.Ask, rules: PictureRules, more_time: uploads.MoreTime
    ) -> None:
        self._viewers = viewers
        self._owner = owner
        self._ask = ask
        self._rules = rules
        self._more_time = more_time
        self._limit = RateLimit()

    def application(self) -> Starlette:
        """Everything as one ASGI application."""
        routes = [Route(path, answer, methods=["GET"]) for path, answer in files().items()]
        routes += [
            Route("/texts", send_texts, methods=["GET"]),
            Route("/stream", answering(self._stream), methods=["GET"]),
            Route("/picture", answering(self._picture), methods=["GET"]),
            Route("/consent", answering(self._put_consent), methods=["PUT"]),
            Route("/zones", answering(self._zones), methods=["GET"]),
            Route("/zones", answering(self._put_zones), methods=["PUT"]),
            *api.Api(self._owner, self._ask, self._limit).routes(),
            *uploads.Uploads(self._owner, self._limit, self._more_time).routes(),
        ]
        application = Starlette(routes=routes)
        # Redirections would lead to whatever host the request names.
        application.router.redirect_slashes = False
        return application

    async def _stream(self, request: Request) -> Response:
        if request.method == "HEAD":
            return Response(media_type=Stream.media_type)
        viewer = self._viewers.enter()
        if viewer is None:
            raise Refusal(503, f"{MAX_VIEWERS} viewers are there already; close the page elsewhere")
        return Stream(self._viewers, viewer)

    async def _picture(self, request: Request) -> Response:
        kind: PictureKind = "edges" if request.query_params.get("kind") == "edges" else "photo"
        self._check_picture(kind)
        after = request.query_params.get("after", "0")
        if not (after.isascii() and after.isdecimal()):
            raise Refusal(422, "after: expected a frame's ts_ms")
        picture = await self._viewers.picture(kind, int(after), PICTURE_WAIT_S)
        self._check_picture(kind)  # a consent may have ended meanwhile
        if picture is None:
            return Response(status_code=204)
        ts_ms, file = picture
        return Response(file, media_type=_PICTURE_TYPES[kind], headers={"X-Ts-Ms": str(ts_ms)})

    def _check_picture(self, kind: PictureKind) -> None:
        if self._rules.allows(kind):
            return
        if kind == "edges":
            raise Refusal(403, 'edges are not shown: preview.picture is "off"')
        raise Refusal(403, 'pictures are not shown: publish.image is not "photo", and nobody has agreed to it here')

    async def _put_consent(self, request: Request) -> Response:
        check_sender(request)
        self._limit.check()
        shown = _consent_in(await body_of(request))
        if not self._rules.consent(shown=shown):
            raise Refusal(403, 'preview.picture is not "consent": only the configuration file can change that')
        log.warning(
            "the camera's picture is %s: %s", "shown for ten minutes" if shown else "hidden", sender_of(request)
        )
        return json_answer(self._rules.described())

    async def _zones(self, _request: Request) -> Response:
        return json_answer({"zones": self._owner.status()["zones"]})

    async def _put_zones(self, request: Request) -> Response:
        check_sender(request)
        self._limit.check()
        zones, sender = _zones_in(await body_of(request)), sender_of(request)
        kept = await api.done(self._ask(lambda: self._owner.change_zones(zones, sender)), api.CHANGE_WAIT_S)
        return json_answer({"zones": self._owner.status()["zones"], "kept": kept})


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


def files() -> dict[str, Handler]:
    """What answers for each of the pages' files, by its path; read once, and nothing else is ever read."""
    folder = resources.files("piapp.preview").joinpath("static")
    parts = {mark: folder.joinpath(name).read_text(encoding="utf-8") for mark, name in _PARTS.items()}
    found: dict[str, Handler] = {}
    for file in folder.iterdir():
        name, suffix = PurePath(file.name).stem, PurePath(file.name).suffix
        if suffix in _MEDIA_TYPES:
            found[f"/{file.name}"] = _file(file.read_bytes(), _MEDIA_TYPES[suffix])
        elif suffix == _PAGE and file.name not in _PARTS.values():
            found["/" if name == "index" else f"/{name}"] = _page(file.read_text(encoding="utf-8"), parts)
    return found


def _file(content: bytes, media_type: str) -> Handler:
    async def answer(_request: Request) -> Response:
        return Response(content, media_type=media_type)

    return answer


def _page(page: str, parts: dict[str, str]) -> Handler:
    async def answer(request: Request) -> Response:
        return Response(rendered(page, _language(request), parts), media_type="text/html")

    return answer


async def send_texts(request: Request) -> Response:
    """Answer with all texts of the viewer's language."""
    return json_answer(texts(_language(request)))


def _language(request: Request) -> str:
    return chosen(request.cookies.get(COOKIE, ""), request.headers.get("accept-language", ""))


def _zones_in(body: bytes) -> Any:
    return _only_key(body, "zones", "[...]")


def _consent_in(body: bytes) -> bool:
    shown = _only_key(body, "shown", "true or false")
    if not isinstance(shown, bool):
        raise Refusal(422, 'expected {"shown": true or false}')
    return shown


def _only_key(body: bytes, key: str, kind: str) -> Any:
    """The value of a document's one key."""
    form = f'expected {{"{key}": {kind}}}'
    try:
        document = msgspec.json.decode(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(422, f"is not JSON: {error}; {form}") from error
    if not isinstance(document, dict) or set(document) != {key}:
        raise Refusal(422, form)
    return document[key]
