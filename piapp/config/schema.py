"""Makes the JSON Schema of the configuration file."""

from __future__ import annotations

import re
import tomllib
import typing
from typing import Any

import msgspec

from piapp.config.load import defaults_text
from piapp.config.sections import Config, Section


def json_schema() -> dict[str, Any]:
    """JSON Schema of the file; descriptions and defaults are read from the shipped `piapp.toml`."""
    (schema,), definitions = msgspec.json.schema_components([Config], ref_template="#/$defs/{name}")
    definitions = dict(definitions)
    comments = _comments(defaults_text())
    values = tomllib.loads(defaults_text())

    def annotate(cls: type[Section], prefix: str, table: dict[str, Any]) -> None:
        definition = definitions[cls.__name__]
        definition.pop("required", None)  # every key has a default
        for name, hint in typing.get_type_hints(cls).items():
            key = f"{prefix}{name}"
            if isinstance(hint, type) and issubclass(hint, Section):
                annotate(hint, f"{key}.", table[name])
                continue
            definition["properties"][name] |= {"default": table[name]}
            if typing.get_origin(hint) is typing.Literal:  # in the order of the code, which means something
                definition["properties"][name]["enum"] = list(typing.get_args(hint))
            if key in comments:
                definition["properties"][name]["description"] = comments[key]

    annotate(Config, "", values)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "piapp.toml",
        **schema,
        "$defs": definitions,
    }


_KEY_LINE = re.compile(r"^([a-z0-9_]+) = ")


_TABLE_LINE = re.compile(r"^\[{1,2}([a-z0-9_.]+)\]{1,2}")


def _comments(text: str) -> dict[str, str]:
    """The comment lines right above each key and table of the shipped file, by dotted key."""
    comments: dict[str, str] = {}
    table = ""
    pending: list[str] = []
    for line in text.splitlines():
        if match := _TABLE_LINE.match(line):
            comments[match[1]] = " ".join(pending)
            table, pending = f"{match[1]}.", []
        elif line.startswith("# "):
            pending.append(line[2:])
        elif match := _KEY_LINE.match(line):
            comments[f"{table}{match[1]}"] = " ".join(pending)
            pending = []
        else:
            pending = []
    return comments
