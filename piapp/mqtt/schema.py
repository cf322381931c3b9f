"""Every topic with its payload, and the JSON Schemas made of them. Pure.

A field that is added to a struct of `piapp.mqtt.structs`, or a request that is added to `piapp.mqtt.commands.COMMANDS`,
appears here by itself.
"""

from __future__ import annotations

import copy
import re
import typing
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Struct

from piapp.errors import UsageError
from piapp.mqtt.commands import COMMANDS
from piapp.mqtt.structs import (
    AnswerPayload,
    EventPayload,
    FramePayload,
    HealthPayload,
    InfoPayload,
    SettingsPayload,
    StatePayload,
)
from piapp.types import EventType

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_REFERENCE = "#/$defs/{name}"
_ATTRIBUTE = re.compile(r"^ {8}(\w+): (.*)$")


@dataclass(frozen=True, slots=True)
class Channel:
    """One topic of a node.

    Attributes:
        name: The topic below `<base>/<node>/`, and the schema's name.
        summary: What its messages tell.
        payload: The struct of a JSON payload; None where the payload is text or a picture.
        content_type: Of the payload.
        expiry_s: After which MQTT 5 brokers drop a message that waits; None for never.
        values: The texts that a text payload may be.
    """

    name: str
    summary: str
    payload: type[Struct] | None
    qos: int
    retained: bool
    content_type: str = "application/json"
    expiry_s: int | None = None
    values: tuple[str, ...] = ()


CHANNELS = (
    Channel(
        "status", "Whether the node is connected; `offline` is also its will.", None, qos=1, retained=True,
        content_type="text/plain", values=("online", "offline"),
    ),
    Channel("info", "What the node is.", InfoPayload, qos=1, retained=True),
    Channel("frame", "Landmarks of each processed frame.", FramePayload, qos=0, retained=False, expiry_s=2),
    Channel("state", "Who is there.", StatePayload, qos=1, retained=True),
    Channel("event", "What happened.", EventPayload, qos=1, retained=False),
    Channel(
        "trigger", "The bare type of a live event, for simple automations.", None, qos=1, retained=False,
        content_type="text/plain", values=typing.get_args(EventType),
    ),
    Channel("health", "How the node does.", HealthPayload, qos=0, retained=True),
    Channel("settings", "What requests may change, as it is now.", SettingsPayload, qos=1, retained=True),
    Channel(
        "image", "A picture, where `publish.image` allows it.", None, qos=0, retained=False, content_type="image/jpeg"
    ),
)  # fmt: skip


def payloads() -> dict[str, type[Struct]]:
    """The struct of each schema, by its name: topics with a JSON payload, `response`, and `request/<command>`."""
    topics = {channel.name: channel.payload for channel in CHANNELS if channel.payload is not None}
    return topics | {"response": AnswerPayload} | {f"request/{name}": form for name, form in COMMANDS.items()}


def payload_schema(name: str) -> dict[str, Any]:
    """JSON Schema of a payload.

    Args:
        name: One of `payloads`.

    Raises:
        UsageError: There is no such payload.
    """
    known = payloads()
    if name not in known:
        raise UsageError(f"{name!r} is no payload with a schema; expected one of {', '.join(known)}")
    title = {"$schema": DIALECT, "title": f"piapp {name}", "$ref": _REFERENCE.format(name=known[name].__name__)}
    return title | {"$defs": _described([known[name]], _REFERENCE)}


def definitions(reference: str) -> dict[str, Any]:
    """The schemas of all payload structs by the struct's name.

    Args:
        reference: Template of references between them, with `{name}`.
    """
    return _described(list(dict.fromkeys(payloads().values())), reference)


def fields(form: type[Struct]) -> dict[str, str]:
    """What each field of a struct means, by the name that messages give it.

    A field says it in its `Meta`, or its class does under "Attributes".
    """
    hints = typing.get_type_hints(form, include_extras=True)
    listed: dict[str, str] = {}
    for cls in reversed(form.__mro__):
        listed |= _attributes(cls.__doc__ or "")
    return {
        field.encode_name: _meant(hints[field.name]) or listed.get(field.name, "")
        for field in msgspec.structs.fields(form)
    }


def _described(forms: list[type[Struct]], reference: str) -> dict[str, Any]:
    """Schemas of structs and of those inside them; a description is a class's first paragraph."""
    _, found = msgspec.json.schema_components(forms, ref_template=reference)
    schemas: dict[str, Any] = copy.deepcopy(dict(found))
    meanings = {form.__name__: fields(form) for form in forms}
    for name, schema in schemas.items():
        schema["description"] = schema.get("description", "").partition("\n\n")[0]
        for field, meaning in meanings.get(name, {}).items():
            schema["properties"][field].setdefault("description", meaning)
    return schemas


def _meant(hint: Any) -> str:
    """The newest description among a type's annotations."""
    texts = [meta.description for meta in getattr(hint, "__metadata__", ()) if getattr(meta, "description", None)]
    return texts[-1] if texts else ""


def _attributes(docstring: str) -> dict[str, str]:
    """The entries under "Attributes" of a docstring, each on one line."""
    lines = docstring.partition("Attributes:\n")[2].splitlines()
    found: dict[str, str] = {}
    for line in lines:
        if match := _ATTRIBUTE.match(line):
            found[match[1]] = match[2]
        elif found and line.strip():
            last = next(reversed(found))
            found[last] += f" {line.strip()}"
    return found
