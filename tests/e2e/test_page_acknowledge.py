"""Acknowledging a real alarm on the owner's page: who may not, what is refused, and that it is as by MQTT."""

from __future__ import annotations

import http.client
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.node import NODE, NodeProcess
from tests.mosquitto import DEADLINE_S, Mosquitto, Subscriber, wait_until

ROOM = str(Path(__file__).with_name("room.py"))
TOKEN = "correct-horse-battery"

# The second of the clip at which the camera opens: somebody stands, falls at 17.4 and stands up at 23.1, which ends the
# alarm only after a minute here.
BEGIN = "@14"
RECOVERED_AFTER_S = 60

ALLOWED = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}


@dataclass
class Alarm:
    """A node whose page needs a token, and in which somebody is on the floor."""

    node: NodeProcess
    subscriber: Subscriber

    @property
    def event(self) -> str:
        """The id of the event that opened the alarm."""
        events = [json.loads(message.payload) for message in self.subscriber.of("event")]
        return next(event["id"] for event in events if event["event_type"] == "fall")

    @property
    def acknowledged(self) -> bool:
        """Whether somebody takes care of it, as `state` says."""
        return json.loads(self.subscriber.of("state")[-1].payload)["acknowledged"]

    def ask(self, body: bytes = b"{}", method: str = "POST", headers: dict[str, str] = ALLOWED) -> tuple[int, Any]:
        """Ask the page for it; status and answer."""
        port = int(re.search(r"live page: http://127\.0\.0\.1:(\d+)/", self.node.log)[1])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
        connection.request(method, "/api/acknowledge", body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, json.loads(content) if content.startswith(b"{") else content


@pytest.fixture
def alarm(start_mosquitto: Callable[..., Mosquitto], tmp_path: Path) -> Iterator[Alarm]:
    """Somebody is on the floor, and stays there."""
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    settings = {
        "spool.dir": "off",
        "posture.fallen_after_s": 1,
        "posture.recover_dwell_s": RECOVERED_AFTER_S,
        "preview.enabled": "true",
        "preview.port": 0,
        "preview.token_file": tmp_path / "token",
    }
    options = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    broker = start_mosquitto()
    subscriber = Subscriber(broker.port)
    node = NodeProcess(tmp_path, broker.port, options, program=(sys.executable, ROOM, BEGIN))
    try:
        subscriber.wait_for("trigger", payload=b"fallen")
        yield Alarm(node, subscriber)
    finally:
        node.kill()
        subscriber.close()


def test_only_the_owner_acknowledges_and_once_is_enough(alarm: Alarm) -> None:
    """Strangers, other sites' pages and broken requests change nothing; then the owner does, by the alarm's id."""
    without_token = {"Content-Type": "application/json"}
    refused = [
        (401, alarm.ask(headers=without_token)),
        (401, alarm.ask(headers={**without_token, "Authorization": "Bearer wrong"})),
        (403, alarm.ask(headers={**ALLOWED, "Origin": "http://evil.example"})),
        (403, alarm.ask(headers={**ALLOWED, "Sec-Fetch-Site": "cross-site"})),
        (415, alarm.ask(headers={**ALLOWED, "Content-Type": "text/plain"})),
        (413, alarm.ask(b'"' + b"x" * 100_000 + b'"')),
        (422, alarm.ask(b"{")),
        (422, alarm.ask(b"[" * 5_000)),
        (422, alarm.ask(b'{"event":7}')),
        (422, alarm.ask(b'{"event":"\xff"}')),
        (422, alarm.ask(b'{"event":"another"}')),
        (404, alarm.ask(method="GET")),
    ]
    assert [answer[0] for _, answer in refused] == [status for status, _ in refused], refused
    assert alarm.event in refused[-2][1][1]["error"], "the error names what is open"
    assert not alarm.acknowledged
    status, answer = alarm.ask(json.dumps({"event": alarm.event}).encode())
    assert (status, answer) == (200, {"acknowledged": [alarm.event]})
    wait_until(lambda: alarm.acknowledged, "somebody to take care, as `state` says")
    before = len(alarm.subscriber.of("acknowledge"))
    alarm.subscriber.publish(f"piapp/{NODE}/request/acknowledge", b"{}")
    (by_mqtt,) = [
        one for one in alarm.subscriber.wait_for("acknowledge", before + 2) if one.topic.split("/")[-2] == "response"
    ]
    assert json.loads(by_mqtt.payload)["data"] == answer, "the page and MQTT give one answer"
    assert alarm.ask()[1] == answer, "again, it stays so"
