"""A real Home Assistant: finds the node, shows what it says, commands it, runs the blueprints, and forgets it.

`make test-homeassistant` installs Home Assistant 2026.2.3 in a Debian root and runs this; without it these tests are
skipped.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import pytest

from piapp.config.live import LiveSettings
from piapp.config.load import load_config
from piapp.mqtt.clock import TimeLine
from piapp.mqtt.commands import COMMANDS, Commands, Pause
from piapp.mqtt.device import Device
from piapp.mqtt.entities_node import ALARM_REQUESTS, SETTING_KEYS
from piapp.mqtt.homeassistant import HomeAssistant
from piapp.mqtt.payload import PayloadWriter
from piapp.mqtt.publisher import Publisher
from piapp.mqtt.topics import Topics
from piapp.node.control import Control
from piapp.node.picture_feed import PictureFeed
from piapp.operate.forget import forget
from piapp.service.health import Counters, Health
from piapp.testing.landmarker import standing_pose
from piapp.types import Person, PoseResult, PostureEvent, State
from tests.e2e.node import NODE, NodeProcess
from tests.mosquitto import DEADLINE_S, Mosquitto, Subscriber, wait_until
from tests.support.home_assistant import START_S, Assistant, Change, Phone, Watch, installed_root, pause_s
from tests.support.scene import FALL_S, UP_S, Scene

ROOT = Path(__file__).parents[2]
TOPICS = Topics("piapp", "hall")
ANSWER_S, OFFLINE_S, ASKED_S = 12.0, 3.0, 1.0
FALL_AUTOMATION = "automation.fall"

# Moments at which a node is killed in mid-alarm; 40 are what a release is held to, each takes some 30 s.
MOMENTS = int(os.environ.get("PIAPP_ALARM_MOMENTS", "3"))
SEED = int(os.environ.get("PIAPP_ALARM_SEED", "1"))
# Seconds of the clip, about the fall; Home Assistant needs a moment to find the node.
BEGIN_S, FIRST_KILL_S, LAST_KILL_S, END_S = 11.0, FALL_S - 0.4, UP_S + 0.4, 26.0
# "Fallen" is shown so long after the fall.
FALLEN_AFTER_S, LATE_S = 1.0, 2.0
GONE = ("missing", "unavailable", "unknown")
ALARM, UP_AGAIN, FALL = f"sensor.{NODE}_alarm", f"event.{NODE}_recovered", f"event.{NODE}_fall"

pytestmark = pytest.mark.timeout(1800)

CONFIGURATION = """
homeassistant: {name: Home}
http: {server_host: 127.0.0.1, server_port: PORT}
api:
frontend:
logbook:
mobile_app:
input_number: {level: {min: 0, max: 255}}
input_boolean: {lamp: {}, help: {}, out: {}, not_back: {}, nobody_up: {}, real_help: {}}
input_text: {reason: {max: 255}}
template:
  - light:
      - name: lamp
        default_entity_id: light.lamp
        level: "{{ states('input_number.level') | int(0) }}"
        state: "{{ is_state('input_boolean.lamp', 'on') }}"
        turn_on: {action: input_boolean.turn_on, target: {entity_id: input_boolean.lamp}}
        turn_off: {action: input_boolean.turn_off, target: {entity_id: input_boolean.lamp}}
        set_level:
          - action: input_number.set_value
            target: {entity_id: input_number.level}
            data: {value: "{{ brightness }}"}
          - action: input_boolean.turn_on
            target: {entity_id: input_boolean.lamp}
"""

AUTOMATIONS = """
automation:
  - alias: by posture
    use_blueprint:
      path: piapp/light_by_posture.yaml
      input: {posture: sensor.hall_posture, lights: {entity_id: light.lamp}, settle: 0}
  - alias: wake and bed
    use_blueprint:
      path: piapp/wake_and_bed.yaml
      input: {posture: sensor.hall_posture}
  - alias: bed exit
    use_blueprint:
      path: piapp/bed_exit.yaml
      input:
        bed: binary_sensor.hall_zone_bed
        night_from: "00:00:00"
        night_until: "23:59:59"
        settle: 0
        back_within: 0.05
        out_of_bed: [{action: input_boolean.turn_on, target: {entity_id: input_boolean.out}}]
        not_back: [{action: input_boolean.turn_on, target: {entity_id: input_boolean.not_back}}]
  - alias: morning
    use_blueprint:
      path: piapp/morning_inactivity.yaml
      input:
        rooms: [binary_sensor.hall_occupancy]
        morning_from: "00:00:00"
        nobody_up:
          - action: input_boolean.turn_on
            target: {entity_id: input_boolean.nobody_up}
          - action: input_text.set_value
            target: {entity_id: input_text.reason}
            data: {value: "{{ message }}"}
  - alias: fall
    use_blueprint:
      path: piapp/fall_alert.yaml
      input:
        alarm: sensor.hall_alarm
        fall: event.hall_fall
        acknowledge: [button.hall_acknowledge]
        take_picture: [button.hall_take_picture]
        picture: [image.hall_picture]
        phone: PHONE
        answer_within: 0.2
        offline_for: 3
        call_help:
          - action: input_boolean.turn_on
            target: {entity_id: input_boolean.help}
          - action: input_text.set_value
            target: {entity_id: input_text.reason}
            data: {value: "{{ reason }}"}
  - alias: real fall
    use_blueprint:
      path: piapp/fall_alert.yaml
      input:
        alarm: sensor.e2e_alarm
        fall: event.e2e_fall
        acknowledge: [button.e2e_acknowledge]
        phone: PHONE
        answer_within: 0.5
        offline_for: 20
        call_help: [{action: input_boolean.turn_on, target: {entity_id: input_boolean.real_help}}]
  - alias: by event
    triggers: [{trigger: state, entity_id: event.hall_presence}]
    conditions: ["{{ trigger.to_state is not none and 'event_type' in trigger.to_state.attributes }}"]
    actions:
      - action: mqtt.publish
        data: {topic: fired, payload: "{{ trigger.to_state.attributes.event_type }}"}
  - alias: by device trigger
    triggers: [{trigger: device, domain: mqtt, device_id: HALL, type: detected, subtype: wave}]
    actions: [{action: mqtt.publish, data: {topic: waved, payload: "yes"}}]
