"""Retained topics: the newest value of each, and which of them a broker does not survive.

Some brokers answer a message that is too large for them by closing the connection, without a reason where MQTT 3.1.1 is
spoken. Sent again at every reconnect, it would keep the node away for ever. So topics that were under way whenever the
connection broke are sent one at a time, and the one that breaks it alone is left out. Not thread-safe.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

# Losses with a topic under way after which it is sent alone, and losses alone after which it is left out. Two of each
# happen to any topic on a bad network; three in a row alone do not.
SUSPECT_AFTER = 2
LEFT_OUT_AFTER = 3

_log = logging.getLogger(__name__)

Acknowledge = Callable[[int | None], None]


@dataclass(slots=True)
class _Held:
    payload: bytes
    qos: int
    unsent: bool = True
    under_way: bool = False
    losses: int = 0
    losses_alone: int = 0
    left_out: bool = False

    @property
    def suspect(self) -> bool:
        return self.losses >= SUSPECT_AFTER

    @property
    def confirmed(self) -> bool:
        """Whether the broker confirms that it has come through: suspects are sent with QoS 1 whatever theirs is."""
        return self.qos > 0 or self.suspect

    def through(self) -> None:
        self.under_way = False
        self.losses = self.losses_alone = 0


@dataclass(frozen=True, slots=True)
class Due:
    """A retained message that should leave now.

    Attributes:
        acknowledged: To be called with what came of it, as `Message.on_done`.
    """

    topic: str
    payload: bytes
    qos: int
    acknowledged: Acknowledge


class RetainedTopics:
    """The values that are sent now and after every reconnect, in the order of their first setting."""

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}  # bounded by the number of topics; newest value kept

    def set(self, topic: str, payload: bytes, qos: int) -> bool:
        """Hold a value; False when it is the one that is held already."""
        held = self._held.get(topic)
        if held is None:
            self._held[topic] = _Held(payload, qos)
            return True
        if held.payload == payload and held.qos == qos:
            return False
        if held.under_way and not held.confirmed:
            held.through()  # the connection has outlived it
        if held.left_out and len(payload) < len(held.payload):
            held.left_out, held.losses, held.losses_alone = False, 0, 0
        held.payload, held.qos, held.unsent = payload, qos, True
        return True

    def values(self) -> Mapping[str, bytes]:
        """The present values."""
        return {topic: held.payload for topic, held in self._held.items()}

    @property
    def left_out(self) -> tuple[str, ...]:
        """Topics that this broker does not survive."""
        return tuple(topic for topic, held in self._held.items() if held.left_out)

    @property
    def waiting(self) -> bool:
        """Whether any should still be sent."""
        return any(held.unsent and not held.left_out for held in self._held.values())

    def renew(self) -> None:
        """All are due again."""
        for held in self._held.values():
            held.unsent = True

    def next(self, *, acknowledged_too: bool) -> Due | None:
        """Take the next one that is due; suspects come last, and one at a time."""
        alone = any(held.under_way and held.suspect for held in self._held.values())
        due = [(topic, held) for topic, held in self._held.items() if held.unsent and not held.left_out]
        for topic, held in sorted(due, key=lambda pair: pair[1].suspect):
            qos = 1 if held.confirmed else 0
            if (qos and not acknowledged_too) or (held.suspect and (alone or self._any_under_way())):
                continue
            held.unsent, held.under_way = False, True
            return Due(topic, held.payload, qos, lambda code, held=held: self._done(held, code))  # type: ignore[misc]
        return None

    def lost(self) -> None:
        """The connection is gone; what was under way may be why."""
        under_way = [(topic, held) for topic, held in self._held.items() if held.under_way]
        alone = sum(held.confirmed for _, held in under_way) == 1
        for topic, held in under_way:
            held.losses_alone += held.suspect and alone
            held.under_way = False
            held.losses += 1
            if held.losses_alone >= LEFT_OUT_AFTER and not held.left_out:
                held.left_out = True
                _log.error(
                    "%s: the connection broke %d times in a row while this message of %d bytes was sent alone; it is "
                    "left out until it is shorter. Raise the broker's limit (mosquitto: max_packet_size)",
                    topic, LEFT_OUT_AFTER, len(held.payload),
                )  # fmt: skip

    def _any_under_way(self) -> bool:
        return any(held.under_way and held.confirmed for held in self._held.values())

    def _done(self, held: _Held, code: int | None) -> None:
        if code is None or not held.confirmed:
            return  # `lost` counts it; or it has been written, which says little
        held.through()
        for other in self._held.values():
            if other.under_way and not other.confirmed:
                other.through()  # it was written before, so the broker has taken it
