"""What is known of each node from `status`, `info` and `health`, and what is wrong with it. Pure: time is handed in.

Nodes' messages are taken as they come: of any version, incomplete, or not piapp's at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from piapp.mqtt.payload import OFFLINE, ONLINE

LEAVES = ("status", "info", "health")

# More nodes than a broker is asked to hold; others' retained topics must not fill this machine's memory.
MAX_NODES = 100_000

# The firmware of a Pi slows down at 85 C, and softly from 80 (Raspberry Pi's documentation).
HOT_C = 80.0

# `health` comes every `health.period_s`; one may be late, two missing are a sign.
SILENT_PERIODS = 3

# An upgrade and a changed setting are two restarts; more since the machine's boot are a sign (a guess).
RESTLESS = 3

_T = TypeVar("_T", bound=Struct)


class InfoMessage(Struct, frozen=True):
    """What is read of `info`."""

    t: str = ""
    versions: dict[str, Any] = {}
    config: dict[str, Any] = {}


class HealthMessage(Struct, frozen=True):
    """What is read of `health`."""

    t: str = ""
    uptime_s: float | None = None
    fps_out: float | None = None
    temperature_c: float | None = None
    throttled_now: list[str] | None = None
    restarts: int | None = None
    spool_depth: int = 0
    spool_problem: str | None = None
    messages_dropped: dict[str, Any] = {}


@dataclass(slots=True)
class NodeView:
    """One node, as far as it is known.

    Attributes:
        name: Its id.
        online: None until `status` has come.
        unreadable: Leaves whose newest message could not be read.
    """

    name: str
    online: bool | None = None
    info: InfoMessage = field(default_factory=InfoMessage)
    health: HealthMessage = field(default_factory=HealthMessage)
    unreadable: set[str] = field(default_factory=set)  # bounded by LEAVES

    @property
    def status(self) -> str:
        """In a word."""
        return "unknown" if self.online is None else "online" if self.online else "offline"

    @property
    def version(self) -> str:
        """Of piapp; empty when unknown."""
        return str(self.info.versions.get("piapp", ""))

    def age_s(self, now_s: float) -> float | None:
        """Seconds since the node's last sign of life, by its own clock; None when there is none.

        Args:
            now_s: UTC now, seconds since the epoch.
        """
        times = [at_s for text in (self.info.t, self.health.t) if (at_s := _seconds(text)) is not None]
        return max(now_s - max(times), 0.0) if times else None

    def problems(self, now_s: float) -> list[str]:
        """What somebody should look at, worst first."""
        found = [self.status] if not self.online else []
        if self.online and self._is_silent(now_s):
            found.append("silent")
        health = self.health
        if health.spool_problem:
            found.append(f"spool: {health.spool_problem}")
        if lost := health.messages_dropped.get("events"):
            found.append(f"{lost} events lost")
        if (health.restarts or 0) >= RESTLESS:
            found.append(f"{health.restarts} restarts")
        if self.online and health.spool_depth:
            found.append(f"{health.spool_depth} events wait")
        if self.online and health.throttled_now:
            found.append(", ".join(health.throttled_now))
        if self.online and (health.temperature_c or 0.0) >= HOT_C:
            found.append("hot")
        return found + [f"{leaf} unreadable" for leaf in sorted(self.unreadable)]

    def _is_silent(self, now_s: float) -> bool:
        section = self.info.config.get("health")
        period_s = section.get("period_s") if isinstance(section, dict) else None
        age_s = self.age_s(now_s)
        return isinstance(period_s, int | float) and age_s is not None and age_s > SILENT_PERIODS * period_s


class Inventory:
    """Collects nodes from messages. One thread writes; `nodes` may be called from another."""

    def __init__(self, base: str) -> None:
        self.topic_filters = tuple(f"{base}/+/{leaf}" for leaf in LEAVES)
        self._start = f"{base}/"
        self._nodes: dict[str, NodeView] = {}  # bounded by MAX_NODES

    def message(self, topic: str, payload: bytes) -> None:
        """Take one message; an empty one takes back what the node has said."""
        name, _, leaf = topic.removeprefix(self._start).partition("/")
        if not payload and name not in self._nodes:
            return
        node = self._nodes.get(name) or NodeView(name)
        _take(node, leaf, payload)
        if leaf == "status" and not payload:
            self._nodes.pop(name, None)
        elif name in self._nodes or len(self._nodes) < MAX_NODES:
            self._nodes[name] = node

    def node(self, name: str) -> NodeView | None:
        """One node, when it is known."""
        return self._nodes.get(name)

    def nodes(self) -> Sequence[NodeView]:
        """All nodes, by name."""
        return sorted(self._nodes.values(), key=lambda node: node.name)


def _take(node: NodeView, leaf: str, payload: bytes) -> None:
    node.unreadable.discard(leaf)
    if leaf == "status":
        node.online = {ONLINE: True, OFFLINE: False}.get(payload)
    elif not payload:
        return
    elif leaf == "info":
        node.info = _read(node, leaf, payload, InfoMessage) or node.info
    elif leaf == "health":
        node.health = _read(node, leaf, payload, HealthMessage) or node.health


def _read(node: NodeView, leaf: str, payload: bytes, kind: type[_T]) -> _T | None:
    try:
        return msgspec.json.decode(payload, type=kind)
    except (ValueError, RecursionError):
        node.unreadable.add(leaf)
        return None


def _seconds(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None