"""


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves a folder, and prints nothing."""

    def log_message(self, *_: object) -> None:
        """Print nothing."""


class FakeNode:
    """A node without camera: real publisher, discovery, commands and payloads."""

    def __init__(
        self, url: str, form: str, folder: Path, *, image: str = "skeleton", zones=("Bed",), newest: str = ""
    ) -> None:
        overrides = [("mqtt.url", url), ("homeassistant.discovery", form), ("publish.image", image)]
        self.config = load_config(Path(os.devnull), overrides=overrides, environ={}).config
        self.publisher = Publisher(self.config.mqtt, self.config.publish, TOPICS)
        commands = Commands(TOPICS, self.publisher.publish)
        self._writer = PayloadWriter(TOPICS.node, "9f2c61aa")
        sends = (TOPICS.image, self.publisher.publish, self._writer.clock.text)
        self._pictures = None if image == "off" else PictureFeed(image, 0.0, *sends)
        settings = LiveSettings(self.config, folder / "settings.json")
        self.control = Control(
            commands, settings, self._publish_settings, self._pictures.ask if self._pictures else None
        )
        self.asked: list[str] = []
        for command in ALARM_REQUESTS & COMMANDS.keys():
            self.control.add(command, lambda _, command=command: self.asked.append(command))
        self.control.add("pause", self._pause)
        self.device = Device(
            TOPICS, "Hall", "Hall", "0.1.0", "Raspberry Pi 5 Model B Rev 1.0", sends_pictures=image != "off",
            serial="10000000abcdef", page_url="http://pi.local:8088/", zones=zones,
            requests=ALARM_REQUESTS, live_keys=SETTING_KEYS & settings.values().keys(),
            knows_newest_version=bool(newest),
        )  # fmt: skip
        self._newest = newest
        self.home = HomeAssistant(self.config.homeassistant, self.device, self.publisher)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self.publisher.subscribe(TOPICS.requests, commands.receive)

    def __enter__(self):
        self._publish_settings()
        if self._newest:
            self._publish_versions()
        self.shows()
        self.home.start()
        self.publisher.start()
        if self._pictures:
            self._pictures.start()
        self._thread.start()
        assert self.publisher.wait_connected(DEADLINE_S)
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()
        if self._pictures:
            assert self._pictures.stop(DEADLINE_S)
        self.publisher.stop()

    def shows(self, *persons: str | Person, **more: object) -> None:
        """Publish who is there; `more` replaces fields of the state."""
        there = tuple(
            one if isinstance(one, Person) else Person(number, one, 0) for number, one in enumerate(persons, 1)
        )
        message = json.loads(self._writer.state(State(0, there, ()), TimeLine(0, 0)))
        self.publisher.retain(TOPICS.state, json.dumps(message | more).encode())

    def event(self, kind: str, *, historical: bool = False, test: bool = False, **evidence: float) -> bytes:
        """An event message."""
        happened = PostureEvent(kind, 0, person=1, evidence=evidence)
        payload = self._writer.event(happened, TimeLine(0, 0), event_id=f"b-{kind}")
        message = json.loads(payload.encoded(historical=historical))
        return json.dumps(message | ({"test": True} if test else {})).encode()

    def _pause(self, parameters: Pause) -> None:
        self.control.set_paused("request" if parameters.paused else None)
        self._publish_settings()

    def _publish_settings(self) -> None:
        self.publisher.retain(TOPICS.settings, self._writer.document(**self.control.state()))

    def _publish_versions(self) -> None:
        counters = Counters(
            frames_in=0, frames_dropped={}, frames_published=0, messages_dropped={}, queue_depth=0,
            spool_depth=0, spool_problem="", mqtt_reconnects=0,
        )  # fmt: skip
        further = {"restarts": 0, "slowed": False, "camera": {"stale": False}, "newest_version": self._newest}
        health = self._writer.document(**(Health().report(counters) | further))
        self.publisher.retain(TOPICS.health, health)
        self.publisher.retain(TOPICS.info, self._writer.document(versions={"piapp": self.device.version}))

    def _loop(self) -> None:
        while not self._ended.wait(0.05):
            self.control.tick()
            self.home.tick()
            if self._pictures:
                self._pictures.offer(PoseResult(0, 0, (640, 480), (standing_pose(),)), ())


def ended(number: int, *, seen_up: bool = True) -> dict:
    """The state's `last_recovered`: how the newest alarm has ended."""
    return {"id": f"9f2c61aa-{number:06d}", "t": "2026-01-01T00:00:00.000Z", "seen_up": seen_up}


