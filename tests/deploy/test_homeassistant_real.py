"""A real Home Assistant: finds the node, shows what it says, commands it, runs the blueprints, and forgets it.

`make test-homeassistant` installs one with Python 3.13 and runs this; without it these tests are skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from piapp.config.live import LiveSettings
from piapp.config.load import load_config
from piapp.mqtt.clock import TimeLine
from piapp.mqtt.commands import Commands
from piapp.mqtt.device import Device
from piapp.mqtt.homeassistant import HomeAssistant
from piapp.mqtt.payload import PayloadWriter
from piapp.mqtt.publisher import Publisher
from piapp.mqtt.topics import Topics
from piapp.node.control import Control
from piapp.node.picture_feed import PictureFeed
from piapp.operate.forget import forget
from piapp.testing.landmarker import standing_pose
from piapp.types import Person, PoseResult, PostureEvent, State
from tests.mosquitto import DEADLINE_S, Subscriber, free_port, wait_until

ROOT = Path(__file__).parents[2]
START_S = 300.0  # the first start installs what the integrations need
TOPICS = Topics("piapp", "hall")
NOW = "2026-01-01T00:00:00+00:00"

pytestmark = pytest.mark.timeout(900)

CONFIGURATION = """
homeassistant: {name: Home}
http: {server_host: 127.0.0.1, server_port: PORT}
mqtt_statestream: {base_topic: shown, publish_attributes: true}
mobile_app:
input_number: {level: {min: 0, max: 255}}
input_boolean: {lamp: {}, bed: {}, help: {}}
light:
  - platform: template
    lights:
      lamp:
        level_template: "{{ states('input_number.level') | int(0) }}"
        value_template: "{{ is_state('input_boolean.lamp', 'on') }}"
        turn_on: {action: input_boolean.turn_on, target: {entity_id: input_boolean.lamp}}
        turn_off: {action: input_boolean.turn_off, target: {entity_id: input_boolean.lamp}}
        set_level:
          - action: input_number.set_value
            target: {entity_id: input_number.level}
            data: {value: "{{ brightness }}"}
          - action: input_boolean.turn_on
            target: {entity_id: input_boolean.lamp}
automation:
  - alias: by posture
    use_blueprint:
      path: piapp/light_by_posture.yaml
      input: {posture: sensor.hall_posture, lights: {entity_id: light.lamp}, settle: 0}
  - alias: bed
    use_blueprint:
      path: piapp/wake_and_bed.yaml
      input: {posture: sensor.hall_posture}
  - alias: fall
    use_blueprint:
      path: piapp/fall_alert.yaml
      input:
        fallen: binary_sensor.hall_fallen
        down_for: 0
        phone: PHONE
        call_help: [{action: input_boolean.turn_on, target: {entity_id: input_boolean.help}}]
  - alias: by event
    triggers: [{trigger: state, entity_id: event.hall_event}]
    conditions: ["{{ trigger.to_state is not none and 'event_type' in trigger.to_state.attributes }}"]
    actions:
      - action: mqtt.publish
        data: {topic: fired, payload: "{{ trigger.to_state.attributes.event_type }}"}
  - alias: remote
    triggers: [{trigger: mqtt, topic: call}]
    actions:
      - action: "{{ trigger.payload_json.action }}"
        data: "{{ trigger.payload_json.data }}"
  - alias: ask
    triggers: [{trigger: mqtt, topic: ask}]
    actions:
      - action: mqtt.publish
        data:
          topic: told
          payload: "{{ states(trigger.payload) if states[trigger.payload] is not none else 'missing' }}"
  - alias: answer
    triggers: [{trigger: mqtt, topic: answer}]
    actions:
      - event: mobile_app_notification_action
        event_data: {action: "{{ trigger.payload }}"}
