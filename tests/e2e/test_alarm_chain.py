"""The chain from the fall to whoever subscribes, with node and broker killed at random moments of the clip's fall."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest

from tests.e2e.node import NODE, NodeProcess, piapp
from tests.mosquitto import Mosquitto, Subscriber, wait_until
from tests.support.scene import FALL_S, UP_S, Scene

# 40 are what a release is held to; each takes some 10 s, nearly all of it waiting for the clip, so a few go on at once.
MOMENTS = int(os.environ.get("PIAPP_ALARM_MOMENTS", "3"))
AT_ONCE = 3
SEED = int(os.environ.get("PIAPP_ALARM_SEED", "1"))

# Seconds from the clip's start, about the fall.
BEGIN_S, FIRST_KILL_S, LAST_KILL_S, END_S = 15.0, FALL_S - 0.4, UP_S + 0.4, 24.5
FALLEN_AFTER_S = 2.0
LATE_S = 2.0


@dataclass
class Recorder:
    """Everything that was published, over as many brokers' lives as there are."""

    broker: Mosquitto
    _subscribers: list[Subscriber] = field(default_factory=list)

    def listen(self) -> None:
        """Subscribe, also anew to a broker that has forgotten everybody, before a node is back at it."""
        self._subscribers.append(Subscriber(self.broker.port))

    def of(self, leaf: str) -> list[dict]:
        """Messages of a topic, in order."""
        return [json.loads(message.payload) for each in self._subscribers for message in each.of(leaf)]

    def events(self, *kinds: str) -> list[dict]:
        """Events by id: one may come twice after a crash, as the same."""
        return list({event["id"]: event for event in self.of("event") if event["event_type"] in kinds}.values())

    def publish(self, topic: str, payload: bytes) -> None:
        """Send a message to the broker as it is now."""
        self._subscribers[-1].publish(topic, payload)

    def is_quiet(self) -> bool:
        """Whether each fall that was reported is over, and `state` says so."""
        over = len(self.events("recovered")) >= len(self.events("fall"))
        return over and not self.of("state")[-1]["fallen"]

    def close(self) -> None:
        """Disconnect."""
        for subscriber in self._subscribers:
            subscriber.close()


