"""Which version of MQTT a broker is spoken to with: 5, or else 3.1.1 for brokers that turn 5 away.

Owns that choice for the publisher, and connecting for whoever needs one connection and then no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Literal

from piapp.mqtt.connection import Connection, OnRefused
from piapp.mqtt.connection_options import ConnectionOptions, MqttVersion
from piapp.mqtt.failures import ConnectionFailedError
from piapp.mqtt.wake import Wake

# What brokers do that speak only 3.1.1: say so, close, or wait for bytes that they misread a length for (amqtt).
NOT_MQTT_5 = ("protocol_version", "closed_early", "no_answer")


class VersionChoice:
    """The version to try next.

    Args:
        wanted: The configured one; "auto" for 5, or 3.1.1 as long as that works where 5 does not.

    Attributes:
        version: What to try.
    """

    def __init__(self, wanted: Literal["5", "3.1.1", "auto"]) -> None:
        self._auto = wanted == "auto"
        self.version: MqttVersion = "3.1.1" if wanted == "3.1.1" else "5"

    def failed(self, failure: ConnectionFailedError) -> bool:
        """Note that no connection came up; whether another version should be tried at once."""
        if not self._auto:
            return False
        falls_back = self.version == "5" and failure.reason in NOT_MQTT_5
        self.version = "3.1.1" if falls_back else "5"
        return falls_back


@contextmanager
def connected(
    options: ConnectionOptions, on_refused: OnRefused, go_on: Callable[[], bool] = lambda: True
) -> Iterator[Connection]:
    """A connection in the version that the broker speaks; it is closed at the end.

    Args:
        options: The broker, and as whom to connect.
        on_refused: Called for what the broker refuses.
        go_on: Asked after every wake-up; when it returns False, waiting for the broker ends.

    Raises:
        ConnectionFailedError: The broker cannot be reached, or refuses.
    """
    choice = VersionChoice(options.config.protocol)
    with closing(Wake()) as wake:
        connection = _opened(options, choice, on_refused, wake, go_on)
        with closing(connection):
            yield connection


def _opened(
    options: ConnectionOptions, choice: VersionChoice, on_refused: OnRefused, wake: Wake, go_on: Callable[[], bool]
) -> Connection:
    while True:
        connection = Connection(options, choice.version, on_refused, wake)
        try:
            connection.open(go_on)
        except ConnectionFailedError as failure:
            connection.close()
            if not choice.failed(failure):
                raise
        else:
            return connection
