"""`piapp demo`: the whole appliance on one machine, without camera, broker or account.

The bundled clip plays as a camera would, through the daemon's own code, to an embedded broker; what is printed comes
from a subscriber, so it went through the broker.
"""

from __future__ import annotations

import os
import threading
import time
import webbrowser
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import typer

from piapp.camera.source import demo_clip
from piapp.config.load import load_config
from piapp.config.sections import Config
from piapp.errors import BrokerError
from piapp.mqtt.payload import OFFLINE, EventPayload, FramePayload
from piapp.mqtt.subscriber import Subscriber
from piapp.node.app import Node, make_parts
from piapp.testing.broker import EmbeddedBroker

if TYPE_CHECKING:
    from piapp.preview.server import Preview

NODE = "demo"
LAST_MESSAGES_S = 2.0
START_S = 30.0

# Without a screen `webbrowser` would start one that takes over the terminal.
_BROWSER_VARIABLES = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")


def demo_config(broker_url: str, *, loop: bool, page: bool = False) -> Config:
    """The shipped defaults with the clip for a camera and the embedded broker; no file or variable is read.

    Args:
        broker_url: The broker.
        loop: Whether the clip begins again at its end.
        page: Whether to serve the live page, on a free port, with the clip's picture: it shows nobody. It stays until
            somebody ends it, so the clip begins again then, too.
    """
    overrides = {
        "camera.source": f"demo:?loop={0 if loop or page else 1}",
        "mqtt.url": broker_url,
        "mqtt.protocol": '"3.1.1"',
        "node.id": NODE,
        "spool.dir": "off",
    }
    if page:
        overrides |= {"preview.enabled": "true", "preview.port": "0"}
        overrides |= {"publish.image": "photo", "publish.image_period_s": "0"}
    return load_config(Path(os.devnull), overrides=list(overrides.items()), environ={}).config


def run_demo(stop: threading.Event, *, loop: bool, page: bool = False) -> None:
    """Run until the clip is over, or until `stop` is set when it loops or a page shows it.

    Args:
        stop: Ends it.
        loop: Whether the clip begins again at its end.
        page: Whether to open the live page.

    Raises:
        BrokerError: No message came back from the broker.
    """
    with EmbeddedBroker() as broker:
        config = demo_config(broker.url, loop=loop, page=page)
        parts = make_parts(config)
        root = f"{config.mqtt.base_topic}/{NODE}"
        received = Received()
        typer.echo(f"clip    {demo_clip().name}, played as a camera would")
        typer.echo(f"broker  {broker.url}; look on: mosquitto_sub -p {broker.port} -t '{root}/#' -v")
        typer.echo(f"model   {parts.model.path.name}")
        with Subscriber(broker.url, [f"{root}/#"], received.message):
            node = Node(config, parts)
            if node.preview is not None:
                # In a thread: some browsers return only when they are closed.
                threading.Thread(target=_open_page, args=(node.preview,), name="browser", daemon=True).start()
            node.run(stop)
            received.wait_for_offline(LAST_MESSAGES_S)
        typer.echo(received.summary())


def _open_page(page: Preview) -> None:
    if not page.listening.wait(START_S):
        return
    opened = any(os.environ.get(name) for name in _BROWSER_VARIABLES) and webbrowser.open(page.url)
    typer.echo(f"page    {page.url}" + ("" if opened else "  (open it in a browser)"))


@dataclass(slots=True)
class Received:
    """What the subscriber got; written on its thread, summed up after it has ended."""

    frames: list[FramePayload] = field(default_factory=list)
    events: int = 0
    first_s: float = 0.0
    last_s: float = 0.0
    _offline: threading.Event = field(default_factory=threading.Event)

    def message(self, topic: str, payload: bytes) -> None:
        """Take one message; print it when it is an event."""
        kind = topic.rpartition("/")[2]
        if kind == "frame":
            self._frame(msgspec.json.decode(payload, type=FramePayload))
        elif kind == "event":
            self._event(msgspec.json.decode(payload, type=EventPayload))
        elif kind == "status" and payload == OFFLINE:
            self._offline.set()

    def wait_for_offline(self, timeout_s: float) -> None:
        """Wait for the node's last message."""
        self._offline.wait(timeout_s)

    def summary(self) -> str:
        """What went through the broker, in one paragraph.

        Raises:
            BrokerError: Nothing did.
        """
        if not self.frames:
            raise BrokerError("the embedded broker passed on no frame; run again with --log-level debug and report it")
        count = len(self.frames)
        fps = (count - 1) / max(self.last_s - self.first_s, 1e-3)
        seen = sum(bool(frame.poses) for frame in self.frames)
        p50_ms, p95_ms = np.percentile([frame.latency_ms for frame in self.frames], (50, 95))
        landmarks = sum(len(pose.landmarks) for frame in self.frames for pose in frame.poses)
        return (
            f"done    {count} frames through the broker, {fps:.1f} a second, {landmarks} landmarks; "
            f"somebody in {seen} frames; {self.events} events; "
            f"latency from capture to message p50 {p50_ms:.0f} ms, p95 {p95_ms:.0f} ms"
        )

    def _frame(self, frame: FramePayload) -> None:
        self.last_s = time.monotonic()
        if not self.frames:
            self.first_s = self.last_s
        self.frames.append(frame)

    def _event(self, event: EventPayload) -> None:
        self.events += 1
        start_ms = self.frames[0].ts_ms if self.frames else event.ts_ms
        who = f"person {event.person}" if event.person is not None else ""
        posture = f"{event.previous or '-'} -> {event.posture}" if event.posture else ""
        typer.echo(f"{(event.ts_ms - start_ms) / 1000:6.1f} s  {event.event_type:16} {who:10} {posture}")
