"""What `piapp watch` knows: nodes, who they see, what happened, the newest frame of one. Pure: time is handed in.

One thread uses it. Messages are taken as they come; those that cannot be read are counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from piapp.fleet.inventory import LEAVES, Inventory, NodeView
from piapp.mqtt.payload import OFFLINE, ONLINE
from piapp.watch.messages import (
    EventMessage,
    SeenFrame,
    SettingsMessage,
    StateMessage,
    UnreadableError,
    read,
    read_frame,
    seconds,
)

# What a tall terminal shows.
MAX_HAPPENINGS = 100

# Also how far back an event that comes twice is recognised.
MAX_OF_NODE = 40

# Frames over which the rate is taken: two seconds at the default 15 Hz.
RATE_FRAMES = 30

# A frame older than this is said to be old.
STALE_S = 3.0


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of what happened.

    Attributes:
        at_s: When, seconds since the epoch; by the node's clock where it says so.
        node: Empty for what concerns the connection.
        is_late: The node could not send it when it happened.
        event_id: Empty for what is no event.
    """

    at_s: float
    node: str
    kind: Literal["status", "state", "event", "link"]
    text: str
    is_alarm: bool = False
    is_late: bool = False
    event_id: str = ""


@dataclass(slots=True)
class Seen:
    """What is known of one node besides its inventory.

    Attributes:
        shown_status: The status that was shown last; empty before the first.
    """

    view: NodeView
    shown_status: str = ""
    state: StateMessage | None = None
    is_paused: bool = False
    happenings: deque[Happening] = field(default_factory=lambda: deque(maxlen=MAX_OF_NODE))  # the oldest go

    @property
    def name(self) -> str:
        """The node's id."""
        return self.view.name

    @property
    def fallen(self) -> bool:
        """Whether somebody has fallen there, by its newest message."""
        return self.state is not None and self.state.fallen

    @property
    def status(self) -> str:
        """In a word."""
        return "paused" if self.view.online and self.is_paused else self.view.status

    @property
    def frames(self) -> str:
        """Its `publish.frames`; empty when unknown."""
        section = self.view.info.config.get("publish")
        return str(section.get("frames", "")) if isinstance(section, dict) else ""

    def has(self, event_id: str) -> bool:
        """Whether this event was shown; nodes may send one twice."""
        return bool(event_id) and any(each.event_id == event_id for each in self.happenings)


@dataclass(slots=True)
class PoseFeed:
    """The node whose skeletons are shown: its newest frame, and how often they come."""

    name: str
    frame: SeenFrame | None = None
    arrivals_s: deque[float] = field(default_factory=lambda: deque(maxlen=RATE_FRAMES))  # the oldest go

    def update(self, frame: SeenFrame, now_s: float) -> None:
        """Keep a frame in place of the one before."""
        self.frame = frame
        self.arrivals_s.append(now_s)

    def age_s(self, now_s: float) -> float | None:
        """Seconds since the newest frame came; None before the first."""
        return max(now_s - self.arrivals_s[-1], 0.0) if self.arrivals_s else None

    def fps(self, now_s: float) -> float | None:
        """Frames a second as they come in; None while too few came."""
        recent = [at_s for at_s in self.arrivals_s if now_s - at_s < STALE_S]
        span_s = recent[-1] - recent[0] if recent else 0.0
        return (len(recent) - 1) / span_s if span_s > 0 else None


