"""The blueprints: their structure, their inputs, their templates, and that they fit our entities."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from piapp.mqtt.device import Device
from piapp.mqtt.discovery import components
from piapp.mqtt.entities_node import ALARM_REQUESTS
from piapp.mqtt.entities_seen import ALARM_STATES, POSTURES
from piapp.mqtt.topics import Topics

FOLDER = Path(__file__).parents[2] / "deploy" / "homeassistant"
BLUEPRINTS = sorted(FOLDER.glob("*.yaml"))

# https://www.home-assistant.io/docs/blueprint/schema/ and /selectors/
HEAD = {"name", "description", "domain", "author", "homeassistant", "input", "source_url"}
BODY = {"blueprint", "mode", "max", "max_exceeded", "variables", "triggers", "conditions", "actions"}
INPUT = {"name", "description", "default", "selector"}
SELECTORS = {"entity", "device", "target", "number", "time", "action", "condition", "select", "text", "boolean"}
TRIGGERS = {"state", "event", "mqtt", "time", "template", "numeric_state", "device", "homeassistant"}
STEPS = {
    "variables", "action", "domain", "wait_for_trigger", "wait_template", "if", "choose", "condition", "delay", "stop",
}  # fmt: skip


# A node with one zone that sends pictures and answers what alarms need.
NODE = Device(
    Topics("piapp", "hall"), "Hall", "", "0", "",
    sends_pictures=True, picture_period_s=1.0, zones=("Bed",), requests=ALARM_REQUESTS,
)  # fmt: skip


class Input(str):
    """The name that `!input` refers to."""

    __slots__ = ()


class Loader(yaml.SafeLoader):
    """YAML as Home Assistant reads it."""


Loader.add_constructor("!input", lambda loader, node: Input(loader.construct_scalar(node)))


def load(path: Path) -> dict[str, Any]:
    """Read a blueprint."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader)


def leaves(value: Any) -> Iterator[Any]:
    """All scalars of a tree."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    if inner is None:
        yield value
    else:
        for one in inner:
            yield from leaves(one)


def mappings(value: Any) -> Iterator[dict[str, Any]]:
    """All mappings of a tree."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from mappings(inner)


def body(blueprint: dict[str, Any]) -> dict[str, Any]:
    """A blueprint without its head: the automation."""
    return {key: value for key, value in blueprint.items() if key != "blueprint"}


@pytest.fixture(params=BLUEPRINTS, ids=lambda path: path.stem)
def blueprint(request) -> dict[str, Any]:
    """Each blueprint."""
    return load(request.param)


def test_there_are_five():
    """The README lists each."""
    names = ["bed_exit", "fall_alert", "light_by_posture", "morning_inactivity", "wake_and_bed"]
    assert [path.stem for path in BLUEPRINTS] == names
    assert all(f"`{name}.yaml`" in (FOLDER / "README.md").read_text(encoding="utf-8") for name in names)


def test_structure(blueprint):
    """Known keys only, the needed ones there, and known kinds of triggers and steps."""
    head = blueprint["blueprint"]
    assert set(blueprint) <= BODY
    assert {"triggers", "actions"} <= set(blueprint)
    assert set(head) <= HEAD
    assert head["domain"] == "automation"
    assert {"name", "description", "input"} <= set(head)
    assert {trigger["trigger"] for trigger in blueprint["triggers"]} <= TRIGGERS
    assert all(len(STEPS & set(step)) == 1 for step in blueprint["actions"])


def test_inputs(blueprint):
    """Each has a name and one known selector; each is used, and none is used that is not declared."""
    declared = blueprint["blueprint"]["input"]
    for entry in declared.values():
        assert set(entry) <= INPUT
        assert entry["name"]
        (kind,) = entry["selector"]
        assert kind in SELECTORS
    assert {leaf for leaf in leaves(body(blueprint)) if isinstance(leaf, Input)} == set(declared)


def test_templates_are_legal(blueprint):
    """Every template is one that jinja can read."""
    templates = [leaf for leaf in leaves(body(blueprint)) if isinstance(leaf, str) and "{{" in leaf]
    assert templates
    for template in templates:
        jinja2.Environment(autoescape=False).parse(template)


def test_states_are_ours(blueprint):
    """What a trigger waits for is what our entities say."""
    known = {*POSTURES, *ALARM_STATES, "on", "off", "unavailable"}
    for trigger in mappings(body(blueprint)):
        if trigger.get("trigger") == "state":
            for key in ("from", "to"):
                wanted = trigger.get(key, [])
                assert {wanted} if isinstance(wanted, str) else set(wanted) <= known


def test_triggers_have_distinct_ids(blueprint):
    """What an action asks about by id is one trigger."""
    ids = [trigger["id"] for trigger in mappings(body(blueprint)) if "trigger" in trigger and "id" in trigger]
    assert len(set(ids)) == len(ids)


def test_selectors_find_our_entities(blueprint):
    """An entity of a node passes the filter of each input that asks for one from MQTT."""
    offered = [
        {"integration": "mqtt", "domain": part["platform"], "device_class": part.get("device_class")}
        for part in components(NODE).values()
    ]
    filters = [
        one
        for entry in blueprint["blueprint"]["input"].values()
        for one in (entry["selector"].get("entity") or {}).get("filter", [])
        if one.get("integration") == "mqtt"
    ]
    assert filters
    for wanted in filters:
        domains = wanted["domain"] if isinstance(wanted["domain"], list) else [wanted["domain"]]
        found = [offer for offer in offered if (wanted | {"domain": offer["domain"]}).items() <= offer.items()]
        assert {offer["domain"] for offer in found} >= set(domains), wanted


@pytest.mark.parametrize(
    ("trigger", "expected"), [("standing", "100"), ("sitting", "40"), ("lying", "0"), ("nobody", "0")]
)
def test_brightness_follows_the_posture(trigger, expected):
    """The light blueprint's one calculation."""
    actions = load(FOLDER / "light_by_posture.yaml")["actions"]
    levels = {"brightness_standing": 100, "brightness_sitting": 40, "brightness_lying": 0}
    template = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False).from_string(
        actions[0]["variables"]["brightness"]
    )
    assert template.render(**levels, trigger={"id": trigger}) == expected
