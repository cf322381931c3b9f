"""The live page: a port, and a thread named "preview" that waits for the first visitor and then serves.

Owns the thread, the socket and its buffers. The main loop gives it frames and events, and carries out changes that the
page asks for.
"""

from __future__ import annotations

import errno
import importlib.util
import logging
import queue
import selectors
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from piapp.config.addresses import read_token
from piapp.config.sections import PreviewConfig
from piapp.errors import ConfigError, PiappError, PreviewError
from piapp.invitation import Invitation
from piapp.preview.access import Access
from piapp.preview.owner import Owner
from piapp.preview.pictures import PictureKind, PictureRules
from piapp.preview.viewers import Viewers
from piapp.types import ImageArray

if TYPE_CHECKING:
    from piapp.preview.serving import Serving

log = logging.getLogger(__name__)

# What `piapp.preview.serving` needs; it is loaded with the first visitor, which would be late to miss something.
LIBRARIES = ("starlette", "uvicorn", "h11")

# What may wait for a slow viewer in the kernel, which doubles it: with more, a viewer would see what was seconds ago.
SEND_BUFFER = 32 * 1024

# A viewer that takes nothing for so long is sent away; telephones leave without a word.
STALLED_S = 30.0

# As wide as a large telephone shows them.
MAX_PICTURE_PX = 960

# Changes that wait for the main loop; more are refused.
MAX_CHANGES = 8


@dataclass(frozen=True, slots=True)
class Change:
    """What a page wants the main loop to do, and where the outcome goes."""

    action: Callable[[], Any]
    outcome: Future[Any]


class Preview:
    """The live page.

    Args:
        config: Where, how often, and what opens it.
        owner: The node. Its status has neither rates nor viewers; what changes it is called by `tick`.
        pictures: Whether the camera's picture may be shown at any time, for it is published, too.
        invitation: Whoever has its code may set the node up; None where nobody is invited.

    Attributes:
        viewers: Its viewers.
        listening: Set once started.
        url: Its address, from then on.
        port: Where it listens; before that as configured.

    Raises:
        ConfigError: The token cannot be read.
    """

    def __init__(
        self,
        config: PreviewConfig,
        owner: Owner,
        *,
        pictures: bool,
        invitation: Invitation | None = None,
    ) -> None:
        self._config = config
        self._invitation = invitation
        self._access = Access(config.bind, _token(config))
        self._changes: queue.SimpleQueue[Change] = queue.SimpleQueue()  # bounded by `_ask`
        rules = PictureRules(config.picture, always=pictures, clock=time.monotonic)
        ever = pictures or config.picture != "off"
        self.viewers = Viewers(config.max_fps, owner.status, _encoders() if ever else {}, rules)
        self._owner, self._rules = owner, rules
        self._serving: Serving | None = None
        self._ended = threading.Event()
        self._waker: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self.offer = self.viewers.offer
        self.event = self.viewers.event
        self.listening = threading.Event()
        self.url = ""
        self.port = config.port

    def start(self) -> None:
        """Listen, and serve in the background.

        Raises:
            PreviewError: The address is taken, or not this machine's.
            ConfigError: This user may not listen there.
        """
        self._socket = listen(self._config)
        self.port = self._socket.getsockname()[1]
        self.url = f"http://{_url_host(self._config.bind)}:{self.port}/"
        self._waker, waking = socket.socketpair()
        self._thread = threading.Thread(target=self._run, args=(waking,), name="preview", daemon=True)
        self._thread.start()
        self.listening.set()
        if self._invitation is None:
            log.info("live page: %s%s", self.url, " (token needed)" if self._access.needs_token else "")

    @property
    def waiting_changes(self) -> int:
        """Changes that wait for the main loop."""
        return self._changes.qsize()

    def tick(self) -> None:
        """Carry out one change that the page asks for; main loop, with every frame."""
        if self._changes.empty():
            return
        if (change := self._next_change()) is not None:
            try:
                change.outcome.set_result(change.action())
            except (PiappError, LookupError, ValueError, RecursionError) as error:
                change.outcome.set_exception(error)

    def raise_if_failed(self) -> None:
        """Surface what ended the thread.

        Raises:
            BaseException: Whatever it was.
        """
        if self._failure is not None:
            raise self._failure

    def end(self) -> None:
        """Begin to stop; returns at once."""
        self._ended.set()
        if self._waker is not None:
            self._waker.close()  # which can be read from its other end
        if self._serving is not None:
            self._serving.end()
        while (change := self._next_change()) is not None:
            change.outcome.set_exception(PreviewError("the node is stopping"))

    def stop(self, timeout_s: float) -> bool:
        """Send everybody away and end the thread; False when it still runs after the time."""
        self.end()
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _next_change(self) -> Change | None:
        """The oldest change that somebody still waits for."""
        with suppress(queue.Empty):
            while True:
                change = self._changes.get_nowait()
                if change.outcome.set_running_or_notify_cancel():
                    return change
        return None

    def _run(self, waking: socket.socket) -> None:
        try:
            with waking:
                visited = self._visited(waking)
            if visited:
                self._serve()
        except BaseException as error:  # noqa: BLE001 - surfaced on the main thread
            self._failure = error
        finally:
            self._socket.close()

    def _visited(self, waking: socket.socket) -> bool:
        """Wait until somebody connects; False when the page ends before."""
        with selectors.DefaultSelector() as waiting:
            for one in (self._socket, waking):
                waiting.register(one, selectors.EVENT_READ)
            waiting.select()
        return not self._ended.is_set()

    def _serve(self) -> None:
        # Uvicorn and what it brings would take 4 MB in nodes whose page nobody ever opens.
        from piapp.preview.serving import Serving  # noqa: PLC0415

        self._serving = Serving(
            self.viewers, self._owner, self._ask, self._rules,
            access=self._access, port=self.port, invitation=self._invitation,
        )  # fmt: skip
        if self._ended.is_set():  # meanwhile
            return
        self._serving.run(self._socket)

    def _ask(self, action: Callable[[], Any]) -> Future[Any] | None:
        """Have something done by the main loop; None when too much waits already, or nobody is there to do it."""
        if self._ended.is_set() or self._changes.qsize() >= MAX_CHANGES:
            return None
        change = Change(action, Future())
        self._changes.put(change)
        return change.outcome