class Overview:
    """Collects what nodes say.

    Args:
        base: `mqtt.base_topic`.
        only: The one node to hear; None hears all.

    Attributes:
        unreadable: Messages that could not be read.
        missed: Messages that came too fast to be shown; whoever receives them counts.
    """

    def __init__(self, base: str, only: str | None = None) -> None:
        self._start = f"{base}/"
        self.topic_filters = tuple(f"{base}/{only or '+'}/{leaf}" for leaf in (*LEAVES, "state", "event", "settings"))
        self.is_linked = True
        self.unreadable = 0
        self.missed = 0
        self.feed: PoseFeed | None = None
        self.happenings: deque[Happening] = deque(maxlen=MAX_HAPPENINGS)  # the oldest go
        self._inventory = Inventory(base)
        self._seen: dict[str, Seen] = {}  # bounded by the inventory

    def frame_topic(self, name: str) -> str:
        """Where a node's frames come."""
        return f"{self._start}{name}/frame"

    def look_at(self, name: str | None) -> None:
        """Choose the node whose frames are kept."""
        if name != (self.feed.name if self.feed else None):
            self.feed = PoseFeed(name) if name is not None else None

    def get(self, name: str) -> Seen | None:
        """One node, when it has been heard of."""
        return self._seen.get(name)

    def nodes(self) -> Sequence[Seen]:
        """All nodes: where somebody has fallen first, then by name."""
        return sorted(self._seen.values(), key=lambda seen: (not seen.fallen, seen.name))

    def link(self, *, up: bool, now_s: float) -> Happening | None:
        """Take that the connection is lost or there again; what is worth telling of it."""
        if up == self.is_linked:
            return None
        self.is_linked = up
        words = "connected again; what happened meanwhile was not heard" if up else "connection lost, trying again"
        happening = Happening(now_s, "", "link", words, is_alarm=not up)
        self.happenings.append(happening)
        for seen in self._seen.values():
            seen.happenings.append(happening)
        return happening

    def message(self, topic: str, payload: bytes, now_s: float) -> Happening | None:
        """Take one message; what is worth telling of it."""
        name, _, leaf = topic.removeprefix(self._start).partition("/")
        if leaf == "frame":
            self._frame(name, payload, now_s)
            return None
        self._inventory.message(topic, payload)
        view = self._inventory.node(name)
        if view is None:
            self._seen.pop(name, None)
            return None
        seen = self._seen.setdefault(name, Seen(view))
        seen.view = view
        self.unreadable += leaf in view.unreadable
        try:
            return self._told(seen, leaf, payload, now_s)
        except UnreadableError:
            self.unreadable += 1
            return None

    def _told(self, seen: Seen, leaf: str, payload: bytes, now_s: float) -> Happening | None:
        if leaf == "status":
            return self._status(seen, payload, now_s)
        if leaf == "state":
            return self._state(seen, payload, now_s)
        if leaf == "event" and payload:
            return self._event(seen, payload, now_s)
        if leaf == "settings":
            seen.is_paused = bool(payload) and read(payload, SettingsMessage).paused
        return None

    def _status(self, seen: Seen, payload: bytes, now_s: float) -> Happening | None:
        if payload not in (ONLINE, OFFLINE):
            raise UnreadableError("neither online nor offline")
        before, seen.shown_status = seen.shown_status, seen.view.status
        if seen.shown_status == before:
            return None
        happening = Happening(now_s, seen.name, "status", seen.shown_status, is_alarm=payload == OFFLINE)
        if before:  # what was so before this program is no news
            self._keep(seen, happening)
        return happening

    def _state(self, seen: Seen, payload: bytes, now_s: float) -> Happening | None:
        before = seen.state.text() if seen.state else None
        seen.state = read(payload, StateMessage) if payload else None
        if seen.state is None or seen.state.text() == before:
            return None
        at_s = seconds(seen.state.t) or now_s
        return Happening(at_s, seen.name, "state", seen.state.text(), is_alarm=seen.fallen)

    def _event(self, seen: Seen, payload: bytes, now_s: float) -> Happening | None:
        event = read(payload, EventMessage)
        if seen.has(event.id):
            return None
        happening = Happening(
            seconds(event.t) or now_s,
            seen.name,
            "event",
            event.text(),
            is_alarm=event.is_alarm,
            is_late=event.historical,
            event_id=event.id,
        )
        self._keep(seen, happening)
        return happening

    def _keep(self, seen: Seen, happening: Happening) -> None:
        seen.happenings.append(happening)
        self.happenings.append(happening)

    def _frame(self, name: str, payload: bytes, now_s: float) -> None:
        if self.feed is None or name != self.feed.name:
            return
        try:
            self.feed.update(read_frame(payload), now_s)
        except UnreadableError:
            self.unreadable += 1

    def latest(self, name: str | None, count: int) -> Iterator[Happening]:
        """The last that happened, at one node or at all, oldest first."""
        seen = self._seen.get(name) if name is not None else None
        heard: deque[Happening] = seen.happenings if seen else deque() if name is not None else self.happenings
        yield from list(heard)[max(len(heard) - count, 0) :]
