"""Composition root: makes the parts from the configuration, runs them, stops them in reverse.

Owns the main loop: results in, posture logic, messages out. It is the only module that knows all parts.
"""

from __future__ import annotations

import logging
import platform
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from piapp import __version__
from piapp.camera import Camera, open_camera
from piapp.camera.capture import CaptureThread, FrameSlot
from piapp.config.live import LiveSettings
from piapp.config.load import public_tree
from piapp.config.sections import Config
from piapp.errors import CameraError, ConfigError
from piapp.landmarker.live import LandmarkerFactory, LiveStage, worker_count
from piapp.landmarker.model import ModelFile, find_model
from piapp.landmarker.runtime import live_factory
from piapp.mqtt.clock import TimeLine, clock_is_synchronised
from piapp.mqtt.commands import Acknowledge, Commands
from piapp.mqtt.homeassistant import HomeAssistant
from piapp.mqtt.payload import EventPayload, FrameFormat, PayloadWriter
from piapp.mqtt.publisher import Publisher
from piapp.mqtt.spool import open_spool
from piapp.mqtt.topics import Topics
from piapp.node.alarm_file import AlarmFile, Clocks
from piapp.node.alarms import Alarms
from piapp.node.control import Control
from piapp.node.home_device import home_device
from piapp.node.state_folder import settings_file, state_folder
from piapp.posture.monitor import Monitor
from piapp.service import hardware
from piapp.service.camera_loss import CameraLoss
from piapp.service.health import Counters, Health
from piapp.service.identity import boot_id, default_node_id, event_ids, first_event_number
from piapp.service.power import Power
from piapp.service.restarts import count_start
from piapp.service.systemd import Supervisor
from piapp.types import Frame, PoseResult, PostureEvent, State

if TYPE_CHECKING:
    from piapp.node.picture_feed import PictureFeed
    from piapp.preview.server import Preview
    from piapp.service.metrics import MetricsEndpoint

log = logging.getLogger(__name__)

TICK_S = 0.1

# How long after the start due events wait for the broker.
CONNECT_S = 1.0

# How often the machine is asked for heat; a file of /sys costs nothing, but on some Pis a process must be asked.
FEEL_PERIOD_S = 5.0

# Together under the 3 s in which SIGTERM must be obeyed, even when every part hangs.
STOP_CAPTURE_S = 0.6
STOP_LANDMARKER_S = 0.7
STOP_PICTURES_S = 0.2
STOP_PREVIEW_S = 0.2  # it is told before the others, and ends while they do
STOP_PUBLISHER_S = 1.2

# In lockstep every frame should be published, so the first one waits for the broker; it goes on without it after this.
LOCKSTEP_BROKER_WAIT_S = 10.0

_VERSIONED = ("mediapipe", "opencv-python-headless", "numpy", "paho-mqtt", "picamera2")


@dataclass(frozen=True, slots=True)
class Parts:
    """What `Node` runs; tests and the demo put their own in."""

    camera: Camera
    factory: LandmarkerFactory
    model: ModelFile


def make_parts(config: Config) -> Parts:
    """Find and verify the model, open the camera.

    Raises:
        ModelError: The model is not usable.
        CameraError: The camera is not.
    """
    model = find_model(config.landmarker.model, masks=config.landmarker.output_segmentation_masks)
    return Parts(open_camera(config.camera), live_factory(config.landmarker, model.path), model)


def node_id(config: Config) -> str:
    """The configured node id, or the one that the device has by itself."""
    return config.node.id or default_node_id()


