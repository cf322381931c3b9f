"""A subscriber that knows nothing of piapp but docs/mqtt.md: prints who is there and what happened.

usage: docs/subscriber.py HOST PORT NODE [SECONDS]
"""

from __future__ import annotations

import json
import sys
import time

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

NOSE = 0


class Listener:
    """Keeps what matters of each topic."""

    def __init__(self, node: str) -> None:
        self.root = f"piapp/{node}/"
        self.seen_ids: set[str] = set()

    def connected(self, client: Client, *_: object) -> None:
        """Subscribe at each connection, then ask whether the node answers."""
        client.subscribe(self.root + "#", qos=1)
        client.publish(self.root + "request/ping", json.dumps({"transaction": "hello"}), qos=1)

    def received(self, _client: object, _userdata: object, message: object) -> None:
        """Print one message, by its topic."""
        topic, payload = message.topic.removeprefix(self.root), message.payload
        if topic in {"status", "trigger"}:
            self.show(topic, payload.decode())
        elif topic == "response/ping":
            answer = json.loads(payload)
            self.show(topic, answer["status"], f"up {answer['data']['uptime_s']:.0f} s", answer["transaction"])
        elif topic == "state":
            self.state(json.loads(payload))
        elif topic == "event":
            self.event(json.loads(payload))
        elif topic == "frame":
            self.frame(json.loads(payload))

    def state(self, state: dict) -> None:
        """Who is there; null means that nobody watches."""
        occupied = {None: "not watched", True: "occupied", False: "empty"}[state["occupied"]]
        self.show("state", occupied, state["posture"], "FALLEN" if state["fallen"] else "")

    def event(self, event: dict) -> None:
        """What happened, once for each id, tests marked."""
        if event["id"] in self.seen_ids:
            return
        self.seen_ids.add(event["id"])
        late = "late" if event["historical"] else ""
        test = "test" if event.get("test") else ""
        self.show("event", event["t"], event["event_type"], f"person {event['person']}", late, test)

    def frame(self, frame: dict) -> None:
        """Where the nose is, in pixels, in every thirtieth frame."""
        if frame["seq"] % 30 or not frame["poses"]:
            return
        (width, height), pose = frame["size"], frame["poses"][0]
        x, y, *_ = pose["landmarks"][NOSE]
        self.show("frame", pose["posture"], f"nose at {x * width:.0f},{y * height:.0f}")

    @staticmethod
    def show(*words: str) -> None:
        """One line."""
        print(*[word for word in words if word], flush=True)  # noqa: T201 - this is its output


def main(host: str, port: str, node: str, seconds: str = "60") -> None:
    """Listen for a while."""
    listener = Listener(node)
    client = Client(CallbackAPIVersion.VERSION2)
    client.on_connect, client.on_message = listener.connected, listener.received
    client.connect(host, int(port))
    client.loop_start()
    time.sleep(float(seconds))
    client.disconnect()
    client.loop_stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
