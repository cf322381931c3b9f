"""A message from the broker, and who handles it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message from the broker.

    Attributes:
        response_topic: Where MQTT 5's sender wants the answer, else empty.
        correlation_data: What the answer must carry, else empty.
    """

    topic: str
    payload: bytes
    retain: bool
    response_topic: str = ""
    correlation_data: bytes = b""


Handler = Callable[[Incoming], None]
"""Called on the thread that runs the connection; must neither block nor raise."""
