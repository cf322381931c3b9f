"""Discovery's payloads against Home Assistant's rules, and their templates against real messages."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import jinja2
import jsonschema
import pytest

from piapp.config.live import LiveSettings
from piapp.config.load import default_config
from piapp.config.sections import HomeAssistantConfig
from piapp.mqtt import discovery
from piapp.mqtt.clock import TimeLine, WallClock
from piapp.mqtt.commands import COMMANDS, Commands
from piapp.mqtt.discovery import Device
from piapp.mqtt.payload import PayloadWriter
from piapp.mqtt.topics import Topics
from piapp.node.control import Control
from piapp.node.picture_feed import CONTENT_TYPE
from piapp.service.health import Counters, Health
from piapp.types import Person, PostureEvent, State
from tests.mqtt.homeassistant_rules import DEVICE_MESSAGE, component_message

TOPICS = Topics("piapp", "living-room")
DEVICE = Device(TOPICS, "Living room", "Living room", "0.1.0", "Raspberry Pi 5 Model B Rev 1.0", sends_pictures=True)
WITHOUT_PICTURES = replace(DEVICE, sends_pictures=False)
WRITER = PayloadWriter(TOPICS.node, "9f2c61aa", clock=WallClock(lambda: 0, lambda: 0, lambda: True))
LINE = TimeLine(0, 0)

FORMS = ("device", "component")


def announced(form: str, device: Device = DEVICE) -> dict[str, dict]:
    """Topic to decoded payload."""
    config = HomeAssistantConfig(discovery=form, prefix="homeassistant")
    return {topic: json.loads(payload) for topic, payload in discovery.messages(config, device).items()}


def components(device: Device = DEVICE) -> dict[str, dict]:
    """The components as the device form announces them."""
    (message,) = announced("device", device).values()
    return message["cmps"]


def render(template: str, payload: bytes) -> str:
    """Render as Home Assistant does, but fail for whatever is not there."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    return environment.from_string(template).render(value=payload.decode(), value_json=json.loads(payload))


def state(*persons: Person) -> bytes:
    """A `state` message."""
    return WRITER.state(State(0, persons, ()), LINE)


def event(*, historical: bool) -> bytes:
    """An `event` message."""
    happened = PostureEvent("fall", 0, person=3, posture="lying", previous="standing", evidence={"drop_m": 1.1})
    return WRITER.event(happened, LINE, event_id="9f2c61aa-000042").encoded(historical=historical)


def health(*, latency_ms: float | None = None, spool_problem: str = "", **measured: object) -> bytes:
    """A `health` message with some of the machine's facts replaced."""
    service = Health()
    if latency_ms is not None:
        service.add_latency(int(latency_ms * 1e6))
    counters = Counters(
        frames_in=0, frames_dropped={}, frames_published=0, messages_dropped={}, queue_depth=0,
        spool_depth=0, spool_problem=spool_problem, mqtt_reconnects=0,
    )  # fmt: skip
    report = service.report(counters) | {"restarts": 0}
    assert measured.keys() <= report.keys()
    return WRITER.document(**(report | measured))


def settings(*, paused: bool = False) -> bytes:
    """A `settings` message."""
    live = LiveSettings(default_config(), None)
    control = Control(Commands(TOPICS, lambda _: None), live, lambda: None)
    if paused:
        control.watching.clear()
    return WRITER.document(**control.state())


NOBODY = state()
SITTING = state(Person(3, "sitting", 0), Person(4, "standing", 0))
FALLEN = state(Person(3, "lying", 0, fallen=True))

RENDERED = [
    ("posture", NOBODY, "none"),
    ("posture", SITTING, "sitting"),
    ("posture", state(Person(1, "unknown", 0)), "unknown"),
    ("occupancy", NOBODY, "OFF"),
    ("occupancy", SITTING, "ON"),
    ("fallen", SITTING, "OFF"),
    ("fallen", FALLEN, "ON"),
    ("people", NOBODY, "0"),
    ("people", SITTING, "2"),
    ("event", event(historical=True), ""),
    ("event", event(historical=False), event(historical=False).decode()),
    ("frame_rate", health(fps_out=14.97), "14.97"),
    ("latency", health(latency_ms=41.25), "41.25"),
    ("latency", health(), "None"),
    ("temperature", health(temperature_c=61.2), "61.2"),
    ("temperature", health(temperature_c=None), "None"),
    ("restarts", health(restarts=3), "3"),
    ("restarts", health(restarts=None), "None"),
    ("problem", health(throttled_now=None), "OFF"),
    ("problem", health(throttled_now=[]), "OFF"),
    ("problem", health(throttled_now=["under_voltage"]), "ON"),
    ("problem", health(throttled_now=[], spool_problem="disk full"), "ON"),
    ("pause", settings(), "OFF"),
    ("pause", settings(paused=True), "ON"),
    ("idle_frame_rate", settings(), str(default_config().power.idle_fps)),
]


