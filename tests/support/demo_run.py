"""One run of the demo's node with an embedded broker, and every message that it sends."""

from __future__ import annotations

import json
import queue
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from piapp.mqtt.subscriber import Subscriber
from piapp.node.app import Node, make_parts
from piapp.operate.demo import NODE, demo_config
from piapp.testing.broker import EmbeddedBroker

DEADLINE_S = 100.0

ROOT = f"piapp/{NODE}/"

# Each with the answer's status. The last ones are wrong on purpose.
REQUESTS = (
    ("ping", {"transaction": "a1"}, "ok"),
    ("get_config", {}, "ok"),
    ("snapshot", {}, "ok"),
    ("set", {"values": {"posture.fallen_after_s": 12.0}}, "ok"),
    ("pause", {}, "ok"),
    ("resume", {}, "ok"),
    ("test", {}, "ok"),
    ("acknowledge", {"event": "nothing"}, "error"),
    ("set", {"values": {"no.such": 1}, "transaction": 7}, "error"),
    ("unheard", {}, "error"),
)


@dataclass(slots=True)
class DemoRun:
    """What a run sent.

    Attributes:
        messages: Payloads of each topic below the node's root, in order.
        answers: Request, its parameters, the wanted status and the answer.
    """

    messages: dict[str, list[bytes]] = field(default_factory=dict)
    answers: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = field(default_factory=list)
    _responses: queue.Queue[bytes] = field(default_factory=queue.Queue)

    def documents(self, topic: str) -> list[dict[str, Any]]:
        """The JSON payloads of a topic."""
        return [json.loads(payload) for payload in self.messages.get(topic, ())]

    def receive(self, topic: str, payload: bytes) -> None:
        """Keep one message; called on the subscriber's thread."""
        name = topic.removeprefix(ROOT)
        if name.startswith("response/"):
            self._responses.put(payload)
        elif not name.startswith("request/"):
            self.messages.setdefault(name, []).append(payload)

    def ask(self, subscriber: Subscriber) -> None:
        """Send each request and wait for its answer."""
        for command, parameters, status in REQUESTS:
            subscriber.publish(f"{ROOT}request/{command}", json.dumps(parameters).encode())
            answer = json.loads(self._responses.get(timeout=DEADLINE_S))
            self.answers.append((command, parameters, status, answer))

    def complete(self) -> bool:
        """Whether somebody fell and a report on health has come since the first frame."""
        fallen = any(event["event_type"] == "fall" and "test" not in event for event in self.documents("event"))
        return fallen and any(report["inference_ms"] for report in self.documents("health"))


def run_demo_node() -> DemoRun:
    """Run the demo's node, ask each request, wait until somebody has fallen, stop it."""
    run, stop = DemoRun(), threading.Event()
    with EmbeddedBroker() as broker:
        config = demo_config(broker.url, loop=True)
        health = replace(config.health, period_s=1.0)
        publish = replace(config.publish, image="skeleton", image_period_s=1.0)
        config = replace(config, health=health, publish=publish)
        with Subscriber(broker.url, [f"{ROOT}#"], run.receive) as subscriber:
            node = Node(config, make_parts(config))
            asking = threading.Thread(target=_ask_and_wait, args=(run, subscriber, stop), name="asking")
            asking.start()
            node.run(stop, DEADLINE_S)
            asking.join()
            _wait_for(lambda: run.messages.get("status", [b""])[-1] == b"offline")
    return run


def _ask_and_wait(run: DemoRun, subscriber: Subscriber, stop: threading.Event) -> None:
    try:
        _wait_for(lambda: run.messages.get("frame"))
        run.ask(subscriber)
        _wait_for(run.complete)
    finally:
        stop.set()


def _wait_for(condition: Any) -> None:
    until = time.monotonic() + DEADLINE_S
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)
