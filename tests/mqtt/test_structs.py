"""The payload structs refuse what the contract excludes, and read what it allows."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from piapp.mqtt.structs import EventPayload, FramePayload, StatePayload

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
FORMS = {"frame": FramePayload, "state": StatePayload, "event": EventPayload}


def example(name):
    """A message that a demo run sent."""
    return json.loads((EXAMPLES / f"{name}.json").read_text())


@pytest.mark.parametrize("name", FORMS)
def test_a_message_survives_decoding_and_encoding(name):
    """Nothing is lost on the way through the struct."""
    message = example(name)
    assert json.loads(msgspec.json.encode(msgspec.convert(message, FORMS[name]))) == message


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("event", {"score": 1.5}),
        ("event", {"event_type": "jump"}),
        ("event", {"t": None}),
        ("state", {"count": -1}),
        ("state", {"posture": "flying"}),
        ("frame", {"size": [640]}),
        ("frame", {"poses": [example("frame")["poses"][0] | {"landmarks": [[0, 0, 0, 0, 0]]}]}),
    ],
)
def test_what_the_contract_excludes_is_refused(name, change):
    """Ranges, lengths and names are checked when a message is read."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(example(name) | change, FORMS[name])


def test_fields_of_a_newer_version_are_ignored():
    """A subscriber that knows fewer fields still reads the message."""
    assert msgspec.convert(example("state") | {"new": 1}, StatePayload).count == example("state")["count"]


def test_an_event_is_encoded_live_or_late():
    """Only the flag differs."""
    event = msgspec.convert(example("event"), EventPayload)
    live, late = (json.loads(event.encoded(historical=historical)) for historical in (False, True))
    assert (live["historical"], late["historical"]) == (False, True)
    assert live | {"historical": True} == late