def test_device_form_follows_the_rules():
    """One message, on the device's topic, that Home Assistant's documents allow to the letter."""
    ((topic, message),) = announced("device").items()
    assert topic == "homeassistant/device/piapp_living-room/config"
    jsonschema.validate(message, DEVICE_MESSAGE)


def test_component_form_follows_the_rules():
    """One message an entity, on the topic of its platform, each with device, origin and availability."""
    messages = announced("component")
    for topic, message in messages.items():
        prefix, platform, node, name, config = topic.split("/")
        assert (prefix, node, config) == ("homeassistant", "piapp_living-room", "config")
        jsonschema.validate(message, component_message(platform))
        assert message["availability"], name
    assert len(messages) == len(components())


@pytest.mark.parametrize(
    "harm",
    [
        lambda message: message["cmps"]["posture"].pop("options"),
        lambda message: message["cmps"]["posture"].update(unit_of_measurement="x"),
        lambda message: message["cmps"]["temperature"].update(unit_of_measurement="C"),
        lambda message: message["cmps"]["event"].update(stat_topic="x"),
        lambda message: message["cmps"]["fallen"].pop("unique_id"),
        lambda message: message["cmps"]["fallen"].update(state_topic="a/#"),
        lambda message: message["cmps"]["fallen"].update(entity_category="config"),
        lambda message: message["cmps"]["restart"].pop("p"),
        lambda message: message["cmps"]["picture"].update(qos=1),
        lambda message: message["cmps"]["picture"].pop("image_topic"),
        lambda message: message["cmps"]["picture"].update(content_type="jpeg"),
        lambda message: message["cmps"]["restart"].update(p="buton"),
        lambda message: message["dev"].pop("identifiers"),
        lambda message: message.pop("o"),
    ],
)
def test_the_rules_can_be_broken(harm):
    """The schema that the payloads pass refuses slips."""
    (message,) = announced("device").values()
    harm(message)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(message, DEVICE_MESSAGE)


def test_both_forms_announce_the_same_entities():
    """A change of form keeps ids, so that Home Assistant keeps what people have set."""
    shared = {name: {key: value for key, value in part.items() if key != "p"} for name, part in components().items()}
    single = {
        topic.split("/")[3]: {key: value for key, value in message.items() if key not in ("dev", "o")}
        for topic, message in announced("component").items()
    }
    for name, part in shared.items():
        assert single[name] | part == single[name], name


def test_off_announces_nothing():
    """Nothing at all."""
    assert announced("off") == {}


def test_pictures_are_announced_only_where_they_may_leave():
    """Image and button come with the owner's word for it, and go with it in both forms."""
    assert {"picture", "take_picture"} <= components().keys()
    (message,) = announced("device", WITHOUT_PICTURES).values()
    jsonschema.validate(message, DEVICE_MESSAGE)
    # Nothing but the platform removes what an earlier run has announced.
    assert message["cmps"]["picture"] == {"p": "image"}
    assert message["cmps"]["take_picture"] == {"p": "button"}
    # What is left of the other form is found at the broker and emptied.
    gone = announced("component").keys() - announced("component", WITHOUT_PICTURES).keys()
    assert {topic.split("/")[3] for topic in gone} == {"picture", "take_picture"}


def test_the_picture_s_topic_and_form_are_the_node_s():
    """Home Assistant listens where the node sends, for what it sends."""
    assert components()["picture"]["image_topic"] == TOPICS.image
    assert components()["picture"]["content_type"] == CONTENT_TYPE


def test_names_are_unique_and_free_of_the_node():
    """Unique ids differ between entities, nodes and base topics; names do not repeat the device's."""
    other = Device(Topics("home/piapp", "living-room"), "Other", "", "0.1.0", "board")
    entities = [part for one in (DEVICE, other) for part in components(one).values() if "unique_id" in part]
    ids = [part["unique_id"] for part in entities]
    assert len(set(ids)) == len(ids)
    assert all("iving" not in part["name"] for part in entities)
    triggers = [(part["type"], part["subtype"]) for part in components().values() if part["p"] == "device_automation"]
    assert len(set(triggers)) == len(triggers) == 7


def test_area_is_suggested_only_when_configured():
    """An empty area is no area."""
    (message,) = announced("device").values()
    assert message["dev"]["suggested_area"] == "Living room"
    (message,) = announced("device", Device(TOPICS, "x", "", "0.1.0", "board")).values()
    assert "suggested_area" not in message["dev"]


@pytest.mark.parametrize(("name", "payload", "expected"), RENDERED)
def test_value_template(name, payload, expected):
    """Each entity shows what the message says."""
    assert render(components()[name]["value_template"], payload) == expected


def test_every_template_is_rendered_above():
    """No entity with a template is left out."""
    assert {name for name, part in components().items() if "value_template" in part} == {one[0] for one in RENDERED}


