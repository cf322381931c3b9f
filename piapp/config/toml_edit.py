"""Changes values in the text of a TOML file and leaves the rest, comments included, as it is. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from piapp.config.toml_file import parse_toml
from piapp.errors import ConfigError


def with_strings(text: str, values: Mapping[str, str], origin: str) -> str:
    """The text with other strings for some keys.

    Args:
        text: TOML.
        values: `table.key` to its new value.
        origin: Where the text comes from, for messages.

    Raises:
        ConfigError: The text is not TOML, or writes one of the tables in a way that is not understood here.
    """
    expected = parse_toml(text, origin)
    for path, value in values.items():
        table, key = path.split(".")
        text = _with_string(text, table, key, value)
        section = expected.setdefault(table, {})
        if not isinstance(section, dict):
            raise ConfigError(f"{origin}: {table} = {section!r}: expected a table")
        section[key] = value
    if _parsed(text) != expected:
        names = ", ".join(values)
        raise ConfigError(f"{origin}: is written in a way that no program can change safely; change {names} by hand")
    return text


def _parsed(text: str) -> object:
    try:
        return parse_toml(text, "")
    except ConfigError:
        return None


def _with_string(text: str, table: str, key: str, value: str) -> str:
    line = f"{key} = {msgspec.json.encode(value).decode()}"
    lines = text.splitlines()
    head = next((at for at, each in enumerate(lines) if re.fullmatch(rf"\s*\[\s*{table}\s*\]\s*(#.*)?", each)), None)
    if head is None:
        return "\n".join([*lines, *([""] if lines else []), f"[{table}]", line, ""])
    end = next((at for at in range(head + 1, len(lines)) if lines[at].lstrip().startswith("[")), len(lines))
    found = next((at for at in range(head + 1, end) if re.match(rf"\s*{key}\s*=", lines[at])), None)
    if found is None:
        while not lines[end - 1].strip():
            end -= 1
        lines.insert(end, line)
    else:
        lines[found] = line
    return "\n".join([*lines, ""])
