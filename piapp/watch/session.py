"""`piapp watch`: from the broker to the screen, or to plain lines where there is none."""

from __future__ import annotations

import io
import os
import queue
import threading
import time
from collections.abc import Iterator, Mapping
from typing import TextIO

from rich.console import Console

from piapp.config.sections import MqttConfig
from piapp.errors import UsageError
from piapp.mqtt.subscriber import Subscriber
from piapp.mqtt.topics import NODE_PATTERN
from piapp.watch.keys import Choice, Key
from piapp.watch.layout import plain_line, screen
from piapp.watch.model import Happening, Overview
from piapp.watch.page import ASCII, UNICODE, Page, Signs
from piapp.watch.terminal import Terminal

# How often keys and messages are read: a skeleton that moves, and little for a slow line to carry.
TICK_S = 0.1

# Without news, ages and the time still go on.
IDLE_S = 1.0

# Retained messages of thousands of nodes come at once.
MAX_WAITING = 50_000

_Item = tuple[str, bytes] | bool


class Inbox:
    """What comes from the broker, handed from paho's thread to the one that shows it; the newest are dropped when full.

    Attributes:
        dropped: How many that were.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._items: queue.Queue[_Item] = queue.Queue(MAX_WAITING)

    def message(self, topic: str, payload: bytes) -> None:
        """Take a message."""
        self._put((topic, payload))

    def link(self, up: bool) -> None:  # noqa: FBT001 - the subscriber's callback
        """Take that the connection is lost or there."""
        self._put(up)

    def items(self, timeout_s: float) -> Iterator[_Item]:
        """All that is there; waits for the first at most so long."""
        try:
            yield self._items.get(timeout=timeout_s) if timeout_s else self._items.get_nowait()
            while True:
                yield self._items.get_nowait()
        except queue.Empty:
            return

    def _put(self, item: _Item) -> None:
        try:
            self._items.put_nowait(item)
        except queue.Full:
            self.dropped += 1


def watch(config: MqttConfig, node: str | None, stop: threading.Event, out: TextIO, keyboard: TextIO) -> None:
    """Show what nodes see until `stop` is set or somebody quits.

    Args:
        config: The broker and how to speak to it.
        node: The node to begin with; where `out` is no screen, the only one.
        stop: Ends it from outside.
        out: A terminal that can move its cursor gets a screen, anything else plain lines.
        keyboard: Standard input.

    Raises:
        UsageError: `node` cannot be a node's id.
        BrokerError: The broker cannot be reached or refuses.
    """
    if node is not None and not NODE_PATTERN.fullmatch(node):
        raise UsageError(f"--node {node!r}: expected 1 to 32 of a-z, 0-9 and '-', such as 'hall'")
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(errors="replace")  # a zone's name must not end it where the encoding lacks a letter
    has_screen = out.isatty() and not Console(file=out).is_dumb_terminal
    inbox = Inbox()
    watched = Overview(config.base_topic, None if has_screen else node)
    with Subscriber(config.url, watched.topic_filters, inbox.message, login=config, on_link=inbox.link) as subscriber:
        if not has_screen:
            _print(watched, inbox, stop, out)
            return
        session = Session(config.url, watched, inbox, subscriber, Choice(node or "", is_open=node is not None))
        with Terminal(out, keyboard) as terminal:
            session.run(terminal, stop, signs(out.encoding, os.environ))


def signs(encoding: str, environment: Mapping[str, str]) -> Signs:
    """The characters that a terminal has: ASCII unless its encoding is UTF-8.

    Python takes the locale "C" for UTF-8, where others take it for ASCII; and the Linux console's font has no braille.
    """
    locale = environment.get("LC_ALL", "")
    is_utf8 = encoding.lower().replace("-", "") == "utf8" and (not locale or "utf" in locale.lower())
    return UNICODE if is_utf8 and environment.get("TERM") != "linux" else ASCII


def _print(watched: Overview, inbox: Inbox, stop: threading.Event, out: TextIO) -> None:
    while not stop.is_set():
        news = (_take(watched, item) for item in inbox.items(TICK_S))
        out.writelines(plain_line(happening) + "\n" for happening in news if happening)
        out.flush()


def _take(watched: Overview, item: _Item) -> Happening | None:
    """Take what came; what is worth telling of it."""
    now_s = time.time()
    return watched.link(up=item, now_s=now_s) if isinstance(item, bool) else watched.message(*item, now_s)


class Session:
    """One sitting in front of the screen: messages and keys in, pictures of the nodes out."""

    def __init__(self, url: str, watched: Overview, inbox: Inbox, subscriber: Subscriber, choice: Choice) -> None:
        self._url = url
        self._watched = watched
        self._inbox = inbox
        self._subscriber = subscriber
        self._choice = choice
        self._painted: Page | None = None

    def run(self, terminal: Terminal, stop: threading.Event, marks: Signs) -> None:
        """Show and obey until somebody quits."""
        keys: list[Key] = []
        while Key.QUIT not in keys and not stop.is_set():
            page = Page(self._url, *terminal.size, time.time(), marks, terminal.has_keys)
            self._press(keys, page)
            self._subscribe()
            news = [_take(self._watched, item) for item in self._inbox.items(0.0)]
            self._watched.missed = self._inbox.dropped
            if news or keys or self._is_due(page):
                terminal.paint(screen(self._watched, self._choice, page))
                self._painted = page
            keys = terminal.keys(TICK_S)

    def _is_due(self, page: Page) -> bool:
        before = self._painted
        if before is None or (before.width, before.height) != (page.width, page.height):
            return True
        return abs(page.now_s - before.now_s) >= IDLE_S

    def _press(self, keys: list[Key], page: Page) -> None:
        for key in keys:
            names = [seen.name for seen in self._watched.nodes()]
            self._choice = self._choice.press(key, names, page.body_rows)

    def _subscribe(self) -> None:
        """Subscribe to the frames of the node that is shown, and of no other."""
        name = self._choice.name if self._choice.is_open else None
        before = self._watched.feed.name if self._watched.feed else None
        if name == before:
            return
        if before is not None:
            self._subscriber.unlisten(self._watched.frame_topic(before))
        self._watched.look_at(name)
        if name is not None:
            self._subscriber.listen(self._watched.frame_topic(name))
