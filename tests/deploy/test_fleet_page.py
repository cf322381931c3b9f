"""The example of deploy/fleet.md does what the page says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.mosquitto import Subscriber, wait_until

PAGE = Path(__file__).parents[2] / "deploy" / "fleet.md"
EVENTS = 60


def test_consumers_share_events(start_mosquitto, tmp_path):
    """Two consumers of one group: each event comes to one of them, and both have work."""
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    script = tmp_path / "consumer.py"
    script.write_text(example)
    broker = start_mosquitto(lines=["log_type subscribe"])
    outputs = [tmp_path / name for name in ("a", "b")]
    consumers = []
    for output in outputs:
        command = [sys.executable, str(script), "127.0.0.1", str(broker.port), output.name]
        with output.open("wb") as file:
            consumers.append(subprocess.Popen(command, stdout=file))
    wait_until(lambda: broker.log.count("$share/alerts") == len(consumers), "both to subscribe")
    source = Subscriber(broker.port, "piapp/none")
    for number in range(EVENTS):
        source.publish(f"piapp/node-{number % 3}/event", f"event-{number}.".encode())
    wait_until(lambda: sum(output.read_text().count(".") for output in outputs) >= EVENTS, "all events")
    for consumer in consumers:
        consumer.kill()
        consumer.wait()
    source.close()
    seen = [re.findall(r"event-(\d+)\.", output.read_text()) for output in outputs]
    assert sorted(map(int, seen[0] + seen[1])) == list(range(EVENTS))
    assert all(seen)
    broker.stop()
