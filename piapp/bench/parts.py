"""The parts of the pipeline one by one, on recorded results: posture logic, encoding, bytes on the wire."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from queue import SimpleQueue

import msgspec

from piapp.bench.frames import PERIOD_MS
from piapp.bench.protocol import Encoding, PartsFound
from piapp.bench.statistics import percentiles
from piapp.config.addresses import broker_address
from piapp.config.sections import Config
from piapp.errors import BrokerError
from piapp.fall_model import monitor_of
from piapp.mqtt.payload import FrameFormat, PayloadWriter
from piapp.mqtt.publisher import Publisher
from piapp.mqtt.topics import Topics
from piapp.types import PoseLabel, PoseResult

# (name, format, world landmarks) of what `publish.frames` and `publish.world_landmarks` can make.
ENCODINGS: tuple[tuple[str, FrameFormat, bool], ...] = (
    ("json", "json", True),
    ("json, no world landmarks", "json", False),
    ("msgpack", "msgpack", True),
    ("msgpack, no world landmarks", "msgpack", False),
)

# Samples that make a 99th percentile mean something.
UPDATES = 2000
ENCODES = 500
SENT_FRAMES = 50
WAIT_S = 10.0


def measure_parts(config: Config, results: Sequence[PoseResult]) -> PartsFound:
    """Measure on the results with one person; blocks for about two seconds.

    Raises:
        BrokerError: The broker does not take the messages.
    """
    alone = [result for result in results if len(result.poses) == 1]
    if not alone:
        raise BrokerError("the landmarker saw nobody in the frames; the benchmark has nothing to publish")
    encodings = [_encoding(config, alone, kind) for kind in ENCODINGS]
    return PartsFound(len(alone), percentiles(_update_ms(config, alone)), encodings)


def _update_ms(config: Config, results: Sequence[PoseResult]) -> list[float]:
    monitor = monitor_of(config)
    times_ms = []
    for number in range(UPDATES):
        result = replace(results[number % len(results)], ts_ms=(number + 1) * PERIOD_MS)
        started_ns = time.thread_time_ns()
        monitor.update(result)
        times_ms.append((time.thread_time_ns() - started_ns) / 1e6)
    return times_ms


def _encoding(config: Config, results: Sequence[PoseResult], kind: tuple[str, FrameFormat, bool]) -> Encoding:
    name, frame_format, world = kind
    writer = PayloadWriter(config.node.id, "00000000", frame_format=frame_format, world_landmarks=world)
    labels = (PoseLabel(1, "standing"),)
    times_us, sizes = [], []
    for number in range(ENCODES):
        result = results[number % len(results)]
        started_ns = time.thread_time_ns()
        payload = writer.frame(result, labels, seq=number)
        times_us.append((time.thread_time_ns() - started_ns) / 1e3)
        sizes.append(len(payload))
    payloads = [writer.frame(results[number % len(results)], labels, seq=number) for number in range(SENT_FRAMES)]
    wire_bytes = _wire_bytes(config, payloads, frame_format)
    return Encoding(name, percentiles(times_us), sum(sizes) / len(sizes), wire_bytes)


def _wire_bytes(config: Config, payloads: Sequence[bytes], frame_format: FrameFormat) -> float:
    """Mean bytes a frame that the publisher writes to its socket, without the first frame, which names the topic."""
    with _counting_relay(config.mqtt.url) as (port, count):
        mqtt = msgspec.structs.replace(config.mqtt, url=f"mqtt://127.0.0.1:{port}")
        publish = msgspec.structs.replace(config.publish, frames=frame_format, max_frame_hz=0.0)
        topics = Topics(mqtt.base_topic, f"{config.node.id}-wire")
        with Publisher(mqtt, publish, topics) as publisher:
            if not publisher.wait_connected(WAIT_S):
                raise BrokerError(f"{config.mqtt.url}: no connection within {WAIT_S:g} s")
            _send(publisher, payloads[:1])
            _wait(lambda: count() > len(payloads[0]))
            before = count()
            _send(publisher, payloads[1:])
            _wait(lambda: count() > before + sum(map(len, payloads[1:])))
            return (count() - before) / (len(payloads) - 1)


def _send(publisher: Publisher, payloads: Sequence[bytes]) -> None:
    """Send one after the other; the outbox would drop what comes at once."""
    for payload in payloads:
        left: SimpleQueue[int | None] = SimpleQueue()
        publisher.publish_frame(partial(bytes, payload), left.put)
        if left.get(timeout=WAIT_S) is None:
            raise BrokerError("the publisher dropped a frame that was alone in its queue")


def _wait(condition: Callable[[], bool]) -> None:
    until_s = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > until_s:
            raise BrokerError(f"frames were not on the wire within {WAIT_S:g} s")
        time.sleep(0.005)
    time.sleep(0.05)  # an acknowledgement's answer, or the last bytes of the last frame


@contextmanager
def _counting_relay(url: str) -> Iterator[tuple[int, Callable[[], int]]]:
    """A loopback port in front of the broker, and what tells how many bytes the client has written to it."""
    address = broker_address(url)
    counted = 0

    def relay() -> None:
        nonlocal counted
        client, _ = listener.accept()
        with client, socket.create_connection((address.host, address.port)) as broker:
            while True:
                for source in select.select([client, broker], [], [])[0]:
                    data = source.recv(65_536)
                    if not data:
                        return
                    counted += len(data) if source is client else 0
                    (broker if source is client else client).sendall(data)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=relay, name="bench-relay", daemon=True)
        thread.start()
        yield listener.getsockname()[1], lambda: counted
        thread.join(WAIT_S)