def require_libraries() -> None:
    """Raise ImportError where a package is missing that serving needs."""
    for name in LIBRARIES:
        if importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def _encoders() -> dict[PictureKind, Callable[[ImageArray], bytes]]:
    """Make pictures fit for the page; OpenCV is loaded only here."""
    from piapp.draw import edge_picture, encode_jpeg, narrowed  # noqa: PLC0415

    return {"photo": lambda image: encode_jpeg(narrowed(image, MAX_PICTURE_PX)), "edges": edge_picture}


def _token(config: PreviewConfig) -> str | None:
    if not config.token_file:
        return None
    try:
        return read_token(config.token_file)
    except ValueError as error:
        raise ConfigError(f"preview.token_file = {config.token_file!r}: {error}") from error


def listen(config: PreviewConfig) -> socket.socket:
    """Open the page's port.

    Raises:
        PreviewError: The address is taken, or not this machine's.
        ConfigError: This user may not listen there.
    """
    address = ip_address(config.bind)
    both = not int(address) and address.version == 6 and socket.has_dualstack_ipv6()  # noqa: PLR2004 - IPv6's ::
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004 - IPv4
    try:
        listener = socket.create_server((config.bind, config.port), family=family, dualstack_ipv6=both)
    except OSError as error:
        where = f"preview.bind = {config.bind!r}, preview.port = {config.port}"
        kind = ConfigError if error.errno in (errno.EACCES, errno.EPERM) else PreviewError
        raise kind(
            f"{where}: cannot listen there: {error.strerror}; take another address or port (0: any that is free), "
            "or set preview.enabled = false"
        ) from error
    # Accepted connections take these over.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(STALLED_S * 1000))
    return listener


def _url_host(bind: str) -> str:
    """What to type into a browser."""
    address = ip_address(bind)
    if address.is_unspecified:
        return socket.gethostname()
    return f"[{bind}]" if address.version == 6 else bind  # noqa: PLR2004 - IPv6
