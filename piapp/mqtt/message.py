"""A message on its way to the broker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# Reason codes at or above this one are failures (MQTT 5, section 2.4).
FIRST_FAILURE_CODE = 0x80


@dataclass(frozen=True, slots=True)
class Message:
    """One PUBLISH to make.

    Attributes:
        content_type: Sent where the protocol can (MQTT 5).
        correlation_data: Likewise; what the asker gave along with a request.
        newest_only: One of the same topic that still waits is dropped for it.
        is_frame: Sent with a topic alias and a short expiry, and only while the socket takes data.
        on_done: Called once on the publisher thread with the reason code (0 when written, for QoS 0), or None when
            the connection was lost before.
    """

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    content_type: str = ""
    correlation_data: bytes = b""
    newest_only: bool = False
    is_frame: bool = False
    on_done: Callable[[int | None], None] | None = None

    def notify(self, code: int | None) -> None:
        """Call `on_done`, if there is one."""
        if self.on_done is not None:
            self.on_done(code)