class Node:
    """One camera node, from start to stop. `run` is called once, on the main thread.

    Args:
        config: What was configured.
        parts: Camera, landmarker and model.
        config_file: The file that it came from, to keep zones in.

    Attributes:
        publisher: What speaks to the broker.
        preview: The live page; None when it is off.
        hung: Parts that did not stop in time.
    """

    def __init__(self, config: Config, parts: Parts, config_file: Path | None = None) -> None:
        self._parts = parts
        boot = boot_id()
        topics = Topics(config.mqtt.base_topic, node_id(config))
        folder = self._state_folder = state_folder(config.spool)
        settings = LiveSettings(config, settings_file(folder, topics.node), config_file)
        self._settings = settings
        config = self._config = settings.config
        frame_format: FrameFormat = "msgpack" if config.publish.frames == "msgpack" else "json"
        self._writer = PayloadWriter(
            topics.node, boot, frame_format=frame_format, world_landmarks=config.publish.world_landmarks
        )
        spool = open_spool(config.spool, folder, topics.node, first=first_event_number())
        # In step with the spool's own numbers, which go on from run to run: each id is given to one event and appended.
        self._event_ids = event_ids(boot, first=spool.last + 1)
        self._camera_loss = CameraLoss(folder, topics.node)
        self._restarts = count_start(folder, topics.node, boot)
        self._slot = FrameSlot()
        self._capture = CaptureThread(parts.camera, self._slot)
        self._stage = LiveStage(
            parts.factory,
            self._take,
            workers=worker_count(config.landmarker),
            max_result_age_s=config.landmarker.max_result_age_s,
            keep_images=config.publish.image == "photo",
        )
        self._monitor = Monitor(config.posture, config.zones, config.camera.tilt_deg)
        alarm_file = AlarmFile(folder, topics.node, Clocks(boot))
        self._alarms = Alarms(alarm_file, self._monitor, lambda: config.posture.repeat_alarm_s)
        self.publisher = Publisher(config.mqtt, config.publish, topics, events=spool)
        self._commands = Commands(topics, self.publisher.publish, response_prefix=config.mqtt.response_prefix)
        self._pictures = _picture_feed(config, topics, self.publisher, self._writer)
        ask_picture = self._pictures.ask if self._pictures else None
        self._control = Control(self._commands, settings, self._settings_changed, ask_picture)
        self._control.add("acknowledge", self._acknowledge)
        self._control.add("test", self._test_alert)
        device = home_device(config, topics, settings.values(), keeps_settings=folder is not None)
        self._home = HomeAssistant(config.homeassistant, device, self.publisher)
        self.preview = _preview(config, self._page_status, self._change_zones)
        self._page_head = {"node": topics.node, "name": device.name, "version": __version__}
        self._health = Health()
        self._health_due_s = 0.0
        self._metrics = _metrics(config.health.prometheus_bind, topics.node)
        self._power = Power(config.power, config.camera.fps, time.monotonic())
        self._feel_due_s = 0.0
        self._temperature_c: float | None = None
        self._supervisor = Supervisor.of_this_process()
        self._state_key: tuple[Any, ...] | None = None
        self._line = _provisional_line(time.monotonic_ns())
        self._watching = False
        self._people = 0
        self._events_due_s = 0.0
        self.hung: list[str] = []

    def run(self, stop: threading.Event, duration_s: float | None = None) -> None:
        """Run until `stop` is set, the source ends or the time is over.

        Afterwards `hung` names the parts that did not stop in time; their threads are left behind.

        Raises:
            CameraError: The camera failed or gave no frame within its deadline.
            LandmarkerError: The landmarker is stuck.
            PiappError: Another part failed.
        """
        with ExitStack() as parts:
            parts.callback(self._supervisor.stopping)
            if self._metrics is not None:
                parts.enter_context(self._metrics)
            self._start_preview(parts)
            self._start_publisher(parts)
            self._start_pictures(parts)
            self._start_landmarker(parts, stop)
            self._start_capture(parts, stop)
            if self.preview is not None:
                parts.callback(self.preview.end)
            try:
                self._loop(stop, time.monotonic() + duration_s if duration_s is not None else None)
            except CameraError as error:
                self._publish_loss(str(error))
                raise

    def _start_preview(self, parts: ExitStack) -> None:
        if (preview := self.preview) is not None:
            preview.start()
            parts.callback(self._stop, "preview", lambda: preview.stop(STOP_PREVIEW_S))

    def _start_publisher(self, parts: ExitStack) -> None:
        self._settings_changed()
        self._home.start()
        self._alarms.restore(self._now_ms())
        self._publish_state(self._monitor.state)
        self.publisher.subscribe(self.publisher.topics.requests, self._commands.hear)
        self.publisher.start()
        parts.callback(self._stop, "publisher", lambda: self.publisher.stop(STOP_PUBLISHER_S))
        parts.callback(self._stop_watching)

    def _stop_watching(self) -> None:
        """Keep what is open, and say that nobody watches from now on."""
        self._watching = False
        self._alarms.keep(self._now_ms())
        self._publish_state(self._monitor.state)

    def _start_pictures(self, parts: ExitStack) -> None:
        if (pictures := self._pictures) is not None:
            pictures.start()
            parts.callback(self._stop, "pictures", lambda: pictures.stop(STOP_PICTURES_S))

    def _start_landmarker(self, parts: ExitStack, stop: threading.Event) -> None:
        """Load the landmarkers; frames that came before they are there would be lost."""
        self._supervisor.say("loading the model")
        parts.callback(self._stop, "landmarker", lambda: self._stage.stop(STOP_LANDMARKER_S))
        self._stage.load(stop)

    def _start_capture(self, parts: ExitStack, stop: threading.Event) -> None:
        if self._parts.camera.lockstep:
            self._wait_for_broker(stop)
        self._capture.start()
        parts.callback(self._stop, "camera", lambda: self._capture.stop(STOP_CAPTURE_S))
        log.info("running: %s, %s", self._parts.camera.description, self._parts.model.name)

    def _wait_for_broker(self, stop: threading.Event) -> None:
        deadline_s = time.monotonic() + LOCKSTEP_BROKER_WAIT_S
        while not (stop.is_set() or self.publisher.wait_connected(TICK_S)):
            if time.monotonic() > deadline_s:
                log.warning("no broker at %s yet; frames until it comes are not published", self._config.mqtt.url)
                return

    def _stop(self, name: str, stop: Callable[[], bool]) -> None:
        if not stop():
            log.warning("%s did not stop in time", name)
            self.hung.append(name)

    def _loop(self, stop: threading.Event, end_s: float | None) -> None:
        self._health_due_s = time.monotonic() + self._config.health.period_s
        self._events_due_s = time.monotonic() + CONNECT_S
        while not (stop.is_set() or self._control.restart_wanted or (end_s is not None and time.monotonic() >= end_s)):
            ended = self._capture.ended
            result = self._stage.next_result(TICK_S)
            if result is not None:
                self._process(result)
            self._report_due()
            self._check_parts()
            self._control.tick()
            if self.preview is not None:
                self.preview.tick()
            self._home.tick()
            self._report_health()
            self._feel_heat()
            if ended and result is None and self._slot.empty and not self._stage.busy:
                log.info("the source has ended")
                return

    def _take(self, timeout_s: float) -> Frame | None:
        """The next frame for a landmarker; none while paused. The newest one waits meanwhile, and is not looked at."""
        return self._slot.take(timeout_s) if self._control.watching.wait(timeout_s) else None

    def _settings_changed(self) -> None:
        """Tell what is in force, and those parts that were given a copy of it."""
        self.publisher.limit_frames(self._config.publish.max_frame_hz)
        self.publisher.retain(self.publisher.topics.info, self._info())
        settings = self._writer.document(**self._control.state())
        self.publisher.retain(self.publisher.topics.settings, settings)
        if not self._control.watching.is_set():
            self._supervisor.say("paused on request")

    def _check_parts(self) -> None:
        if not self._control.watching.is_set():
            self._supervisor.alive()
        self._capture.raise_if_failed()
        self.publisher.raise_if_failed()
        if self._pictures is not None:
            self._pictures.raise_if_failed()
        if self.preview is not None:
            self.preview.raise_if_failed()
        self._capture.raise_if_silent(self._config.camera)
        if lost := self._capture.status.lost:
            self._supervisor.alive()  # the source goes on trying, which a restart would only begin anew
            self._publish_loss(lost)

    def _process(self, result: PoseResult) -> None:
        self._alarms.before(result, _provisional_line(result.captured_ns).ts_ms)
        self._line = TimeLine(result.ts_ms, result.captured_ns)
        self._watching = True
        if self._camera_loss.end():
            self._report((PostureEvent("camera_back", result.ts_ms),))
        state, events = self._monitor.update(result)
        self._report(events)
        self._publish_state(state)
        if self._pictures is not None:
            self._pictures.offer(result, state.labels)
        if self.preview is not None:
            self.preview.offer(result, state)
        self._health.add_result(result.inference_ns)
        encode = partial(self._writer.frame, result, state.labels, seq=self._health.results)
        self.publisher.publish_frame(encode, partial(self.frame_left, result))
        self._supervisor.result((time.monotonic_ns() - result.captured_ns) / 1e6, len(state.persons))
        self._power.seen(time.monotonic(), poses=len(result.poses), persons=len(state.persons))
        self._capture.max_fps = self._power.max_fps

    def frame_left(self, result: PoseResult, sent_ns: int | None) -> None:
        """Told when a frame's message was written (`CLOCK_MONOTONIC` ns) or dropped (None), on whichever thread did."""
        if sent_ns is not None:
            self._health.add_latency(sent_ns - result.captured_ns)
        self._capture.frame_done()

    def _publish_loss(self, reason: str) -> None:
        if self._camera_loss.begin():
            self._report((PostureEvent("camera_lost", self._now_ms(), evidence={"reason": reason}),))

    def _report_due(self) -> None:
        """Report what the clock makes due, once the broker is there or has had its time: late events call nobody."""
        if not self.publisher.state.connected and time.monotonic() < self._events_due_s:
            return
        for payload in self._alarms.take_unsent():
            self.publisher.publish_event(payload)
        if events := self._alarms.due(self._now_ms()):
            self._report(events)
            self._publish_state(self._monitor.state)

    def _report(self, events: Sequence[PostureEvent], *, test: bool = False) -> None:
        """Publish events; alarms among them are kept before anybody hears of them."""
        if not events:
            return
        payloads = [
            self._writer.event(event, self._line, event_id=next(self._event_ids), test=test) for event in events
        ]
        real = [] if test else payloads
        self._alarms.note(real, self._now_ms())
        for event, payload in zip(events, payloads, strict=True):
            self._publish_event(event, payload)
        self._alarms.sent(real, self._now_ms())

    def _publish_event(self, event: PostureEvent, payload: EventPayload) -> None:
        self.publisher.publish_event(payload)
        if self.preview is not None:
            self.preview.event(payload.encoded(historical=False))
        fields = {"PIAPP_EVENT": event.event_type, "PIAPP_EVENT_ID": payload.id}
        if event.person is not None:
            fields["PIAPP_PERSON"] = str(event.person)
        log.info(
            "event %s %s person=%s %s",
            payload.id, event.event_type, event.person, dict(event.evidence),
            extra={"fields": fields},
        )  # fmt: skip

    def _publish_state(self, state: State) -> None:
        """Publish when something changed; how long somebody has been still is no change."""
        persons = tuple(replace(person, still_s=0.0) for person in state.persons)
        standing: dict[str, Any] = {
            "watching": self._watching,
            "paused": not self._control.watching.is_set(),
            "alarm": self._alarms.confirmed,
            "acknowledged": self._alarms.acknowledged,
            "last_fall": self._alarms.last_fall,
        }
        key = (persons, *standing.values())
        if key != self._state_key:
            self._state_key, self._people = key, len(persons)
            self.publisher.retain(self.publisher.topics.state, self._writer.state(state, self._line, **standing))

    def _acknowledge(self, parameters: Acknowledge) -> dict[str, Any]:
        acknowledged = self._alarms.acknowledge(parameters.event, self._now_ms())
        log.info("acknowledged: %s", ", ".join(acknowledged))
        self._publish_state(self._monitor.state)
        return {"acknowledged": acknowledged}

    def _test_alert(self, _: object) -> dict[str, Any]:
        """Send an alarm the real way, marked as a test; nobody is counted as fallen."""
        now_ms = self._now_ms()
        self._report(
            tuple(PostureEvent(kind, now_ms, evidence={"text": "test"}) for kind in ("fall", "fallen", "recovered")),
            test=True,
        )
        return {"test": True}

    def _page_status(self) -> dict[str, Any]:
        """What the live page tells of the node; on the page's thread."""
        return self._page_head | {
            "temperature_c": self._temperature_c,
            "paused": not self._control.watching.is_set(),
            "people": self._people,
            "pictures": self._config.publish.image == "photo",
            "zones_kept": self._settings.keeps_zones,
            "zones": msgspec.to_builtins(self._config.zones),
        }

    def _change_zones(self, zones: Any) -> bool:
        """Put zones in force that were drawn on the live page; whether they are kept."""
        kept = self._settings.change_zones(zones)
        log.info("zones changed on the live page: %s", ", ".join(zone.name for zone in self._config.zones) or "none")
        self._monitor.use_zones(self._config.zones)
        self._settings_changed()
        return kept

    def _now_ms(self) -> int:
        """Now on the results' time line."""
        return self._line.ts_ms + (time.monotonic_ns() - self._line.captured_ns) // 1_000_000

    def _report_health(self) -> None:
        if time.monotonic() < self._health_due_s:
            return
        self._health_due_s += self._config.health.period_s
        report = self._health.report(self._counters())
        status = self._capture.status
        report |= {
            "requests": {"refused": self._commands.refused, "ignored": self._commands.ignored},
            "restarts": self._restarts,
            "idle": self._power.idle,
            "slowed": self._power.slowed,
            "time_synced": clock_is_synchronised(),
            "camera": {"age_ms": status.age_ms, "stale": status.stale, "reconnects": status.reconnects},
            "disk_free_mb": hardware.disk_free_mb(self._state_folder or Path("/")),
        }
        if self._metrics is not None:
            self._metrics.take(report)
        document = self._writer.document(**report)
        self.publisher.retain(self.publisher.topics.health, document, qos=0)

    def _feel_heat(self) -> None:
        now_s = time.monotonic()
        if now_s < self._feel_due_s:
            return
        self._feel_due_s = now_s + FEEL_PERIOD_S
        throttled = hardware.throttled()
        self._temperature_c = hardware.temperature_c()
        self._power.felt(now_s, temperature_c=self._temperature_c, throttled=throttled[0] if throttled else ())

    def _counters(self) -> Counters:
        sent = self.publisher.counts()
        return Counters(
            frames_in=self._capture.frames,
            frames_dropped={
                "waiting": self._slot.dropped,
                "late": self._stage.late,
                "unread": self._stage.dropped,
                "spared": self._capture.spared,
            },
            frames_published=sent.frames_sent,
            messages_dropped={
                "frames": sent.frames_dropped,
                "frames_limited": sent.frames_limited,
                "events": sent.events_dropped,
                "others": sent.messages_dropped,
                "refused": sent.rejected,
            },
            queue_depth=self._stage.waiting,
            spool_depth=self.publisher.event_depth,
            spool_problem=self.publisher.event_problem,
            mqtt_reconnects=max(0, self.publisher.state.connects - 1),
        )

    def _info(self) -> bytes:
        model = self._parts.model
        return self._writer.info(
            versions=dict(_versions()),
            model={"name": model.name, "variant": model.variant, "file": model.path.name, "sha256": model.sha256},
            hardware=hardware.describe() | {"camera": self._parts.camera.description},
            config=public_tree(self._config),
        )