def seconds(text: str) -> float:
    """A payload's time, seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp()


def room(folder: Path, broker: Mosquitto, scene: Scene, *more: str) -> NodeProcess:
    """A node in the room."""
    options = ("--set", f"spool.dir={folder / 'state'}", "--set", f"posture.fallen_after_s={FALLEN_AFTER_S}")
    quick = ("--set", "mqtt.reconnect_min_s=1", "--set", "mqtt.reconnect_max_s=1", "--set", "publish.frames=off")
    return NodeProcess(folder, broker.port, (*options, *quick, *more), program=scene.program)


def check(recorder: Recorder, kill_s: float, online: float) -> None:
    """What must be true of every alarm, whenever what was killed."""
    falls, fallen, recovered = (recorder.events(kind) for kind in ("fall", "fallen", "recovered"))
    told = f"killed at {kill_s:.2f} s: {falls} {fallen} {recovered}"
    assert len(falls) <= 1, told
    assert len(fallen) == len(recovered) == len(falls), told
    if falls:
        due = max(seconds(falls[0]["t"]) + FALLEN_AFTER_S, online)
        assert seconds(fallen[0]["t"]) <= due + LATE_S, told
        assert {event["person"] for event in (*falls, *fallen, *recovered)} == {falls[0]["person"]}
        end = {"id": recovered[0]["id"], "t": recovered[0]["t"], "seen_up": True}
        assert recorder.of("state")[-1]["last_recovered"] == end, told
    before = False
    for state in recorder.of("state"):
        down = state["fallen"] or state["alarm"]
        if before and not down:
            assert (state["last_recovered"] or {}).get("id") == recovered[0]["id"], f"{told}: ended in {state}"
        before = down
    assert not before, told


def check_repeat(recorder: Recorder) -> None:
    """Home Assistant, which has no session, is back: what ended the alarm comes once more, late, and as the same."""
    recorder.publish("homeassistant/status", b"online")
    (end,) = recorder.events("recovered")  # the newest of those with its id
    wait_until(lambda: recorder.events("recovered")[0]["historical"], "the end of the alarm to be repeated")
    assert recorder.events("recovered") == [end | {"historical": True}]


def alarms_at(folder: Path, broker: Mosquitto, victims: str, kill_s: float) -> int:
    """Let a node see the fall, kill what is named at that second of the clip; the number of alarms that there were."""
    folder.mkdir()
    recorder = Recorder(broker)
    recorder.listen()
    scene = Scene(folder, BEGIN_S)
    node = room(folder, broker, scene)
    online = 0.0
    try:
        wait_until(lambda: recorder.events("person_entered"), "somebody to be seen")
        scene.wait_for(kill_s)
        if victims != "broker":
            node.send(signal.SIGKILL)
            node.wait()
        if victims != "node":
            broker.kill()
            broker.start()
            recorder.listen()
        if victims != "broker":
            before = len(recorder.of("info"))
            node = room(folder, broker, scene)
            wait_until(lambda: len(recorder.of("info")) > before, "the node to be back")
            online = time.time()
        scene.wait_for(END_S)
        # A busy machine starts the node after the scene's end.
        wait_until(recorder.is_quiet, "the end of each alarm")
        assert node.running, node.log
        check(recorder, kill_s, online)
        if recorder.events("recovered"):
            check_repeat(recorder)
        assert node.stop()[0] == 0, node.log
        return len(recorder.events("fall"))
    finally:
        node.kill()
        recorder.close()
        broker.stop()


@pytest.mark.timeout(60 * MOMENTS + 60)
def test_no_alarm_is_lost_or_made_twice(start_mosquitto, tmp_path):
    """At random moments of the fall the node, the broker or both are killed and started again."""
    rng = random.Random(SEED)

    def alarms(number: int, kill_s: float) -> int:
        victims = ("node", "broker", "both")[number % 3]
        return alarms_at(tmp_path / str(number), start_mosquitto(), victims, kill_s)

    kills_s = [rng.uniform(FIRST_KILL_S, LAST_KILL_S) for _ in range(MOMENTS)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert sum(pool.map(alarms, range(MOMENTS), kills_s)), "no moment was after the fall"


def test_a_stop_leaves_nobody_standing(start_mosquitto, tmp_path):
    """After a stop `state` tells that nobody watches, though somebody stood there; the next run says who is there."""
    broker = start_mosquitto()
    recorder = Recorder(broker)
    recorder.listen()
    scene = Scene(tmp_path, 12.0)
    node = room(tmp_path, broker, scene)
    wait_until(lambda: any(state["occupied"] for state in recorder.of("state")), "somebody to be there")
    assert node.stop()[0] == 0, node.log
    wait_until(lambda: recorder.of("state")[-1]["occupied"] is None, "the stop to be told")
    last = recorder.of("state")[-1]
    assert (last["persons"], last["posture"], last["paused"]) == ([], "none", False)
    node = room(tmp_path, broker, scene)
    wait_until(lambda: recorder.of("state")[-1]["occupied"], "somebody to be there again")
    assert len(recorder.events("person_entered")) == 1, "the same person did not enter twice"
    node.kill()
    recorder.close()


def test_acknowledging_and_testing_by_request(start_mosquitto, tmp_path):
    """A test alert is three marked events and no trigger; a real alarm can be acknowledged, once it is there."""
    broker = start_mosquitto()
    subscriber = Subscriber(broker.port)
    node = room(tmp_path, broker, Scene(tmp_path, BEGIN_S))
    subscriber.wait_for("trigger", payload=b"person_entered")
    subscriber.publish(f"piapp/{NODE}/request/test", b"{}")
    subscriber.publish(f"piapp/{NODE}/request/acknowledge", b"{}")
    answers = [json.loads(message.payload) for message in subscriber.wait_for("acknowledge", 2)]
    assert "no alarm is open" in answers[-1]["error"]
    tests = [event for event in map(json.loads, (m.payload for m in subscriber.of("event"))) if event.get("test")]
    assert [event["event_type"] for event in tests] == ["fall", "fallen", "recovered"]
    assert all(event["evidence"] == {"text": "test"} for event in tests)
    assert not {b"fall", b"fallen"} & {message.payload for message in subscriber.of("trigger")}
    assert not any(json.loads(message.payload)["fallen"] for message in subscriber.of("state"))
    subscriber.wait_for("trigger", payload=b"fallen")
    subscriber.publish("homeassistant/status", b"online")  # nothing has ended that could be repeated
    opened = next(
        event
        for event in map(json.loads, (message.payload for message in subscriber.of("event")))
        if event["event_type"] == "fall" and "test" not in event
    )
    subscriber.publish(f"piapp/{NODE}/request/acknowledge", json.dumps({"event": opened["id"]}).encode())
    subscriber.wait_for("acknowledge", 4)
    wait_until(lambda: json.loads(subscriber.of("state")[-1].payload)["acknowledged"], "the alarm to be acknowledged")
    state = json.loads(subscriber.of("state")[-1].payload)
    assert (state["fallen"], state["last_fall"]) == (True, opened["t"])
    assert [json.loads(each.payload)["test"] for each in subscriber.of("event") if b'"recovered"' in each.payload] == [
        True
    ]
    node.kill()
    subscriber.close()


class Node:
    """A node in which somebody stands, and its subscriber."""

    def __init__(self, folder: Path, broker: Mosquitto, begin_s: float = 12.0) -> None:
        self._folder, self._broker = folder, broker
        self._begun = 0
        self.begin(begin_s)
        self.subscriber = Subscriber(broker.port)
        self._asked = 0

    def begin(self, at_s: float) -> None:
        """Let the clip be there when the camera is opened next."""
        self._begun += 1
        (folder := self._folder / f"clip-{self._begun}").mkdir()
        self._scene = Scene(folder, at_s)

    def start(self, *more: str) -> NodeProcess:
        """Start it, or start it again."""
        self.process = room(self._folder, self._broker, self._scene, *more)
        return self.process

    def newest(self, leaf: str) -> dict:
        """The newest message of a topic."""
        messages = self.subscriber.of(leaf)
        return json.loads(messages[-1].payload) if messages else {}

    def ask(self, command: str, **parameters: object) -> dict:
        """Send a request; its answer."""
        self._asked += 1
        request = json.dumps({"transaction": self._asked, **parameters}).encode()
        self.subscriber.publish(f"piapp/{NODE}/request/{command}", request)
        wait_until(lambda: self._answer(command) is not None, f"an answer to {command}")
        return self._answer(command)

    def _answer(self, command: str) -> dict | None:
        answers = (json.loads(message.payload) for message in self.subscriber.of(command))
        return next((each for each in answers if each.get("status") and each["transaction"] == self._asked), None)


@pytest.fixture
def node(start_mosquitto, tmp_path):
    """A node of the test's own, which ends with it."""
    node = Node(tmp_path, start_mosquitto())
    yield node
    node.process.kill()
    node.subscriber.close()


