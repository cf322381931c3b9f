"""The Node-RED flow: its structure, and imported into a real Node-RED when there is one.

`make test-nodered` brings Node-RED by npm and runs this; without it the second half is skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from piapp.mqtt.clock import TimeLine, WallClock
from piapp.mqtt.commands import COMMANDS
from piapp.mqtt.entities_seen import EVENT_TYPES, POSTURES
from piapp.mqtt.payload import EventPayload, PayloadWriter
from piapp.types import Person, PostureEvent, State
from tests.mosquitto import Subscriber, free_port, wait_until

ROOT = Path(__file__).parents[2]
FLOW = ROOT / "deploy" / "nodered" / "flow.json"
START_S = 120.0

# Of Node-RED itself; no palette must be installed.
CORE = {"tab", "mqtt-broker", "mqtt in", "mqtt out", "comment", "switch", "change", "trigger", "rbe", "inject", "debug"}

WRITER = PayloadWriter("hall", "9f2c61aa", clock=WallClock(lambda: 0, lambda: 0, lambda: True))
LINE = TimeLine(0, 0)


def nodes() -> list[dict]:
    """The flow as it is shipped."""
    return json.loads(FLOW.read_text())


def node_red() -> str | None:
    """The program, from $NODE_RED, the path, or where `make test-nodered` puts it."""
    local = ROOT / ".cache" / "nodered" / "node_modules" / ".bin" / "node-red"
    return os.environ.get("NODE_RED") or shutil.which("node-red") or (str(local) if local.exists() else None)


def test_wires_and_brokers_lead_somewhere():
    """Each id is there once; wires, tabs and brokers name nodes that exist; only core nodes are used."""
    flow = nodes()
    ids = [node["id"] for node in flow]
    assert len(set(ids)) == len(ids)
    assert {node["type"] for node in flow} <= CORE
    for node in flow:
        targets = [target for output in node.get("wires", []) for target in output]
        assert {*targets, node.get("z", ids[0]), node.get("broker", ids[0])} <= {*ids, "localhost"}
        assert len(node.get("wires", [])) == node.get("outputs", len(node.get("wires", [])))


def test_topics_and_types_are_ours():
    """What the flow listens to, compares with and asks for is what a node says and understands."""
    flow = nodes()
    topics = {node["topic"] for node in flow if node["type"] == "mqtt in"}
    leaves = {"event", "state", "status", "response/+"}
    assert topics == {f"piapp/+/{leaf}" for leaf in leaves}
    compared = {rule["v"] for node in flow if node["type"] == "switch" for rule in node["rules"] if rule["t"] == "eq"}
    assert compared <= {*EVENT_TYPES, "online", "offline"}
    for node in flow:
        if node["type"] == "inject":
            command = node["topic"].removeprefix("piapp/hall/request/")
            assert set(json.loads(node["payload"])) <= set(COMMANDS[command].__struct_fields__)


def test_every_posture_has_a_brightness():
    """All but `unknown`, which changes nothing."""
    (lookup,) = [rule["to"] for node in nodes() for rule in node.get("rules", []) if "$lookup" in str(rule.get("to"))]
    table = json.loads(lookup[lookup.index("{") : lookup.index("}") + 1])
    assert set(table) == set(POSTURES) - {"unknown"}


@pytest.fixture(scope="module")
def running(start_mosquitto, tmp_path_factory):
    """A broker whose messages a real Node-RED handles with the flow, waits shortened; a subscriber to everything."""
    program = node_red()
    if program is None:
        pytest.skip("Node-RED is not installed; `make test-nodered` runs these tests")
    broker = start_mosquitto()
    folder = tmp_path_factory.mktemp("nodered")
    flow = nodes()
    for node in flow:
        if node["type"] == "mqtt-broker":
            node["port"] = str(broker.port)
        if node["type"] == "trigger":
            node["duration"] = "1"
    (folder / "flows.json").write_text(json.dumps(flow))
    (folder / "settings.js").write_text("module.exports = {flowFile: 'flows.json', uiHost: '127.0.0.1'}")
    port = free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "--userDir", str(folder), "--port", str(port), "flows.json"], stdout=log, stderr=log
        )
    subscriber = Subscriber(broker.port, "#")

    def connected() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        return "Connected to broker" in (folder / "log").read_text()

    try:
        wait_until(connected, "Node-RED to connect", START_S)
        yield subscriber, port
    finally:
        subscriber.close()
        process.terminate()
        process.wait()


def happened(kind: str, *, test: bool = False, **evidence: int) -> EventPayload:
    """An event."""
    what = PostureEvent(kind, 0, person=3, posture="lying", evidence=evidence)
    return WRITER.event(what, LINE, event_id="b-1", test=test)


def event(kind: str, *, historical: bool = False, test: bool = False) -> bytes:
    """An `event` message."""
    return happened(kind, test=test).encoded(historical=historical)


def state(*postures: str, **more: Any) -> bytes:
    """A `state` message; `more` as in `PayloadWriter.state`."""
    persons = tuple(Person(number, posture, 0) for number, posture in enumerate(postures))
    return WRITER.state(State(0, persons, ()), LINE, **more)


def test_flow_is_loaded(running):
    """Node-RED serves every node of the file."""
    _, port = running
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/flows", timeout=START_S) as answer:
        assert {node["id"] for node in json.load(answer)} == {node["id"] for node in nodes()}


def test_fall_is_alerted_unless_somebody_gets_up(running):
    """One alert for who stays down; none for who recovers, however late that is heard, and none for what is history."""
    subscriber, _ = running
    subscriber.publish("piapp/bath/event", event("fallen"))
    subscriber.publish("piapp/bath/event", event("recovered"))
    subscriber.publish("piapp/attic/event", event("fallen", historical=True))
    for node in ("loft", "barn", "shed"):
        subscriber.publish(f"piapp/{node}/event", event("fallen"))
    subscriber.publish("piapp/studio/event", event("fallen", test=True))
    subscriber.wait_for("alert", payload=b"studio: this is a test, nobody has fallen")  # the others have come through
    subscriber.publish("piapp/loft/event", event("recovered", historical=True))
    subscriber.publish("piapp/barn/state", state("standing", last_recovered=happened("recovered")))
    subscriber.publish("piapp/shed/state", state(last_recovered=happened("recovered", nobody_seen=1)))
    subscriber.publish("piapp/hall/event", event("fall"))
    subscriber.publish("piapp/hall/event", event("fallen"))
    subscriber.wait_for("alert", 3)
    subscriber.publish("piapp/cellar/event", event("fallen"))
    told = [alert.payload for alert in subscriber.wait_for("alert", 4)]
    assert told[1:] == [f"{node}: somebody is on the floor".encode() for node in ("shed", "hall", "cellar")]


def test_acknowledged_is_no_alert_and_a_test_says_so(running):
    """Who takes care of an alarm ends the wait; a test alert arrives at once, and calls nobody."""
    subscriber, _ = running
    subscriber.publish("piapp/den/event", event("fallen"))
    for kind in ("fall", "fallen", "recovered"):
        subscriber.publish("piapp/study/event", event(kind, test=True))
    subscriber.wait_for("alert", payload=b"study: this is a test, nobody has fallen")
    subscriber.publish("piapp/den/state", state("lying", acknowledged=True))
    subscriber.publish("piapp/porch/event", event("fallen"))
    subscriber.wait_for("alert", payload=b"porch: somebody is on the floor")
    told = [message.payload for message in subscriber.of("alert")]
    assert not any(payload.startswith(b"den") for payload in told)
    assert sum(payload.startswith(b"study") for payload in told) == 1


def test_offline_is_alerted_unless_it_comes_back(running):
    """As for falls."""
    subscriber, _ = running
    subscriber.publish("piapp/bath/status", b"offline")
    subscriber.publish("piapp/bath/status", b"online")
    subscriber.publish("piapp/hall/status", b"offline")
    subscriber.wait_for("alert", payload=b"hall: the sensor is offline")
    assert not any(message.payload.startswith(b"bath") for message in subscriber.of("alert"))


def test_brightness_follows_posture(running):
    """Told when it changes, for each node by itself, and not for what cannot be judged."""
    subscriber, _ = running
    for posture in ("standing", "bending", "unknown", "sitting", "lying"):
        subscriber.publish("piapp/hall/state", state(posture))
    subscriber.publish("piapp/bath/state", state("lying"))
    subscriber.publish("piapp/bath/state", state())
    subscriber.publish("piapp/bath/state", state("standing"))
    wait_until(lambda: sum("/bath/" in one.topic for one in subscriber.of("brightness")) == 2, "the bath's light")
    subscriber.wait_for("brightness", 5)
    told = [(message.topic.split("/")[2], message.payload) for message in subscriber.of("brightness")]
    assert [value for node, value in told if node == "hall"] == [b"100", b"40", b"0"]
    assert [value for node, value in told if node == "bath"] == [b"0", b"100"]