def test_templates_render_allowed_values():
    """What an enum or a binary sensor shows is among what it may show."""
    for name, payload, _ in RENDERED:
        part = components()[name]
        shown = render(part["value_template"], payload)
        assert shown in part.get("options", [shown])
        assert part["p"] != "binary_sensor" or shown in ("ON", "OFF")


@pytest.mark.parametrize(
    ("name", "payload", "expected"),
    [
        ("posture", NOBODY, {"persons": []}),
        ("posture", FALLEN, {"persons": json.loads(FALLEN)["persons"]}),
        ("problem", health(throttled_now=None), {"throttled": [], "spool": None}),
        ("problem", health(throttled_now=["throttled"]), {"throttled": ["throttled"], "spool": None}),
    ],
)
def test_attributes_template(name, payload, expected):
    """Attributes are JSON objects."""
    assert json.loads(render(components()[name]["json_attributes_template"], payload)) == expected


def test_events_carry_a_known_type():
    """A live event, as rendered, is a JSON object whose type the entity lists; all types of ours are listed."""
    part = components()["event"]
    shown = json.loads(render(part["value_template"], event(historical=False)))
    assert shown["event_type"] in part["event_types"]
    assert set(part["event_types"]) >= {"fall", "wave", "repetition", "camera_lost", "camera_back"}


def test_what_people_see_is_unavailable_while_paused():
    """Entities of the camera follow `status` and the pause; the rest follows `status` alone."""
    for name in ("posture", "occupancy", "fallen", "people", "event", "picture", "take_picture"):
        status, paused = components()[name]["availability"]
        assert status == {"topic": TOPICS.status}
        assert paused["topic"] == TOPICS.settings
        assert render(paused["value_template"], settings()) == "online"
        assert render(paused["value_template"], settings(paused=True)) == "offline"
        assert components()[name]["availability_mode"] == "all"
    assert all("availability" not in components()[name] for name in ("pause", "frame_rate", "restart"))


def requests() -> list[tuple[str, bytes]]:
    """(command, payload) of everything that the entities can ask for."""
    parts = components()
    number = jinja2.Template(parts["idle_frame_rate"]["command_template"]).render(value=7.5)
    return [
        (parts["pause"]["command_topic"], parts["pause"]["payload_on"]),
        (parts["pause"]["command_topic"], parts["pause"]["payload_off"]),
        (parts["idle_frame_rate"]["command_topic"], number),
        (parts["restart"]["command_topic"], parts["restart"]["payload_press"]),
        (parts["take_picture"]["command_topic"], parts["take_picture"]["payload_press"]),
    ]


@pytest.mark.parametrize(("topic", "payload"), requests())
def test_controls_ask_what_the_node_understands(topic, payload):
    """Each control's message is a valid request."""
    from piapp.mqtt.client import Incoming  # noqa: PLC0415 - paho, which the rest of this module does without

    answers = []
    commands = Commands(TOPICS, answers.append)
    commands.hear(Incoming(topic, payload.encode(), retain=False))
    request = commands.take()
    assert request, answers
    assert type(request.parameters) is COMMANDS[request.command]


@pytest.mark.parametrize("keeps", [True, False])
def test_number_is_kept_where_it_can_be(keeps):
    """A node without a place for its state would refuse to keep a setting."""
    device = Device(TOPICS, "x", "", "0.1.0", "board", keeps_settings=keeps)
    template = components(device)["idle_frame_rate"]["command_template"]
    assert json.loads(render(template, b"3"))["persist"] is keeps


def test_number_has_the_configuration_s_range():
    """Home Assistant offers what the configuration allows."""
    part = components()["idle_frame_rate"]
    live = LiveSettings(default_config(), None)
    for value in (part["min"], part["max"]):
        live.change({"power.idle_fps": value}, persist=False)
        assert live.config.power.idle_fps == value


def test_all_topics_are_those_of_both_forms():
    """What `piapp forget` clears without being told."""
    both = {topic for form in FORMS for topic in announced(form)}
    assert set(discovery.all_topics("homeassistant", DEVICE)) == both


def test_filters_match_all_topics():
    """What is announced can be found again."""
    filters = [re.compile(text.replace("+", "[^/]+")) for text in discovery.filters("homeassistant", DEVICE.id)]
    for topic in discovery.all_topics("homeassistant", DEVICE):
        assert any(pattern.fullmatch(topic) for pattern in filters), topic


@pytest.mark.parametrize(
    ("payload", "ours"),
    [
        (b'{"o":{"name":"piapp"}}', True),
        (b'{"origin":{"name":"piapp","sw":"0.0.1"},"cmps":{}}', True),
        (b'{"o":{"name":"zigbee2mqtt"}}', False),
        (b"{}", False),
        (b"", False),
        (b"\xff", False),
        (b'{"o":{"name":"\xb0"}}', False),
        (b'{"x":' + b"[" * 100_000, False),
    ],
)
def test_is_ours(payload, ours):
    """Only what says that it comes from piapp may be taken back."""
    assert discovery.is_ours(payload) is ours
