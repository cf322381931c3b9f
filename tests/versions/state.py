"""State folders of released versions: made by a real node of that version, read by the present one.

Before a release, `python -m tests.versions.state` runs a node through a fall while its broker is away, and writes
VERSION.tar.gz and VERSION.json beside this file: the folder with its configuration, and what that version itself makes
of it. From then on `test_versions.py` asks every later version for the same.
"""

from __future__ import annotations

import json
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from piapp import __version__
from tests.e2e.node import NODE, NodeProcess, piapp
from tests.mosquitto import Mosquitto, Subscriber, wait_until

DEADLINE_S = 300.0  # the clip takes 40 seconds, on a busy machine more
HERE = Path(__file__).parent

CONFIG = """
[camera]
source = "demo:?loop=0"
[landmarker]
runtime = "litert"
[node]
name = "Hall"
[posture]
fallen_after_s = 3
[[zones]]
name = "bed"
polygon = [[0.1, 0.2], [0.4, 0.2], [0.4, 0.6]]
ignore = []
"""
SET = {"values": {"posture.fall_sensitivity": "high", "posture.inactive_after_s": 77}, "persist": True}


def make(folder: Path, scratch: Path) -> None:
    """Fill a folder with a node's configuration and state: settings, an open alarm, events that wait for the broker."""
    (folder / "piapp.toml").write_text(CONFIG)
    (folder / "state").mkdir()
    broker = Mosquitto(scratch).start()
    subscriber = Subscriber(broker.port)
    node = NodeProcess(scratch, broker.port, _options(folder))
    try:
        wait_until(lambda: subscriber.of("state"), "the first state", DEADLINE_S)
        assert _ask(subscriber, "set", SET) == SET["values"]
        broker.stop()
        kept = folder / "state"
        wait_until(lambda: any("fall" in file.read_text() for file in kept.glob("alarms-*")), "an alarm", DEADLINE_S)
        wait_until(lambda: list(kept.rglob("*.npz")), "a kept case", DEADLINE_S)
        node.stop()
    finally:
        node.kill()
        subscriber.close()


def read(folder: Path, scratch: Path) -> dict[str, Any]:
    """What this version makes of such a folder: the events that waited, the settings, the zones, the kept cases."""
    broker = Mosquitto(scratch).start()
    subscriber = Subscriber(broker.port)
    node = NodeProcess(scratch, broker.port, [*_options(folder), "--set", "health.period_s=1"])
    try:
        wait_until(lambda: _waiting(subscriber) == 0, "no event to wait any more", DEADLINE_S)
        config = _ask(subscriber, "get_config", {})
        events = [json.loads(message.payload) for message in subscriber.of("event")]
    finally:
        node.kill()
        subscriber.close()
        broker.stop()
    cases = piapp("cases", "list", "--node", NODE, *_options(folder))
    assert cases.returncode == 0, cases.stderr
    return {
        "settings": {key: config["posture"][key.removeprefix("posture.")] for key in SET["values"]},
        "zones": [zone["name"] for zone in config["zones"]],
        "name": config["node"]["name"],
        "events": [[event["id"], event["event_type"]] for event in events if event["historical"]],
        "cases": [line.split()[0] for line in cases.stdout.splitlines() if line[:1].isalnum()],
    }


def _waiting(subscriber: Subscriber) -> int | None:
    reports = subscriber.of("health")
    return json.loads(reports[-1].payload)["spool_depth"] if reports else None


def _ask(subscriber: Subscriber, command: str, request: dict[str, Any]) -> Any:
    topic = f"piapp/{NODE}/response/{command}"
    subscriber.publish(f"piapp/{NODE}/request/{command}", json.dumps(request).encode())
    wait_until(lambda: any(message.topic == topic for message in list(subscriber.messages)), f"an answer to {command}")
    return json.loads(next(message.payload for message in subscriber.messages if message.topic == topic))["data"]


def _options(folder: Path) -> list[str]:
    return ["--config", str(folder / "piapp.toml"), "--set", f"spool.dir={folder / 'state'}"]


def freeze(version: str) -> None:
    """Make a version's folder, and write down what it makes of it; what it says later is measured against that."""
    with tempfile.TemporaryDirectory() as name:
        folder, scratch = Path(name) / "node", Path(name) / "scratch"
        folder.mkdir()
        scratch.mkdir()
        make(folder, scratch)
        with tarfile.open(HERE / f"{version}.tar.gz", "w:gz") as archive:
            archive.add(folder, arcname=".")
        (HERE / f"{version}.json").write_text(json.dumps(read(folder, scratch), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    freeze(__version__)