@dataclass(slots=True)
class Home:
    """Everything of a home but the node."""

    broker: Mosquitto
    assistant: Assistant
    phone: Phone
    mqtt: Subscriber

    @property
    def url(self) -> str:
        """Where the broker is."""
        return self.broker.url

    def newest_state(self, node: str) -> dict:
        """The newest state of a node."""
        return json.loads([one for one in self.mqtt.of("state") if one.topic == f"piapp/{node}/state"][-1].payload)

    def told_of_the_end(self, since_s: float) -> bool:
        """Whether Home Assistant shows that the real node's newest alarm is over, and how; if there was one."""
        state = self.newest_state(NODE)
        if state["fallen"] or self.assistant.state(ALARM) != "Clear":
            return False
        end = state["last_recovered"]
        if not end or datetime.fromisoformat(end["t"]).timestamp() < since_s:
            return True
        found = self.assistant.entity(UP_AGAIN)
        return found is not None and found["attributes"].get("id") == end["id"]

    def wait_idle(self) -> None:
        """Wait until no fall alert is under way."""
        wait_until(lambda: self.current() == 0, "the fall alert to end")

    def wait_asking(self) -> dict:
        """Wait for the next question on the phone, and until Home Assistant waits for what follows, as it soon does."""
        wait_until(lambda: any("actions" in one.get("data", {}) for one in self.phone.pushed), "the phone to be asked")
        pause_s(ASKED_S)
        return next(one for one in self.phone.pushed if "actions" in one.get("data", {}))

    def answer(self, question: dict, number: int) -> None:
        """Press one of a question's buttons."""
        self.assistant.fire("mobile_app_notification_action", action=question["data"]["actions"][number]["action"])

    def help_called(self) -> bool:
        """Whether the last step was reached."""
        return self.assistant.state("input_boolean.help") == "on"

    def current(self) -> int:
        """How many fall alerts are under way."""
        found = self.assistant.entity(FALL_AUTOMATION)
        assert found
        return found["attributes"]["current"]


@pytest.fixture(scope="module")
def home(start_mosquitto, tmp_path_factory) -> Iterator[Home]:
    """A broker, a running Home Assistant that knows a phone and the node, and a subscriber to everything."""
    root = installed_root()
    broker, phone = start_mosquitto(), Phone()
    assistant = Assistant(root, tmp_path_factory.mktemp("hass"), broker.port, phone)
    mqtt = Subscriber(broker.port, "#")
    try:
        with FakeNode(broker.url, "device", tmp_path_factory.mktemp("first")):
            assistant.start(CONFIGURATION)
            wait_until(lambda: assistant.state("button.hall_test") != "missing", "the node to be found", START_S)
            assistant.stop()
        devices = {one["name"]: one["id"] for one in assistant.registry("device")["devices"]}
        assistant.enable("sensor.hall_posture", "event.hall_presence", "number.hall_idle_frame_rate")
        assistant.start(CONFIGURATION + AUTOMATIONS.replace("PHONE", devices["Phone"]).replace("HALL", devices["Hall"]))
        yield Home(broker, assistant, phone, mqtt)
    finally:
        assistant.stop()
        mqtt.close()
        phone.close()


@pytest.fixture
def node(home, tmp_path) -> Iterator[FakeNode]:
    """A node that stands in the hall, no alarm under way, and nothing on the phone."""
    with FakeNode(home.url, "device", tmp_path) as one:
        one.shows("standing", alarm=False)
        home.assistant.wait_for("sensor.hall_alarm", "Clear", START_S)
        wait_until(
            lambda: home.assistant.state("button.hall_acknowledge") not in ("missing", "unavailable"), "the buttons"
        )
        for action in ("turn_off", "turn_on"):  # ends what an earlier test has begun
            home.assistant.call(f"automation.{action}", entity_id=FALL_AUTOMATION)
        home.assistant.call("input_boolean.turn_off", entity_id="input_boolean.help")
        home.assistant.call("input_text.set_value", entity_id="input_text.reason", value="none")
        home.phone.pushed.clear()
        yield one


@pytest.mark.parametrize("form", ["device", "component"])
def test_shows_and_commands(home, tmp_path, form):
    """Shows, reacts, commands, and on a change of form keeps its entities."""
    assistant = home.assistant
    with FakeNode(home.url, form, tmp_path) as node:
        node.shows("standing")
        assistant.wait_for("sensor.hall_posture", "standing", START_S)
        assistant.wait_for("sensor.hall_alarm", "Clear")
        assistant.wait_for("binary_sensor.hall_occupancy", "on")
        assert assistant.entity("sensor.hall_alarm")["attributes"]["friendly_name"] == "Hall"

        assistant.wait_for("light.lamp", "on")
        node.shows("sitting")
        assistant.wait_for("input_number.level", "102.0")  # 40 % of 255
        node.shows("lying")
        assistant.wait_for("light.lamp", "off")

        fired = len(home.mqtt.of("fired"))
        for kind, historical in (("stand_up", True), ("sit_down", False)):
            home.mqtt.publish(TOPICS.event, node.event(kind, historical=historical))
        assert home.mqtt.wait_for("fired", fired + 1)[fired].payload == b"sit_down"
        waved = len(home.mqtt.of("waved"))
        home.mqtt.publish(TOPICS.trigger, b"wave")
        home.mqtt.wait_for("waved", waved + 1)

        assistant.call("switch.turn_on", entity_id="switch.hall_pause")
        assistant.wait_for("sensor.hall_posture", "unavailable")
        assistant.call("switch.turn_off", entity_id="switch.hall_pause")
        assistant.wait_for("sensor.hall_posture", "lying")
        assistant.call("number.set_value", entity_id="number.hall_idle_frame_rate", value=7.5)
        assistant.wait_for("number.hall_idle_frame_rate", "7.5")
        for button, command in {
            "acknowledge": "acknowledge", "test": "test", "alarm_right": "feedback", "alarm_wrong": "feedback",
            "missed": "missed",
        }.items():  # fmt: skip
            assistant.call("button.press", entity_id=f"button.hall_{button}")
            home.mqtt.wait_for(command)
        for command in ALARM_REQUESTS & COMMANDS.keys():
            wait_until(lambda command=command: command in node.asked, f"the node to be asked for {command}")
        wait_until(lambda: assistant.state("button.hall_restart") not in ("missing", "unavailable"), "the last button")
        assistant.call("button.press", entity_id="button.hall_restart")
        wait_until(lambda: node.control.restart_wanted, "the restart")
    assistant.wait_for("sensor.hall_alarm", "unavailable")


