"""Keeps what Home Assistant knows of this node true: announces it, again when asked, and removes what is outdated."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable

from piapp.config.sections import HomeAssistantConfig
from piapp.mqtt import discovery
from piapp.mqtt.device import Device
from piapp.mqtt.incoming import Incoming
from piapp.mqtt.message import Message
from piapp.mqtt.publisher import Publisher

# So that a fleet does not answer Home Assistant's birth all at once.
MAX_DELAY_S = 5.0

# More than both forms of any version have; what else is there is not of our making.
MAX_OUTDATED = 100

# Topics of one move; each takes a message at each step, and the outbox holds 32.
MAX_MOVING = 25

# Home Assistant needs a moment for each step of a move; the first one also lets all that is outdated come in.
STEP_S = 1.0

_log = logging.getLogger(__name__)


class HomeAssistant:
    """Discovery of one node through its publisher. `tick` is for the main loop; handlers run on the publisher thread.

    Args:
        config: The form, and where.
        device: The node.
        publisher: Carries it.
        on_start: Called by `tick` when Home Assistant has started, or is back at the broker.
        rng: Of the delay.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        config: HomeAssistantConfig,
        device: Device,
        publisher: Publisher,
        *,
        on_start: Callable[[], None] = lambda: None,
        rng: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._device = device
        self._messages = discovery.messages(config, device)
        self._publisher = publisher
        self._rng = random.Random() if rng is None else rng  # noqa: S311 - a delay needs no secrecy
        self._clock = clock
        self._on_start = on_start
        self._started = False
        self._lock = threading.Lock()
        self._removed: dict[str, str] = {}  # components of earlier messages and their platform; bounded by MAX_REMOVED
        self._removed_more = False
        self._announce_s: float | None = None
        self._outdated: set[str] = set()  # found since the last move began; bounded by MAX_OUTDATED
        self._moving: set[str] = set()
        self._steps: deque[Callable[[], None]] = deque()  # at most three: filled when it is empty
        self._step_s = 0.0

    def start(self) -> None:
        """Announce the node, and listen for Home Assistant's birth and for what earlier runs have announced."""
        for topic, payload in self._messages.items():
            self._publisher.retain(topic, payload)
        for topic_filter in discovery.filters(self._config.prefix, self._device.id):
            self._publisher.subscribe(topic_filter, self._found)
        if self._messages:
            self._publisher.subscribe(f"{self._config.prefix}/status", self._status)

    def update(self, device: Device) -> None:
        """Announce the node as it is now, such as with other zones, and remove what it no longer has; main thread."""
        if device != self._device:
            self._device = device
            self._renew()

    def tick(self) -> None:
        """Do what is due: announce again, remove what an earlier run had, or the next step of a move between forms."""
        now_s = self._clock()
        with self._lock:
            removed_more, self._removed_more = self._removed_more, False
            started, self._started = self._started, False
            announce = self._announce_s is not None and now_s >= self._announce_s
            if announce:
                self._announce_s = None
            step = self._next_step() if now_s >= self._step_s else None
            if step:
                self._step_s = now_s + STEP_S
        if started:
            self._on_start()
        if announce:
            _log.info("Home Assistant has started: announcing the node again")
            self._publisher.announce()
        if step:
            step()
        if removed_more:
            self._renew()

    def _renew(self) -> None:
        """Announce what has changed, and remove what is no more."""
        before = self._messages
        with self._lock:
            for payload in before.values():
                self._removed |= discovery.no_longer(payload, self._device)
            self._messages = discovery.messages(self._config, self._device, self._removed)
        for topic in before.keys() - self._messages.keys():
            self._publisher.retain(topic, b"")
        for topic, payload in self._messages.items():
            self._publisher.retain(topic, payload)

    def _status(self, incoming: Incoming) -> None:
        """Home Assistant's birth; a retained one is old news, for everything is announced after connecting."""
        if incoming.payload == b"online" and not incoming.retain:
            with self._lock:
                self._started = True
                self._announce_s = self._clock() + self._rng.uniform(0.0, MAX_DELAY_S)

    def _found(self, incoming: Incoming) -> None:
        """Begin to remove what the other form, or another version, has left at the broker."""
        if not (incoming.retain and incoming.payload and discovery.is_ours(incoming.payload)):
            return
        if incoming.topic in self._messages:
            self._found_own(incoming.payload)
            return
        with self._lock:
            if incoming.topic not in self._moving and len(self._outdated) < MAX_OUTDATED:
                self._outdated.add(incoming.topic)
            if not self._steps:
                self._step_s = self._clock() + STEP_S  # more may follow

    def _found_own(self, payload: bytes) -> None:
        """Note components that an earlier run announced in the same message; the next `tick` removes them."""
        gone = discovery.no_longer(payload, self._device)
        with self._lock:
            if gone.keys() - self._removed.keys():
                self._removed = dict(list((self._removed | gone).items())[: discovery.MAX_REMOVED])
                self._removed_more = True

    def _next_step(self) -> Callable[[], None] | None:
        """The step to take now; begins a move when something outdated was found."""
        if not self._steps and self._outdated:
            self._moving = set(sorted(self._outdated)[:MAX_MOVING])
            self._outdated -= self._moving
            self._steps.extend((self._let_go, self._publisher.announce) if self._going_on() else ())
            self._steps.append(self._take_back)
        return self._steps.popleft() if self._steps else None

    def _going_on(self) -> list[str]:
        """Outdated topics of what is announced elsewhere now; the others' entities shall be forgotten."""
        return [topic for topic in self._moving if self._messages and discovery.goes_on(topic, self._device)]

    def _let_go(self) -> None:
        """Make Home Assistant expect from elsewhere what it knows from the outdated topics."""
        for topic in self._going_on():
            self._publisher.publish(Message(topic, discovery.MIGRATE, qos=1))

    def _take_back(self) -> None:
        """Empty the outdated topics. What gets lost with a connection is found again after the next one."""
        for topic in self._moving:
            self._publisher.publish(Message(topic, b"", qos=1, retain=True))
        with self._lock:
            self._moving = set()
