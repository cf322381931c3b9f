"""docs/mqtt.md, the payload structs and what a node really sends agree."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import typing
from pathlib import Path

import jsonschema
import msgspec
import pytest

from piapp.mqtt.commands import COMMANDS
from piapp.mqtt.schema import CHANNELS, payload_schema, payloads
from piapp.types import EventType
from tests.support.demo_run import run_demo_node

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "mqtt.md").read_text()
EXAMPLES = ROOT / "docs" / "examples"

JSON_TOPICS = {channel.name: channel.payload for channel in CHANNELS if channel.payload is not None}


@pytest.fixture(scope="module")
def run():
    """One run of the demo's node."""
    return run_demo_node()


def unknown_fields(value, schema, schemas, place):
    """Fields of a message that its schema does not list, at every depth."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    if isinstance(value, dict) and "properties" in schema:
        for name, each in value.items():
            if name in schema["properties"]:
                yield from unknown_fields(each, schema["properties"][name], schemas, f"{place}.{name}")
            else:
                yield f"{place}.{name}"
    for choice in schema.get("anyOf", ()):
        yield from unknown_fields(value, choice, schemas, place)
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        for each in value:
            yield from unknown_fields(each, schema["items"], schemas, f"{place}[]")


def check(name, message):
    """Hold a message to its schema: nothing missing, nothing out of range, nothing that is not listed."""
    schema = payload_schema(name)
    jsonschema.validate(message, schema)
    assert list(unknown_fields(message, schema, schema["$defs"], name)) == []


@pytest.mark.parametrize("topic", JSON_TOPICS)
def test_what_a_node_sends_follows_the_schemas(run, topic):
    """Every message of a demo run, field by field."""
    messages = run.documents(topic)
    assert messages, f"no message on {topic}"
    for message in messages:
        check(topic, message)


@pytest.mark.parametrize("topic", JSON_TOPICS)
def test_each_listed_field_is_sent(run, topic):
    """A field that no message has would be a promise that nobody keeps."""
    sent = set().union(*(message.keys() for message in run.documents(topic)))
    assert sent == {field.encode_name for field in msgspec.structs.fields(JSON_TOPICS[topic])}


def test_text_and_pictures_are_as_described(run):
    """`status`, `trigger` and `image`."""
    values = {channel.name: set(channel.values) for channel in CHANNELS}
    assert [payload.decode() for payload in run.messages["status"]] == ["online", "offline"]
    assert {payload.decode() for payload in run.messages["trigger"]} <= values["trigger"]
    assert all(payload.startswith(b"\xff\xd8") for payload in run.messages["image"])


def test_the_start_of_a_posture_stays_put(run):
    """In all states of a run with a pause in it, as the page promises of `since`."""
    known: dict[int, tuple[str, str]] = {}
    stayed = 0
    for person in (person for state in run.documents("state") for person in state["persons"]):
        posture, since = known.get(person["id"], (None, None))
        if posture == person["posture"]:
            stayed += 1
            assert person["since"] == since
        known[person["id"]] = person["posture"], person["since"]
    assert stayed, "no state came while a posture stayed"


def test_no_test_alert_reaches_trigger(run):
    """As the page promises: one text a live event that is no test."""
    real = [event["event_type"] for event in run.documents("event") if "test" not in event]
    assert sorted(payload.decode() for payload in run.messages["trigger"]) == sorted(real)


def test_requests_are_answered_as_described(run):
    """Status, form, and the transaction that comes back."""
    assert len(run.answers) > len(COMMANDS) / 2
    for command, parameters, status, answer in run.answers:
        check("response", answer)
        assert answer["status"] == status, (command, answer)
        assert answer["transaction"] == parameters.get("transaction")
        assert (answer["error"] is None) == (status == "ok")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_examples_follow_the_schemas(path):
    """The page's examples are messages of this version: a new field asks for new examples (`make docs-examples`)."""
    name = {"test-event": "event"}.get(path.stem, "response" if path.stem.startswith("response") else path.stem)
    message = json.loads(path.read_text())
    check(name, message)
    missing = {field.encode_name for field in msgspec.structs.fields(payloads()[name])} - set(message)
    assert missing <= {"test"}


def test_the_page_is_up_to_date():
    """Its tables and the AsyncAPI document are what the structs give; `make docs-tables` writes them."""
    command = [sys.executable, "docs/render.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr


def test_the_page_describes_every_struct_topic_command_and_event():
    """Both ways: what exists has its place on the page, and what the page tells of exists."""
    structs = {name for payload in payloads() for name in payload_schema(payload)["$defs"] if name.endswith("Payload")}
    for struct in structs:
        assert f"<!-- fields {struct} -->" in PAGE
    for channel in CHANNELS:
        assert f"\n## {channel.name}\n" in PAGE
    for command in COMMANDS:
        assert f"\n| `{command}` | " in PAGE.partition("| command | does |")[2], (
            f"docs/mqtt.md: what does {command} do?"
        )
    assert set(evidence_rows()) == set(typing.get_args(EventType))


def evidence_rows():
    """What the page's table says of the evidence of each type of event."""
    rows = PAGE.partition("| `event_type` | happened")[2].partition("\n\n")[0].splitlines()[2:]
    cells = [row.split("|") for row in rows]
    return {name.strip(" `"): cell[3] for cell in cells for name in cell[1].split(",")}


def test_the_page_names_what_events_carry_as_evidence(run):
    """Each number of each event of a run stands in the table, or in the row that it refers to."""
    rows = evidence_rows()
    for event in run.documents("event"):
        row = rows[event["event_type"]]
        if "test" in event or row == rows["person_entered"]:
            continue
        if alike := re.search(r"as `(\w+)`", row):
            row = rows[alike[1]]
        assert set(event["evidence"]) <= set(re.findall(r"`(\w+)`", row)), event["event_type"]
