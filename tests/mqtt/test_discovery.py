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
from piapp.mqtt.device import Device
from piapp.mqtt.entities_node import ALARM_REQUESTS, SENSITIVITIES, SETTING_KEYS
from piapp.mqtt.entities_seen import EVENT_TYPES
from piapp.mqtt.incoming import Incoming
from piapp.mqtt.payload import PayloadWriter
from piapp.mqtt.topics import Topics
from piapp.node.control import Control
from piapp.node.picture_feed import CONTENT_TYPE
from piapp.service.health import Counters, Health
from piapp.types import Person, PostureEvent, State
from tests.mqtt.homeassistant_rules import DEVICE_MESSAGE, component_message

TOPICS = Topics("piapp", "living-room")
# Every entity that a node may have.
DEVICE = Device(
    TOPICS, "Living room", "Living room", "0.1.0", "Raspberry Pi 5 Model B Rev 1.0",
    sends_pictures=True, picture_period_s=10.0, serial="10000000abcdef", page_url="http://pi.local:8088/",
    project_url="https://example.org/piapp", zones=("Bed", 'Küche "2"'), requests=frozenset(COMMANDS) | ALARM_REQUESTS,
    live_keys=SETTING_KEYS, knows_newest_version=True,
)  # fmt: skip
ON_REQUEST = replace(DEVICE, picture_period_s=0.0)
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


def render(template: str, payload: bytes, **attributes: object) -> str:
    """Render as Home Assistant does, for an entity with these attributes; but fail for whatever is not there."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    this = {"attributes": attributes}
    return environment.from_string(template).render(value=payload.decode(), value_json=json.loads(payload), this=this)


def state(*persons: Person, **more: object) -> bytes:
    """A `state` message; `more` replaces fields of it."""
    message = json.loads(WRITER.state(State(0, persons, ()), LINE))
    return json.dumps(message | more).encode()


def event(kind: str = "fall", *, historical: bool = False, **evidence: float) -> bytes:
    """An `event` message."""
    happened = PostureEvent(kind, 0, person=3, posture="lying", previous="standing", evidence=evidence)
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
    report = service.report(counters) | {
        "newest_version": "0.2.0",
        "restarts": 0,
        "slowed": False,
        "camera": {"stale": False},
    }
    assert measured.keys() <= report.keys()
    return WRITER.document(**(report | measured))


def settings(*, paused: bool = False, **values: object) -> bytes:
    """A `settings` message; `values` by their last names, such as `fall_sensitivity`."""
    live = LiveSettings(default_config(), None)
    control = Control(Commands(TOPICS, lambda _: None), live, lambda: None)
    if paused:
        control.watching.clear()
    message = control.state()
    message["values"] |= {key: values[name] for key in SETTING_KEYS if (name := key.rsplit(".", 1)[1]) in values}
    return WRITER.document(**message)


NOBODY = state()
ENDED = {"id": "9f2c61aa-000042", "t": "2026-01-01T00:00:00.000Z", "seen_up": True}
SITTING = state(Person(3, "sitting", 0, zones=("Bed",)), Person(4, "standing", 0))
FALLEN = state(Person(3, "lying", 0, fallen=True), alarm=True)
STILL = state(Person(3, "sitting", 0, still_s=DEVICE.inactive_after_s))

INFO = json.dumps({"versions": {"piapp": "0.1.0"}}).encode()

# The end of an alarm is shown whenever it comes.
LATE_END = event("recovered", historical=True)
NOBODY_SEEN = event("recovered", nobody_seen=1, unseen_s=600.0)

LIVE = {kind: event(kind).decode() for kind in EVENT_TYPES}

RENDERED = [
    ("alarm", NOBODY, "Clear"),
    ("alarm", SITTING, "Clear"),
    ("alarm", FALLEN, "Fallen"),
    ("alarm", state(Person(3, "lying", 0, fallen=True), alarm=False), "Clear"),
    ("alarm", state(Person(3, "lying", 0, fallen=True), alarm=True, acknowledged=True), "Taken care of"),
    ("alarm", state(paused=True, occupied=None), "Paused"),
    ("alarm", state(Person(3, "lying", 0, fallen=True), alarm=True, paused=True, occupied=None), "Fallen"),
    ("alarm", state(occupied=None), "Not watching"),
    ("last_fall", state(last_fall="2026-01-01T00:00:00.000Z"), "2026-01-01T00:00:00.000Z"),
    ("last_fall", NOBODY, "None"),
    ("posture", NOBODY, "none"),
    ("posture", SITTING, "sitting"),
    ("posture", state(Person(1, "unknown", 0)), "unknown"),
    ("occupancy", NOBODY, "OFF"),
    ("occupancy", SITTING, "ON"),
    ("zone_bed", SITTING, "ON"),
    ("zone_bed", NOBODY, "OFF"),
    ("zone_bed", STILL, "OFF"),
    ("zone_k_che_2", SITTING, "OFF"),
    ("zone_k_che_2", state(Person(3, "sitting", 0, zones=("Bed", 'Küche "2"'))), "ON"),
    ("inactivity", STILL, "ON"),
    ("inactivity", SITTING, "OFF"),
    ("inactivity", NOBODY, "OFF"),
    ("fallen", SITTING, "OFF"),
    ("fallen", FALLEN, "ON"),
    ("people", NOBODY, "0"),
    ("people", SITTING, "2"),
    ("fall", event("fall", historical=True), ""),
    ("fall", LIVE["fall"].encode(), LIVE["fall"]),
    ("fall", LIVE["fallen"].encode(), LIVE["fallen"]),
    ("fall", event("recovered"), ""),
    ("recovered", event("recovered", down_s=60.0), event("recovered", down_s=60.0).decode()),
    ("recovered", LIVE["recovered"].encode(), LIVE["recovered"]),
    ("recovered", event("recovered", down_s=5.7), ""),  # up again before it was an alarm
    ("recovered", LATE_END, LATE_END.decode()),
    ("recovered", event("recovered", nobody_seen=1), ""),
    ("nobody_seen", NOBODY_SEEN, NOBODY_SEEN.decode()),
    ("nobody_seen", LATE_END, ""),
    ("presence", LIVE["sit_down"].encode(), LIVE["sit_down"]),
    ("presence", LIVE["wave"].encode(), ""),
    ("posture_changed", LIVE["posture_changed"].encode(), LIVE["posture_changed"]),
    ("posture_changed", LIVE["sit_down"].encode(), ""),
    ("gesture", LIVE["wave"].encode(), LIVE["wave"]),
    ("gesture", LIVE["fall"].encode(), ""),
    ("camera", LIVE["camera_lost"].encode(), LIVE["camera_lost"]),
    ("camera", LIVE["fall"].encode(), ""),
    ("frame_rate", health(fps_out=14.97), "14.97"),
    ("latency", health(latency_ms=41.25), "41.25"),
    ("latency", health(), "None"),
    ("temperature", health(temperature_c=61.2), "61.2"),
    ("temperature", health(temperature_c=None), "None"),
    ("restarts", health(restarts=3), "3"),
    ("update", INFO, "0.1.0"),
    ("restarts", health(restarts=None), "None"),
    ("uptime", health(uptime_s=5400.0), "1.5"),
    ("problem", health(throttled_now=None), "OFF"),
    ("problem", health(throttled_now=[]), "OFF"),
    ("problem", health(throttled_now=["under_voltage"]), "ON"),
    ("problem", health(throttled_now=[], spool_problem="disk full"), "ON"),
    ("pause", settings(), "OFF"),
    ("pause", settings(paused=True), "ON"),
    ("idle_frame_rate", settings(), str(default_config().power.idle_fps)),
    ("sensitivity", settings(fall_sensitivity="high"), "High"),
    ("schedule", settings(enabled=True), "ON"),
    ("schedule", settings(enabled=False), "OFF"),
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
        lambda message: message["cmps"]["fall"].update(stat_topic="x"),
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
    """Image, camera and button come with the owner's permission, and are absent without it."""
    assert {"picture", "take_picture", "view"} <= components().keys()
    assert not {"picture", "take_picture", "view"} & components(WITHOUT_PICTURES).keys()


