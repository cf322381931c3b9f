"""No event is lost, whoever is killed: a subscriber with a persistent session ends with every id."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.e2e.node import FAKES
from tests.mosquitto import DEADLINE_S, Mosquitto, wait_until

ROOT = Path(__file__).parents[2]

EVENTS = 500
KILLS = 10

# A broker that forgets what it acknowledged cannot be helped for long: as deploy/mosquitto has it, but saved sooner.
REMEMBERING = (
    "persistence true", "autosave_on_changes true", "autosave_interval 1", "max_queued_messages 0",
    "max_inflight_messages 0",
)  # fmt: skip


class Keeper:
    """A subscriber with a persistent session, which comes back whenever it can; collects what the node says."""

    def __init__(self, port: int) -> None:
        self.events: list[dict[str, Any]] = []
        self.triggers = 0
        self.connected = threading.Event()
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, "keeper", protocol=MQTTProtocolVersion.MQTTv5)
        self._client.reconnect_delay_set(0.02, 0.1)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_disconnect = lambda *_: self.connected.clear()
        self._client.on_message = self._on_message
        session: Any = Properties(PacketTypes.CONNECT)
        session.SessionExpiryInterval = 3600
        self._client.connect("127.0.0.1", port, clean_start=False, properties=session)
        self._client.loop_start()
        assert self._subscribed.wait(DEADLINE_S)

    def _on_connect(self, client: Client, _userdata: Any, flags: Any, *_: Any) -> None:
        if not flags.session_present:
            client.subscribe([("piapp/events/event", 1), ("piapp/events/trigger", 1)])
        self.connected.set()

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        if message.topic.endswith("trigger"):
            self.triggers += 1
        else:
            self.events.append(json.loads(message.payload))

    @property
    def ids(self) -> list[str]:
        """Ids in the order in which they first came."""
        return list(dict.fromkeys(event["id"] for event in list(self.events)))

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()


class Emitter:
    """`events.py` in a process of its own, and the ids that it said have happened."""

    def __init__(self, broker: Mosquitto, folder: Path, run: int, count: int) -> None:
        command = [sys.executable, str(Path(__file__).with_name("events.py")), broker.url, folder, run, count]
        self._process = subprocess.Popen([*map(str, command)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        self.ids: list[str] = []
        self._thread = threading.Thread(target=self._read, name="emitter")
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout
        # What a dying process wrote of a line is no promise.
        for line in self._process.stdout:
            self.ids += [line.strip()] if line.endswith("\n") else []

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self.wait()

    def wait(self) -> int:
        """Wait for its end."""
        code = self._process.wait(2 * DEADLINE_S)
        self._thread.join(DEADLINE_S)
        self._process.stdout.close()
        return code


@pytest.fixture
def broker(start_mosquitto, tmp_path):
    """A broker that keeps sessions on disk."""
    broker = start_mosquitto(lines=[*REMEMBERING, f"persistence_location {tmp_path}/"])
    yield broker
    broker.stop()


@pytest.fixture
def keeper(broker, tmp_path):
    """The subscriber; its session is on the broker's disk."""
    keeper = Keeper(broker.port)
    saved = tmp_path / "mosquitto.db"
    wait_until(lambda: saved.exists() and b"piapp/events/trigger" in saved.read_bytes(), "the session to be saved")
    yield keeper
    keeper.close()


def assert_lossless(keeper: Keeper, told: list[str]) -> None:
    """Every id came, in order, and stands for one event."""
    wait_until(lambda: set(told) <= set(keeper.ids), "every event", 2 * DEADLINE_S)
    assert len(set(told)) == len(told)
    numbers = [int(one.partition("-")[2]) for one in keeper.ids]
    assert numbers == sorted(numbers)
    happened = {(event["id"], event["evidence"]["run"], event["evidence"]["number"]) for event in keeper.events}
    assert len(happened) == len({one for one, _, _ in happened}), "an id stands for two events"