"""


def hass() -> str | None:
    """The program, from $HASS, the path, or where `make test-homeassistant` puts it."""
    local = ROOT / ".cache" / "homeassistant" / "bin" / "hass"
    return os.environ.get("HASS") or shutil.which("hass") or (str(local) if local.exists() else None)


class Phone:
    """What the Home Assistant app's push service would be told."""

    def __init__(self) -> None:
        self.pushed: list[dict] = []
        phone = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                phone.pushed.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(201)
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/push"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def entry(self) -> dict:
        """Its registration in Home Assistant."""
        app = {"push_token": "t", "push_url": self.url}
        about = {"app_id": "a", "app_name": "a", "app_version": "1", "manufacturer": "m", "model": "m", "os_name": "o"}
        own = {"device_id": "p", "device_name": "Phone", "os_version": "1", "supports_encryption": False}
        return entry("mobile_app", about | own | {"app_data": app, "user_id": "u", "webhook_id": "w"})

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


def entry(domain: str, data: dict, minor_version: int = 1) -> dict:
    """A configuration entry as Home Assistant stores it."""
    preferences = {"pref_disable_new_entities": False, "pref_disable_polling": False}
    dates = {"created_at": NOW, "modified_at": NOW}
    nothing = {"disabled_by": None, "discovery_keys": {}, "options": {}, "subentries": [], "unique_id": None}
    names = {"domain": domain, "entry_id": domain, "title": domain, "source": "user"}
    return {"data": data, "version": 1, "minor_version": minor_version, **names, **nothing, **dates, **preferences}


class Assistant:
    """Home Assistant in a folder of its own, on a broker of its own."""

    def __init__(self, program: str, folder: Path, broker, phone: Phone) -> None:
        self._program, self._folder = program, folder
        self._process: subprocess.Popen | None = None
        self._log = folder / "log"
        self.port = free_port()
        blueprints = folder / "blueprints" / "automation" / "piapp"
        shutil.copytree(ROOT / "deploy" / "homeassistant", blueprints)
        (folder / ".storage").mkdir()
        mqtt = entry("mqtt", {"broker": "127.0.0.1", "port": broker.port}, minor_version=2)
        self._store("core.config_entries", 5, {"entries": [mqtt, phone.entry()]})
        self.sees = Subscriber(broker.port, "#")

    def start(self, phone: str) -> None:
        """Start it, knowing the phone's device id."""
        text = CONFIGURATION.replace("PORT", str(self.port)).replace("PHONE", phone)
        (self._folder / "configuration.yaml").write_text(text)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen([self._program, "-c", str(self._folder)], stdout=log, stderr=log)

    def stop(self) -> None:
        """End it, which writes its registries."""
        assert self._process
        self._process.terminate()
        self._process.wait(DEADLINE_S)

    def registry(self, kind: str) -> dict:
        """What it has stored of entities or devices; empty before the first time."""
        path = self._folder / ".storage" / f"core.{kind}_registry"
        return json.loads(path.read_text())["data"] if path.exists() else {"devices": [], "entities": []}

    def has_shown(self, entity: str, state: str) -> bool:
        """Whether it has ever shown a state."""
        topic = f"shown/{entity.replace('.', '/')}/state"
        return any((one.topic, one.payload) == (topic, state.encode()) for one in list(self.sees.messages))

    def wait_shown(self, entity: str, state: str, deadline_s: float = DEADLINE_S) -> None:
        """Wait until it shows a state."""
        topic = f"shown/{entity.replace('.', '/')}/state"

        def newest() -> str | None:
            assert self._process is None or self._process.poll() is None, self._log.read_text()
            shown = [message.payload.decode() for message in list(self.sees.messages) if message.topic == topic]
            return shown[-1] if shown else None

        wait_until(lambda: newest() == state, f"{entity} to be {state}", deadline_s)

    def state(self, entity: str) -> str:
        """The state of an entity now; "missing" when it knows none of that name."""
        answers = len(self.sees.of("told"))
        self.sees.publish("ask", entity.encode())
        return self.sees.wait_for("told", answers + 1)[-1].payload.decode()

    def picture(self, entity: str) -> bytes:
        """The picture that it shows, over HTTP, as a dashboard gets it; empty before the first."""
        topic = f"shown/{entity.replace('.', '/')}/entity_picture"
        path = [message.payload for message in list(self.sees.messages) if message.topic == topic][-1]
        url = f"http://127.0.0.1:{self.port}{json.loads(path)}"
        with suppress(HTTPError), urlopen(url, timeout=DEADLINE_S) as answer:
            assert answer.headers["Content-Type"] == "image/jpeg"
            return answer.read()
        return b""

    def call(self, action: str, **data: object) -> None:
        """Have it carry out an action, as its user interface would."""
        self.sees.publish("call", json.dumps({"action": action, "data": data}).encode())

    def _store(self, key: str, minor_version: int, data: dict) -> None:
        tree = {"version": 1, "minor_version": minor_version, "key": key, "data": data}
        (self._folder / ".storage" / key).write_text(json.dumps(tree))