def test_pictures_that_come_by_themselves_fill_no_logbook():
    """Each picture of an image entity is a row there; a camera entity has none."""
    assert components()["picture"]["enabled_by_default"] is False
    assert components()["view"]["topic"] == TOPICS.image
    assert "enabled_by_default" not in components(ON_REQUEST)["picture"]
    assert "view" not in components(ON_REQUEST)


def test_what_is_no_more_is_removed():
    """A component that an earlier message named, or removed, is named with nothing but its platform."""
    (before,) = discovery.messages(HomeAssistantConfig("device", "homeassistant"), DEVICE).values()
    gone = discovery.no_longer(before, WITHOUT_PICTURES)
    assert gone == {"picture": "image", "take_picture": "button", "view": "camera"}
    config = HomeAssistantConfig("device", "homeassistant")
    (payload,) = discovery.messages(config, WITHOUT_PICTURES, gone).values()
    message = json.loads(payload)
    jsonschema.validate(message, DEVICE_MESSAGE)
    assert message["cmps"]["picture"] == {"p": "image"}
    assert discovery.no_longer(payload, WITHOUT_PICTURES) == gone
    assert discovery.no_longer(payload, DEVICE) == {}
    # What is left of the other form is found at the broker and emptied.
    announced_more = announced("component").keys() - announced("component", WITHOUT_PICTURES).keys()
    assert {topic.split("/")[3] for topic in announced_more} == gone.keys()