def test_pictures(home, tmp_path):
    """The button has one taken, the entity shows it; both go when the owner lets no more pictures leave."""
    assistant = home.assistant
    with FakeNode(home.url, "device", tmp_path):
        wait_until(lambda: assistant.state("button.hall_take_picture") not in ("missing", "unavailable"), "the button")
        seen = len(home.mqtt.of("image"))
        assistant.call("button.press", entity_id="button.hall_take_picture")
        jpeg = home.mqtt.wait_for("image", seen + 1)[-1].payload
        wait_until(lambda: assistant.picture("image.hall_picture") == jpeg, "the picture to be shown")
    with FakeNode(home.url, "device", tmp_path, image="off", zones=()) as bare:
        bare.shows("standing", alarm=False)
        for entity in ("image.hall_picture", "button.hall_take_picture", "binary_sensor.hall_zone_bed"):
            assistant.wait_for(entity, "missing")
        assistant.wait_for("sensor.hall_alarm", "Clear")


def test_blueprints_are_imported_from_an_address(home):
    """As the README tells, from a folder that is served; its buttons give Home Assistant such an address."""
    handler = partial(QuietHandler, directory=str(ROOT / "deploy" / "homeassistant"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for path in sorted((ROOT / "deploy" / "homeassistant").glob("*.yaml")):
            answer = home.assistant.imported_blueprint(f"http://127.0.0.1:{server.server_port}/{path.name}")
            assert answer["success"], answer
            assert answer["result"]["raw_data"] == path.read_text(encoding="utf-8")
            assert not answer["result"]["validation_errors"]
        server.shutdown()


@pytest.mark.parametrize(("newest", "shown"), [("0.2.0", "on"), ("0.1.0", "off")])
def test_an_update_is_shown(home, tmp_path, newest, shown):
    """Where a newer version is on the machine than the one that runs; gone where the node knows of no versions."""
    assistant = home.assistant
    with FakeNode(home.url, "device", tmp_path, newest=newest):
        assistant.wait_for("update.hall_update", shown)
        versions = assistant.entity("update.hall_update")["attributes"]
        assert (versions["installed_version"], versions["latest_version"]) == ("0.1.0", newest)
    with FakeNode(home.url, "device", tmp_path):
        wait_until(lambda: assistant.state("update.hall_update") == "missing", "the update to be removed")


def test_nobody_answers(home, node):
    """Help is called, with the reason; the question showed the skeleton."""
    node.shows(Person(1, "lying", 0, fallen=True), alarm=True)
    question = home.wait_asking()
    assert question["title"] == "Somebody has fallen"
    assert question["message"] == "Hall: somebody is on the floor. Is everything fine?"
    assert question["data"]["image"] == "/api/image_proxy/image.hall_picture"
    home.assistant.wait_for("input_boolean.help", "on")
    home.assistant.wait_for("input_text.reason", "nobody has answered")


@pytest.mark.parametrize(("button", "helped"), [(0, False), (1, False), (2, True)])
def test_somebody_answers(home, node, button, helped):
    """The answers "I am fine" and "I take care of it" acknowledge at the node; "Call help now" calls help at once."""
    node.shows(Person(1, "lying", 0, fallen=True), alarm=True)
    home.answer(home.wait_asking(), button)
    home.wait_idle()
    assert home.help_called() is helped
    if helped:
        assert "acknowledge" not in node.asked
    else:
        wait_until(lambda: "acknowledge" in node.asked, "the alarm to be acknowledged")
        assert home.phone.pushed[-1]["message"] == "clear_notification"


def test_taken_care_of_elsewhere(home, node):
    """Somebody acknowledges on the page or at another phone: the question is withdrawn. Another fall asks anew."""
    down = [Person(number, "lying", 0, fallen=True) for number in (1, 2)]
    for count in (1, 2):
        home.phone.pushed.clear()
        node.shows(*down[:count], alarm=True)
        home.wait_asking()
        node.shows(*down[:count], alarm=True, acknowledged=True)
        home.wait_idle()
        assert not home.help_called()
        assert home.phone.pushed[-1]["message"] == "clear_notification"


def test_recovered_ends_the_alarm(home, node):
    """The state that nobody is down any more, with the event that somebody was seen up; a second fall asks anew."""
    for number in (1, 2):
        home.phone.pushed.clear()
        node.shows(Person(1, "lying", 0, fallen=True), alarm=True, last_recovered=ended(number))
        home.wait_asking()
        node.shows("standing", alarm=False, last_recovered=ended(number + 1))
        home.wait_idle()
        assert not home.help_called()


@pytest.mark.parametrize("harm", ["clear", "nobody_seen", "test", "one of two"])
def test_nothing_less_than_recovered_ends_it(home, node, harm):
    """Not "Clear" after a restart that knows of no end, nobody seen for long, a test, or one of two who is up."""
    node.shows(Person(1, "lying", 0, fallen=True), alarm=True, last_recovered=ended(1))
    home.wait_asking()
    match harm:
        case "clear":
            node.shows("standing", alarm=False, last_recovered=ended(1))
        case "nobody_seen":
            node.shows(alarm=False, last_recovered=ended(2, seen_up=False))
        case "test":
            home.mqtt.publish(TOPICS.event, node.event("recovered", test=True))
        case "one of two":
            node.shows("standing", Person(2, "lying", 0, fallen=True), alarm=True, last_recovered=ended(2))
    home.assistant.wait_for("input_boolean.help", "on")


def test_node_dies_in_mid_alarm(home, node):
    """It never comes back: the last step is reached, sooner than the phone's time."""
    node.shows(Person(1, "lying", 0, fallen=True), alarm=True)
    home.wait_asking()
    home.mqtt.publish(TOPICS.status, b"offline")
    home.assistant.wait_for("sensor.hall_alarm", "unavailable")
    home.assistant.wait_for("input_boolean.help", "on")
    home.assistant.wait_for("input_text.reason", "the sensor went offline during the alarm")
    home.mqtt.publish(TOPICS.status, b"online")


def test_node_dies_right_after_a_fall(home, node):
    """Before the alarm began: the phone is asked, and then help is called."""
    home.mqtt.publish(TOPICS.event, node.event("fall"))
    pause_s(1.0)
    home.mqtt.publish(TOPICS.status, b"offline")
    assert "the sensor went offline after a fall" in home.wait_asking()["message"]
    home.assistant.wait_for("input_boolean.help", "on")
    home.mqtt.publish(TOPICS.status, b"online")


def test_node_restarts_in_mid_alarm(home, node):
    """Offline for a moment, then still on the floor: one question, one answer, no second alarm."""
    node.shows(Person(1, "lying", 0, fallen=True), alarm=True)
    question = home.wait_asking()
    home.mqtt.publish(TOPICS.status, b"offline")
    home.assistant.wait_for("sensor.hall_alarm", "unavailable")
    home.mqtt.publish(TOPICS.status, b"online")
    home.assistant.wait_for("sensor.hall_alarm", "Fallen")
    home.answer(question, 0)
    home.wait_idle()
    assert not home.help_called()
    assert sum("actions" in one.get("data", {}) for one in home.phone.pushed) == 1


def test_home_assistant_restarts_in_mid_alarm(home, node):
    """Whoever is still on the floor afterwards is asked for again, and help comes; whoever is up is left alone."""
    assistant = home.assistant
    for still_down in (False, True):
        node.shows(Person(1, "lying", 0, fallen=True), alarm=True, last_recovered=ended(1))
        home.wait_asking()
        assistant.stop()
        home.phone.pushed.clear()
        if not still_down:
            node.shows("standing", alarm=False, last_recovered=ended(2))
        assistant.go_on()
        assistant.wait_for("sensor.hall_alarm", "Fallen" if still_down else "Clear")
        if still_down:
            assert home.wait_asking()["title"] == "Somebody has fallen"
            assistant.wait_for("input_boolean.help", "on")
        else:
            pause_s(ANSWER_S)
            assert not home.help_called()
            assert home.phone.pushed == []


def test_up_again_before_it_was_an_alarm(home, node):
    """A fall alone asks nobody, and leaves one row: that there was a fall."""
    home.mqtt.publish(TOPICS.event, node.event("fall"))
    home.mqtt.publish(TOPICS.event, node.event("recovered", down_s=5.7))
    home.assistant.wait_for("sensor.hall_alarm", "Clear")
    pause_s(OFFLINE_S + 1.0)
    assert home.phone.pushed == []


@pytest.mark.parametrize("after", [None, "fall"])
def test_alert_is_tested(home, node, after):
    """The phone says that it is a test, also soon after a fall, and nobody is called."""
    if after:
        home.mqtt.publish(TOPICS.event, node.event(after))
        wait_until(lambda: home.current() == 1, "the fall to be watched")
    for kind in ("fall", "fallen", "recovered"):
        home.mqtt.publish(TOPICS.event, node.event(kind, test=True))
    assert home.phone.wait_pushed(0)["title"] == "Test: somebody has fallen"
    home.wait_idle()
    pause_s(ANSWER_S)
    assert not home.help_called()
    assert len(home.phone.pushed) == 1


def test_out_of_bed_at_night(home, node):
    """Out at once, and not back in time; a sensor that comes back has seen nobody leave."""
    assistant = home.assistant
    in_bed = replace(Person(1, "lying", 0), zones=("Bed",))
    for switch in ("out", "not_back"):
        assistant.call("input_boolean.turn_off", entity_id=f"input_boolean.{switch}")
    node.shows(in_bed, alarm=False)
    assistant.wait_for("binary_sensor.hall_zone_bed", "on")
    home.mqtt.publish(TOPICS.status, b"offline")
    assistant.wait_for("binary_sensor.hall_zone_bed", "unavailable")
    states = len(home.mqtt.of("state"))
    node.shows("standing", alarm=False)
    home.mqtt.wait_for("state", states + 1)  # by another client than the next message
    home.mqtt.publish(TOPICS.status, b"online")
    assistant.wait_for("binary_sensor.hall_zone_bed", "off")
    assert assistant.state("input_boolean.out") == "off"
    node.shows(in_bed, alarm=False)
    assistant.wait_for("binary_sensor.hall_zone_bed", "on")
    node.shows("standing", alarm=False)
    assistant.wait_for("input_boolean.out", "on")
    assistant.wait_for("input_boolean.not_back", "on")


def test_nobody_up_in_the_morning(home, node):
    """Says so when a sensor was off; quiet while somebody is there."""
    assistant = home.assistant
    assistant.call("input_boolean.turn_off", entity_id="input_boolean.nobody_up")
    assistant.call("automation.trigger", entity_id="automation.morning")
    wait_until(lambda: assistant.entity("automation.morning")["attributes"]["current"] == 0, "the automation to end")
    assert assistant.state("input_boolean.nobody_up") == "off"
    home.mqtt.publish(TOPICS.status, b"offline")
    assistant.wait_for("binary_sensor.hall_occupancy", "unavailable")
    assistant.call("automation.trigger", entity_id="automation.morning")
    assistant.wait_for("input_boolean.nobody_up", "on")
    said = "Nobody was seen since 00:00, but not all sensors work: Hall Occupancy."
    assistant.wait_for("input_text.reason", said)
    home.mqtt.publish(TOPICS.status, b"online")


def test_zones_follow_the_page(home, node):
    """A zone that is drawn while the node runs appears, and goes when it is deleted."""
    device = node.device
    node.home.update(replace(device, zones=("Bed", "Sofa")))
    home.assistant.wait_for("binary_sensor.hall_zone_sofa", "off")
    node.home.update(device)
    home.assistant.wait_for("binary_sensor.hall_zone_sofa", "missing")


def room(home: Home, folder: Path, scene: Scene, *options: str) -> NodeProcess:
    """A real node before a room that goes on by itself."""
    wait_until(lambda: home.assistant.state(ALARM) in GONE, "the node before to be gone")
    return restarted(home, folder, scene, *options)


def restarted(home: Home, folder: Path, scene: Scene, *options: str) -> NodeProcess:
    """The same node again, whatever Home Assistant knows of it by now."""
    port = int(home.url.rpartition(":")[2])
    quick = ["--set", f"posture.fallen_after_s={FALLEN_AFTER_S}", "--set", f"spool.dir={folder}", *options]
    return NodeProcess(folder, port, quick, program=scene.program)


def test_real_node_is_killed_in_mid_alarm(home, tmp_path):
    """Killed for good while somebody is on the floor: the last step is reached."""
    node = room(home, tmp_path, Scene(tmp_path, BEGIN_S))
    try:
        home.assistant.wait_for("sensor.e2e_alarm", "Fallen", START_S)
    finally:
        node.kill()
    home.assistant.wait_for("sensor.e2e_alarm", "unavailable")
    home.assistant.wait_for("input_boolean.real_help", "on")


def test_real_node_is_killed_and_comes_back(home, tmp_path):
    """The alarm is still there after a restart, is acknowledged by its button, and ends when somebody is up again."""
    home.assistant.call("input_boolean.turn_off", entity_id="input_boolean.real_help")
    home.phone.pushed.clear()
    scene = Scene(tmp_path, BEGIN_S)
    node = room(home, tmp_path, scene)
    try:
        home.assistant.wait_for("sensor.e2e_alarm", "Fallen", START_S)
        home.wait_asking()
        node.kill()
        home.assistant.wait_for("sensor.e2e_alarm", "unavailable")
        node = room(home, tmp_path, scene)
        home.assistant.wait_for("sensor.e2e_alarm", "Fallen")
        home.assistant.call("button.press", entity_id="button.e2e_acknowledge")
        home.assistant.wait_for("sensor.e2e_alarm", "Taken care of")
        home.assistant.wait_for("sensor.e2e_alarm", "Clear")
    finally:
        node.kill()
    assert home.assistant.state("input_boolean.real_help") == "off"


def test_broker_restarts_in_mid_alarm(home, tmp_path):
    """Home Assistant is away for ten seconds, somebody gets up: the question is withdrawn, nobody is called."""
    home.assistant.call("input_boolean.turn_off", entity_id="input_boolean.real_help")
    home.phone.pushed.clear()
    scene = Scene(tmp_path, BEGIN_S)
    node = room(home, tmp_path, scene)
    try:
        home.assistant.wait_for(ALARM, "Fallen", START_S)
        home.wait_asking()
        home.broker.kill()
        home.broker.start()
        home.assistant.wait_for(ALARM, "unavailable")
        scene.wait_for(END_S)
        home.assistant.wait_for(ALARM, "Clear")
        wait_until(lambda: home.phone.pushed[-1]["message"] == "clear_notification", "the question to be withdrawn")
    finally:
        node.kill()
    assert home.assistant.state("input_boolean.real_help") == "off"


def check_alarm(watch: Watch, since_s: float, state: dict, online_s: float, what: str) -> tuple[bool, bool]:
    """What must be true of Home Assistant's entities, whenever what was killed.

    Args:
        watch: Their changes.
        since_s: When the node was started.
        state: The node's newest state: what truly happened.
        online_s: When the node was back; 0 where it was not killed.
        what: Names the case in a failure.

    Returns:
        Whether an alarm was shown as "Fallen", and whether its end was.
    """
    shown = [change for change in watch.of(ALARM) if change.at_s > since_s]
    known = [change for change in shown if change.state not in GONE]
    told = f"{what}: {[(change.at_s - since_s, change.state) for change in shown]}, {state}"
    up, fell = ({one.state: one for one in watch.of(name) if is_new(one, since_s)} for name in (UP_AGAIN, FALL))
    ids = [one.attributes["id"] for one in up.values()]
    assert len(ids) <= 1, told
    assert [one.attributes["event_type"] for one in fell.values()].count("fall") <= 1, told
    ends = [(old, new) for old, new in pairwise(known) if (old.state, new.state) == ("Fallen", "Clear")]
    for old, new in ends:
        end = new.attributes["last_recovered"]
        assert end["id"] == state["last_recovered"]["id"], told
        assert end != old.attributes["last_recovered"], told
        assert ids == [end["id"]], f"{told}; up again: {ids}"
    fallen = next((change for change in known if change.state == "Fallen"), None)
    back_s = [new.at_s for old, new in pairwise(shown) if old.state in GONE and new.state not in GONE]
    if fallen:
        due_s = datetime.fromisoformat(state["last_fall"]).timestamp() + FALLEN_AFTER_S
        assert fallen.at_s <= max(due_s, online_s, *[at_s for at_s in back_s if at_s <= fallen.at_s]) + LATE_S, told
    elif state["last_recovered"]:
        over_s = datetime.fromisoformat(state["last_recovered"]["t"]).timestamp()
        assert over_s <= max(back_s, default=0.0), f"{told}: not shown"
    return fallen is not None, bool(ends)


def is_new(change: Change, since_s: float) -> bool:
    """Whether an event entity shows an event of this case; its state is when the event came."""
    return change.state not in GONE and datetime.fromisoformat(change.state).timestamp() > since_s


@pytest.mark.timeout(90 * MOMENTS + 600)
def test_no_alarm_ends_by_itself(home, tmp_path):
    """Node, broker or both are killed at random moments of a fall, before the eyes of Home Assistant.

    "Clear" follows "Fallen" only with the event that ended the alarm in the same change, and "Up again" is shown too,
    once. Home Assistant itself needs ten seconds to be back at a broker.
    """
    rng = random.Random(SEED)
    shown = ends = 0
    for number in range(MOMENTS):
        victims = ("node", "broker", "both")[number % 3]
        kill_s = rng.uniform(FIRST_KILL_S, LAST_KILL_S)
        (folder := tmp_path / str(number)).mkdir()
        wait_until(lambda: home.assistant.state(ALARM) in GONE, "the node before to be gone")
        watch, since_s, online_s = home.assistant.watch(ALARM, UP_AGAIN, FALL), time.time(), 0.0
        scene = Scene(folder, BEGIN_S)
        node = restarted(home, folder, scene)
        try:
            home.assistant.wait_for(ALARM, "Clear", START_S)
            scene.wait_for(kill_s)
            infos = len(home.mqtt.of("info"))
            if victims != "broker":
                node.kill()
            if victims != "node":
                home.broker.kill()
                home.broker.start()
            if victims != "broker":
                node = restarted(home, folder, scene)
                wait_until(lambda: len(home.mqtt.of("info")) > infos, "the node to be back")  # noqa: B023
                online_s = time.time()
            scene.wait_for(END_S)
            wait_until(lambda: home.told_of_the_end(since_s), "the end of the alarm to be shown")  # noqa: B023
            state = home.newest_state(NODE)
        finally:
            node.kill()
            watch.close()
        was_shown, was_over = check_alarm(watch, since_s, state, online_s, f"{victims} killed at {kill_s:.2f} s")
        shown, ends = shown + was_shown, ends + was_over
        sys.stderr.write(f"{victims} killed at {kill_s:.2f} s: shown as Fallen {was_shown}, then as Clear {was_over}\n")
    assert ends, "no moment was in an alarm"


def recovered_events(home: Home) -> int:
    """How many came, whichever node's and however often."""
    return sum(b'"recovered"' in message.payload for message in home.mqtt.of("event"))


def test_home_assistant_misses_the_end(home, tmp_path):
    """It is restarted, and somebody is up before it is back: "Clear" and "Up again" are shown, the latter once."""
    assistant, since_s, scene = home.assistant, time.time(), Scene(tmp_path, BEGIN_S)
    node = room(home, tmp_path, scene)
    try:
        assistant.wait_for(ALARM, "Fallen", START_S)
        assistant.stop()
        wait_until(lambda: home.newest_state(NODE)["last_recovered"], "somebody to be up again")
        assistant.go_on()
        wait_until(lambda: home.told_of_the_end(since_s), "the end of the alarm to be shown")
        shown = assistant.entity(UP_AGAIN)
        assert datetime.fromisoformat(shown["state"]).timestamp() > since_s
        assistant.stop()
        repeats, end = recovered_events(home), json.loads(home.mqtt.of("event")[-1].payload)
        assistant.go_on()
        wait_until(lambda: recovered_events(home) > repeats, "the end to be sent once more")
        marker = end | {"event_type": "fall", "id": "marker", "historical": False, "test": True}
        home.mqtt.publish(f"piapp/{NODE}/event", json.dumps(marker).encode())
        wait_until(lambda: assistant.entity(FALL)["attributes"].get("id") == "marker", "what was sent after it")
        assert assistant.state(UP_AGAIN) == shown["state"]
    finally:
        node.kill()


def test_real_node_obeys_its_entities(home, tmp_path):
    """Pause, quiet times, sensitivity, test alert and feedback, at a real node whose person stands still."""
    assistant, after_its_end = home.assistant, Scene(tmp_path, 3600.0)
    schedule = ("--set", 'schedule.pause="00:00-23:59"')
    node = room(home, tmp_path, after_its_end, *schedule)
    try:
        assistant.wait_for("sensor.e2e_alarm", "Clear", START_S)
        for switch in ("switch.e2e_pause", "switch.e2e_schedule"):
            assistant.call("switch.turn_on", entity_id=switch)
            assistant.wait_for("sensor.e2e_alarm", "Paused")
            assistant.wait_for("binary_sensor.e2e_occupancy", "unavailable")
            assistant.call("switch.turn_off", entity_id=switch)
            assistant.wait_for("sensor.e2e_alarm", "Clear")
        assistant.wait_for("select.e2e_sensitivity", "Normal")
        assistant.call("select.select_option", entity_id="select.e2e_sensitivity", option="High")
        assistant.wait_for("select.e2e_sensitivity", "High")
        home.phone.pushed.clear()
        assistant.call("button.press", entity_id="button.e2e_test")
        assert home.phone.wait_pushed(0)["title"] == "Test: somebody has fallen"
        assert assistant.state("sensor.e2e_alarm") == "Clear"
        for button, command in {"alarm_right": "feedback", "alarm_wrong": "feedback", "missed": "missed"}.items():
            answered = sum(one.topic == f"piapp/{NODE}/response/{command}" for one in home.mqtt.messages)
            assistant.call("button.press", entity_id=f"button.e2e_{button}")
            wait_until(
                lambda command=command, answered=answered: (
                    sum(one.topic == f"piapp/{NODE}/response/{command}" for one in home.mqtt.messages) > answered
                ),
                f"an answer to {button}",
            )
    finally:
        node.kill()


def test_logbook_of_a_busy_room(home, tmp_path):
    """The demo, again and again, with a fall every 25 seconds: few rows, each understandable alone.

    A minute of it; PIAPP_DEMO_S=1200 gives the twenty minutes of which fewer than 60 rows are allowed.
    """
    seconds = float(os.environ.get("PIAPP_DEMO_S", "60"))
    port = int(home.url.rpartition(":")[2])
    folder = ["--set", f"spool.dir={tmp_path}"]
    wait_until(lambda: home.assistant.state(ALARM) in GONE, "the node before to be gone")
    node = NodeProcess(tmp_path, port, ["--source", "demo:?loop=0", "--set", 'node.name="Den"', *folder])
    try:
        home.assistant.wait_for(f"sensor.{NODE}_alarm", "Clear", START_S)
        since = datetime.now(UTC)
        falls = len(home.mqtt.of("trigger"))
        pause_s(seconds)
        rows = [row for row in home.assistant.logbook(since) if f".{NODE}" in row.get("entity_id", "")]
        happened = [message.payload for message in home.mqtt.of("trigger")[falls:]]
    finally:
        node.stop()
    seen = Counter((row["name"], row.get("state", "") if "event." not in row["entity_id"] else "") for row in rows)
    sys.stderr.write(f"{len(rows)} rows of {len(happened)} events in {seconds:g} s: {dict(seen)}\n")
    assert happened.count(b"fall") >= seconds // 30
    assert len(rows) < max(10.0, 60 * seconds / 1200), seen
    # An event's row shows no type, so its entity's name must say what happened.
    assert {row["name"] for row in rows if row["entity_id"].startswith("event.")} <= {"Den Fall", "Den Up again"}
    assert all(row["entity_id"].startswith("event.") or row.get("state") for row in rows)


def test_home_assistant_forgets_and_complained_of_nothing(home, tmp_path):
    """Through both forms nothing was made twice; its log names us nowhere; after `piapp forget` nothing is left."""
    assistant = home.assistant
    with FakeNode(home.url, "device", tmp_path) as node:
        node.shows("squatting")
        assistant.wait_for("sensor.hall_posture", "squatting")
    complaints = [line for line in assistant.log.splitlines() if " WARNING " in line or " ERROR " in line]
    ours = [line for line in complaints if any(word in line.lower() for word in ("piapp", "hall", "den", "mqtt"))]
    # At a change of form Home Assistant warns of each entity that it is announced from two topics for a second, and of
    # so many warnings. Tests kill the broker.
    of_forms = ("conflicting MQTT discovery", *(f"mqtt.{part} is logging too freq" for part in ("discovery", "entity")))
    expected = (*of_forms, "The connection was lost", "failed to receive on socket")
    assert [line for line in ours if not any(text in line for text in expected)] == []
    assert forget(node.config, TOPICS.node)
    for entity in ("sensor.hall_alarm", "event.hall_fall", "switch.hall_pause", "binary_sensor.hall_problem"):
        assistant.wait_for(entity, "missing")
    assistant.stop()
    stored = assistant.registry("entity")
    assert not [one["entity_id"] for one in stored["entities"] if one["unique_id"].startswith("piapp_hall_")]
    gone = [one["unique_id"] for one in stored["deleted_entities"] if one["unique_id"].startswith("piapp_hall_")]
    assert len(gone) > 10
    assert len(set(gone)) == len(gone)
    assert not [one for one in assistant.registry("device")["devices"] if one["name"] == "Hall"]