class FakeNode:
    """A node without camera: real publisher, discovery, commands and payloads."""

    def __init__(self, url: str, form: str, folder: Path, image: str = "off") -> None:
        overrides = [("mqtt.url", url), ("homeassistant.discovery", form), ("publish.image", image)]
        self.config = load_config(Path(os.devnull), overrides=overrides, environ={}).config
        self.publisher = Publisher(self.config.mqtt, self.config.publish, TOPICS)
        commands = Commands(TOPICS, self.publisher.publish)
        self._writer = PayloadWriter(TOPICS.node, "9f2c61aa")
        sends = (TOPICS.image, self.publisher.publish, self._writer.clock.text)
        self._pictures = None if image == "off" else PictureFeed(image, 0.0, *sends)
        settings = LiveSettings(self.config, folder / "settings.json")
        self.control = Control(commands, settings, self._tell, self._pictures.ask if self._pictures else None)
        device = Device(TOPICS, "Hall", "Hall", "0.1.0", "board", sends_pictures=self._pictures is not None)
        self._home = HomeAssistant(self.config.homeassistant, device, self.publisher)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self.publisher.subscribe(TOPICS.requests, commands.hear)

    def __enter__(self):
        self._tell()
        self.shows()
        self._home.start()
        self.publisher.start()
        if self._pictures:
            self._pictures.start()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()
        if self._pictures:
            assert self._pictures.stop(DEADLINE_S)
        self.publisher.stop()

    def shows(self, *postures: str, fallen: bool = False) -> None:
        """Say who is there."""
        persons = tuple(Person(number, posture, 0, fallen=fallen) for number, posture in enumerate(postures, 1))
        self.publisher.retain(TOPICS.state, self._writer.state(State(0, persons, ()), TimeLine(0, 0)))

    def event(self, kind: str, *, historical: bool) -> bytes:
        """An event message."""
        happened = self._writer.event(PostureEvent(kind, 0, person=1), TimeLine(0, 0), event_id=f"b-{kind}")
        return happened.encoded(historical=historical)

    def _tell(self) -> None:
        self.publisher.retain(TOPICS.settings, self._writer.document(**self.control.state()))

    def _loop(self) -> None:
        while not self._ended.wait(0.05):
            self.control.tick()
            self._home.tick()
            if self._pictures:
                self._pictures.offer(PoseResult(0, 0, (640, 480), (standing_pose(),)), ())


@pytest.fixture(scope="module")
def home(start_mosquitto, tmp_path_factory):
    """A broker, a running Home Assistant with a phone, and the folder of the node."""
    program = hass()
    if program is None:
        pytest.skip("Home Assistant is not installed; `make test-homeassistant` runs these tests")
    broker, phone = start_mosquitto(), Phone()
    assistant = Assistant(program, tmp_path_factory.mktemp("hass"), broker, phone)
    assistant.start("unknown")
    try:
        wait_until(lambda: "shown" in {m.topic.split("/")[0] for m in list(assistant.sees.messages)}, "it", START_S)
        assistant.stop()
        (device,) = [one["id"] for one in assistant.registry("device")["devices"] if one["name"] == "Phone"]
        assistant.start(device)
        yield broker, assistant, phone
    finally:
        assistant.stop()
        assistant.sees.close()
        phone.close()