@pytest.mark.parametrize("payload", [b"", b"{}", b"[]", b"\xff", b'{"cmps":{"x":{}}}', b'{"cmps":' + b"[" * 100_000])
def test_a_message_that_names_nothing_removes_nothing(payload):
    """Whatever somebody else has left on the topic."""
    assert discovery.no_longer(payload, DEVICE) == {}


def test_many_removals_are_bounded():
    """A retained message of a thousand components does not grow the node's own."""
    many = json.dumps({"cmps": {f"x{number}": {"p": "sensor"} for number in range(1000)}}).encode()
    assert len(discovery.no_longer(many, DEVICE)) == discovery.MAX_REMOVED


def test_only_what_the_node_understands_is_announced():
    """A request or a setting that it lacks has no entity."""
    bare = replace(DEVICE, requests=frozenset(), live_keys=frozenset())
    lacking = {"acknowledge", "test", "alarm_right", "alarm_wrong", "missed"}
    lacking |= {"idle_frame_rate", "sensitivity", "schedule"}
    assert components().keys() - components(bare).keys() == lacking


def test_zones_of_similar_names_stay_apart():
    """Each zone's id is distinct, made of harmless characters, and keeps when another zone comes."""
    names = ("Bed", "bed!", "Sofa", "床", "椅子", "}} {% raw %}")
    ids = replace(DEVICE, zones=names).zone_ids()
    assert len(set(ids.values())) == len(names)
    assert all(re.fullmatch(r"[a-z0-9_]+", one) for one in ids.values())
    assert replace(DEVICE, zones=(*names, "Door")).zone_ids()["Sofa"] == ids["Sofa"] == "sofa"
    (part,) = [
        p for p in components(replace(DEVICE, zones=names)).values() if p.get("name") == "}} {% raw %} occupancy"
    ]
    assert render(part["value_template"], state(Person(1, "sitting", 0, zones=("}} {% raw %}",)))) == "ON"


def test_the_device_says_what_it_is():
    """Model, revision, serial number, page and origin, each only where it is known."""
    (message,) = announced("device").values()
    assert message["dev"] | {
        "model_id": "Raspberry Pi 5 Model B", "hw_version": "Rev 1.0", "serial_number": "10000000abcdef",
        "configuration_url": "http://pi.local:8088/",
    } == message["dev"]  # fmt: skip
    assert message["o"]["support_url"] == "https://example.org/piapp"
    (message,) = announced("device", Device(TOPICS, "x", "", "0.1.0", "Some PC")).values()
    assert not {"hw_version", "serial_number", "configuration_url"} & message["dev"].keys()
    assert "support_url" not in message["o"]


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
    assert all("iving" not in (part["name"] or "") for part in entities)
    assert [part["unique_id"] for part in components().values() if part.get("name", "") is None] == [
        "piapp_living-room_alarm"
    ]
    triggers = [(part["type"], part["subtype"]) for part in components().values() if part["p"] == "device_automation"]
    assert len(set(triggers)) == len(triggers) == len(EVENT_TYPES)


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


def test_an_event_that_comes_twice_is_shown_once():
    """Home Assistant's own variable `this` holds what an entity shows."""
    template = components()["fall"]["value_template"]
    assert render(template, LIVE["fall"].encode(), id="9f2c61aa-000041") == LIVE["fall"]
    assert render(template, LIVE["fall"].encode(), id="9f2c61aa-000042") == ""


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
        ("alarm", NOBODY, {"persons": [], "last_recovered": None}),
        ("alarm", state(last_recovered=ENDED), {"persons": [], "last_recovered": ENDED}),
        ("alarm", FALLEN, {"persons": json.loads(FALLEN)["persons"], "last_recovered": None}),
        ("problem", health(throttled_now=None), {"reasons": []}),
        ("problem", health(throttled_now=["under_voltage"]), {"reasons": ["the power supply is too weak"]}),
        (
            "problem",
            health(throttled_now=["throttled"], camera={"stale": True}),
            {"reasons": ["the camera gives no pictures", "the processor is too hot and works slower"]},
        ),
        ("problem", health(slowed=True), {"reasons": ["the processor is too hot and works slower"]}),
        ("problem", health(spool_problem="disk full"), {"reasons": ["events would not survive a power cut"]}),
        (
            "problem",
            health(messages_dropped={"events": 2, "refused": 1}),
            {"reasons": ["events were lost", "the broker refuses messages"]},
        ),
    ],
)
def test_attributes_template(name, payload, expected):
    """Attributes are JSON objects, and name what is wrong."""
    assert json.loads(render(components()[name]["json_attributes_template"], payload)) == expected


