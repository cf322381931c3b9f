"""Describes the keys of the configuration one by one, for forms: from the JSON Schema, which is made of the code.

Owns how a property of the schema becomes a description. Which keys may change when is `piapp.config.live`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from msgspec import Struct

Kind = Literal["choice", "switch", "whole number", "number", "text", "other"]

_KINDS: Mapping[str, Kind] = {"boolean": "switch", "integer": "whole number", "number": "number", "string": "text"}


class KeyDescription(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One key.

    Attributes:
        key: Dotted.
        kind: What its value is; "other" for lists and tables.
        default: The shipped value.
        description: What the shipped file says about it.
        choices: The values of a choice; for a number the words that may stand in its place.
        least: The least allowed number.
        above: The number that it must be above.
        most: The greatest allowed number.
        max_length: The most characters of a text.
    """

    key: str
    kind: Kind
    default: Any
    description: str = ""
    choices: tuple[Any, ...] = ()
    least: float | None = None
    above: float | None = None
    most: float | None = None
    max_length: int | None = None


def described_keys(schema: Mapping[str, Any]) -> Iterator[KeyDescription]:
    """Describe each key of a schema that `piapp.config.schema` made, in the order of the file."""
    definitions = schema["$defs"]

    def walk(definition: Mapping[str, Any], prefix: str) -> Iterator[KeyDescription]:
        for name, form in definition["properties"].items():
            if "$ref" in form:
                yield from walk(definitions[form["$ref"].rpartition("/")[2]], f"{prefix}{name}.")
            else:
                yield _described(f"{prefix}{name}", form)

    yield from walk(definitions[schema["$ref"].rpartition("/")[2]], "")


def _described(key: str, form: Mapping[str, Any]) -> KeyDescription:
    forms = form.get("anyOf", (form,))
    main: Mapping[str, Any] = next((one for one in forms if one.get("type") in _KINDS), form)
    choices = tuple(value for one in forms for value in one.get("enum", ()))
    return KeyDescription(
        key=key,
        kind=_KINDS.get(main.get("type", ""), "choice" if choices else "other"),
        default=form["default"],
        description=form.get("description", ""),
        choices=choices,
        least=main.get("minimum"),
        above=main.get("exclusiveMinimum"),
        most=main.get("maximum"),
        max_length=main.get("maxLength"),
    )