@pytest.mark.parametrize("form", ["device", "component"])
def test_home_assistant(home, tmp_path, form):
    """Shows, reacts, commands, and on a change of form keeps its entities; one story, for starting it takes long."""
    broker, assistant, phone = home
    with FakeNode(broker.url, form, tmp_path) as node:
        node.shows("standing")
        assistant.wait_shown("sensor.hall_posture", "standing", START_S)
        assistant.wait_shown("binary_sensor.hall_occupancy", "on")

        assistant.wait_shown("light.lamp", "on")
        node.shows("sitting")
        assistant.wait_shown("input_number.level", "102.0")  # 40 % of 255
        node.shows("lying")
        assistant.wait_shown("light.lamp", "off")

        for kind, historical in (("wave", True), ("sit_down", False)):
            assistant.sees.publish(TOPICS.event, node.event(kind, historical=historical))
        assistant.sees.wait_for("fired", payload=b"sit_down")
        assert not any(message.payload == b"wave" for message in assistant.sees.of("fired"))

        asked = len(phone.pushed)
        node.shows("lying", fallen=True)
        wait_until(lambda: len(phone.pushed) > asked, "the phone to be asked")
        question = phone.pushed[asked]
        assert question["title"] == "Somebody has fallen"
        fine, help_ = [one["action"] for one in question["data"]["actions"]]
        if form == "device":
            assistant.sees.publish("answer", fine.encode())
            wait_until(lambda: phone.pushed[-1]["message"] == "clear_notification", "the question to be withdrawn")
            assert not assistant.has_shown("input_boolean.help", "on")
        else:
            assistant.sees.publish("answer", help_.encode())
            assistant.wait_shown("input_boolean.help", "on")
        node.shows("standing")

        assistant.call("switch.turn_on", entity_id="switch.hall_pause")
        assistant.wait_shown("sensor.hall_posture", "unavailable")
        assistant.call("switch.turn_off", entity_id="switch.hall_pause")
        assistant.wait_shown("sensor.hall_posture", "standing")
        assistant.call("number.set_value", entity_id="number.hall_idle_frame_rate", value=7.5)
        assistant.wait_shown("number.hall_idle_frame_rate", "7.5")
        assistant.call("button.press", entity_id="button.hall_restart")
        wait_until(lambda: node.control.restart_wanted, "the restart")
    assistant.wait_shown("sensor.hall_posture", "unavailable")


@pytest.mark.parametrize("form", ["device", "component"])
def test_pictures(home, tmp_path, form):
    """The button has one taken, the entity shows it; both go when the owner lets no more pictures leave."""
    broker, assistant, _ = home
    with FakeNode(broker.url, form, tmp_path, "skeleton") as node:
        node.shows("standing")
        assistant.wait_shown("light.lamp", "on", START_S)  # automations run by now
        for entity in ("image.hall_picture", "button.hall_take_picture"):
            wait_until(lambda entity=entity: assistant.state(entity) not in ("missing", "unavailable"), entity)
        seen = len(assistant.sees.of("image"))
        assistant.call("button.press", entity_id="button.hall_take_picture")
        jpeg = assistant.sees.wait_for("image", seen + 1)[-1].payload
        wait_until(lambda: assistant.picture("image.hall_picture") == jpeg, "the picture to be shown")
    with FakeNode(broker.url, form, tmp_path) as node:
        node.shows("standing")
        for entity in ("image.hall_picture", "button.hall_take_picture"):
            wait_until(lambda entity=entity: assistant.state(entity) == "missing", f"{entity} to go")
        # The rest stays; it may be away for a moment while it moves from one form to the other.
        wait_until(lambda: assistant.state("sensor.hall_posture") == "standing", "the others to stay")
        assert assistant.state("image.hall_picture") == assistant.state("button.hall_take_picture") == "missing"


def test_home_assistant_forgets(home, tmp_path):
    """Through both forms nothing was made twice; after `piapp forget` nothing is left."""
    broker, assistant, _ = home
    with FakeNode(broker.url, "device", tmp_path) as node:
        node.shows("squatting")
        assistant.wait_shown("sensor.hall_posture", "squatting")
    assert forget(node.config, TOPICS.node)
    for entity in ("sensor.hall_posture", "event.hall_event", "switch.hall_pause", "binary_sensor.hall_problem"):
        wait_until(lambda entity=entity: assistant.state(entity) == "missing", f"{entity} to be gone")
    assistant.stop()
    stored = assistant.registry("entity")
    assert not [one["entity_id"] for one in stored["entities"] if one["platform"] == "mqtt"]
    assert len({one["unique_id"] for one in stored["deleted_entities"] if one["platform"] == "mqtt"}) == 15
    assert not [one for one in assistant.registry("device")["devices"] if one["name"] == "Hall"]
