"""Real MQTT around tests: a mosquitto that can be killed, a gate in front of it, a subscriber, and certificates."""

from __future__ import annotations

import os
import random
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties

# Long enough for a machine that does something else besides; nothing waits that long when all is well.
DEADLINE_S = 30.0

DEPLOY = Path(__file__).parents[1] / "deploy" / "mosquitto"

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")

MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def wait_until(condition: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait until `condition` is true; fail with `what` was waited for."""
    until = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < until, f"waited {deadline_s} s in vain for: {what}"
        time.sleep(0.005)


def free_port() -> int:
    """A loopback port that nobody listens on.

    It lies below those that the kernel gives to clients (ip_local_port_range): a client that tries to reach a broker
    that is down could be given the broker's own port, be connected to itself, and keep the broker from coming back.
    """
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Mosquitto:
    """A mosquitto on a free loopback port; `kill` and `start` as often as a test likes."""

    def __init__(
        self,
        directory: Path,
        *,
        users: dict[str, str] | None = None,
        tls: Certificates | None = None,
        lines: Sequence[str] = (),
    ) -> None:
        self.port = free_port()
        self._scheme = "mqtts" if tls else "mqtt"
        self._config = directory / f"mosquitto-{self.port}.conf"
        self._log = directory / f"mosquitto-{self.port}.log"
        self._process: subprocess.Popen[bytes] | None = None
        text = [f"listener {self.port} 127.0.0.1", f"allow_anonymous {str(not users).lower()}", *lines]
        if os.getuid() == 0:
            text.append("user root")  # its own user cannot read a test's files
        if users:
            text.append(f"password_file {self._password_file(directory, users)}")
        if tls:
            text += [f"certfile {tls.certificate}", f"keyfile {tls.key}"]
        self._config.write_text("\n".join(text) + "\n")

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{self._scheme}://localhost:{self.port}"

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return self._log.read_text()

    def start(self) -> Self:
        """Start and wait until the port is open."""
        assert MOSQUITTO
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([MOSQUITTO, "-c", str(self._config)], stdout=log, stderr=log)
        wait_until(self._listens, f"mosquitto to listen; see {self._log}")
        return self

    def kill(self) -> None:
        """As a power cut would: SIGKILL."""
        assert self._process
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """Hang: connections stay, nobody answers."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it, in whatever state."""
        if self._process and self._process.poll() is None:
            self.kill()

    def _listens(self) -> bool:
        assert self._process
        assert self._process.poll() is None, self.log
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    @staticmethod
    def _password_file(directory: Path, users: dict[str, str]) -> Path:
        path = directory / "passwords"
        path.write_text("".join(f"{name}:{password}\n" for name, password in users.items()))
        path.chmod(0o600)
        subprocess.run(["mosquitto_passwd", "-U", str(path)], check=True)
        return path


class HardenedMosquitto(Mosquitto):
    """deploy/mosquitto's files as they are, but for folders, ports and, as root, the user."""

    def __init__(self, directory: Path, authority: Path, users: dict[str, str], rules: str) -> None:
        super().__init__(directory)
        self.certificate_port = free_port()
        server = make_certificate(authority, "broker", "localhost")
        text = (DEPLOY / "piapp.conf").read_text()
        acl = directory / "piapp.acl"
        acl.write_text((DEPLOY / "piapp.acl").read_text() + rules)
        acl.chmod(0o600)
        for old, new in {
            "listener 8883": f"listener {self.port} 127.0.0.1",
            "listener 8884": f"listener {self.certificate_port} 127.0.0.1",
            "/etc/mosquitto/certs/server.crt": str(server.certificate),
            "/etc/mosquitto/certs/server.key": str(server.key),
            "/etc/mosquitto/ca_certificates/nodes.crt": str(authority),
            "/etc/mosquitto/piapp.acl": str(acl),
            "/etc/mosquitto/piapp.passwords": str(self._password_file(directory, users)),
        }.items():
            assert old in text
            text = text.replace(old, new)
        head = self._config.read_text().splitlines()
        self._config.write_text("\n".join([line for line in head if line.startswith("user ")] + [text]))


@dataclass(frozen=True)
class Received:
    """One message as a subscriber got it."""

    topic: str
    payload: bytes
    retain: bool
    properties: Any

    @property
    def leaf(self) -> str:
        """The last part of the topic."""
        return self.topic.rsplit("/", 1)[-1]


class Subscriber:
    """Collects messages; connected and subscribed when the constructor returns."""

    def __init__(self, port: int, topic: str = "piapp/#", *, username: str = "", password: str = "") -> None:
        self.messages: list[Received] = []
        self._ready = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        if username:
            self._client.username_pw_set(username, password)
        self._client.on_connect = lambda *_: self._client.subscribe(topic, qos=1)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._ready.wait(DEADLINE_S)

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        self.messages.append(Received(message.topic, bytes(message.payload), message.retain, message.properties))

    def publish(self, topic: str, payload: bytes, properties: Properties | None = None) -> None:
        """Send a message."""
        self._client.publish(topic, payload, qos=1, properties=properties)

    def deliver(self, topic: str, payload: bytes, *, retain: bool = True) -> None:
        """Send a message, for the broker to keep, and wait until the broker has it."""
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(DEADLINE_S)

    def of(self, leaf: str) -> list[Received]:
        """Messages whose topic ends so, in order."""
        return [message for message in list(self.messages) if message.leaf == leaf]

    def wait_for(self, leaf: str, count: int = 1, payload: bytes | None = None) -> list[Received]:
        """Wait until `count` messages of a topic have come (with that payload)."""

        def found() -> list[Received]:
            return [message for message in self.of(leaf) if payload is None or message.payload == payload]

        wait_until(lambda: len(found()) >= count, f"{count} messages of {leaf} {payload or ''}")
        return found()

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()


class Gate:
    """A TCP relay to a broker whose network a test can break: refuse, cut, or stop to read."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self.port = free_port()
        self.sent = bytearray()  # what the client has written
        self.accepted = 0
        self._flowing = threading.Event()
        self._flowing.set()
        self._listener: socket.socket | None = None
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        """Where the client should connect."""
        return f"mqtt://127.0.0.1:{self.port}"

    def open(self) -> Self:
        """Accept connections."""
        self._listener = socket.create_server(("127.0.0.1", self.port), reuse_port=True)
        self._start(self._accept, self._listener)
        return self

    def cut(self) -> None:
        """Refuse connections and break those that are there."""
        if self._listener:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for sock in list(self._sockets):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def hold(self) -> None:
        """Stop reading from the client, as a jammed network does."""
        self._flowing.clear()

    def release(self) -> None:
        """Read again."""
        self._flowing.set()

    def close(self) -> None:
        """Break everything and wait for the threads."""
        self._flowing.set()
        self.cut()
        for thread in self._threads:
            thread.join(DEADLINE_S)

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, name="gate", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                self.accepted += 1
                self._start(self._relay, client)

    def _relay(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(("127.0.0.1", self._target_port)) as broker:
            pair = {client, broker}
            self._sockets |= pair
            try:
                while self._pump(client, broker):
                    pass
            finally:
                self._sockets -= pair

    def _pump(self, client: socket.socket, broker: socket.socket) -> bool:
        self._flowing.wait(DEADLINE_S)
        ready, _, _ = select.select([client, broker], [], [], 1.0)
        for source in ready:
            data = source.recv(65_536)
            if source is client:
                self.sent += data
            (broker if source is client else client).sendall(data)
            if not data:
                return False
        return True


@dataclass(frozen=True)
class Certificates:
    """A server's certificate and the authority that signed it."""

    ca: Path
    certificate: Path
    key: Path


def make_authority(directory: Path, name: str = "ca", *, key_usage: bool = True) -> Path:
    """A new certificate authority; its certificate, with the key next to it. mosquitto-tls(7) makes none with usage."""
    certificate = directory / f"{name}.crt"
    request = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
    if key_usage:
        request += ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]  # Python 3.13 wants it
    _openssl("req", *request, "-subj", f"/CN={name}", "-keyout", certificate.with_suffix(".key"), "-out", certificate)
    return certificate