@pytest.mark.parametrize(
    ("name", "payload", "available"),
    [
        ("last_fall", NOBODY, "offline"),
        ("last_fall", state(last_fall="2026-01-01T00:00:00.000Z"), "online"),
        ("temperature", health(temperature_c=None), "offline"),
        ("temperature", health(temperature_c=61.0), "online"),
        ("latency", health(), "offline"),
        ("latency", health(latency_ms=5.0), "online"),
        ("restarts", health(restarts=None), "offline"),
        ("restarts", health(restarts=0), "online"),
    ],
)
def test_nothing_is_unknown_for_ever(name, payload, available):
    """A value that some nodes never have makes its entity unavailable where it is missing."""
    status, known = components()[name]["availability"]
    assert status == {"topic": TOPICS.status}
    assert render(known["value_template"], payload) == available


def test_an_update_is_shown_where_the_installer_knows_of_one():
    """What runs comes from `info`, what is newest from `health`; without an installer there is no such entity."""
    update = components()["update"]
    assert (update["state_topic"], render(update["value_template"], INFO)) == (TOPICS.info, "0.1.0")
    newest = render(update["latest_version_template"], health(newest_version="0.2.0"))
    assert (update["latest_version_topic"], newest) == (TOPICS.health, "0.2.0")
    assert update["release_url"] == DEVICE.project_url
    assert "release_url" not in components(replace(DEVICE, project_url=""))["update"]
    assert "update" not in components(replace(DEVICE, knows_newest_version=False))


def test_every_event_type_has_one_entity_and_one_trigger():
    """Each event is shown by exactly one event entity, and people can choose its type as a device trigger."""
    parts = components()
    listed = [kind for part in parts.values() if part["p"] == "event" for kind in part["event_types"]]
    assert set(listed) == set(EVENT_TYPES)
    assert {part["payload"] for part in parts.values() if part["p"] == "device_automation"} == set(EVENT_TYPES)
    for kind in EVENT_TYPES:
        shown = [
            name for name, part in parts.items() if part["p"] == "event" and render(part["value_template"], event(kind))
        ]
        assert len(shown) == 1, kind


def test_what_changes_often_is_disabled():
    """Only entities that few rows in the logbook come from are enabled by themselves."""
    enabled = {name for name, part in components(ON_REQUEST).items() if part.get("enabled_by_default", True)}
    assert not {"posture", "posture_changed", "presence", "gesture", "camera", "last_fall"} & enabled
    assert {"alarm", "fall", "recovered", "nobody_seen", "occupancy", "people", "inactivity", "problem"} <= enabled


def test_what_people_see_is_unavailable_while_paused():
    """Entities of the camera follow `status` and the pause; the alarm shows "Paused"; the rest follows `status`."""
    for name in ("posture", "occupancy", "fallen", "people", "fall", "zone_bed", "picture", "view", "take_picture"):
        status, paused = components()[name]["availability"]
        assert status == {"topic": TOPICS.status}
        assert paused["topic"] == TOPICS.settings
        assert render(paused["value_template"], settings()) == "online"
        assert render(paused["value_template"], settings(paused=True)) == "offline"
        assert components()[name]["availability_mode"] == "all"
    assert all("availability" not in components()[name] for name in ("alarm", "pause", "frame_rate", "restart"))


def requests() -> list[tuple[str, str]]:
    """(topic, payload) of everything that the entities can ask for, as far as this version answers it."""
    found = []
    for part in components().values():
        topic = part.get("command_topic")
        if topic is None or topic.rpartition("/")[2] not in COMMANDS:
            continue
        payloads = [part[key] for key in ("payload_on", "payload_off", "payload_press") if key in part]
        values = [7.5] if part["p"] == "number" else part.get("options", [])
        payloads += [jinja2.Template(part["command_template"]).render(value=value) for value in values]
        found += [(topic, payload) for payload in payloads]
    return found


@pytest.mark.parametrize(("topic", "payload"), requests())
def test_controls_ask_what_the_node_understands(topic, payload):
    """Each control's message is a valid request."""
    answers = []
    commands = Commands(TOPICS, answers.append)
    commands.receive(Incoming(topic, payload.encode(), retain=False))
    request = commands.take()
    assert request, answers
    assert type(request.parameters) is COMMANDS[request.command]


@pytest.mark.parametrize("keeps", [True, False])
def test_number_is_kept_where_it_can_be(keeps):
    """A node without a place for its state would refuse to keep a setting."""
    device = replace(DEVICE, keeps_settings=keeps)
    template = components(device)["idle_frame_rate"]["command_template"]
    assert json.loads(render(template, b"3"))["persist"] is keeps


def test_sensitivity_is_set_in_the_configuration_s_words():
    """People read "High", the configuration is given "high"."""
    part = components()["sensitivity"]
    sent = [json.loads(jinja2.Template(part["command_template"]).render(value=shown)) for shown in part["options"]]
    assert tuple(one["values"]["posture.fall_sensitivity"] for one in sent) == SENSITIVITIES


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
