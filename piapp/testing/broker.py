"""An MQTT broker inside this process, for `piapp demo` and tests: amqtt, which speaks 3.1.1."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import Future
from typing import Self

from piapp.errors import BrokerError
from piapp.extras import extra

with extra("demo", "the embedded broker"):
    from amqtt.broker import Broker

_START_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 5.0


class EmbeddedBroker:
    """A broker on a free loopback port, in its own thread named "embedded-broker"; anybody may connect.

    Use as a context manager. Nothing is kept when it stops. Clients should ask for MQTT 3.1.1: amqtt misreads version
    5's CONNECT and never answers it, so with `mqtt.protocol = "auto"` the first connection takes a time-out.
    """

    def __init__(self) -> None:
        self._ready: Future[int] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="embedded-broker", daemon=True)
        self.port = 0

    @property
    def url(self) -> str:
        """What to set `mqtt.url` to."""
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start and wait until the port is open.

        Raises:
            BrokerError: It did not start.
        """
        for name in ("amqtt", "transitions"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # they tell every packet, and every client that leaves
        self._thread.start()
        try:
            self.port = self._ready.result(_START_TIMEOUT_S)
        except Exception as error:
            raise BrokerError(f"the embedded broker did not start: {error}") from error

    def stop(self) -> None:
        """Close all connections and end the thread; idempotent."""
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(_STOP_TIMEOUT_S)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # noqa: BLE001 - raised again by `start`, in the caller's thread
            if not self._ready.done():
                self._ready.set_exception(error)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        broker = Broker(
            {
                "listeners": {"default": {"type": "external"}},
                "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
            }
        )
        await broker.start()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await broker.stream_connected(reader, writer, "default")
            finally:
                writer.close()  # amqtt leaves clients open that are there when it shuts down

        # A listening socket of ours tells its port; amqtt keeps its own to itself.
        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        self._ready.set_result(server.sockets[0].getsockname()[1])
        await self._stop.wait()
        server.close()
        await broker.shutdown()
