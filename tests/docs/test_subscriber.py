"""The subscriber that is written from docs/mqtt.md alone works against the demo."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.e2e.node import PIAPP, clean_environment
from tests.mosquitto import DEADLINE_S

ROOT = Path(__file__).parents[2]
SUBSCRIBER = ROOT / "docs" / "subscriber.py"
WANTED = ("status online", "response/ping ok", "state occupied standing", "trigger fall", "frame standing nose at ")


def test_a_subscriber_that_knows_the_page_alone_understands_the_demo():
    """Presence, state, frames, a fall and an answer, without importing anything of piapp."""
    assert "piapp" not in re.findall(r"^(?:from|import) (\w+)", SUBSCRIBER.read_text(), re.MULTILINE)
    environment = clean_environment()
    demo = [*PIAPP, "demo", "--loop"]
    with subprocess.Popen(demo, env=environment, stdout=subprocess.PIPE, text=True, bufsize=1) as node:
        try:
            address = next(found for line in node.stdout if (found := re.search(r"mqtt://([\d.]+):(\d+)", line)))
            listen = [sys.executable, "-u", SUBSCRIBER, address[1], address[2], "demo", str(2 * DEADLINE_S)]
            with subprocess.Popen(listen, stdout=subprocess.PIPE, text=True) as listener:
                missing = set(WANTED)
                for line in listener.stdout:
                    missing = {wanted for wanted in missing if not line.startswith(wanted)}
                    if not missing:
                        break
                listener.kill()
        finally:
            node.kill()
    assert not missing