def make_certificate(ca: Path, name: str, subject: str, *, expired: bool = False) -> Certificates:
    """A certificate for the DNS name `subject`, signed by `ca`; a server's or a client's."""
    directory = ca.parent
    certificate, key, request = (directory / f"{name}.{suffix}" for suffix in ("crt", "key", "csr"))
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key]
    _openssl("req", *new_key, "-subj", f"/CN={subject}", "-addext", f"subjectAltName=DNS:{subject}", "-out", request)
    settings = directory / f"{name}.cnf"
    settings.write_text(
        f"[ca]\ndefault_ca=d\n[d]\ndatabase={directory}/{name}.index\nnew_certs_dir={directory}\nrand_serial=yes\n"
        "default_md=sha256\npolicy=p\nx509_extensions=x\ncopy_extensions=copy\nunique_subject=no\n"
        "[p]\ncommonName=supplied\n[x]\nauthorityKeyIdentifier=keyid\n"
    )
    (directory / f"{name}.index").write_text("")
    until = "20210101000000Z" if expired else "20491231000000Z"
    dates = ["-startdate", "20200101000000Z", "-enddate", until]
    signer = ["-cert", ca, "-keyfile", ca.with_suffix(".key")]
    _openssl("ca", "-batch", "-config", settings, *signer, *dates, "-in", request, "-out", certificate, "-notext")
    return Certificates(ca, certificate, key)


def _openssl(*arguments: str | Path) -> None:
    result = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def mosquitto_factory(directory: Path) -> Iterator[Callable[..., Mosquitto]]:
    """Give a function that starts brokers, and end them all afterwards."""
    brokers: list[Mosquitto] = []

    def start(**options: Any) -> Mosquitto:
        brokers.append(Mosquitto(directory, **options))
        return brokers[-1].start()

    yield start
    for broker in brokers:
        broker.stop()
