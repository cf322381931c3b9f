"""What an open source of frames is, to everybody who takes frames from one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from piapp.types import Frame


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How a source is.

    Attributes:
        lost: Why there are no pictures, although the source goes on trying to get some; empty while all is well.
        age_ms: How long the newest frame waited before it was read; None where the source does not tell.
        stale: Frames that were left out because they had waited for too long.
        reconnects: How often the source was connected anew.
        renews: The source mends its own connection; when frames cease it says so here, and does not end.
    """

    lost: str = ""
    age_ms: float | None = None
    stale: int = 0
    reconnects: int = 0
    renews: bool = False


class Camera(Protocol):
    """A source that is open and gives frames.

    Attributes:
        description: One line for people and `info`, such as "imx708 2304x1296 -> 640x480".
        lockstep: True when the next frame may be asked for only after the last one's result is in.
    """

    description: str
    lockstep: bool

    def frames(self) -> Iterator[Frame]:
        """Yield frames until the source ends or `close` is called; called once, by the capture thread.

        `ts_ms` increases strictly. Blocks while waiting for the next frame; wakes within 0.5 s of `close`
        unless the device hangs inside its driver.

        Raises:
            CameraError: The source failed; the message says what to do.
        """
        ...

    def close(self) -> None:
        """Release the source; idempotent, from any thread, also while `frames` waits."""
        ...

    def status(self) -> SourceStatus:
        """How the source is now; from any thread."""
        ...
