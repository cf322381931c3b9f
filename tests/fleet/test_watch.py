"""The table of nodes, on paper and on a terminal."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from contextlib import suppress

from piapp.fleet.inventory import Inventory
from piapp.fleet.watch import plain_lines
from tests.e2e.node import PIAPP, clean_environment, piapp
from tests.mosquitto import DEADLINE_S, Subscriber


def say(broker, node, leaf, payload):
    """Leave a retained message at a broker, and wait until it is there."""
    with_payload = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    subscriber = Subscriber(broker.port, f"piapp/{node}/{leaf}")
    subscriber.deliver(f"piapp/{node}/{leaf}", with_payload)
    subscriber.wait_for(leaf)
    subscriber.close()


def test_the_table_once(start_mosquitto):
    """On standard output: a line a node and the sum; what was retained before is enough."""
    broker = start_mosquitto()
    say(broker, "hall", "status", b"online")
    say(broker, "hall", "info", {"versions": {"piapp": "1.2.3"}})
    say(broker, "hall", "health", {"fps_out": 14.94, "temperature_c": 55.4, "uptime_s": 7200.0})
    say(broker, "loft", "status", b"offline")
    done = piapp("fleet", "watch", "--broker", broker.url)
    assert (done.returncode, done.stderr) == (0, "")
    head, hall, loft, total = done.stdout.splitlines()
    assert head.split() == ["node", "status", "version", "age", "up", "fps", "temp", "problems"]
    assert hall.split() == ["hall", "online", "1.2.3", "-", "2", "h", "14.9", "55", "C"]
    assert loft.split()[:2] == ["loft", "offline"]
    assert total == "2 nodes: 1 online, 1 with problems; 1 with 1.2.3, 1 with unknown"
    broker.stop()


def test_nobody_can_write_to_the_terminal():
    """Names and words with control characters come out harmless."""
    inventory = Inventory("piapp")
    inventory.message("piapp/\x1b[2Jx/status", b"online")
    health = {"spool_problem": "\x1b]0;title\x07", "messages_dropped": {"events": "\x1b[31m"}}
    inventory.message("piapp/\x1b[2Jx/health", json.dumps(health).encode())
    inventory.message("piapp/\x1b[2Jx/info", json.dumps({"versions": {"piapp": "1\x1b[5m"}}).encode())
    text = "\n".join(plain_lines(inventory.nodes(), 0.0))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "?[2Jx" in text


def test_live_on_a_terminal(start_mosquitto):
    """The table is drawn, follows what happens, and Ctrl-C ends it with exit 0."""
    broker = start_mosquitto()
    say(broker, "hall", "status", b"online")
    leader, follower = pty.openpty()
    environment = clean_environment(COLUMNS="120", LINES="30", TERM="xterm")
    command = [*PIAPP, "fleet", "watch", "--broker", broker.url]
    with subprocess.Popen(command, env=environment, stdin=follower, stdout=follower, stderr=subprocess.PIPE) as process:
        os.close(follower)
        seen = b""
        while b"online" not in seen:
            seen += os.read(leader, 4096)
        assert b"hall" in seen
        say(broker, "hall", "status", b"offline")
        seen = b""
        while b"offline" not in seen:
            seen += os.read(leader, 4096)
        process.send_signal(signal.SIGINT)
        with suppress(OSError):  # how a terminal without a program ends
            while os.read(leader, 4096):
                pass
        assert process.wait(DEADLINE_S) == 0
        assert process.stderr.read() == b""
    os.close(leader)
    broker.stop()


def test_without_a_broker():
    """Exit 69, and the address is named."""
    done = piapp("fleet", "watch", "--broker", "mqtt://127.0.0.1:9")
    assert done.returncode == 69
    assert "127.0.0.1:9: cannot be reached" in done.stderr
