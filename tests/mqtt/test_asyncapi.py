"""The AsyncAPI document."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from piapp.mqtt.asyncapi import asyncapi
from piapp.mqtt.commands import COMMANDS
from piapp.mqtt.schema import CHANNELS

# `npm install --prefix .cache/asyncapi @asyncapi/specs` brings the specification's own schema.
SPECIFICATION = Path(__file__).parents[2] / ".cache/asyncapi/node_modules/@asyncapi/specs/schemas/3.0.0.json"


def references(value):
    """All `$ref`s of a document."""
    if isinstance(value, dict):
        if isinstance(target := value.get("$ref"), str):
            yield target
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def test_each_reference_leads_somewhere():
    """Into the document itself."""
    document = asyncapi()
    targets = set(references(document))
    assert len(targets) > 2 * len(CHANNELS)
    for target in targets:
        place = document
        for step in target.removeprefix("#/").split("/"):
            assert step in place, target
            place = place[step]


def test_topics_and_requests_are_there():
    """Each topic is sent, each request received and answered."""
    operations = asyncapi()["operations"]
    assert set(operations) == {f"send_{channel.name}" for channel in CHANNELS} | {
        f"receive_request_{command}" for command in COMMANDS
    }
    assert operations["send_state"]["bindings"]["mqtt"]["retain"] is True
    assert operations["send_frame"]["bindings"]["mqtt"] == {
        "qos": 0, "retain": False, "messageExpiryInterval": 2, "bindingVersion": "0.2.0",
    }  # fmt: skip
    assert operations["receive_request_set"]["reply"]["channel"] == {"$ref": "#/channels/response_set"}


def test_it_follows_the_specification():
    """Judged by AsyncAPI's own schema, which also refuses a document that breaks it."""
    if not SPECIFICATION.exists():
        pytest.skip("NOT TESTED: AsyncAPI's own schema is not installed; see SPECIFICATION in this file")
    validator = jsonschema.Draft7Validator(json.loads(SPECIFICATION.read_text()))
    document = asyncapi()
    assert list(validator.iter_errors(document)) == []
    del document["operations"]["send_state"]["action"]
    assert list(validator.iter_errors(document))
