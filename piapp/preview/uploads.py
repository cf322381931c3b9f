"""Files that the pages send: `PUT /api/NAME`.

Owns reading them in pieces and their bounds. What is done with a file is the `Owner`'s.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from piapp.preview.answers import RateLimit, Refusal, answering, check_sender, json_answer, sender_of
from piapp.preview.api import JOB_WAIT_S, done, in_thread
from piapp.preview.connections import UPLOAD_S
from piapp.preview.owner import Owner, Upload

# A telephone that leaves the network says nothing.
SILENCE_S = 20.0

_PREFIX = ".upload-"

MoreTime = Callable[[tuple[str, int]], None]
"""Gives the request of a client, named by address and port, the time that a file needs."""


class Uploads:
    """The route for files.

    Args:
        owner: The node.
        limit: Of what changes the node.
        more_time: Gives a request the time that a file needs.
    """

    def __init__(self, owner: Owner, limit: RateLimit, more_time: MoreTime) -> None:
        self._owner = owner
        self._limit = limit
        self._more_time = more_time
        self._busy = False

    def routes(self) -> list[Route]:
        """All of them."""
        return [Route("/api/{name}", answering(self._take), methods=["PUT"])]

    async def _take(self, request: Request) -> Response:
        upload = self._owner.uploads.get(request.path_params["name"])
        if upload is None:
            raise Refusal(404, "there is no file of this name to send")
        check_sender(request, upload.media_type)
        self._limit.check()
        if upload.folder is None:
            raise Refusal(422, "this node has no folder for its state (spool.dir), so it can keep no file")
        _check_length(int(request.headers.get("content-length", "0")), upload)
        if self._busy:
            raise Refusal(503, "another file is being sent; try again when it is there")
        self._busy = True
        try:
            return await self._take_one(request, upload, upload.folder)
        finally:
            self._busy = False

    async def _take_one(self, request: Request, upload: Upload, folder: Path) -> Response:
        if request.client is not None:
            self._more_time((request.client.host, request.client.port))
        sender = sender_of(request)
        try:
            file = await _received(request, upload, folder)
        except OSError as error:
            raise Refusal(507, f"the file cannot be kept: {error.strerror}") from error
        try:
            return json_answer(await done(in_thread(lambda: upload.take(file, sender)), JOB_WAIT_S))
        finally:
            await asyncio.to_thread(file.unlink, missing_ok=True)


async def _received(request: Request, upload: Upload, folder: Path) -> Path:
    """The body as a file, written as it comes: it may be longer than the memory that a board has to spare."""
    _forget_old(folder)
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=_PREFIX)
    length = 0
    try:
        with os.fdopen(descriptor, "wb") as stream:
            parts = request.stream()
            while (part := await _next(parts)) is not None:
                length += len(part)
                _check_length(length, upload)
                stream.write(part)
    except BaseException:
        os.unlink(name)  # noqa: PTH108 - at once: this may be the end of the server
        raise
    return Path(name)


def _forget_old(folder: Path) -> None:
    """Delete files of which a power cut left a part: none that still comes is so old."""
    for file in folder.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another node of this folder was quicker
            if time.time() - file.stat().st_mtime > UPLOAD_S:
                file.unlink()


async def _next(parts: AsyncGenerator[bytes, None]) -> bytes | None:
    """What comes next; None at the end. Whoever has left without a word does not keep others from sending."""
    try:
        return await asyncio.wait_for(anext(parts, None), SILENCE_S)
    except TimeoutError:
        raise Refusal(408, f"nothing came for {SILENCE_S:g} s; send the file again") from None


def _check_length(length: int, upload: Upload) -> None:
    if length > upload.max_bytes:
        raise Refusal(413, f"more than {upload.max_bytes // 1_000_000} MB")