def test_the_broker_is_killed_again_and_again(broker, keeper, tmp_path):
    """At random moments in the middle of events; the node never stops."""
    rng = random.Random(20261122)
    emitter = Emitter(broker, tmp_path / "state", 0, EVENTS)
    for kill in range(KILLS):
        wait_until(keeper.connected.is_set, "the subscriber to be back")
        before = len(keeper.events)
        wait_until(lambda before=before: len(keeper.events) > before + 20, f"events before kill {kill}")
        time.sleep(rng.uniform(0.0, 0.1))
        broker.kill()
        keeper.connected.clear()
        broker.start()
    assert emitter.wait() == 0
    assert len(emitter.ids) == EVENTS
    assert_lossless(keeper, emitter.ids)
    assert len(keeper.ids) == EVENTS
    late = [event for event in keeper.events if event["historical"]]
    assert late
    live = {event["id"] for event in keeper.events if not event["historical"]}
    assert 0 < len(live) < EVENTS


def test_the_node_is_killed_again_and_again(broker, keeper, tmp_path):
    """At random moments in the middle of events: each run sends what the last one left."""
    rng = random.Random(20261122)
    told: list[str] = []
    for run in range(KILLS + 1):
        last = run == KILLS
        emitter = Emitter(broker, tmp_path / "state", run, max(EVENTS - len(told), 20) if last else EVENTS)
        if last:
            assert emitter.wait() == 0
        else:
            before = {event["evidence"]["run"] for event in keeper.events}
            wait_until(lambda before=before: {e["evidence"]["run"] for e in keeper.events} > before, "a first event")
            time.sleep(rng.uniform(0.0, 0.4))
            emitter.kill()
        told += emitter.ids
    assert len(told) >= EVENTS
    assert_lossless(keeper, told)
    # What a run left behind comes late, and never as a trigger.
    assert keeper.triggers <= len([event for event in keeper.events if not event["historical"]])


def test_both_are_away_for_a_while(broker, keeper, tmp_path):
    """A node that is killed while there is no broker sends everything when both are back, as historical."""
    broker.kill()
    told: list[str] = []
    for run in range(2):
        emitter = Emitter(broker, tmp_path / "state", run, EVENTS)
        wait_until(lambda emitter=emitter: len(emitter.ids) > EVENTS // 10, "events")
        emitter.kill()
        told += emitter.ids
    assert told
    broker.start()
    assert Emitter(broker, tmp_path / "state", 2, 0).wait() == 0
    assert_lossless(keeper, told)
    assert {event["historical"] for event in keeper.events} == {True}
    assert keeper.triggers == 0


def test_a_lost_camera_is_told_and_its_return_by_a_later_run(broker, run_node, subscribe, tmp_path):
    """The program ends with the camera; the next one that sees something says that it is back, once."""
    subscriber = subscribe(broker)
    options = ("--set", f"spool.dir={tmp_path / 'state'}", "--set", "camera.frame_timeout_s=1")

    def lose_camera() -> list[str]:
        """What a run says of the camera."""
        seen, frames = len(subscriber.of("event")), len(subscriber.of("frame"))
        node = run_node(broker.port, *options, program=FAKES)
        subscriber.wait_for("frame", frames + 3)
        node.switch("camera freeze")
        assert node.wait() == 69
        subscriber.wait_for("status", payload=b"offline")
        types = [json.loads(message.payload)["event_type"] for message in subscriber.of("event")[seen:]]
        return [one for one in types if one.startswith("camera")]

    assert lose_camera() == ["camera_lost"]
    assert lose_camera() == ["camera_back", "camera_lost"]


def test_a_spool_that_cannot_be_used_is_said_in_health(broker, run_node, subscribe, tmp_path):
    """The node runs all the same, and keeps its events in memory."""
    (tmp_path / "state").write_text("a file where a folder should be")
    subscriber = subscribe(broker)
    node = run_node(
        broker.port, "--set", f"spool.dir={tmp_path / 'state'}", "--set", "health.period_s=1", program=FAKES
    )
    health = json.loads(subscriber.wait_for("health")[0].payload)
    assert str(tmp_path / "state") in health["spool_problem"]
    assert health["spool_depth"] == 0
    assert health["spool_problem"] in node.log
    assert node.running
