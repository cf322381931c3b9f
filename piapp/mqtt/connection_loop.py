"""What the publisher's thread runs: keeps a connection to the broker, and empties the outbox into it.

Owns reconnecting and its pauses, the order of the last messages when the node ends, and the log of connections.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, replace

from piapp.mqtt.backoff import Backoff
from piapp.mqtt.connecting import VersionChoice
from piapp.mqtt.connection import Connection
from piapp.mqtt.connection_options import ConnectionOptions, MqttVersion
from piapp.mqtt.failures import ConnectionFailedError
from piapp.mqtt.message import Message
from piapp.mqtt.outbox import Outbox
from piapp.mqtt.payload import OFFLINE, ONLINE
from piapp.mqtt.subscriptions import Subscriptions
from piapp.mqtt.wake import Wake

# A connection that held so long was sound: the next failure starts with short pauses again. Shorter ones may be two
# clients with one id, throwing each other out.
STABLE_S = 10.0

# Of the time that is left for the network at the end, what is kept for `offline` and its acknowledgement.
GOODBYE_SHARE = 0.5
GOODBYE_MAX_S = 1.0

# Messages written before the network is read again: acknowledgements must come through any flood of frames.
_BURST = 64

# Nothing is due by itself; wake-ups and the network end every wait.
_IDLE_WAIT_S = 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ConnectionState:
    """How the connection is.

    Attributes:
        version: The MQTT version in use, None while away.
        connects: Successful connections so far; one less is the number of reconnects.
        last_error: The newest failure; kept while connected.
    """

    connected: bool = False
    version: MqttVersion | None = None
    connects: int = 0
    last_error: ConnectionFailedError | None = None


class ConnectionLoop:
    """Connects again and again until it is stopped; a broker that is away is no failure.

    `run` belongs to one thread; `stop` and `wait_connected` may be called from any other.

    Attributes:
        state: How the connection is now; replaced, never changed.
    """

    def __init__(
        self, options: ConnectionOptions, outbox: Outbox, subscriptions: Subscriptions, backoff: Backoff, wake: Wake
    ) -> None:
        self.state = ConnectionState()
        self._options = options
        self._outbox = outbox
        self._subscriptions = subscriptions
        self._backoff = backoff
        self._wake = wake
        self._stopping = threading.Event()
        self._serve_until = self._stop_at = 0.0
        self._up = threading.Event()
        self._failed_attempts = 0
        self._logged: set[str] = set()  # bounded: emptied after each sound connection

    def stop(self, network_s: float) -> None:
        """Have `run` return within `network_s`, of which the last part is for `offline`."""
        self._stop_at = time.monotonic() + network_s
        self._serve_until = self._stop_at - min(GOODBYE_MAX_S, network_s * GOODBYE_SHARE)
        self._stopping.set()
        self._wake.set()

    def wait_connected(self, timeout_s: float) -> bool:
        """Wait until the broker has accepted the connection; False when it has not within `timeout_s`."""
        return self._up.wait(timeout_s)

    def run(self) -> None:
        """Connect and serve until `stop` is called."""
        try:
            self._keep_connected()
        finally:
            self._disconnected()

    def _keep_connected(self) -> None:
        choice = VersionChoice(self._options.config.protocol)
        while not self._stopping.is_set():
            failure, held_s = self._connect_and_serve(choice.version)
            if failure is None:
                return
            falls_back = held_s is None and choice.failed(failure)
            if held_s is not None and held_s >= STABLE_S:
                self._backoff.reset()
                self._logged.clear()
            if falls_back:
                _log.debug("%s; trying 3.1.1", failure)
            else:
                self._pause_after(failure)

    def _connect_and_serve(self, version: MqttVersion) -> tuple[ConnectionFailedError | None, float | None]:
        """One connection from start to end.

        Returns:
            Why it ended, None when it was stopped; and the seconds that it held, None if it never came up.
        """
        connection = Connection(self._options, version, self._refused, self._wake)
        connected_at: float | None = None
        try:
            connection.open(lambda: not self._stopping.is_set())
            connected_at = time.monotonic()
            self._connected(connection)
            self._serve(connection)
            self._end(connection)
        except ConnectionFailedError as failure:
            if connected_at is not None:
                self._outbox.doubt_events()
            held_s = None if connected_at is None else time.monotonic() - connected_at
            return None if self._stopping.is_set() else failure, held_s
        else:
            return None, None
        finally:
            self._disconnected()
            connection.close()

    def _connected(self, connection: Connection) -> None:
        self._subscriptions.begin_connection()
        connection.publish(self._status(ONLINE))
        self._outbox.begin_connection()
        self.state = replace(self.state, connected=True, version=connection.version, connects=self.state.connects + 1)
        self._up.set()
        after = f" after {self._failed_attempts} failures" if self._failed_attempts else ""
        self._failed_attempts = 0
        _log.info("connected to %s with MQTT %s%s", self._options.config.url, connection.version, after)

    def _disconnected(self) -> None:
        self._up.clear()
        self._outbox.end_connection()
        self.state = replace(self.state, connected=False, version=None)

    def _serve(self, connection: Connection) -> None:
        """Send and receive until `stop` is called and nothing waits, or its time is nearly over."""
        while not (self._stopping.is_set() and self._nothing_more(connection)):
            self._subscriptions.subscribe_new(connection)
            emptied = self._empty_outbox(connection)
            left = self._serve_until - time.monotonic() if self._stopping.is_set() else _IDLE_WAIT_S
            connection.wait(max(left, 0.0) if emptied else 0.0)

    def _nothing_more(self, connection: Connection) -> bool:
        return time.monotonic() >= self._serve_until or (self._outbox.idle and connection.settled)

    def _empty_outbox(self, connection: Connection) -> bool:
        """Write what may be written; False when there may be more, but the network should be read in between."""
        for _ in range(_BURST):
            if connection.backed_up:
                return True
            message = self._outbox.next(acknowledged_too=connection.may_publish_acknowledged)
            if message is None:
                return True
            connection.publish(message)
        return False

    def _end(self, connection: Connection) -> None:
        """Publish `offline` and disconnect."""
        if connection.backed_up:
            return  # the broker does not read; closing the socket makes it send the will
        connection.publish(self._status(OFFLINE))
        until = min(self._stop_at, time.monotonic() + GOODBYE_MAX_S)
        while not connection.settled and (left := until - time.monotonic()) > 0:
            connection.wait(left)
        if connection.settled:
            connection.disconnect()
            _log.info("disconnected from %s", self._options.config.url)

    def _status(self, payload: bytes) -> Message:
        return Message(self._options.will_topic, payload, qos=1, retain=True)

    def _refused(self, topic: str, reason: str) -> None:
        self._outbox.count_rejected()
        self._log_once(f"broker {self._options.config.url}: refuses {topic}: {reason}; see its access rules")

    def _pause_after(self, failure: ConnectionFailedError) -> None:
        # What was on the stack, sockets included, must not live as long as the state that keeps the error.
        failure.__traceback__ = failure.__cause__ = failure.__context__ = None
        self.state = replace(self.state, last_error=failure)
        self._failed_attempts += 1
        self._log_once(f"{failure}; trying again")
        until = time.monotonic() + self._backoff.next_s()
        while not self._stopping.is_set() and (left := until - time.monotonic()) > 0:
            # Events wait for long now, and a power cut often takes the broker and this node together.
            self._outbox.sync_events()
            self._wake.wait(left)

    def _log_once(self, text: str) -> None:
        """Warn; the same text comes again only after a sound connection."""
        _log.log(logging.DEBUG if text in self._logged else logging.WARNING, "%s", text)
        self._logged.add(text)