def test_a_pause_closes_the_camera_and_survives_where_that_was_asked_for(node):
    """The state tells that nobody watches; after resuming the same person is there."""
    process = node.start()
    wait_until(lambda: node.newest("state").get("occupied"), "somebody to be there")
    assert node.ask("pause", persist=True)["data"] == {"paused": True}
    wait_until(lambda: node.newest("state")["paused"], "the pause to be told")
    assert (node.newest("state")["occupied"], node.newest("settings")["paused_by"]) == (None, "request")
    process.wait_for_log("room: camera closed")
    node.process.kill()
    process = node.start()
    wait_until(lambda: node.newest("settings")["t"] > node.newest("state")["t"], "the node to be back")
    assert node.newest("settings")["paused_by"] == "request"
    assert "room: camera opened" not in process.log
    assert node.ask("resume")["data"] == {"paused": False}
    process.wait_for_log("room: camera opened")
    wait_until(lambda: node.newest("state")["occupied"], "somebody to be there again")
    assert (node.newest("state")["paused"], node.newest("settings")["paused_by"]) == (False, None)
    assert process.stop()[0] == 0, process.log
    process = node.start()
    process.wait_for_log("room: camera opened")


def test_the_schedule_pauses_and_can_be_switched_off(node):
    """A switch in home automation sets `schedule.enabled`; resuming by request holds for this time."""
    process = node.start("--set", "schedule.enabled=true", "--set", "schedule.pause=00:00-24:00")
    wait_until(lambda: node.newest("settings").get("paused_by") == "schedule", "the scheduled pause")
    assert node.newest("state")["paused"]
    assert node.ask("resume")["data"] == {"paused": False}
    wait_until(lambda: node.newest("state")["occupied"], "somebody to be there")
    assert node.ask("pause")["data"] == {"paused": True}
    assert node.ask("set", values={"schedule.enabled": False})["status"] == "ok"
    assert node.newest("settings")["paused_by"] == "request"
    assert node.ask("resume")["data"] == {"paused": False}
    assert node.ask("set", values={"schedule.enabled": True})["status"] == "ok"
    wait_until(lambda: node.newest("settings")["paused_by"] == "schedule", "the schedule to be back")
    assert process.stop()[0] == 0, process.log


def test_an_alarm_is_kept_judged_and_replayed(node, tmp_path):
    """By requests and commands, as the owner would."""
    refused = ("feedback", "missed")
    process = node.start("--set", "cases.enabled=false")
    wait_until(lambda: node.newest("state").get("occupied"), "somebody to be there")
    for command in refused:
        answer = node.ask(command, **({"verdict": "right"} if command == "feedback" else {}))
        assert "cases.enabled is false" in answer["error"]
    process.stop()
    node.begin(BEGIN_S)
    process = node.start()
    node.subscriber.wait_for("trigger", payload=b"recovered")
    wait_until(lambda: process.log.count(" kept in ") >= 2, "both parts of the recording")
    answer = node.ask("feedback", verdict="no fall")
    opened = next(json.loads(each.payload) for each in node.subscriber.of("event") if b'"fall"' in each.payload)
    assert answer["data"] == {"event": opened["id"], "verdict": "no fall"}
    assert node.ask("missed")["data"]["event"].startswith("missed-")
    assert "kept" in node.ask("feedback", verdict="right", event="other")["error"]
    assert process.stop()[0] == 0, process.log
    settings = ("--node", NODE, "--set", f"spool.dir={tmp_path / 'state'}", "--set", "posture.fallen_after_s=2")
    listed = piapp("cases", "list", *settings).stdout.splitlines()
    assert listed[0].startswith(opened["id"])
    assert "no fall" in listed[0]
    replayed = piapp("cases", "replay", opened["id"], *settings)
    assert "1 alarms: 1 the same" in replayed.stdout, replayed
