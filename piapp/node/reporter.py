"""From a result to events and state: runs the posture logic, numbers events, and passes on to outlets what is new.

Owns the time line of results, the ids of events, and what was published of the state last. The open alarms are
`piapp.node.alarms`'. Main thread only.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any

from piapp.mqtt.clock import TimeLine
from piapp.mqtt.commands import Acknowledge
from piapp.mqtt.payload import PayloadWriter
from piapp.mqtt.publisher import Publisher
from piapp.mqtt.state_topic import StateTopic
from piapp.node.alarm_file import OpenAlarm
from piapp.node.alarms import Alarms
from piapp.node.control import Control
from piapp.node.outlets import Outlet
from piapp.posture.monitor import Monitor
from piapp.service.camera_loss import CameraLoss
from piapp.types import ALARM_EVENTS, PoseResult, PostureEvent, State

log = logging.getLogger(__name__)

# How long after the start due events wait for the broker.
CONNECT_S = 1.0


class Reporter:
    """Reports who is there and what happened.

    Args:
        monitor: The posture logic.
        alarms: What is open.
        camera_loss: Whether the camera counts as lost.
        control: Knows whether the node is paused.
        writer: Makes payloads.
        publisher: Keeps the state at the broker.
        outlets: What gets every event.
        event_ids: A new id for each event.

    Attributes:
        people: How many were there when the state was published last.
    """

    def __init__(
        self,
        *,
        monitor: Monitor,
        alarms: Alarms,
        camera_loss: CameraLoss,
        control: Control,
        writer: PayloadWriter,
        publisher: Publisher,
        outlets: Outlet,
        event_ids: Iterator[str],
    ) -> None:
        self._monitor = monitor
        self._alarms = alarms
        self._camera_loss = camera_loss
        self._control = control
        self._writer = writer
        self._publisher = publisher
        self._outlets = outlets
        self._event_ids = event_ids
        self._line = provisional_line(time.monotonic_ns())
        self._watching = False
        self._state = StateTopic(publisher, writer)
        self._events_due_s = 0.0
        self.people = 0

    def restore(self) -> None:
        """Take up the alarms of an earlier run, and publish the state before the first result."""
        self._alarms.restore(self._now_ms())
        self.publish_state()

    def start(self) -> None:
        """Begin to report what the clock makes due."""
        self._events_due_s = time.monotonic() + CONNECT_S

    def update(self, result: PoseResult) -> State:
        """Run the posture logic on the next result, and report what is new."""
        self._alarms.before(result, provisional_line(result.captured_ns).ts_ms)
        self._line = TimeLine(result.ts_ms, result.captured_ns)
        self._watching = True
        if self._camera_loss.end():
            self.report((PostureEvent("camera_back", result.ts_ms),))
        state, events = self._monitor.update(result)
        self.report(events)
        if any(event.event_type in ("inactive", "active") for event in events):
            self._state.expire()  # how long somebody has been still has passed the mark that subscribers wait for
        self._publish(state)
        return state

    def tick(self) -> None:
        """Report what the clock makes due, once the broker is there or has had its time: late events call nobody."""
        publisher, alarms = self._publisher, self._alarms
        if not publisher.state.connected and time.monotonic() < self._events_due_s:
            return
        for payload in alarms.take_unsent():
            publisher.publish_event(payload)
        if events := alarms.due(self._now_ms()):
            self.report(events)
            self.publish_state()

    def camera_lost(self, reason: str) -> None:
        """Report that the camera is lost, unless that was reported before."""
        if self._camera_loss.begin():
            self.report((PostureEvent("camera_lost", self._now_ms(), evidence={"reason": reason}),))

    def report(self, events: Sequence[PostureEvent], *, test: bool = False) -> None:
        """Hand events to all outlets; alarms among them are kept before anybody learns of them."""
        if not events:
            return
        payloads = [
            self._writer.event(event, self._line, event_id=next(self._event_ids), test=test) for event in events
        ]
        real = [] if test else payloads
        self._alarms.note(real, self._now_ms())
        for payload in payloads:
            self._outlets.event(payload)
        self._alarms.sent(real, self._now_ms())

    def repeat_recovered(self) -> None:
        """Send the event that ended the newest alarm once more: whoever has no session may have missed it."""
        event = self._alarms.missable(self._writer.clock.utc_ms(time.monotonic_ns()))
        if event is not None:
            self._publisher.repeat_event(event)

    def publish_state(self) -> None:
        """Publish the state as it is, if that is not what was published last."""
        self._publish(self._monitor.state)

    def stop_watching(self) -> None:
        """Keep what is open, and publish that nobody watches from now on."""
        self._watching = False
        self._alarms.keep(self._now_ms())
        self.publish_state()

    @property
    def open_alarms(self) -> tuple[OpenAlarm, ...]:
        """One for each person who is down; any thread."""
        return self._alarms.open

    @property
    def unattended(self) -> bool:
        """Whether an alarm is open that nobody has acknowledged."""
        return self._alarms.unattended

    def pause(self) -> None:
        """Report nothing of who is there until `resume`, but what the clock makes due of open alarms."""
        self._alarms.pause(self._now_ms())
        self.stop_watching()

    def resume(self, paused_s: float) -> None:
        """Take up what was open before a pause of so long; the next result tells who is there."""
        self._alarms.resume(paused_s, self._now_ms())

    def acknowledge(self, parameters: Acknowledge) -> dict[str, Any]:
        """Carry out `request/acknowledge`.

        Raises:
            ConfigError: There is no such open alarm.
        """
        acknowledged = self._alarms.acknowledge(parameters.event, self._now_ms())
        log.info("acknowledged: %s", ", ".join(acknowledged))
        self.publish_state()
        return {"acknowledged": acknowledged}

    def send_test(self, _: object) -> dict[str, Any]:
        """Carry out `request/test`: send an alarm the real way, marked as a test; nobody is counted as fallen."""
        now_ms = self._now_ms()
        self.report(
            tuple(PostureEvent(kind, now_ms, evidence={"text": "test"}) for kind in ALARM_EVENTS),
            test=True,
        )
        return {"test": True}

    def _publish(self, state: State) -> None:
        self.people = len(state.persons)
        self._state.update(
            state,
            self._line,
            watching=self._watching,
            paused=not self._control.watching.is_set(),
            alarm=self._alarms.confirmed,
            acknowledged=self._alarms.acknowledged,
            last_fall=self._alarms.last_fall,
            last_recovered=self._alarms.last_recovered,
        )

    def _now_ms(self) -> int:
        """Now on the results' time line."""
        return self._line.ts_ms + (time.monotonic_ns() - self._line.captured_ns) // 1_000_000


def provisional_line(at_ns: int) -> TimeLine:
    """The time line of a camera, on which times lie until the first result shows what the source's own is."""
    return TimeLine(at_ns // 1_000_000, at_ns)
