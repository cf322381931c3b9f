"""The ways out of a node for results, events and reports: the broker, pictures, the live page, metrics, the log.

Owns what an outlet is, and which of them a configuration asks for. What leaves is decided here and nowhere else; who
is there and what happened comes in with each `Observation`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from piapp import __version__
from piapp.config.sections import Config
from piapp.errors import ConfigError
from piapp.extras import extra
from piapp.mqtt.homeassistant import HomeAssistant
from piapp.mqtt.payload import EventPayload, PayloadWriter
from piapp.mqtt.publisher import Publisher
from piapp.types import PoseResult, State

if TYPE_CHECKING:
    from piapp.invitation import Invitation
    from piapp.node.page import Page
    from piapp.node.picture_feed import PictureFeed
    from piapp.preview.server import Preview
    from piapp.service.metrics import MetricsEndpoint

log = logging.getLogger(__name__)

# With the camera's and the landmarkers' time together under the 3 s in which SIGTERM must be obeyed.
STOP_PICTURES_S = 0.2
STOP_PREVIEW_S = 0.2  # it begins to stop before the others, and ends while they do
STOP_PUBLISHER_S = 1.2

FrameSent = Callable[[PoseResult, int | None], None]
"""Called when a frame's message was written (`CLOCK_MONOTONIC` ns) or dropped (None), on whichever thread did it."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One result and what the posture logic makes of it.

    Attributes:
        seq: Number of the result in this run, from 1.
    """

    result: PoseResult
    state: State
    seq: int


class Outlet:
    """A way out of the node. Does nothing by itself: each kind has what it needs of these.

    All but `frame_sent` are called on the main thread.

    Attributes:
        name: What a warning calls it when it does not stop in time.
    """

    name = "outlet"

    def start(self) -> None:
        """Begin, before the first result."""

    def offer(self, observation: Observation) -> None:
        """Take a result; never waits."""

    def event(self, payload: EventPayload) -> None:
        """Take an event; never waits."""

    def health(self, report: Mapping[str, Any]) -> None:
        """Take a report on the node's health, which does not change any more."""

    def frame_sent(self, result: PoseResult, sent_ns: int | None) -> None:
        """Note that a frame's message was written (`CLOCK_MONOTONIC` ns) or dropped (None); on any thread."""

    def tick(self) -> None:
        """Do what is due; called several times a second."""

    def raise_if_failed(self) -> None:
        """Raise what ended a thread of this outlet."""

    def begin_stop(self) -> None:
        """Prepare to stop, while others are stopped before it; returns at once."""

    def stop(self) -> bool:
        """Stop; False when it still runs after its time."""
        return True


class OutletGroup(Outlet):
    """Those outlets of a node that are present, as one: what it is given, each of them is given.

    Four of the methods are called for every frame, so an outlet that has nothing to do in one is not called there.

    Args:
        outlets: In the order in which they start; None for those that are not wanted.

    Attributes:
        present: The others. Each is started and stopped by itself, for some take long.
    """

    def __init__(self, *outlets: Outlet | None) -> None:
        self.present = tuple(outlet for outlet in outlets if outlet is not None)
        self._offering = self._having("offer")
        self._noting = self._having("frame_sent")
        self._ticking = self._having("tick")
        self._failing = self._having("raise_if_failed")

    def offer(self, observation: Observation) -> None:
        """Offer a result."""
        for outlet in self._offering:
            outlet.offer(observation)

    def event(self, payload: EventPayload) -> None:
        """Pass on an event."""
        for outlet in self.present:
            outlet.event(payload)

    def health(self, report: Mapping[str, Any]) -> None:
        """Pass on a report."""
        for outlet in self.present:
            outlet.health(report)

    def frame_sent(self, result: PoseResult, sent_ns: int | None) -> None:
        """Pass on that a frame left, or was dropped."""
        for outlet in self._noting:
            outlet.frame_sent(result, sent_ns)

    def tick(self) -> None:
        """Have each do what is due."""
        for outlet in self._ticking:
            outlet.tick()

    def raise_if_failed(self) -> None:
        """Raise what ended a thread of any."""
        for outlet in self._failing:
            outlet.raise_if_failed()

    def begin_stop(self) -> None:
        """Have each prepare to stop."""
        for outlet in self.present:
            outlet.begin_stop()

    def _having(self, method: str) -> tuple[Outlet, ...]:
        """Those that have a method of this name of their own."""
        nothing = getattr(Outlet, method)
        return tuple(outlet for outlet in self.present if getattr(type(outlet), method) is not nothing)


class BrokerOutlet(Outlet):
    """Frames, events and health over MQTT.

    Args:
        publisher: Sends messages.
        writer: Encodes them.
        frame_sent: Called for each frame that leaves or is dropped.
    """

    name = "publisher"

    def __init__(self, publisher: Publisher, writer: PayloadWriter, frame_sent: FrameSent) -> None:
        self._publisher = publisher
        self._writer = writer
        self._frame_sent = frame_sent

    def start(self) -> None:
        """Begin to connect."""
        self._publisher.start()

    def offer(self, observation: Observation) -> None:
        """Queue a frame."""
        result = observation.result
        encode = partial(self._writer.frame, result, observation.state.labels, seq=observation.seq)
        self._publisher.publish_frame(encode, partial(self._frame_sent, result))

    def event(self, payload: EventPayload) -> None:
        """Queue an event until the broker has acknowledged it."""
        self._publisher.publish_event(payload)

    def health(self, report: Mapping[str, Any]) -> None:
        """Publish the report."""
        self._publisher.retain(self._publisher.topics.health, self._writer.document(**report), qos=0)

    def raise_if_failed(self) -> None:
        """Raise what ended the publisher's thread."""
        self._publisher.raise_if_failed()

    def stop(self) -> bool:
        """Send what waits, and disconnect."""
        return self._publisher.stop(STOP_PUBLISHER_S)


