"""JSON Schemas of payloads."""

from __future__ import annotations

import json

import jsonschema
import pytest

from piapp.errors import UsageError
from piapp.mqtt.commands import COMMANDS
from piapp.mqtt.schema import CHANNELS, DIALECT, definitions, fields, payload_schema, payloads
from piapp.mqtt.topics import Topics
from tests.e2e.node import piapp


@pytest.mark.parametrize("name", payloads())
def test_each_payload_has_a_valid_schema(name):
    """It follows JSON Schema's own rules, and each of its references leads somewhere."""
    schema = payload_schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == DIALECT
    assert schema["$ref"].removeprefix("#/$defs/") in schema["$defs"]
    assert '"description": ""' not in json.dumps(schema)


@pytest.mark.parametrize("form", payloads().values(), ids=list(payloads()))
def test_each_field_says_what_it_means(form):
    """A field without a meaning would be an empty cell in docs/mqtt.md."""
    meanings = fields(form)
    assert all(meanings.values()), [name for name, meaning in meanings.items() if not meaning]


def test_each_topic_of_a_node_is_listed():
    """A topic that `Topics` names is a channel, and the other way round."""
    named = {name for name, value in vars(Topics).items() if isinstance(value, property)} - {"root", "requests"}
    assert named == {channel.name for channel in CHANNELS}


def test_each_request_has_a_schema():
    """Commands appear by themselves."""
    assert {f"request/{command}" for command in COMMANDS} <= set(payloads())
    assert payload_schema("request/set")["$defs"]["Set"]["required"] == ["values"]


def test_references_follow_the_template():
    """Other documents keep schemas elsewhere."""
    assert definitions("#/there/{name}")["StatePayload"]["properties"]["persons"]["items"] == {
        "$ref": "#/there/PersonPayload"
    }


def test_schemas_tell_units_and_ranges():
    """What the type alone cannot say."""
    frame = definitions("#{name}")["FramePayload"]["properties"]
    assert frame["latency_ms"]["x-unit"] == "ms"
    assert definitions("#{name}")["PosePayload"]["properties"]["score"]["maximum"] == 1
    assert definitions("#{name}")["PosePayload"]["properties"]["landmarks"]["minItems"] == 33


def test_the_command_prints_one_or_all():
    """`piapp schema`; an unknown name is a mistake in the call that names the known ones."""
    assert json.loads(piapp("schema", "event").stdout) == payload_schema("event")
    assert set(json.loads(piapp("schema").stdout)) == set(payloads())
    assert json.loads(piapp("schema", "asyncapi").stdout)["asyncapi"] == "3.0.0"
    wrong = piapp("schema", "evnt")
    assert wrong.returncode == UsageError.exit_code
    assert "'evnt' is no payload with a schema; expected one of info, frame, state" in wrong.stderr
