"""What the pages read of the node and have it do: `GET` and `POST /api/NAME`.

Owns the way there and back. What there is to read and to do is the `Owner`'s.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from piapp.errors import PiappError, PreviewError
from piapp.preview.answers import (
    RateLimit,
    Refusal,
    answering,
    body_of,
    check_sender,
    json_answer,
    sender_of,
)
from piapp.preview.owner import Download, Owner

CHANGE_WAIT_S = 5.0

READ_WAIT_S = 10.0

# `check` opens a connection to the broker and waits for it; a backup may have megabytes of kept alarms.
JOB_WAIT_S = 40.0

# Reading is cheaper than changing, and a page reads several things when it opens.
READ_RATE_HZ = 10.0
READ_BURST = 40

T = TypeVar("T")

Ask = Callable[[Callable[[], Any]], Future[Any] | None]
"""Has something done on the main thread; None when too much waits already."""


class Api:
    """The routes below `/api`.

    Args:
        owner: The node.
        ask: Has something done on the main thread.
        limit: Of what changes the node.
    """

    def __init__(self, owner: Owner, ask: Ask, limit: RateLimit) -> None:
        self._owner = owner
        self._ask = ask
        self._limit = limit
        self._read_limit = RateLimit(READ_RATE_HZ, READ_BURST)
        # One after the other: reading must not slow down watching. What takes long keeps nobody from reading.
        self._reading, self._making = asyncio.Semaphore(1), asyncio.Semaphore(1)

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/api/{name}", answering(self._read), methods=["GET"]),
            Route("/api/{name}", answering(self._act), methods=["POST"]),
        ]

    async def _read(self, request: Request) -> Response:
        document = self._owner.documents.get(request.path_params["name"])
        if document is None:
            raise Refusal(404, "there is nothing of this name to read")
        self._read_limit.check()
        query = dict(request.query_params)
        async with self._reading:
            return await _answer(in_thread(lambda: document(query)), READ_WAIT_S)

    async def _act(self, request: Request) -> Response:
        check_sender(request)
        name = request.path_params["name"]
        action, job = self._owner.actions.get(name), self._owner.jobs.get(name)
        if action is None and job is None:
            raise Refusal(404, "there is nothing of this name to do")
        self._limit.check()
        body, sender = await body_of(request) or b"{}", sender_of(request)
        if action is not None:
            return await _answer(self._ask(lambda: action(body, sender)), CHANGE_WAIT_S)
        assert job is not None
        async with self._making:
            return await _answer(in_thread(lambda: job(body, sender)), JOB_WAIT_S)


async def done(future: Future[T] | None, wait_s: float) -> T:
    """Wait for what another thread does; what cannot be done is refused in its own words."""
    if future is None:
        raise Refusal(503, "too many changes at once; try again")
    try:
        return await asyncio.wait_for(asyncio.wrap_future(future), wait_s)
    except TimeoutError:
        raise Refusal(503, "the node is starting, or busy; nothing was changed, try again") from None
    except PreviewError as error:
        raise Refusal(503, str(error)) from error
    except LookupError as error:
        raise Refusal(404, str(error)) from error
    except (PiappError, ValueError, RecursionError) as error:
        raise Refusal(422, str(error)) from error


async def _answer(future: Future[Any] | None, wait_s: float) -> Response:
    found = await done(future, wait_s)
    if not isinstance(found, Download):
        return json_answer(found)
    headers = {"Content-Disposition": f'attachment; filename="{found.name}"'}
    return Response(found.content, media_type=found.media_type, headers=headers)


def in_thread(work: Callable[[], T]) -> Future[T]:
    """Do something in a thread that holds up nothing, not even the node's end."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised by who waits
            future.set_exception(error)

    future.set_running_or_notify_cancel()
    threading.Thread(target=run, name="preview-read", daemon=True).start()
    return future
