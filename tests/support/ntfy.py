"""A server that keeps what it gets, in place of ntfy."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.mosquitto import Subscriber, wait_until

SCRIPT = Path(__file__).parents[2] / "deploy" / "ntfy" / "alarm.sh"

# Sent to find out whether the script listens already.
PROBE_NODE = "probe"
PROBE = b'{"event_type":"fallen","test":true,"historical":false}'
PROBE_PERIOD_S = 0.5


@contextmanager
def alarm_script(port: int, publisher: Subscriber) -> Iterator[NtfyServer]:
    """The script between a broker and a server, ready; the test is skipped where the script cannot run."""
    missing = [name for name in ("mosquitto_sub", "jq", "curl") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: apt-get install mosquitto-clients jq curl")
    server = NtfyServer()
    process = subprocess.Popen([SCRIPT, server.url, "-p", str(port)], start_new_session=True)
    probed_s = 0.0

    def answers() -> bool:
        nonlocal probed_s
        if time.monotonic() > probed_s + PROBE_PERIOD_S:
            probed_s = time.monotonic()
            publisher.publish(f"piapp/{PROBE_NODE}/event", PROBE)
        return bool(server.messages)

    try:
        wait_until(answers, "the script to listen")
        yield server
    finally:
        subprocess.run(["kill", "--", f"-{process.pid}"], check=False)
        process.wait()
        server.close()


class NtfyServer:
    """Keeps title, priority and text of each message.

    Attributes:
        messages: What came, oldest first.
        url: Where to send.
    """

    def __init__(self) -> None:
        self.messages: list[tuple[str, str, str]] = []
        kept = self.messages

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers["Content-Length"])).decode()
                kept.append((self.headers["Title"], self.headers["Priority"], text))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/falls"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def of(self, node: str) -> list[tuple[str, str, str]]:
        """A node's messages."""
        return [message for message in self.messages if message[2].startswith(f"{node}:")]

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
