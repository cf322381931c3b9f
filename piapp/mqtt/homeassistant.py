"""Keeps what Home Assistant knows of this node true: announces it, again when asked, and takes outdated things back."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable

from piapp.config import HomeAssistantConfig
from piapp.mqtt import discovery
from piapp.mqtt.client import Incoming
from piapp.mqtt.publisher import Publisher

# CONTRACT section 4: so that a fleet does not answer Home Assistant's birth all at once.
MAX_DELAY_S = 5.0

# More than both forms of any version have; what else is there is not of our making.
MAX_OUTDATED = 64

_log = logging.getLogger(__name__)


class HomeAssistant:
    """Discovery of one node through its publisher. `tick` is for the main loop; handlers run on the publisher thread.

    Args:
        config: The form, and where.
        device: The node.
        publisher: Carries it.
        rng: Of the delay.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        config: HomeAssistantConfig,
        device: discovery.Device,
        publisher: Publisher,
        *,
        rng: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._device_id = device.id
        self._messages = discovery.messages(config, device)
        self._publisher = publisher
        self._rng = random.Random() if rng is None else rng  # noqa: S311 - a delay needs no secrecy
        self._clock = clock
        self._lock = threading.Lock()
        self._due_s: float | None = None
        self._outdated: set[str] = set()  # bounded by MAX_OUTDATED

    def start(self) -> None:
        """Announce the node, and listen for Home Assistant's birth and for what earlier runs have announced."""
        for topic, payload in self._messages.items():
            self._publisher.retain(topic, payload)
        for topic_filter in discovery.filters(self._config.prefix, self._device_id):
            self._publisher.subscribe(topic_filter, self._found)
        if self._messages:
            self._publisher.subscribe(f"{self._config.prefix}/status", self._status)

    def tick(self) -> None:
        """Announce again when that is due."""
        with self._lock:
            due = self._due_s is not None and self._clock() >= self._due_s
            if due:
                self._due_s = None
        if due:
            _log.info("Home Assistant has started: announcing the node again")
            self._publisher.announce()

    def _status(self, incoming: Incoming) -> None:
        """Home Assistant's birth; a retained one is old news, for everything is announced after connecting."""
        if incoming.payload == b"online" and not incoming.retain:
            with self._lock:
                self._due_s = self._clock() + self._rng.uniform(0.0, MAX_DELAY_S)

    def _found(self, incoming: Incoming) -> None:
        """Take back what the other form, or another version, has left at the broker."""
        topic = incoming.topic
        kept = topic in self._messages or topic in self._outdated or len(self._outdated) >= MAX_OUTDATED
        if incoming.retain and incoming.payload and not kept and discovery.is_ours(incoming.payload):
            self._outdated.add(topic)
            self._publisher.retain(topic, b"")
