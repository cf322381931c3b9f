"""The viewers of the live page, and what waits for each of them.

Owns hand-over from the main loop to the page's thread: the newest frame, the last events. Nothing is made while there
is no viewer, and a message is made once however many there are.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from piapp.preview.messages import frame_message, server_sent, status_message
from piapp.preview.pictures import PictureKind, PictureRules
from piapp.types import ImageArray, PoseResult, State

if TYPE_CHECKING:  # asyncio is loaded with the first visitor
    import asyncio

    from piapp.preview.viewer import Viewer

    _Asking = asyncio.Future[tuple[int, bytes] | None]

MAX_VIEWERS = 32
EVENTS_KEPT = 20
STATUS_PERIOD_S = 1.0

# Rate and latency are measured over so long.
MEASURED_S = 5.0
MAX_MEASURED = 1000

# For who asks for a picture without saying which one they have.
PICTURE_FRESH_S = 1.0


class Viewers:
    """All viewers.

    `offer` and `event` are for the main loop, `call` is for any thread, everything else for the page's event loop.

    Args:
        max_fps: Most frames a second that are shown.
        node_status: Gives what the status shows of the node; called on the page's thread.
        encoders: What makes a file of a picture, by its kind; empty where pictures are never shown.
        rules: Which kinds may be shown now.
    """

    def __init__(
        self,
        max_fps: float,
        node_status: Callable[[], Mapping[str, Any]],
        encoders: Mapping[PictureKind, Callable[[ImageArray], bytes]],
        rules: PictureRules,
    ) -> None:
        self._period_s = 1.0 / max_fps
        self._node_status = node_status
        self._encoders = encoders
        self._rules = rules
        self._loop: asyncio.AbstractEventLoop | None = None
        self._viewers: set[Viewer] = set()  # bounded: `enter` refuses more than MAX_VIEWERS
        self._asking: dict[_Asking, PictureKind] = {}  # bounded by the server's connections
        self._pictures: dict[PictureKind, tuple[float, int, bytes]] = {}  # when it was made, `ts_ms` and file
        self._beat: asyncio.TimerHandle | None = None
        self._lock = threading.Lock()
        self._newest: tuple[PoseResult, State] | None = None
        self._events: deque[bytes] = deque(maxlen=EVENTS_KEPT)  # full: the oldest is dropped
        self._measured: deque[tuple[float, float]] = deque(maxlen=MAX_MEASURED)  # likewise
        self._due_s = 0.0
        self._closed = False
        self.watched = False

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._viewers)

    @property
    def asking(self) -> int:
        """How many wait for a picture."""
        return len(self._asking)

    # The main loop's.

    def offer(self, result: PoseResult, state: State) -> None:
        """Show a frame to the viewers; costs nothing when there are none, and never waits."""
        if not self.watched:
            return
        now_s = time.monotonic()
        with self._lock:
            self._measured.append((now_s, (time.monotonic_ns() - result.captured_ns) / 1e6))
            if now_s < self._due_s:
                return
            # May catch up by one frame, so that a camera of just this rate loses none to its jitter.
            self._due_s = max(self._due_s, now_s - self._period_s) + self._period_s
            waiting, self._newest = self._newest is not None, (result, state)
        if not waiting:
            self.call(self._show)

    def event(self, document: bytes) -> None:
        """Show an event, and keep it for those who come later.

        Args:
            document: The message's JSON.
        """
        message = server_sent("event", document)
        with self._lock:
            self._events.append(message)
        if self.watched:
            self.call(lambda: self._show_all(event=message))

    def call(self, what: Callable[[], None]) -> None:
        """Have something done on the page's loop, not any more when that has ended; any thread."""
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(what)

    # The page's.

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin, on this loop."""
        self._loop = loop

    def close(self) -> None:
        """Send everybody away, and let nobody wait any more."""
        self._closed = True
        self.watched = False
        for viewer in self._viewers:
            viewer.close()
        for kind in set(self._asking.values()):
            self._answer(kind, None)
        if self._beat is not None:
            self._beat.cancel()

    def enter(self) -> Viewer | None:
        """Let one more in; None when there are too many. Status and the last events wait for them already."""
        if self._closed or len(self._viewers) >= MAX_VIEWERS:
            return None
        from piapp.preview.viewer import Viewer  # noqa: PLC0415 - brings asyncio

        viewer = Viewer(EVENTS_KEPT)
        self._viewers.add(viewer)
        self._watch()
        viewer.show(status=status_message(self.status()))
        with self._lock:
            for message in self._events:
                viewer.show(event=message)
        if self._beat is None and self._loop is not None:
            self._beat = self._loop.call_later(STATUS_PERIOD_S, self._show_status)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """This one is gone."""
        self._viewers.discard(viewer)
        self._watch()

    async def picture(self, kind: PictureKind, after_ms: int, timeout_s: float) -> tuple[int, bytes] | None:
        """Wait for a frame's picture.

        Args:
            kind: Which.
            after_ms: The `ts_ms` of the one that the asker has.
            timeout_s: How long to wait.

        Returns:
            Its `ts_ms` and file; None when the time is over.
        """
        if self._closed:
            return None
        made_s, ts_ms, file = self._pictures.get(kind, (-PICTURE_FRESH_S, 0, b""))
        if time.monotonic() - made_s < PICTURE_FRESH_S and ts_ms > after_ms:
            return ts_ms, file
        from asyncio import wait_for  # noqa: PLC0415 - loaded with the first visitor

        assert self._loop is not None, "who asks runs on it"
        asking = self._loop.create_future()
        self._asking[asking] = kind
        self._watch()
        try:
            return await wait_for(asking, timeout_s)
        except TimeoutError:
            return None
        finally:
            del self._asking[asking]
            self._watch()

    def status(self) -> dict[str, Any]:
        """The status as it is now."""
        with self._lock:
            measured = [pair for pair in self._measured if pair[0] > time.monotonic() - MEASURED_S]
        return {**self._node_status(), **self._rules.described(), **_rates(measured), "viewers": len(self._viewers)}

    def _watch(self) -> None:
        """Note whether there is any viewer; what was measured before is of another time."""
        watched = not self._closed and bool(self._viewers or self._asking)
        if watched and not self.watched:
            with self._lock:
                self._measured.clear()
        self.watched = watched
        if not watched:
            self._pictures.clear()

    def _show(self) -> None:
        with self._lock:
            newest, self._newest = self._newest, None
        if newest is None:
            return
        if self._viewers:
            self._show_all(frame=frame_message(*newest))
        self._give_picture(newest[0])

    def _give_picture(self, result: PoseResult) -> None:
        """Make each kind that somebody asks for, once for all who do; a consent may have ended meanwhile."""
        if result.image is None:
            return
        for kind in set(self._asking.values()):
            if kind in self._encoders and self._rules.allows(kind):
                file = self._encoders[kind](result.image)
                self._pictures[kind] = time.monotonic(), result.ts_ms, file
                self._answer(kind, (result.ts_ms, file))

    def _answer(self, kind: PictureKind, picture: tuple[int, bytes] | None) -> None:
        for asking, wanted in self._asking.items():
            if wanted == kind and not asking.done():
                asking.set_result(picture)

    def _show_all(self, **messages: bytes) -> None:
        for viewer in self._viewers:
            viewer.show(**messages)

    def _show_status(self) -> None:
        self._beat = None
        if self._viewers and self._loop is not None:
            self._show_all(status=status_message(self.status()))
            self._beat = self._loop.call_later(STATUS_PERIOD_S, self._show_status)


def _rates(measured: list[tuple[float, float]]) -> dict[str, Any]:
    """Frames a second and latency of what was measured, as (when in s, latency in ms); None where nothing was."""
    if len(measured) < 2:  # noqa: PLR2004 - two ends of one distance
        return {"fps": None, "latency_ms": None}
    elapsed_s = max(measured[-1][0] - measured[0][0], 1e-3)
    p50, p95 = np.percentile([latency_ms for _, latency_ms in measured], (50, 95))
    return {
        "fps": round((len(measured) - 1) / elapsed_s, 1),
        "latency_ms": {"p50": round(float(p50), 1), "p95": round(float(p95), 1)},
    }