def _provisional_line(at_ns: int) -> TimeLine:
    """The time line of a camera, on which times lie until the first result says what the source's own is."""
    return TimeLine(at_ns // 1_000_000, at_ns)


def _metrics(bind: str, node: str) -> MetricsEndpoint | None:
    """What Prometheus asks; its library is loaded only then.

    Raises:
        ConfigError: The library is not installed.
    """
    if not bind:
        return None
    try:
        from piapp.service.metrics import MetricsEndpoint  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            f"health.prometheus_bind = {bind!r} needs prometheus-client, which is not installed: {error}; "
            "install piapp with its extra 'metrics', or leave the key empty"
        ) from error
    return MetricsEndpoint(bind, node, __version__)


def _picture_feed(config: Config, topics: Topics, publisher: Publisher, writer: PayloadWriter) -> PictureFeed | None:
    """What sends pictures; it draws, so OpenCV is loaded only where they may leave."""
    kind = config.publish.image
    if kind == "off":
        return None
    from piapp.node.picture_feed import PictureFeed  # noqa: PLC0415

    return PictureFeed(kind, config.publish.image_period_s, topics.image, publisher.publish, writer.clock.text)


def _preview(config: Config, look: Callable[[], dict[str, Any]], change_zones: Callable[[Any], bool]) -> Preview | None:
    """The live page; its libraries are loaded only when it is wanted.

    Raises:
        ConfigError: The libraries are not installed.
    """
    if not config.preview.enabled:
        return None
    try:
        from piapp.preview.server import Preview  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            f"preview.enabled = true needs starlette and uvicorn, which are not installed: {error}; "
            "install piapp with its extra 'preview', or set it to false"
        ) from error
    return Preview(config.preview, look, change_zones, pictures=config.publish.image == "photo")


def _versions() -> Iterator[tuple[str, str]]:
    yield "piapp", __version__
    yield "python", platform.python_version()
    for name in _VERSIONED:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