class HomeAssistantOutlet(Outlet):
    """Discovery: the node announces itself to home automation."""

    name = "discovery"

    def __init__(self, home: HomeAssistant) -> None:
        self._home = home

    def start(self) -> None:
        """Announce the node."""
        self._home.start()

    def tick(self) -> None:
        """Announce it again when that is due."""
        self._home.tick()


class PictureOutlet(Outlet):
    """Pictures over MQTT."""

    name = "pictures"

    def __init__(self, feed: PictureFeed) -> None:
        self._feed = feed

    def start(self) -> None:
        """Start the thread that draws."""
        self._feed.start()

    def offer(self, observation: Observation) -> None:
        """Draw the result, if a picture is due."""
        self._feed.offer(observation.result, observation.state.labels)

    def raise_if_failed(self) -> None:
        """Raise what ended the thread that draws."""
        self._feed.raise_if_failed()

    def stop(self) -> bool:
        """Finish the picture in work."""
        return self._feed.stop(STOP_PICTURES_S)


class PageOutlet(Outlet):
    """The live page."""

    name = "preview"

    def __init__(self, preview: Preview) -> None:
        self._preview = preview

    def start(self) -> None:
        """Listen."""
        self._preview.start()

    def offer(self, observation: Observation) -> None:
        """Show the result to whoever watches."""
        self._preview.offer(observation.result, observation.state)

    def event(self, payload: EventPayload) -> None:
        """Show the event."""
        self._preview.event(payload.encoded(historical=False))

    def tick(self) -> None:
        """Carry out a change that the page asks for."""
        self._preview.tick()

    def raise_if_failed(self) -> None:
        """Raise what ended the page's thread."""
        self._preview.raise_if_failed()

    def begin_stop(self) -> None:
        """Send everybody away."""
        self._preview.end()

    def stop(self) -> bool:
        """End the page's thread."""
        return self._preview.stop(STOP_PREVIEW_S)


class MetricsOutlet(Outlet):
    """Health for Prometheus."""

    name = "metrics"

    def __init__(self, endpoint: MetricsEndpoint) -> None:
        self._endpoint = endpoint

    def start(self) -> None:
        """Listen."""
        self._endpoint.__enter__()

    def health(self, report: Mapping[str, Any]) -> None:
        """Serve this report from now on."""
        self._endpoint.update(report)

    def stop(self) -> bool:
        """Close the port."""
        self._endpoint.__exit__()
        return True


class LastHealth(Outlet):
    """Keeps the last report on the node's health, for whoever asks later.

    Attributes:
        report: None before the first.
    """

    name = "last health"

    def __init__(self) -> None:
        self.report: Mapping[str, Any] | None = None

    def health(self, report: Mapping[str, Any]) -> None:
        """Keep this report."""
        self.report = report


class LogOutlet(Outlet):
    """Events in the log; the journal gets their fields."""

    name = "log"

    def event(self, payload: EventPayload) -> None:
        """Write a line."""
        fields = {"PIAPP_EVENT": payload.event_type, "PIAPP_EVENT_ID": payload.id}
        if payload.person is not None:
            fields["PIAPP_PERSON"] = str(payload.person)
        log.info(
            "event %s %s person=%s %s",
            payload.id, payload.event_type, payload.person, payload.evidence,
            extra={"fields": fields},
        )  # fmt: skip


def metrics_endpoint(config: Config, node: str) -> MetricsEndpoint | None:
    """What Prometheus asks, or None when nothing is configured; its library is loaded only then.

    Raises:
        ConfigError: The library is not installed.
    """
    bind = config.health.prometheus_bind
    if not bind:
        return None
    with extra("metrics", f"health.prometheus_bind = {bind!r}", error=ConfigError):
        from piapp.service.metrics import MetricsEndpoint  # noqa: PLC0415
    return MetricsEndpoint(bind, node, __version__)


def picture_feed(config: Config, publisher: Publisher, writer: PayloadWriter) -> PictureFeed | None:
    """What sends pictures, or None when none may leave; it draws, so OpenCV is loaded only where they may."""
    kind = config.publish.image
    if kind == "off":
        return None
    from piapp.node.picture_feed import PictureFeed  # noqa: PLC0415

    period_s, topic = config.publish.image_period_s, publisher.topics.image
    return PictureFeed(kind, period_s, topic, publisher.publish, writer.clock.text)


def live_page(config: Config, page: Page, invitation: Invitation | None = None) -> Preview | None:
    """The live page, or None when it is off; its libraries are loaded only when it is wanted.

    Args:
        config: Whether, where and with what it is served.
        page: What it shows of the node, and may have it do.
        invitation: Lets in who sets the node up.

    Raises:
        ConfigError: The libraries are not installed.
    """
    if not config.preview.enabled:
        return None
    with extra("preview", "preview.enabled = true", error=ConfigError):
        from piapp.preview.server import Preview, require_libraries  # noqa: PLC0415

        require_libraries()
    return Preview(config.preview, page, pictures=config.publish.image == "photo", invitation=invitation)
