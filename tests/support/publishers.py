"""A publisher, a spool and events for tests."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from piapp.config.load import load_config
from piapp.mqtt.clock import TimeLine, WallClock
from piapp.mqtt.event_queue import EventQueue
from piapp.mqtt.payload import PayloadWriter
from piapp.mqtt.publisher import Publisher
from piapp.mqtt.spool import Spool
from piapp.mqtt.topics import Topics
from piapp.types import PostureEvent
from tests.mosquitto import DEADLINE_S

WRITER = PayloadWriter("hall", "9f2c61aa", clock=WallClock(lambda: 0, lambda: 0, lambda: False))


def make_publisher(
    url: str, *settings: tuple[str, str], node: str = "hall", events: EventQueue | None = None
) -> Publisher:
    """A publisher with short pauses; settings as on the command line."""
    quick = [("mqtt.url", url), ("mqtt.reconnect_min_s", "0.05"), ("mqtt.reconnect_max_s", "0.2")]
    config = load_config(Path("/dev/null"), overrides=[*quick, *settings], environ={}).config
    return Publisher(config.mqtt, config.publish, Topics("piapp", node), events=events)


def event(number: int):
    """An event that can be told from others by its id."""
    return WRITER.event(PostureEvent("sit_down", number), TimeLine(0, 0), event_id=f"b-{number}")


def ids(messages) -> list[tuple[str, bool]]:
    """(id, historical) of event messages."""
    return [(one["id"], one["historical"]) for one in (json.loads(message.payload) for message in messages)]


def send_frame(publisher: Publisher, payload: bytes = b"f") -> int | None:
    """Send a frame in lockstep; when PUBLISH was written, None when it was dropped."""
    told: list[int | None] = []
    done = threading.Event()
    publisher.publish_frame(lambda: payload, lambda sent_ns: (told.append(sent_ns), done.set()))
    assert done.wait(DEADLINE_S)
    return told[0]


def make_spool(file: Path | None, **changes) -> Spool:
    """A spool with room enough."""
    return Spool(file, **{"max_events": 10_000, "max_bytes": 10_000_000} | changes)
