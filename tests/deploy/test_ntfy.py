"""The script that sends alarms to ntfy, with real mosquitto_sub, jq and curl, and a server that keeps what it gets."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from piapp.mqtt.clock import TimeLine
from piapp.mqtt.payload import PayloadWriter
from piapp.types import PostureEvent
from tests.mosquitto import Subscriber, wait_until

SCRIPT = Path(__file__).parents[2] / "deploy" / "ntfy" / "alarm.sh"
WRITER = PayloadWriter("hall", "9f2c61aa")


def event(kind: str, *, historical: bool = False, test: bool = False) -> bytes:
    """An `event` message."""
    payload = WRITER.event(PostureEvent(kind, 0, person=1), TimeLine(0, 0), event_id="b-1", test=test)
    return payload.encoded(historical=historical)


class Ntfy:
    """Keeps title, priority and text of each message."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str, str]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers["Content-Length"])).decode()
                server.messages.append((self.headers["Title"], self.headers["Priority"], text))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def chain(mosquitto):
    """The script between a broker and a server, ready; a function that publishes, and the server."""
    missing = [name for name in ("mosquitto_sub", "jq", "curl") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: apt-get install mosquitto-clients jq curl")
    ntfy, publisher = Ntfy(), Subscriber(mosquitto.port, "none")
    url = f"http://127.0.0.1:{ntfy.server.server_port}/falls"
    process = subprocess.Popen([SCRIPT, url, "-p", str(mosquitto.port)], start_new_session=True)

    probed_s = 0.0

    def answers() -> bool:
        nonlocal probed_s
        if time.monotonic() > probed_s + 0.5:
            probed_s = time.monotonic()
            publisher.publish("piapp/probe/event", event("fallen", test=True))
        return bool(ntfy.messages)

    try:
        wait_until(answers, "the script to listen")
        yield publisher, ntfy
    finally:
        subprocess.run(["kill", "--", f"-{process.pid}"], check=False)
        process.wait()
        publisher.close()
        ntfy.server.shutdown()
        ntfy.server.server_close()


def of(ntfy: Ntfy, node: str) -> list[tuple[str, str, str]]:
    """A node's messages."""
    return [message for message in ntfy.messages if message[2].startswith(f"{node}:")]


def test_alarm_goes_from_the_fall_to_the_phone(chain):
    """An alarm, its repeat, a sensor that goes offline meanwhile, up again; history and broken messages call nobody."""
    publisher, ntfy = chain
    publisher.publish("piapp/hall/event", event("fallen", historical=True))
    publisher.publish("piapp/hall/event", b"{broken")
    publisher.publish("piapp/hall/event", event("fall"))
    publisher.publish("piapp/hall/event", event("recovered"))
    publisher.publish("piapp/hall/status", b"offline")
    publisher.publish("piapp/hall/event", event("fallen"))
    publisher.publish("piapp/hall/event", event("fallen"))
    publisher.publish("piapp/hall/status", b"offline")
    publisher.publish("piapp/hall/event", event("recovered"))
    publisher.publish("piapp/hall/event", event("fallen", test=True))
    wait_until(lambda: any(title == "Test" for title, _, _ in of(ntfy, "hall")), "the last message")
    assert [(title, priority) for title, priority, _ in of(ntfy, "hall")] == [
        ("Somebody has fallen", "urgent"),
        ("Somebody has fallen", "urgent"),
        ("Sensor offline", "urgent"),
        ("Up again", "default"),
        ("Test", "default"),
    ]


def test_a_test_says_that_it_is_one(chain):
    """Whoever reads it knows that nobody has fallen."""
    publisher, ntfy = chain
    publisher.publish("piapp/den/event", event("fallen", test=True))
    wait_until(lambda: of(ntfy, "den"), "the test on the phone")
    assert of(ntfy, "den") == [("Test", "default", "den: this is a test, nobody has fallen")]


def test_what_it_must_be_given_is_said():
    """Without the address there is nowhere to send."""
    answer = subprocess.run([SCRIPT], capture_output=True, text=True, check=False)
    assert answer.returncode != 0
    assert "usage: alarm.sh NTFY_URL" in answer.stderr
