"""One simulated node: the real publisher, payloads and requests, with a script in place of camera and model."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import msgspec

from piapp import __version__
from piapp.config.load import public_tree
from piapp.config.sections import Config
from piapp.mqtt.clock import TimeLine
from piapp.mqtt.commands import Commands
from piapp.mqtt.payload import PayloadWriter
from piapp.mqtt.publisher import Publisher
from piapp.mqtt.state_topic import StateTopic
from piapp.mqtt.topics import Topics
from piapp.offline.replay import Step
from piapp.service import hardware
from piapp.service.health import Counters, Health
from piapp.service.identity import event_ids


class LightNode:
    """Publishes as a node does. `play` and `report_health` are for one thread.

    Args:
        config: As a node's own; every node of a fleet has the same one.
        name: Its id.
        script: What it sees, again and again.
        position: Index of the step to begin with.
    """

    def __init__(self, config: Config, name: str, script: Sequence[Step], position: int = 0) -> None:
        self.topics = Topics(config.mqtt.base_topic, name)
        self._script = script
        self._position = position
        boot = secrets.token_hex(4)  # the machine's own would give events of all nodes the same ids
        self._writer = PayloadWriter.configured(config.publish, name, boot)
        self._event_ids = event_ids(boot)
        self._health = Health()
        self.publisher = Publisher(config.mqtt, config.publish, self.topics)
        self._state = StateTopic(self.publisher, self._writer)
        self._commands = Commands(self.topics, self.publisher.publish)
        self.publisher.subscribe(self.topics.requests, self._commands.receive)
        self.publisher.retain(self.topics.info, self._info(config))

    def play(self) -> None:
        """Publish the next step, as if it were seen now."""
        step = self._script[self._position]
        self._position = (self._position + 1) % len(self._script)
        now_ns = time.monotonic_ns()
        now_ms = now_ns // 1_000_000
        for event in step.events:
            # The line places what happened now, whenever that was in the recording.
            line = TimeLine(event.ts_ms, now_ns)
            payload = self._writer.event(event, line, event_id=next(self._event_ids))
            self.publisher.publish_event(msgspec.structs.replace(payload, ts_ms=now_ms))
        self._state.update(step.state, TimeLine(step.result.ts_ms, now_ns))
        self._health.add_result(step.result.inference_ns)
        seen = replace(step.result, ts_ms=now_ms, captured_ns=now_ns)
        encode = partial(self._writer.frame, seen, step.state.labels, seq=self._health.results)
        self.publisher.publish_frame(encode, partial(self._frame_sent, now_ns))
        self._answer()

    def report_health(self) -> None:
        """Publish `health`."""
        sent = self.publisher.counts()
        counters = Counters(
            frames_in=self._health.results,
            frames_dropped={},
            frames_published=sent.frames_sent,
            messages_dropped={"frames": sent.frames_dropped, "events": sent.events_dropped, "refused": sent.rejected},
            queue_depth=0,
            spool_depth=self.publisher.event_depth,
            spool_problem="",
            mqtt_reconnects=max(0, self.publisher.state.connects - 1),
        )
        document = self._writer.document(**self._health.report(counters))
        self.publisher.retain(self.topics.health, document, qos=0)

    def _answer(self) -> None:
        while request := self._commands.take():
            error = None if request.command == "ping" else "a simulated node only answers ping"
            self._commands.answer(request, error=error)

    def _frame_sent(self, captured_ns: int, sent_ns: int | None) -> None:
        if sent_ns is not None:
            self._health.add_latency(sent_ns - captured_ns)

    def _info(self, config: Config) -> bytes:
        return self._writer.info(
            versions={"piapp": __version__},
            model={"name": "recording"},
            hardware=hardware.describe() | {"camera": "simulated"},
            config=public_tree(config),
        )
